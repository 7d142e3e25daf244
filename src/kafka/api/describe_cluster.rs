//! **DescribeCluster** (60): the one broker, which is also the controller (KIP-700).
//!
//! How we differ from Kafka: nothing a client can see. Without an authorizer, whoever asks for authorized operations is told all
//! of them, as Kafka does.
//!
//! Versions: 1 tells brokers from controllers (KIP-919) · 2 shows fenced brokers, of which there are none.

use std::ops::RangeInclusive;

use kafka_protocol::ResponseError;
use kafka_protocol::messages::describe_cluster_response::DescribeClusterBroker;
use kafka_protocol::messages::{BrokerId, DescribeClusterRequest, DescribeClusterResponse};

use super::contract::{Api, Context, Reply};
use crate::kafka::Config;
use crate::kafka::auth::{CLUSTER, Kind};
use crate::kafka::translate::Refusal;

/// An endpoint type of KIP-919.
const BROKERS: i8 = 1;
/// The other one.
const CONTROLLERS: i8 = 2;

/// DescribeCluster.
pub(crate) struct DescribeCluster;

impl Api for DescribeCluster {
    type Request = DescribeClusterRequest;
    type Response = DescribeClusterResponse;

    const VERSIONS: RangeInclusive<i16> = 0..=2;

    async fn handle(cx: &Context, request: DescribeClusterRequest) -> Reply<DescribeClusterResponse> {
        Reply::Send(match check(&request, cx.version) {
            Ok(()) => {
                let is_asked = request.include_cluster_authorized_operations;
                let operations = is_asked.then(|| cx.operations(Kind::Cluster, CLUSTER));
                describe(&cx.door.config, cx.endpoint(), operations)
            }
            Err(refusal) => refused(refusal),
        })
    }
}

/// Whether brokers are asked for, which are all there is at this door (Apache Kafka, `AuthHelper`, 4.4).
fn check(request: &DescribeClusterRequest, version: i16) -> Result<(), Refusal> {
    match request.endpoint_type {
        BROKERS => Ok(()),
        CONTROLLERS => Err(Refusal::new(
            ResponseError::MismatchedEndpointType,
            "the endpoint type is 2 (controllers); this is an endpoint of brokers, so 1 is accepted",
        )),
        // Version 0 has neither the field nor the error code.
        other => Err(Refusal::new(
            if version == 0 { ResponseError::InvalidRequest } else { ResponseError::UnsupportedEndpointType },
            format!("the endpoint type is {other}; 1 (brokers) is accepted"),
        )),
    }
}

fn describe(config: &Config, (host, port): (String, u16), operations: Option<i32>) -> DescribeClusterResponse {
    let broker = DescribeClusterBroker::default()
        .with_broker_id(BrokerId(config.node_id))
        .with_host(host.into())
        .with_port(i32::from(port))
        .with_rack(None);
    DescribeClusterResponse::default()
        .with_error_message(None)
        .with_endpoint_type(BROKERS)
        .with_cluster_id(config.cluster_id.clone().into())
        .with_controller_id(BrokerId(config.node_id))
        .with_brokers(vec![broker])
        .with_cluster_authorized_operations(operations.unwrap_or(i32::MIN))
}

fn refused(refusal: Refusal) -> DescribeClusterResponse {
    DescribeClusterResponse::default()
        .with_error_code(refusal.error.code())
        .with_error_message(Some(refusal.words.into()))
        .with_controller_id(BrokerId(-1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kafka::translate::tests::config;
    use bytes::BytesMut;
    use kafka_protocol::protocol::{Decodable, Encodable};

    #[test]
    fn the_cluster_is_one_broker() {
        for version in DescribeCluster::VERSIONS {
            let response = describe(&config(), ("localhost".to_owned(), 9092), Some(8096));
            let mut bytes = BytesMut::new();
            response.encode(&mut bytes, version).unwrap();
            let read = DescribeClusterResponse::decode(&mut bytes.freeze(), version).unwrap();
            assert_eq!((read.error_code, read.error_message), (0, None));
            assert_eq!(read.controller_id, BrokerId(7));
            assert_eq!(&*read.cluster_id, config().cluster_id);
            assert_eq!(read.cluster_authorized_operations, 8096);
            assert_eq!(read.brokers.len(), 1);
            assert_eq!((&*read.brokers[0].host, read.brokers[0].port), ("localhost", 9092));
            assert_eq!((read.brokers[0].broker_id, read.brokers[0].rack.clone()), (BrokerId(7), None));
        }
        let response = describe(&config(), ("localhost".to_owned(), 9092), None);
        assert_eq!(response.cluster_authorized_operations, i32::MIN);
    }

    #[test]
    fn only_brokers_can_be_asked_for() {
        for (kind, version, code) in [(1, 1, None), (2, 1, Some(114)), (3, 1, Some(115)), (0, 2, Some(115)), (3, 0, Some(42))] {
            let refusal = check(&DescribeClusterRequest::default().with_endpoint_type(kind), version).err();
            assert_eq!(refusal.as_ref().map(|refusal| refusal.error.code()), code);
            if let Some(refusal) = refusal {
                let mut bytes = BytesMut::new();
                refused(refusal).encode(&mut bytes, version).unwrap();
            }
        }
    }
}
