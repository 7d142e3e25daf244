//! **DeleteGroups** (42), v0 to v3: forgets groups without members, of whatever kind, and their offsets.
//!
//! As Kafka does it; each group has its own error, and is answered once. v3 brought words beside it, which Kafka has for groups of the streams protocol
//! only.

use std::collections::HashSet;

use kafka_protocol::messages::DeleteGroupsRequest;

use super::contract::{Api, Context, Reply};
use crate::kafka::auth::{Kind, Operation};
use crate::kafka::code;
use crate::kafka::wire::{DeletableGroupResult, DeleteGroupsResponse, Unchanged};

pub(crate) struct DeleteGroups;

impl Api for DeleteGroups {
    type Request = Unchanged<DeleteGroupsRequest, 3>;
    type Response = DeleteGroupsResponse;

    const VERSIONS: std::ops::RangeInclusive<i16> = 0..=3;

    async fn handle(cx: &Context, Unchanged(request): Self::Request) -> Reply<DeleteGroupsResponse> {
        let (mut results, mut answered) = (Vec::new(), HashSet::new());
        for id in request.groups_names.into_iter().filter(|id| answered.insert(id.clone())) {
            let error_code = match cx.allows(Operation::Delete, Kind::Group, &id) {
                true if cx.door.shares.exists(&id) => {
                    cx.door.shares.delete(&id).await.map_or_else(|refusal| code::of_share(refusal).code(), |()| 0)
                }
                true => code::of_result(&cx.door.groups.delete(&id).await),
                false => Kind::Group.denied().code(),
            };
            results.push(DeletableGroupResult { group_id: id, error_code, error_message: None });
        }
        Reply::Send(DeleteGroupsResponse { results, ..DeleteGroupsResponse::default() })
    }
}
