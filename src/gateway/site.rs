//! What the HTTP listener tells of a gateway: whether it is ready, its metrics, its map.

use super::Parts;
use crate::http::{Question, Refusal, Site};
use crate::metrics::{GROUP_OFFSETS_MAX, GroupOffset, GroupState, LaneState, Snapshot, StreamState, TopicState};
use crate::model::Offset;

impl Site for Parts {
    fn ready(&self) -> Result<(), String> {
        if *self.stopping.borrow() { Err("the gateway is stopping".to_owned()) } else { Ok(()) }
    }

    async fn metrics(&self) -> (String, &'static str) {
        let (topics, streams, groups) = (self.topics().await, self.streams(), self.groups().await);
        let snapshot = Snapshot { node_id: self.door.config.node_id, topics, streams, groups };
        let scraped = self.meter.scrape(&snapshot);
        (scraped.text, scraped.content_type)
    }

    async fn map(&self, question: Question) -> Result<String, Refusal> {
        let mapped = match question {
            Question::Offset { topic, partition, offset } => vec![self.of_offset(&topic, partition, Offset(offset)).await?],
            Question::Sequence(number) => self.of_sequence(&number).await?,
        };
        serde_json::to_string(&mapped).map_err(|error| Refusal::Failed(error.to_string()))
    }
}

impl Parts {
    async fn topics(&self) -> Vec<TopicState> {
        let mut topics = Vec::new();
        for stream in self.log.streams() {
            let mut lanes = Vec::new();
            for lane in 0..stream.lanes() {
                // A stream that is deleted meanwhile is left out from here on.
                let Ok(reach) = self.log.reach(stream.lane(lane)).await else { break };
                lanes.push(LaneState { horizon: reach.horizon.0, tip: reach.tip.0 });
            }
            topics.push(TopicState { name: stream.name().to_string(), lanes });
        }
        topics
    }

    fn streams(&self) -> Vec<StreamState> {
        let now = self.log.env().clock.now();
        let told = self.log.all_streams().into_iter().map(|stream| {
            let realm = stream.realm();
            let owner = (realm.region(&self.home).to_owned(), realm.account(&self.home).to_owned());
            let owner = Some(owner).filter(|_| !realm.is_home());
            StreamState { name: stream.name().to_string(), owner, minute: stream.meter().last_minute(now) }
        });
        told.collect()
    }

    async fn groups(&self) -> Vec<GroupState> {
        let coordinator = &self.door.groups;
        let mut groups = Vec::new();
        for listed in coordinator.list().await.unwrap_or_default() {
            let (name, members) = (listed.group, listed.members);
            let committed = coordinator.committed(&name).await.unwrap_or_default();
            let offsets = committed.into_iter().flat_map(|(topic, partitions)| {
                let kept = partitions.into_iter().filter_map(|(partition, committed)| Some((partition, committed?.offset)));
                kept.map(move |(partition, offset)| GroupOffset { topic: topic.clone(), partition, offset, age: None })
            });
            let offsets = offsets.collect();
            groups.push(GroupState { name, members, offsets });
        }
        self.add_ages(&mut groups).await;
        groups
    }

    /// Adds how long the oldest record that a group has not committed has been there, as far as that is shown.
    async fn add_ages(&self, groups: &mut [GroupState]) {
        let offsets = groups.iter_mut().flat_map(|group| &mut group.offsets).take(GROUP_OFFSETS_MAX);
        let (mut behind, mut places) = (Vec::new(), Vec::new());
        for offset in offsets {
            if let (Some(stream), Ok(lane)) = (self.log.stream(&offset.topic), u32::try_from(offset.partition)) {
                places.push((stream.lane(lane), Offset(offset.offset)));
                behind.push(offset);
            }
        }
        for (offset, age) in behind.into_iter().zip(self.ages.at(&self.log, &places).await) {
            offset.age = age;
        }
    }
}
