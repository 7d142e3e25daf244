//! ApiVersions (18), whose version 5 says whom the client takes the broker for (KIP-1242).

use kafka_protocol::messages::{ApiKey, ApiVersionsResponse};
use kafka_protocol::protocol::{Request, StrBytes};

use super::Unchanged;
use super::message::message;

message! {
    /// Asks what is served.
    struct ApiVersionsRequest versions 0 to 5, flexible from 3, header 1 {
        client_software_name: StrBytes [3..],
        client_software_version: StrBytes [3..],
        cluster_id: Option<StrBytes> [5..],
        node_id: i32 [5..] = -1,
    }
}

impl Request for ApiVersionsRequest {
    const KEY: i16 = ApiKey::ApiVersions as i16;
    type Response = Unchanged<ApiVersionsResponse, 5>;
}
