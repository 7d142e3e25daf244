//! A question to the HTTP listener of a running gateway.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::config::Address;

/// For the whole conversation.
const PATIENCE: Duration = Duration::from_secs(5);
/// The longest answer that is read. Nothing that is asked here has a longer one.
const ANSWER_BYTES_MAX: u64 = 1 << 20;

/// A gateway's answer.
pub(super) struct Answer {
    /// The HTTP status.
    pub(super) status: u16,
    /// The body, which is JSON.
    pub(super) body: serde_json::Value,
}

impl Answer {
    /// What the gateway says is wrong.
    pub(super) fn error(&self) -> String {
        self.body.get("error").and_then(|error| error.as_str()).map_or_else(|| format!("status {}", self.status), str::to_owned)
    }
}

/// Asks for `path`, which is a path of ours and needs no encoding; an error says why nobody answered.
pub(super) async fn get(gateway: &Address, path: &str) -> Result<Answer, String> {
    let none = |why: &dyn std::fmt::Display| format!("no gateway answers at http://{gateway}: {why}");
    let text = match timeout(PATIENCE, exchange(gateway, path)).await {
        Ok(Ok(text)) => text,
        Ok(Err(error)) => return Err(none(&error)),
        Err(_) => return Err(none(&format!("nothing came within {} s", PATIENCE.as_secs()))),
    };
    parse(&text).ok_or_else(|| none(&"what answers is no shardgate"))
}

async fn exchange(gateway: &Address, path: &str) -> std::io::Result<String> {
    let mut stream = TcpStream::connect((gateway.host.as_str(), gateway.port)).await?;
    stream.write_all(format!("GET {path} HTTP/1.1\r\nHost: {gateway}\r\nConnection: close\r\n\r\n").as_bytes()).await?;
    let mut text = String::new();
    stream.take(ANSWER_BYTES_MAX).read_to_string(&mut text).await?;
    Ok(text)
}

fn parse(text: &str) -> Option<Answer> {
    let (head, body) = text.split_once("\r\n\r\n")?;
    let status = head.strip_prefix("HTTP/1.1 ")?.get(..3)?.parse().ok()?;
    Some(Answer { status, body: serde_json::from_str(body).ok()? })
}
