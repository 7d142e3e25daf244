//! **DeleteGroups** (42), v0 to v2: forgets groups without members, and their offsets.
//!
//! As Kafka does it; each group has its own error. The versions differ in encoding only.

use kafka_protocol::messages::delete_groups_response::DeletableGroupResult;
use kafka_protocol::messages::{ApiKey, DeleteGroupsRequest, DeleteGroupsResponse};

use super::contract::{Api, Context, Reply};
use crate::kafka::auth::{Kind, Operation};
use crate::kafka::code;

pub(crate) struct DeleteGroups;

impl Api for DeleteGroups {
    type Request = DeleteGroupsRequest;
    type Response = DeleteGroupsResponse;

    const KEY: ApiKey = ApiKey::DeleteGroups;
    const VERSIONS: std::ops::RangeInclusive<i16> = 0..=2;

    async fn handle(cx: &Context, request: DeleteGroupsRequest) -> Reply<DeleteGroupsResponse> {
        let mut results = Vec::new();
        for id in request.groups_names {
            let code = match cx.allows(Operation::Delete, Kind::Group, &id) {
                true => code::of_result(&cx.door.groups.delete(&id).await),
                false => Kind::Group.denied().code(),
            };
            results.push(DeletableGroupResult::default().with_error_code(code).with_group_id(id));
        }
        Reply::Send(DeleteGroupsResponse::default().with_results(results))
    }
}
