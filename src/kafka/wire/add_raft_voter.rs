//! AddRaftVoter (80), whose version 1 says when it is answered (KIP-1186). The crate has its answer.

use kafka_protocol::messages::{AddRaftVoterResponse, ApiKey};
use kafka_protocol::protocol::{Request, StrBytes};
use uuid::Uuid;

use super::message::message;
use super::unchanged::Unchanged;

message! {
    /// Asks for one more voter.
    struct AddRaftVoterRequest versions 0 to 1, flexible from 0, header 1 {
        cluster_id: Option<StrBytes> = Some(StrBytes::default()),
        timeout_ms: i32,
        voter_id: i32,
        voter_directory_id: Uuid,
        listeners: Vec<AddRaftVoterListener>,
        ack_when_committed: bool [1..] = true,
    }

    /// Where the voter of [`AddRaftVoterRequest`] listens.
    struct AddRaftVoterListener {
        name: StrBytes,
        host: StrBytes,
        port: u16,
    }
}

impl Request for AddRaftVoterRequest {
    const KEY: i16 = ApiKey::AddRaftVoter as i16;
    type Response = Unchanged<AddRaftVoterResponse, 1>;
}
