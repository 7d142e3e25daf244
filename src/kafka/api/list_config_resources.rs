//! **ListConfigResources** (74), v0 and v1: what has configs (KIP-1142).
//!
//! As Kafka does it: topics, and the broker for itself and for its loggers; there are no configs of groups and no subscriptions to
//! clients' metrics, which are all that v0 asks for (KIP-1000).

use std::ops::RangeInclusive;

use kafka_protocol::ResponseError;
use kafka_protocol::messages::list_config_resources_response::ConfigResource;
use kafka_protocol::messages::{ListConfigResourcesRequest, ListConfigResourcesResponse};

use super::contract::{Api, Context, Reply};
use crate::kafka::auth::{Kind, Operation};
use crate::kafka::partition;
use crate::kafka::translate::ResourceType;

pub(crate) struct ListConfigResources;

impl Api for ListConfigResources {
    type Request = ListConfigResourcesRequest;
    type Response = ListConfigResourcesResponse;

    const VERSIONS: RangeInclusive<i16> = 0..=1;
    const IS_BULKY: bool = true;

    async fn handle(cx: &Context, request: ListConfigResourcesRequest) -> Reply<ListConfigResourcesResponse> {
        let response = ListConfigResourcesResponse::default();
        if !cx.allows_cluster(Operation::DescribeConfigs) {
            return Reply::Send(response.with_error_code(Kind::Cluster.denied().code()));
        }
        if cx.version == 0 {
            return Reply::Send(response);
        }
        let asked = request.resource_types;
        if asked.iter().any(|code| ResourceType::of(*code).is_err()) {
            return Reply::Send(response.with_error_code(ResponseError::UnsupportedVersion.code()));
        }
        let is_asked = |kind: ResourceType| asked.is_empty() || asked.contains(&(kind as i8));
        let resource = |kind: ResourceType, name: String| {
            ConfigResource::default().with_resource_type(kind as i8).with_resource_name(name.into())
        };
        let mut found = Vec::new();
        if is_asked(ResourceType::Topic) {
            let name = |stream: &crate::log::Stream| stream.name().as_str().to_owned();
            found.extend(partition::topics(&cx.door.log).iter().map(|stream| resource(ResourceType::Topic, name(stream))));
        }
        for kind in [ResourceType::Broker, ResourceType::BrokerLogger] {
            if is_asked(kind) {
                found.push(resource(kind, cx.door.config.node_id.to_string()));
            }
        }
        Reply::Send(response.with_config_resources(found))
    }
}
