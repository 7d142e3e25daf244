//! **DeleteTopics** (20): deletes streams with all their records, for both doors, and what groups committed for them.
//!
//! How we differ from Kafka: a deleted topic is gone when the answer arrives, not some time later, so its name can be used again at
//! once. The request's timeout is ignored.
//!
//! Versions: 5 answers in words and allows 89 (THROTTLING_QUOTA_EXCEEDED, KIP-599) · 6 names topics by id too (KIP-516).
//!
//! Left out on purpose: TOPIC_DELETION_DISABLED, since deletion cannot be switched off.

use std::collections::{HashMap, HashSet};
use std::ops::RangeInclusive;
use std::sync::Arc;

use kafka_protocol::ResponseError;
use kafka_protocol::messages::delete_topics_request::DeleteTopicState;
use kafka_protocol::messages::delete_topics_response::DeletableTopicResult;
use kafka_protocol::messages::{DeleteTopicsRequest, DeleteTopicsResponse, TopicName};
use uuid::Uuid;

use super::contract::{Api, Context, Reply};
use crate::kafka::Door;
use crate::kafka::auth::{Kind, Operation};
use crate::kafka::partition;
use crate::kafka::translate::{self, Refusal};
use crate::log::Stream;

/// The first version whose clients know THROTTLING_QUOTA_EXCEEDED.
const STRICT: i16 = 5;

/// DeleteTopics.
pub(crate) struct DeleteTopics;

impl Api for DeleteTopics {
    type Request = DeleteTopicsRequest;
    type Response = DeleteTopicsResponse;

    const VERSIONS: RangeInclusive<i16> = 1..=6;

    async fn handle(cx: &Context, request: DeleteTopicsRequest) -> Reply<DeleteTopicsResponse> {
        let asked = asked(request);
        let repeated = translate::repeated(asked.iter().map(|topic| (&topic.name, topic.topic_id)));
        let twice = repeated
            .iter()
            .map(|(name, id)| refused((*name).clone(), *id, Refusal::request("the topic is named twice in the request")));
        let mut responses: Vec<DeletableTopicResult> = twice.collect();
        let both = named_both_ways(cx, &asked);
        responses.extend(both.iter().map(|(id, name)| {
            let refusal = Refusal::request("the topic is named by its name and by its id; one of them is accepted");
            refused(Some(TopicName(name.clone().into())), *id, refusal)
        }));
        let names: HashSet<&str> = both.values().map(String::as_str).collect();
        let is_refused = |topic: &DeleteTopicState| match named(topic) {
            Ok(Named::Name(name)) => names.contains(name),
            Ok(Named::Id(id)) => both.contains_key(&id),
            Err(_) => false,
        };
        let once = asked.iter().filter(|topic| !repeated.contains(&(&topic.name, topic.topic_id)));
        for topic in once.filter(|topic| !is_refused(topic)) {
            let deleted = delete(cx, topic).await;
            responses.push(deleted.unwrap_or_else(|refusal| refused(topic.name.clone(), topic.topic_id, refusal)));
        }
        Reply::Send(DeleteTopicsResponse::default().with_responses(responses))
    }
}

/// The topics of a request of any version.
fn asked(request: DeleteTopicsRequest) -> Vec<DeleteTopicState> {
    let by_name = request.topic_names.into_iter().map(|name| DeleteTopicState::default().with_name(Some(name)));
    by_name.chain(request.topics).collect()
}

/// The topics that one line names by its name and another by its id, of those that the client may know.
fn named_both_ways(cx: &Context, asked: &[DeleteTopicState]) -> HashMap<Uuid, String> {
    let (mut names, mut ids) = (HashSet::<&str>::new(), HashSet::<Uuid>::new());
    for topic in asked {
        match named(topic) {
            Ok(Named::Name(name)) => names.extend([name]),
            Ok(Named::Id(id)) => ids.extend([id]),
            Err(_) => {}
        }
    }
    let streams = ids.into_iter().filter_map(|id| partition::topic_by_id(&cx.door.log, id));
    let both = streams.filter(|stream| {
        let name = stream.name().as_str();
        names.contains(name) && cx.allows(Operation::Describe, Kind::Topic, name)
    });
    both.map(|stream| (stream.id().0, stream.name().as_str().to_owned())).collect()
}

