//! **shardgate**: a Kafka-protocol gateway over a Kinesis-model log.
//!
//! There is one log, shaped like Amazon Kinesis; Kafka is a door to it. A door translates words and nothing else, the log
//! decides, the store rests. Everything that makes tests unrepeatable (time, chance, sockets, disks) is handed in at the top.
//!
//! What the log does to those who write and read, rule by rule and with the test that proves each, is on the page [`rules`].
//!
//! # Embedding
//!
//! ```no_run
//! # async fn example() -> Result<(), shardgate::StartError> {
//! let gateway = shardgate::Gateway::builder().topic("orders", 3).start().await?;
//! println!("bootstrap.servers = {}", gateway.bootstrap_servers());
//! # Ok(())
//! # }
//! ```
//!
//! # The map of the house
//!
//! ```text
//!            main → cli → gateway (config)        assemble, start, stop
//!                            │
//!      kafka      kinesis      cloudwatch   http   doors: never see each other
//!         └──────────┴─ log ───────┘              the Kinesis-model log: rules and verbs
//!                        │
//!  aws (envelope)   │   metrics   notebook   sigv4   strangers   tools without opinions
//!                             │
//!         env (clock, chance)     store           what a test replaces
//!                        │
//!                  model    batch                 words, numbers, the batch format
//! ```
//!
//! Arrows only point down; `tests/tidy.rs` keeps it so. Each folder's `mod.rs` says what lives there.
//!
//! | floor | what it is |
//! |---|---|
//! | [`model`] | names, times, offsets, shards, sequence numbers, every published limit |
//! | [`batch`] | Kafka's record batch, the unit in which the log keeps records |
//! | [`env`](mod@env) | time and chance, handed in |
//! | [`store`] | two contracts, journal and ledger, and their engines |
//! | [`notebook`] | a room's own durable scraps |
//! | [`sigv4`] | AWS's signatures, which both doors verify |
//! | [`strangers`] | connections that have not shown yet who they are |
//! | [`metrics`] | what is counted, under the names that dashboards know |
//! | [`log`] | what is true of streams, whoever asks |
//! | [`kafka`] | the Kafka wire protocol, one file per API |
//! | [`aws`] | what every AWS service has around it: HTTP, signatures, codecs, rules, refusals |
//! | [`kinesis`] | the Kinesis API, one file per operation |
//! | [`cloudwatch`] | what AWS clients ask of CloudWatch |
//! | `http` | health, metrics and the map |
//! | [`config`] | everything that can be set, in one table |
//! | `gateway` | the only place where the parts meet |
//! | `cli` | the program, one file per command |
//!
//! Where building showed a better way than the plan: an HTTP floor of its own beside the doors, since health and metrics are
//! no protocol's; and a gateway that is owned by a supervisor task, so that the last handle's drop ends it wherever that happens.

pub mod aws;
pub mod batch;
#[doc(hidden)]
pub mod cli;
pub mod cloudwatch;
pub mod config;
pub mod env;
mod gateway;
mod http;
pub mod kafka;
pub mod kinesis;
pub mod log;
pub mod metrics;
pub mod model;
pub mod notebook;
pub mod rules;
pub mod sigv4;
pub mod store;
pub mod strangers;

pub use gateway::{Builder, Gateway, StartError};
pub use model::{Limits, Throughput};
