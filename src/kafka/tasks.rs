//! What the APIs of streams groups have in common: tasks, as they are written.

use std::collections::BTreeSet;

use kafka_protocol::protocol::StrBytes;

use super::group::{Endpoint, Tasks};
use super::wire::{StreamsEndpoint, StreamsTaskIds};

/// Tasks by subtopology, in order.
pub(crate) fn ids(tasks: Tasks) -> Vec<StreamsTaskIds> {
    let part = |(id, partitions): (String, BTreeSet<i32>)| StreamsTaskIds {
        subtopology_id: StrBytes::from_string(id),
        partitions: partitions.into_iter().collect(),
    };
    tasks.into_iter().map(part).collect()
}

/// Where an application's stores can be asked.
pub(crate) fn endpoint(endpoint: Endpoint) -> StreamsEndpoint {
    StreamsEndpoint { host: StrBytes::from_string(endpoint.host), port: endpoint.port }
}
