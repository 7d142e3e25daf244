//! What groups know of topics.

use uuid::Uuid;

/// A topic as it is now.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Topic {
    /// Its id: another one after it was deleted and created again.
    pub(crate) id: Uuid,
    /// Its name.
    pub(crate) name: String,
    /// How many partitions it has.
    pub(crate) partitions: i32,
}

/// The topics of the gateway.
pub(crate) trait Topics: Send + Sync {
    /// A number that changes whenever a topic comes, goes or changes: while it stays, nobody need look again.
    fn version(&self) -> u64;
    /// The topic of that name.
    fn named(&self, name: &str) -> Option<Topic>;
    /// The topic of that id.
    fn identified(&self, id: Uuid) -> Option<Topic>;
    /// The names of all topics.
    fn names(&self) -> Vec<String>;
}

/// Topics of a test.
#[cfg(test)]
#[derive(Default)]
pub(crate) struct Shelf {
    topics: parking_lot::Mutex<(u64, Vec<Topic>)>,
}

#[cfg(test)]
impl Shelf {
    /// Creates a topic; its id is made of its version.
    pub(crate) fn create(&self, name: &str, partitions: i32) -> Uuid {
        let mut topics = self.topics.lock();
        topics.0 += 1;
        let id = Uuid::from_u128(topics.0.into());
        topics.1.push(Topic { id, name: name.to_owned(), partitions });
        id
    }

    /// Deletes a topic.
    pub(crate) fn delete(&self, name: &str) {
        let mut topics = self.topics.lock();
        topics.0 += 1;
        topics.1.retain(|topic| topic.name != name);
    }

    /// Gives a topic more partitions.
    pub(crate) fn grow(&self, name: &str, partitions: i32) {
        let mut topics = self.topics.lock();
        topics.0 += 1;
        topics.1.iter_mut().filter(|topic| topic.name == name).for_each(|topic| topic.partitions += partitions);
    }
}

#[cfg(test)]
impl Topics for Shelf {
    fn version(&self) -> u64 {
        self.topics.lock().0
    }

    fn named(&self, name: &str) -> Option<Topic> {
        self.topics.lock().1.iter().find(|topic| topic.name == name).cloned()
    }

    fn identified(&self, id: Uuid) -> Option<Topic> {
        self.topics.lock().1.iter().find(|topic| topic.id == id).cloned()
    }

    fn names(&self) -> Vec<String> {
        self.topics.lock().1.iter().map(|topic| topic.name.clone()).collect()
    }
}
