//! ListTransactions (66), whose version 2 has a pattern of ids (KIP-1152). The crate has its answer.

use kafka_protocol::messages::{ApiKey, ListTransactionsResponse, ProducerId};
use kafka_protocol::protocol::{Request, StrBytes};

use super::message::message;
use super::unchanged::Unchanged;

message! {
    /// Asks which transactional ids there are.
    struct ListTransactionsRequest versions 0 to 2, flexible from 0, header 1 {
        state_filters: Vec<StrBytes>,
        producer_id_filters: Vec<ProducerId>,
        duration_filter: i64 [1..] = -1,
        transactional_id_pattern: Option<StrBytes> [2..],
    }
}

impl Request for ListTransactionsRequest {
    const KEY: i16 = ApiKey::ListTransactions as i16;
    type Response = Unchanged<ListTransactionsResponse, 2>;
}
