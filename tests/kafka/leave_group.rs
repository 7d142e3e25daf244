//! LeaveGroup (key 13).

use kafka_protocol::messages::leave_group_request::MemberIdentity;
use kafka_protocol::messages::{GroupId, LeaveGroupRequest};

use crate::support::{Gateway, Member, text};

fn request(group: &str) -> LeaveGroupRequest {
    LeaveGroupRequest::default().with_group_id(GroupId(text(group)))
}

fn leaver(member: &str, instance: Option<&str>) -> MemberIdentity {
    MemberIdentity::default().with_member_id(text(member)).with_group_instance_id(instance.map(text))
}

#[tokio::test(start_paused = true)]
async fn up_to_version_2_one_member_leaves() {
    let gateway = Gateway::start();
    for version in 0..=2 {
        let mut member = Member::alone(&gateway, "g").await;
        let request = |id: &str| request("g").with_member_id(text(id));
        assert_eq!(member.kafka.call(version, request("stranger")).await.error_code, 25);
        assert_eq!(member.kafka.call(version, request(&member.id)).await.error_code, 0, "version {version}");
        assert_eq!(member.kafka.call(version, request(&member.id)).await.error_code, 25);
        assert_eq!(member.heartbeat().await, 25);
    }
}

#[tokio::test(start_paused = true)]
async fn from_version_3_on_each_leaver_has_an_answer_of_its_own() {
    let gateway = Gateway::start();
    let mut kafka = gateway.kafka();
    for version in 3..=5 {
        let group = format!("g{version}");
        let _member = Member::fixed(&gateway, &group, "i").await;
        let reason = leaver("", Some("i")).with_reason((version >= 5).then(|| text("scaled down")));
        let leavers = vec![leaver("stranger", None), leaver("old", Some("i")), reason, leaver("", Some("i"))];
        let response = kafka.call(version, request(&group).with_members(leavers)).await;
        let answers = response.members.iter().map(|m| (m.member_id.as_str(), m.group_instance_id.as_deref(), m.error_code));
        assert_eq!(response.error_code, 0);
        assert_eq!(
            answers.collect::<Vec<_>>(),
            [("stranger", None, 25), ("old", Some("i"), 82), ("", Some("i"), 0), ("", Some("i"), 25)]
        );
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_no_group_has_no_members() {
    let gateway = Gateway::start();
    let mut kafka = gateway.kafka();
    for version in 0..=2 {
        for (group, code) in [("", 24), ("unknown", 25)] {
            assert_eq!(kafka.call(version, request(group).with_member_id(text("m"))).await.error_code, code);
        }
    }
    for version in 3..=5 {
        let response = kafka.call(version, request("unknown").with_members(vec![leaver("m", None)])).await;
        assert_eq!((response.error_code, response.members[0].error_code), (0, 25));
        let response = kafka.call(version, request("").with_members(vec![leaver("m", None)])).await;
        assert_eq!((response.error_code, response.members.len()), (24, 0));
    }
}

#[tokio::test(start_paused = true)]
async fn those_who_stay_share_anew_at_once() {
    let gateway = Gateway::start();
    let mut leader = Member::alone(&gateway, "g").await;
    let mut follower = Member::new(&gateway, "g").await;
    follower.send_join().await;
    leader.send_join().await;
    assert_eq!((leader.joined().await.generation_id, follower.joined().await.generation_id), (2, 2));
    follower.send_sync(&[]).await;
    leader.sync(&[]).await;
    assert_eq!(follower.synced().await.error_code, 0);
    assert_eq!(leader.leave().await, 0);
    assert_eq!(follower.heartbeat().await, 27);
    follower.send_join().await;
    let joined = follower.joined().await;
    assert_eq!((joined.generation_id, joined.members.len(), follower.leads), (3, 1, true));
}

#[tokio::test(start_paused = true)]
async fn an_id_that_was_given_out_can_be_given_back_before_it_joins() {
    let gateway = Gateway::start();
    let mut member = Member::new(&gateway, "g").await;
    assert_eq!(member.leave().await, 0);
    member.send_join().await;
    assert_eq!(member.joined().await.error_code, 25);
}