async fn delete(cx: &Context, topic: &DeleteTopicState) -> Result<DeletableTopicResult, Refusal> {
    let (door, may) = (&cx.door, |operation, name: &str| match cx.allows(operation, Kind::Topic, name) {
        true => Ok(()),
        false => Err(Refusal::denied(Kind::Topic)),
    });
    let stream = match named(topic)? {
        Named::Name(name) => {
            may(Operation::Describe, name)?;
            translate::topic(door, name)?
        }
        Named::Id(id) => by_id(door, id)?,
    };
    if let Err(refusal) = may(Operation::Delete, stream.name().as_str()) {
        // Who may know the topic is told its name.
        let name = may(Operation::Describe, stream.name().as_str()).is_ok().then(|| name_of(&stream));
        return Ok(refused(name, topic.topic_id, refusal));
    }
    cx.mutate(stream.lanes(), cx.version >= STRICT)?;
    door.log.delete_stream(stream.id()).await?;
    door.groups.topic_deleted(stream.name().as_str()).await;
    door.shares.topics_gone(|topic| *topic == stream.id().0).await;
    Ok(DeletableTopicResult::default().with_name(Some(name_of(&stream))).with_topic_id(stream.id().0).with_error_message(None))
}

fn name_of(stream: &Stream) -> TopicName {
    TopicName(stream.name().as_str().to_owned().into())
}

/// How a request names a topic.
#[derive(PartialEq, Debug)]
enum Named<'a> {
    Name(&'a str),
    Id(Uuid),
}

fn named(topic: &DeleteTopicState) -> Result<Named<'_>, Refusal> {
    match (&topic.name, topic.topic_id) {
        (Some(name), id) if id.is_nil() => Ok(Named::Name(name.as_str())),
        (None, id) if !id.is_nil() => Ok(Named::Id(id)),
        (Some(_), _) => Err(Refusal::request("the topic has a name and an id; one of them is accepted")),
        (None, _) => Err(Refusal::request("the topic has neither a name nor an id; one of them is needed")),
    }
}

fn by_id(door: &Door, id: Uuid) -> Result<Arc<Stream>, Refusal> {
    let unknown = || Refusal::new(ResponseError::UnknownTopicId, format!("there is no topic with the id {id}"));
    partition::topic_by_id(&door.log, id).ok_or_else(unknown)
}

fn refused(name: Option<TopicName>, id: Uuid, refusal: Refusal) -> DeletableTopicResult {
    DeletableTopicResult::default()
        .with_name(name)
        .with_topic_id(id)
        .with_error_code(refusal.error.code())
        .with_error_message(Some(refusal.words.into()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::BytesMut;
    use kafka_protocol::protocol::{Decodable, Encodable, StrBytes};

    fn state(name: Option<&'static str>, id: u128) -> DeleteTopicState {
        let name = name.map(|name| TopicName(StrBytes::from(name)));
        DeleteTopicState::default().with_name(name).with_topic_id(Uuid::from_u128(id))
    }

    #[test]
    fn a_topic_is_named_by_its_name_or_its_id_and_not_by_both() {
        assert_eq!(named(&state(Some("a"), 0)), Ok(Named::Name("a")));
        assert_eq!(named(&state(None, 9)), Ok(Named::Id(Uuid::from_u128(9))));
        for wrong in [state(Some("a"), 9), state(None, 0)] {
            assert_eq!(named(&wrong).unwrap_err().error, ResponseError::InvalidRequest);
        }
    }

    #[test]
    fn old_requests_name_topics_in_a_list_of_their_own() {
        let old = DeleteTopicsRequest::default().with_topic_names(vec![TopicName("a".into())]);
        assert_eq!(asked(old), [state(Some("a"), 0)]);
        let new = DeleteTopicsRequest::default().with_topics(vec![state(None, 9)]);
        assert_eq!(asked(new), [state(None, 9)]);
    }

    #[test]
    fn every_version_of_the_answer_can_be_written() {
        let named = refused(Some(TopicName("a".into())), Uuid::nil(), Refusal::unknown_topic("a"));
        let unnamed = refused(None, Uuid::from_u128(9), Refusal::new(ResponseError::UnknownTopicId, "unknown"));
        for version in DeleteTopics::VERSIONS {
            let responses = if version >= 6 { vec![named.clone(), unnamed.clone()] } else { vec![named.clone()] };
            let mut bytes = BytesMut::new();
            DeleteTopicsResponse::default().with_responses(responses).encode(&mut bytes, version).unwrap();
            let read = DeleteTopicsResponse::decode(&mut bytes.freeze(), version).unwrap();
            assert_eq!(read.responses[0].error_code, 3);
            assert!(read.responses.get(1).is_none_or(|unnamed| unnamed.error_code == 100 && unnamed.name.is_none()));
        }
    }
}
