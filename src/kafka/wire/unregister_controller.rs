//! UnregisterController (94), which came with Kafka 4.4; the crate does not have it.

use kafka_protocol::protocol::{Request, StrBytes};

use super::message::message;

message! {
    /// Asks for a controller to be forgotten.
    struct UnregisterControllerRequest versions 0 to 0, flexible from 0, header 1 {
        controller_id: i32,
    }

    /// The answer to [`UnregisterControllerRequest`].
    struct UnregisterControllerResponse versions 0 to 0, flexible from 0, header 0 {
        throttle_time_ms: i32,
        error_code: i16,
        error_message: Option<StrBytes>,
    }
}

impl Request for UnregisterControllerRequest {
    const KEY: i16 = 94;
    type Response = UnregisterControllerResponse;
}
