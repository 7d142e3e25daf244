//! **The AWS envelope**: HTTP, signatures, codecs, rules and refusals, as every AWS service has them.
//!
//! Knows no service: what it serves is handed in as a [`Service`]. Imports `model`, `env`, `sigv4` and `strangers`; never the log
//! or a door.

mod base64;
mod body;
pub mod codec;
mod crowd;
pub mod endpoint;
pub mod event_stream;
mod form;
mod linger;
pub mod listener;
mod memory;
pub mod operation;
mod query;
pub mod refusal;
pub mod rules;
mod signature;
mod tls;
pub mod value;
mod wire;

pub use body::AnswerBody;
pub use codec::Codec;
pub use endpoint::{Endpoint, Options};
pub use event_stream::{Events, Sink};
pub use listener::{Shutdown, serve, serve_connection};
pub use operation::{Caller, Entry, Found, Operation, Outcome, Output, Performing, Service, Subscription, entry, subscription};
pub use query::Dialect;
pub use refusal::Refusal;
pub use rules::{Pattern, Rule};
pub use tls::{Failed as TlsFailed, Tls};
pub use value::{Input, Structure, Text, Value};
