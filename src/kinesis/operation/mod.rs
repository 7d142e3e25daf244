//! **The table of contents**: one `mod` line and one table line per operation, in the order of their names.

mod create_stream;
mod describe_stream_summary;
mod get_records;
mod get_shard_iterator;
mod list_streams;
mod put_record;
mod put_records;

use crate::aws::{Entry, entry};

use super::context::Context;

/// Every operation that is served, by name.
const TABLE: &[Entry<Context>] = &[
    entry::<create_stream::CreateStream, _>(),
    entry::<describe_stream_summary::DescribeStreamSummary, _>(),
    entry::<get_records::GetRecords, _>(),
    entry::<get_shard_iterator::GetShardIterator, _>(),
    entry::<list_streams::ListStreams, _>(),
    entry::<put_record::PutRecord, _>(),
    entry::<put_records::PutRecords, _>(),
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
