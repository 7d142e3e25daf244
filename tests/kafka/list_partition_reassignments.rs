//! ListPartitionReassignments (key 46).

use kafka_protocol::messages::ListPartitionReassignmentsRequest;
use kafka_protocol::messages::list_partition_reassignments_request::ListPartitionReassignmentsTopics;

use crate::support::{Gateway, name};

#[tokio::test(start_paused = true)]
async fn no_partition_is_on_its_way() {
    let gateway = Gateway::start();
    gateway.stream("orders", 2).await;
    let mut kafka = gateway.kafka();
    let named = ListPartitionReassignmentsTopics::default().with_name(name("orders")).with_partition_indexes(vec![0, 7]);
    for topics in [None, Some(vec![named])] {
        let response = kafka.call(0, ListPartitionReassignmentsRequest::default().with_topics(topics)).await;
        assert_eq!((response.error_code, response.error_message, response.topics.len()), (0, None, 0));
    }
}
