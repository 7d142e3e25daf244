//! **ListGroups** (16), v0 to v5: all groups, by name.
//!
//! As Kafka does it. v4 brought states and a filter by them (KIP-518), v5 types (KIP-848): `classic`, `consumer`, `streams` and `share`. Filters
//! ignore case; a name that is no state or type filters everything out.

use kafka_protocol::messages::list_groups_response::ListedGroup;
use kafka_protocol::messages::{GroupId, ListGroupsRequest, ListGroupsResponse};
use kafka_protocol::protocol::StrBytes;

use super::contract::{Api, Context, Reply};
use crate::kafka::auth::{Kind, Operation};
use crate::kafka::code;
use crate::kafka::group::Listed;

/// As Kafka writes it (`Group.GroupType.SHARE`).
const SHARE: &str = "share";

pub(crate) struct ListGroups;

impl Api for ListGroups {
    type Request = ListGroupsRequest;
    type Response = ListGroupsResponse;

    const VERSIONS: std::ops::RangeInclusive<i16> = 0..=5;
    const IS_BULKY: bool = true;

    async fn handle(cx: &Context, request: ListGroupsRequest) -> Reply<ListGroupsResponse> {
        let listed = match cx.door.groups.list().await {
            Ok(listed) => listed,
            Err(refusal) => {
                return Reply::Send(ListGroupsResponse::default().with_error_code(code::of_group(refusal).code()));
            }
        };
        let wanted = |group: &Listed| {
            passes(&request.states_filter, group.state.name()) && passes(&request.types_filter, group.kind.name())
        };
        let sees_all = cx.allows_cluster(Operation::Describe);
        let seen = |group: &Listed| sees_all || cx.allows(Operation::Describe, Kind::Group, &group.group);
        let mut groups: Vec<ListedGroup> = listed.into_iter().filter(wanted).filter(seen).map(line).collect();
        for (name, state) in cx.door.shares.list() {
            let is_wanted = passes(&request.states_filter, state) && passes(&request.types_filter, SHARE);
            if is_wanted && (sees_all || cx.allows(Operation::Describe, Kind::Group, &name)) {
                groups.push(share(&name, state));
            }
        }
        groups.sort_by(|one, other| one.group_id.cmp(&other.group_id));
        Reply::Send(ListGroupsResponse::default().with_groups(groups))
    }
}

fn passes(filter: &[StrBytes], name: &str) -> bool {
    filter.is_empty() || filter.iter().any(|wanted| wanted.eq_ignore_ascii_case(name))
}

fn line(group: Listed) -> ListedGroup {
    ListedGroup::default()
        .with_group_id(GroupId(StrBytes::from_string(group.group)))
        .with_protocol_type(StrBytes::from_string(group.protocol_type))
        .with_group_state(StrBytes::from_static_str(group.state.name()))
        .with_group_type(StrBytes::from_static_str(group.kind.name()))
}

fn share(name: &str, state: &'static str) -> ListedGroup {
    ListedGroup::default()
        .with_group_id(GroupId(StrBytes::from_string(name.to_owned())))
        .with_protocol_type(StrBytes::from_static_str(SHARE))
        .with_group_state(StrBytes::from_static_str(state))
        .with_group_type(StrBytes::from_static_str(SHARE))
}
