//! The Kafka door: one file per API key, each a script of frames; and what all requests have in common.
//!
//! The traps of the protocol (`reference/kafka.md`, section 3) and who watches them. Tests name them too: "Trap 4: …". Those in
//! `rdkafka` are run by the real client.
//!
//! | trap | is about | tests |
//! |---|---|---|
//! | 1 | ApiVersions and its header | `api_versions`: a version not served is answered in version 0; software names |
//! | 2 | Produce advertised from 0 | `api_versions`: every version names every API; `rdkafka`: every codec is used |
//! | 3 | topic ids | `delete_topics`: the id dies with the topic; `metadata`: found by id; `fetch`, `produce`: unknown id |
//! | 4 | fetch sessions, whole batches | `fetch`: only a session that goes on is unknown; an offset within a batch |
//! | 5 | old and new versions | `everything`: clients find the versions they need; every version answers |
//! | 6 | telemetry (KIP-714) | not served. `everything`: not advertised, closes the connection |
//! | 7 | new group protocol (KIP-848) | not served. `everything`: not advertised, closes the connection |
//! | 8 | transactions (KIP-890) | `end_txn`: both generations; `add_partitions_to_txn`, `txn_offset_commit`; `rdkafka::transactions` |
//! | 9 | idempotence by default | `init_producer_id`: an id of its own; `rdkafka`: a thousand records once each |
//! | 10 | producer sequences | `produce`: once and in order, wrap around, known after a restart; `rdkafka::restart` |
//! | 11 | leader epochs | `metadata`: a restart changes no epoch; `fetch`, `offset_for_leader_epoch`: 74 and 75 |
//! | 12 | one batch, checksums | `produce`: two batches or an old format, comes back as sent, stamped batch |
//! | 13 | compression | `produce`: any codec, zstd needs version 7; `rdkafka`: every codec |
//! | 14 | size limits | `produce`: too large is 10; `describe_configs`: `max.message.bytes`; `rdkafka`: refused for good |
//! | 15 | timestamps | `list_offsets`: times and special times; `rdkafka`: seeks to a time |
//! | 16 | acks=0 | `produce`: no answer, an error closes; `rdkafka`: whatever acknowledgement |
//! | 17 | topics made on demand | `metadata`: created if both agree; `produce`: producing creates none; `rdkafka` |
//! | 18 | group codes, metadata | `offset_commit`, `heartbeat`, `join_group`: 22, 25, 27, 82; `offset_fetch`: comes back as it was |
//! | 19 | compacted topics | `create_topics`: kept for a year; `describe_configs`: says so and nothing more |
//! | 20 | which node answers (KIP-1242) | `api_versions`: version 5 steps down; `describe_cluster`: the same in every answer |

mod access;
mod add_partitions_to_txn;
mod alter_client_quotas;
mod alter_configs;
mod alter_partition_reassignments;
mod alter_replica_log_dirs;
mod alter_user_scram_credentials;
mod api_versions;
mod configs;
mod consumer_group_heartbeat;
mod create_partitions;
mod create_topics;
mod delete_groups;
mod delete_records;
mod delete_topics;
mod describe_cluster;
mod describe_configs;
mod describe_groups;
mod describe_log_dirs;
mod describe_quorum;
mod describe_topic_partitions;
mod describe_transactions;
mod elect_leaders;
mod end_txn;
mod everything;
mod fetch;
mod find_coordinator;
mod heartbeat;
mod hostile;
mod incremental_alter_configs;
mod init_producer_id;
mod join_group;
mod large;
mod leave_group;
mod list_config_resources;
mod list_groups;
mod list_offsets;
mod list_partition_reassignments;
mod listener;
mod metadata;
mod metrics;
mod offset_commit;
mod offset_delete;
mod offset_fetch;
mod offset_for_leader_epoch;
mod produce;
mod retention;
mod sasl;
mod shards;
mod share_groups;
mod streams_groups;
mod sync_group;
mod throughput;
mod tls;
mod txn_offset_commit;
mod write_txn_markers;
