//! The Java client, by Apache Kafka's own tools with their defaults: `kafka-producer-perf-test` and `kafka-consumer-perf-test`. They
//! tell their rates themselves, so the start of their virtual machine is not in them; it is in the cores that were busy.

use std::path::Path;
use std::process::{Command, Stdio};

use super::support::{Outcome, Subject};

/// Installs the tools where they are not; whether they are there.
pub(crate) fn install() -> bool {
    let suite = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients/java/run.sh");
    Command::new(suite).args(["--install", "kafka-tools"]).stdin(Stdio::null()).status().is_ok_and(|status| status.success())
}

/// Records per second that a producer had acknowledged, of so many.
pub(crate) fn produce(subject: &Subject, topic: &str, bytes: usize, records: usize) -> Outcome<f64> {
    let (bytes, records) = (bytes.to_string(), records.to_string());
    let said =
        tool("ProducerPerformance", subject, topic, &["--num-records", &records, "--record-size", &bytes, "--throughput", "-1"])?;
    // The last line: "1000 records sent, 500.0 records/sec (0.49 MB/sec), 1.00 ms avg latency, ...".
    let line = said.lines().last().unwrap_or_default();
    let mut parts = line.split(", ");
    match (parts.next(), parts.next().and_then(|rate| rate.split(' ').next()?.parse().ok())) {
        (Some(sent), Some(rate)) if sent == format!("{records} records sent") => Ok(rate),
        _ => Err(format!("the producer says: {line}").into()),
    }
}

/// Records per second that a consumer had, of so many that a topic has at least, from the first fetch on.
pub(crate) fn consume(subject: &Subject, topic: &str, records: usize) -> Outcome<f64> {
    let said = tool("ConsumerPerformance", subject, topic, &["--num-records", &records.to_string(), "--hide-header"])?;
    // start.time, end.time, data.consumed.in.MB, MB.sec, data.consumed.in.nMsg, nMsg.sec, rebalance.time.ms, fetch.time.ms,
    // fetch.MB.sec, fetch.nMsg.sec
    let line = said.lines().last().unwrap_or_default();
    let fields: Vec<_> = line.split(", ").collect();
    match &*fields {
        [.., consumed, _, _, _, _, rate] if consumed.parse().is_ok_and(|consumed: usize| consumed >= records) => {
            Ok(rate.parse()?)
        }
        _ => Err(format!("the consumer says: {said}").into()),
    }
}

/// Runs a tool to its end; what it prints.
fn tool(class: &str, subject: &Subject, topic: &str, arguments: &[&str]) -> Outcome<String> {
    let libraries = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/clients/java/kafka-tools/lib/*");
    let mut command = Command::new("java");
    // What Kafka's own scripts give to its tools.
    command.args(["-Xmx512M", "-server", "-XX:+UseG1GC", "-cp"]).arg(libraries).arg(format!("org.apache.kafka.tools.{class}"));
    command.args(["--bootstrap-server", &subject.address, "--topic", topic]).args(arguments);
    let output = command.stdin(Stdio::null()).output()?;
    if output.status.success() {
        return Ok(String::from_utf8(output.stdout)?);
    }
    Err(format!("{class}: {}", String::from_utf8_lossy(&output.stderr).trim()).into())
}
