//! A server that does nothing: to each operation it has one answer, made beforehand. With it the load generator is alone, so its
//! figure is the most that any server could have here.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;

use serde_json::{Value, json};

use super::load::{BATCH, PAGE, data};
use super::support::Outcome;

const BUFFER_BYTES: usize = 1 << 20;

/// Operations and their answers, heads and bodies.
type Answers = Vec<(&'static str, Vec<u8>)>;

/// Serves from threads of this process until it ends; `host:port`.
pub(crate) fn start() -> Outcome<String> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?.to_string();
    let answers = Arc::new(answers());
    std::thread::spawn(move || {
        for socket in listener.incoming().flatten() {
            let answers = answers.clone();
            // A connection that fails has its client fail.
            std::thread::spawn(move || serve(&socket, &answers));
        }
    });
    Ok(address)
}

fn answers() -> Answers {
    let sequence = "49671246667565003178546543205283125034503548235043045378";
    let put: Vec<_> = (0..BATCH).map(|_| json!({"SequenceNumber": sequence, "ShardId": "shardId-000000000000"})).collect();
    let record = |at| json!({"Data": data(at), "PartitionKey": "key-0-0", "SequenceNumber": sequence, "ApproximateArrivalTimestamp": 1.764e9});
    let page =
        json!({"MillisBehindLatest": 0, "NextShardIterator": "next", "Records": (0..PAGE).map(record).collect::<Vec<_>>()});
    let answers: [(&str, Value); 6] = [
        ("CreateStream", json!({})),
        ("DeleteStream", json!({})),
        ("DescribeStreamSummary", json!({"StreamDescriptionSummary": {"StreamStatus": "ACTIVE"}})),
        ("GetShardIterator", json!({"ShardIterator": "first"})),
        ("PutRecords", json!({"FailedRecordCount": 0, "Records": put})),
        ("GetRecords", page),
    ];
    answers.into_iter().map(|(operation, body)| (operation, answer(&body.to_string()))).collect()
}

fn answer(body: &str) -> Vec<u8> {
    format!("HTTP/1.1 200 OK\r\nContent-Type: application/x-amz-json-1.1\r\nContent-Length: {}\r\n\r\n{body}", body.len())
        .into_bytes()
}

/// Reads requests as far as it must and answers them.
fn serve(mut socket: &TcpStream, answers: &Answers) -> Outcome<()> {
    socket.set_nodelay(true)?;
    let mut requests = BufReader::with_capacity(BUFFER_BYTES, socket);
    let mut body = Vec::new();
    loop {
        let (mut length, mut reply) = (0, None);
        let mut line = String::new();
        while requests.read_line(&mut line)? > 0 && line != "\r\n" {
            if let Some(bytes) = line.strip_prefix("Content-Length: ") {
                length = bytes.trim_end().parse()?;
            } else if let Some(target) = line.strip_prefix("X-Amz-Target: Kinesis_20131202.") {
                reply = answers.iter().find(|(operation, _)| *operation == target.trim_end());
            }
            line.clear();
        }
        // At the end of the connection there is no request.
        let Some((_, reply)) = reply else { return Ok(()) };
        body.resize(length, 0);
        requests.read_exact(&mut body)?;
        socket.write_all(reply)?;
    }
}
