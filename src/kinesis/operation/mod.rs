//! **The table of contents**: one `mod` line and one table line per operation, in the order of their names.

mod add_tags_to_stream;
mod create_stream;
mod decrease_stream_retention_period;
mod delete_resource_policy;
mod delete_stream;
mod deregister_stream_consumer;
mod describe_account_settings;
mod describe_limits;
mod describe_stream;
mod describe_stream_consumer;
mod describe_stream_summary;
mod disable_enhanced_monitoring;
mod enable_enhanced_monitoring;
mod get_records;
mod get_resource_policy;
mod get_shard_iterator;
mod increase_stream_retention_period;
mod list_shards;
mod list_stream_consumers;
mod list_streams;
mod list_tags_for_resource;
mod list_tags_for_stream;
mod merge_shards;
mod put_record;
mod put_records;
mod put_resource_policy;
mod register_stream_consumer;
mod remove_tags_from_stream;
mod split_shard;
mod start_stream_encryption;
mod stop_stream_encryption;
mod subscribe_to_shard;
mod tag_resource;
mod untag_resource;
mod update_account_settings;
mod update_max_record_size;
mod update_shard_count;
mod update_stream_mode;
mod update_stream_record_distribution_strategy;
mod update_stream_warm_throughput;

use crate::aws::{Entry, entry, subscription};

use super::context::Context;

/// Every operation that is served, by name.
const TABLE: &[Entry<Context>] = &[
    entry::<add_tags_to_stream::AddTagsToStream, _>(),
    entry::<create_stream::CreateStream, _>(),
    entry::<decrease_stream_retention_period::DecreaseStreamRetentionPeriod, _>(),
    entry::<delete_resource_policy::DeleteResourcePolicy, _>(),
    entry::<delete_stream::DeleteStream, _>(),
    entry::<deregister_stream_consumer::DeregisterStreamConsumer, _>(),
    entry::<describe_account_settings::DescribeAccountSettings, _>(),
    entry::<describe_limits::DescribeLimits, _>(),
    entry::<describe_stream::DescribeStream, _>(),
    entry::<describe_stream_consumer::DescribeStreamConsumer, _>(),
    entry::<describe_stream_summary::DescribeStreamSummary, _>(),
    entry::<disable_enhanced_monitoring::DisableEnhancedMonitoring, _>(),
    entry::<enable_enhanced_monitoring::EnableEnhancedMonitoring, _>(),
    entry::<get_records::GetRecords, _>(),
    entry::<get_resource_policy::GetResourcePolicy, _>(),
    entry::<get_shard_iterator::GetShardIterator, _>(),
    entry::<increase_stream_retention_period::IncreaseStreamRetentionPeriod, _>(),
    entry::<list_shards::ListShards, _>(),
    entry::<list_stream_consumers::ListStreamConsumers, _>(),
    entry::<list_streams::ListStreams, _>(),
    entry::<list_tags_for_resource::ListTagsForResource, _>(),
    entry::<list_tags_for_stream::ListTagsForStream, _>(),
    entry::<merge_shards::MergeShards, _>(),
    entry::<put_record::PutRecord, _>(),
    entry::<put_records::PutRecords, _>(),
    entry::<put_resource_policy::PutResourcePolicy, _>(),
    entry::<register_stream_consumer::RegisterStreamConsumer, _>(),
    entry::<remove_tags_from_stream::RemoveTagsFromStream, _>(),
    entry::<split_shard::SplitShard, _>(),
    entry::<start_stream_encryption::StartStreamEncryption, _>(),
    entry::<stop_stream_encryption::StopStreamEncryption, _>(),
    subscription::<subscribe_to_shard::SubscribeToShard, _>(),
    entry::<tag_resource::TagResource, _>(),
    entry::<untag_resource::UntagResource, _>(),
    entry::<update_account_settings::UpdateAccountSettings, _>(),
    entry::<update_max_record_size::UpdateMaxRecordSize, _>(),
    entry::<update_shard_count::UpdateShardCount, _>(),
    entry::<update_stream_mode::UpdateStreamMode, _>(),
    entry::<update_stream_record_distribution_strategy::UpdateStreamRecordDistributionStrategy, _>(),
    entry::<update_stream_warm_throughput::UpdateStreamWarmThroughput, _>(),
];

/// The line of the operation of that name.
pub(super) fn find(name: &str) -> Option<&'static Entry<Context>> {
    TABLE.binary_search_by_key(&name, |entry| entry.name).ok().and_then(|at| TABLE.get(at))
}

/// The names of all operations of the Kinesis door, in order.
pub fn operations() -> impl Iterator<Item = &'static str> {
    TABLE.iter().map(|entry| entry.name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_in_the_order_of_names_without_repeats() {
        assert!(TABLE.is_sorted_by(|a, b| a.name < b.name));
        assert!(operations().all(|name| find(name).is_some_and(|entry| entry.name == name)));
        assert!(find("").is_none() && find("Listen").is_none());
    }
}
