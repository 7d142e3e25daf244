//! **Front door 1: the Kafka wire protocol.** Translates words; the log decides.
//!
//! A request climbs `frame` (bytes to frames) → `connection` (order, memory, answers) → `api::contract` (decode, encode) →
//! one file of `api`. Never imports `kinesis`, `aws` or `store`.

mod answer;
mod api;
mod auth;
mod broker;
mod code;
mod connection;
mod fetched;
mod frame;
mod group;
mod group_configs;
mod listener;
mod memory;
mod partition;
mod quota;
mod share;
mod sharing;
mod started;
mod tasks;
mod transaction;
mod translate;
mod turn;
pub mod wire;

pub use api::contract::{Config, Door, Unreadable};
pub use api::{Supported, supported};
pub use auth::{ClientCertificate, Jwks, Mechanism, OauthSettings, Principal, Security, Tls, TlsFailed, TlsFiles};
pub use listener::{Listener, Shutdown, serve, serve_connection};
