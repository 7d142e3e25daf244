//! The Kinesis door: who attacks it, and the clients that are to be served all the same.

use std::collections::{BTreeMap, VecDeque};
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde_json::{Value, json};

use crate::hostile::{Attack, AwsAttacker, AwsTargets, Dice, Then, request};
use crate::{PAUSE, SERVED_WITHIN, Score};

/// The longest time without an event: five seconds, and what a busy machine takes.
pub(crate) const SILENCE_MAX: Duration = Duration::from_secs(10);
/// Silent connections that each attacker keeps.
const STALLED_MAX: usize = 60;
/// Connections that say nothing and are kept, together more than there may be.
const CROWD: usize = 2_500;
/// Streams that no attacker names: the honest client's, and one with large answers.
const HONEST: &str = "honest-aws";
const BIG: &str = "big";
/// Records of 200 KB in the large stream: as many as its shards take at once, and some more.
const BIG_RECORDS: u8 = 30;

/// How a TLS client begins.
pub(crate) fn hello() -> Bytes {
    let mut hello = Vec::new();
    trusting().write_tls(&mut hello).unwrap();
    hello.into()
}

/// A TLS client that accepts any certificate.
pub(crate) fn trusting() -> rustls::ClientConnection {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider.clone()).with_safe_default_protocol_versions().unwrap();
    let config = config.dangerous().with_custom_certificate_verifier(Arc::new(Anyone(provider))).with_no_client_auth();
    rustls::ClientConnection::new(Arc::new(config), "localhost".try_into().unwrap()).unwrap()
}

/// Trusts everybody.
#[derive(Debug)]
struct Anyone(Arc<rustls::crypto::CryptoProvider>);

impl rustls::client::danger::ServerCertVerifier for Anyone {
    fn verify_server_cert(
        &self,
        _: &rustls::pki_types::CertificateDer<'_>,
        _: &[rustls::pki_types::CertificateDer<'_>],
        _: &rustls::pki_types::ServerName<'_>,
        _: &[u8],
        _: rustls::pki_types::UnixTime,
    ) -> Result<rustls::client::danger::ServerCertVerified, rustls::Error> {
        Ok(rustls::client::danger::ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &rustls::pki_types::CertificateDer<'_>,
        _: &rustls::DigitallySignedStruct,
    ) -> Result<rustls::client::danger::HandshakeSignatureValid, rustls::Error> {
        Ok(rustls::client::danger::HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &rustls::pki_types::CertificateDer<'_>,
        _: &rustls::DigitallySignedStruct,
    ) -> Result<rustls::client::danger::HandshakeSignatureValid, rustls::Error> {
        Ok(rustls::client::danger::HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<rustls::SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

/// A connection, in TLS or not.
pub(crate) enum Line {
    Plain(TcpStream),
    Secret(Box<rustls::StreamOwned<rustls::ClientConnection, TcpStream>>),
}

impl Line {
    pub(crate) fn connect(address: SocketAddr, is_secret: bool) -> io::Result<Self> {
        let socket = TcpStream::connect(address)?;
        socket.set_nodelay(true)?;
        socket.set_write_timeout(Some(Duration::from_millis(500)))?;
        socket.set_read_timeout(Some(Duration::from_millis(500)))?;
        Ok(if is_secret { Self::Secret(Box::new(rustls::StreamOwned::new(trusting(), socket))) } else { Self::Plain(socket) })
    }

    pub(crate) fn socket(&self) -> &TcpStream {
        match self {
            Self::Plain(socket) => socket,
            Self::Secret(secret) => &secret.sock,
        }
    }

    pub(crate) fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        match self {
            Self::Plain(socket) => socket.write_all(bytes),
            Self::Secret(secret) => secret.write_all(bytes).and_then(|()| secret.flush()),
        }
    }

    pub(crate) fn receive(&mut self, room: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(socket) => socket.read(room),
            Self::Secret(secret) => secret.read(room),
        }
    }
}

/// One attacking connection after the other.
pub(crate) fn attack(mut attacker: AwsAttacker, number: u64, address: SocketAddr, score: &Score) {
    let mut dice = Dice::new(number);
    let mut stalled = VecDeque::new();
    while !score.is_over() {
        let Ok(mut line) = Line::connect(address, dice.one_in(20)) else { continue };
        while !score.is_over() {
            let attack = attacker.next();
            *score.sent.lock().unwrap().entry(attack.kind).or_default() += 1;
            score.bytes.fetch_add(attack.bytes.len() as u64, Ordering::Relaxed);
            match carry_out(&mut line, &attack, &mut dice, score) {
                Ok(true) => {}
                Ok(false) => {
                    stalled.push_back((line, attack.then == Then::Sip));
                    if stalled.len() > STALLED_MAX {
                        stalled.pop_front();
                    }
                    break;
                }
                Err(_) => break,
            }
        }
        for (line, _) in stalled.iter_mut().filter(|(_, sips)| *sips) {
            let _ = line.socket().set_nonblocking(true);
            let _ = line.receive(&mut [0; 100]);
        }
    }
}

/// Whether to go on with this connection; `false` leaves it open.
fn carry_out(line: &mut Line, attack: &Attack, dice: &mut Dice, score: &Score) -> io::Result<bool> {
    match attack.then {
        Then::Drip => {
            let mut rest = &attack.bytes[..];
            for _ in 0..20 {
                let (piece, later) = rest.split_at(rest.len().div_ceil(2));
                line.send(piece)?;
                rest = later;
                thread::sleep(Duration::from_millis(dice.below(20) as u64));
            }
        }
        _ => line.send(&attack.bytes)?,
    }
    match attack.then {
        Then::Leave => return Err(io::ErrorKind::ConnectionAborted.into()),
        Then::Stall | Then::Sip => return Ok(false),
        Then::Drip | Then::Listen => {}
    }
    let patience = Duration::from_millis(20 + 200 * u64::from(dice.one_in(10)));
    line.socket().set_read_timeout(Some(patience))?;
    let (mut room, mut taken) = (vec![0; 64 << 10], 0);
    let begun = Instant::now();
    // Whatever comes, until nothing does: some answers are large, and subscriptions have no end.
    while begun.elapsed() < 10 * patience {
        match line.receive(&mut room) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(bytes) => {
                if taken == 0 {
                    score.answered.fetch_add(1, Ordering::Relaxed);
                }
                taken += bytes;
                if room[..bytes].windows(12).any(|window| window == b"HTTP/1.1 500") {
                    let shown = |bytes: &[u8]| String::from_utf8_lossy(&bytes[..bytes.len().min(1_000)]).into_owned();
                    println!("a fault: {} is answered with {}", shown(&attack.bytes), shown(&room[..bytes]));
                    score.faults.fetch_add(1, Ordering::Relaxed);
                }
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                return if taken == 0 && dice.one_in(2) { Err(error) } else { Ok(true) };
            }
            Err(error) => return Err(error),
        }
    }
    Err(io::ErrorKind::TimedOut.into())
}

/// Keeps more connections than there may be that say nothing, and opens others that are closed at once.
pub(crate) fn crowd(address: SocketAddr, score: &Score) {
    let mut silent = VecDeque::new();
    while !score.is_over() {
        for _ in 0..50 {
            drop(TcpStream::connect(address));
            let Ok(mut socket) = TcpStream::connect(address) else { continue };
            // Some have been served before they fall silent.
            if silent.len() % 3 == 0 {
                let _ = socket.write_all(&request("ListStreams", &json!({})));
            }
            silent.push_back(socket);
            if silent.len() > CROWD {
                silent.pop_front();
            }
        }
        *score.sent.lock().unwrap().entry("aws connections").or_default() += 100;
        thread::sleep(Duration::from_millis(50));
    }
}

/// What the gateway has acknowledged: data by sequence number.
pub(crate) type Told = BTreeMap<String, Vec<u8>>;

/// Puts records and reads them back for as long as the attack lasts: what was acknowledged, and whether everything was.
pub(crate) fn work(mut client: Client, iterators: &Mutex<Vec<String>>, span: Duration, score: &Score) -> (Told, bool) {
    let (begun, mut told) = (Instant::now(), Told::new());
    let (mut dice, mut renewed) = (Dice::new(7), Instant::now());
    while begun.elapsed() < span {
        let round = told.len();
        let size = if round % 10 == 9 { 200_000 } else { 100 };
        let data: Vec<u8> = (0..size).map(|_| dice.next() as u8).collect();
        let step = Instant::now();
        let outcome = (|| {
            if round % 50 == 49 {
                client = Client::connect(client.address)?;
            }
            if renewed.elapsed() > Duration::from_secs(60) {
                *iterators.lock().unwrap() = client.iterators()?;
                renewed = Instant::now();
            }
            let number = client.put(HONEST, &data)?;
            let position = json!({"ShardIteratorType": "AT_SEQUENCE_NUMBER", "StartingSequenceNumber": number});
            let iterator = client.iterator(HONEST, 0, position)?;
            let answer = client.call("GetRecords", &json!({"ShardIterator": iterator, "Limit": 1}))?;
            let record = &answer["Records"][0];
            if record["SequenceNumber"] != number.as_str() || record["Data"] != STANDARD.encode(&data) {
                return Err(io::Error::other(format!("record {number} reads back as something else")));
            }
            Ok(number)
        })();
        score.aws_worst_millis.fetch_max(step.elapsed().as_millis() as u64, Ordering::Relaxed);
        score.aws_honest.fetch_add(3, Ordering::Relaxed);
        match outcome {
            Ok(number) => told.insert(number, data),
            Err(error) => {
                println!("the honest AWS client after {:?}, {:?} of them waiting: {error}", begun.elapsed(), step.elapsed());
                return (told, false);
            }
        };
        if step.elapsed() > SERVED_WITHIN / 5 {
            println!("  slow at AWS: {size} bytes took {:?}, after {:?}", step.elapsed(), begun.elapsed());
        }
        thread::sleep(PAUSE);
    }
    (told, true)
}

/// Subscribes again and again, and notes the longest silence.
pub(crate) fn subscribe(address: SocketAddr, consumer: &str, score: &Score) {
    let start = json!({"Type": "LATEST"});
    let input = json!({"ConsumerARN": consumer, "ShardId": "shardId-000000000000", "StartingPosition": start});
    let mut heard = Instant::now();
    while !score.is_over() {
        let Ok(mut client) = Client::connect(address) else { continue };
        let _ = client.socket.set_read_timeout(Some(Duration::from_millis(200)));
        if client.socket.write_all(&request("SubscribeToShard", &input)).is_err() {
            continue;
        }
        let mut room = vec![0; 64 << 10];
        while !score.is_over() {
            match client.socket.read(&mut room) {
                Ok(0) => break,
                Ok(bytes) => {
                    // Refused, because the last one began less than five seconds ago: that is no event, and none will follow.
                    if room[..bytes].starts_with(b"HTTP/1.1 400") {
                        break;
                    }
                    heard = Instant::now();
                    // It ends after five minutes, and the connection stays open.
                    if room[..bytes].ends_with(b"0\r\n\r\n") {
                        break;
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(_) => break,
            }
            score.silence_millis.fetch_max(heard.elapsed().as_millis() as u64, Ordering::Relaxed);
        }
        thread::sleep(Duration::from_millis(100));
    }
}

/// A client over HTTP/1.1 that waits for each answer, and asks again on a new connection where an idle one was closed, as SDKs do.
pub(crate) struct Client {
    address: SocketAddr,
    socket: TcpStream,
}

impl Client {
    pub(crate) fn connect(address: SocketAddr) -> io::Result<Self> {
        let socket = TcpStream::connect(address)?;
        socket.set_nodelay(true)?;
        socket.set_read_timeout(Some(3 * SERVED_WITHIN))?;
        socket.set_write_timeout(Some(3 * SERVED_WITHIN))?;
        Ok(Self { address, socket })
    }

    /// Makes the streams, and says what attackers may know.
    pub(crate) fn prepare(address: SocketAddr) -> io::Result<(Self, AwsTargets)> {
        let mut client = Self::connect(address)?;
        client.call("CreateStream", &json!({"StreamName": HONEST, "ShardCount": 1}))?;
        client.call("CreateStream", &json!({"StreamName": BIG, "ShardCount": 4}))?;
        let start = ["0", "85070591730234615865843651857942052864", "170141183460469231731687303715884105728"];
        for round in 0..BIG_RECORDS {
            let data = STANDARD.encode(vec![round; 200_000]);
            let place = start[usize::from(round % 10) % 3];
            let input = json!({"StreamName": BIG, "PartitionKey": "k", "ExplicitHashKey": place, "Data": data});
            // As fast as a shard takes it.
            while client.call("PutRecord", &input).is_err() {
                thread::sleep(Duration::from_millis(100));
            }
        }
        let mut consumers = Vec::new();
        for number in 0..4 {
            consumers.push(client.consumer(BIG, &format!("reader-{number}"))?);
        }
        let iterators = Arc::new(Mutex::new(client.iterators()?));
        let streams = vec!["open".to_owned(), "keyed".to_owned(), "flood-1".to_owned()];
        Ok((client, AwsTargets { streams, consumers, iterators }))
    }

    /// The ARN of the honest consumer.
    pub(crate) fn register(&self) -> io::Result<String> {
        Self::connect(self.address)?.consumer(HONEST, "reader")
    }

    fn consumer(&mut self, stream: &str, name: &str) -> io::Result<String> {
        let arn = format!("arn:aws:kinesis:us-east-1:000000000000:stream/{stream}");
        let answer = self.call("RegisterStreamConsumer", &json!({"StreamARN": arn, "ConsumerName": name}))?;
        Ok(answer["Consumer"]["ConsumerARN"].as_str().unwrap_or_default().to_owned())
    }

    /// From the beginning of each shard of the large stream.
    fn iterators(&mut self) -> io::Result<Vec<String>> {
        (0..4).map(|shard| self.iterator(BIG, shard, json!({"ShardIteratorType": "TRIM_HORIZON"}))).collect()
    }

    fn iterator(&mut self, stream: &str, shard: u32, mut input: Value) -> io::Result<String> {
        input["StreamName"] = stream.into();
        input["ShardId"] = format!("shardId-{shard:012}").into();
        let answer = self.call("GetShardIterator", &input)?;
        Ok(answer["ShardIterator"].as_str().unwrap_or_default().to_owned())
    }

    /// Creates a stream.
    pub(crate) fn create(&mut self, stream: &str, shards: i32) -> io::Result<()> {
        self.call("CreateStream", &json!({"StreamName": stream, "ShardCount": shards})).map(|_| ())
    }

    /// Where a megabyte is read from.
    pub(crate) fn large_iterator(&mut self) -> io::Result<String> {
        self.iterator(BIG, 0, json!({"ShardIteratorType": "TRIM_HORIZON"}))
    }

    /// Puts a record into the honest client's stream.
    pub(crate) fn put_honest(&mut self, data: &[u8]) -> io::Result<String> {
        self.put(HONEST, data)
    }

    fn put(&mut self, stream: &str, data: &[u8]) -> io::Result<String> {
        let input = json!({"StreamName": stream, "PartitionKey": "honest", "Data": STANDARD.encode(data)});
        let answer = self.call("PutRecord", &input)?;
        Ok(answer["SequenceNumber"].as_str().unwrap_or_default().to_owned())
    }

    pub(crate) fn all_honest_records(&mut self) -> io::Result<Told> {
        let mut all = Told::new();
        let mut iterator = self.iterator(HONEST, 0, json!({"ShardIteratorType": "TRIM_HORIZON"}))?;
        loop {
            let answer = self.call("GetRecords", &json!({"ShardIterator": iterator}))?;
            for record in answer["Records"].as_array().into_iter().flatten() {
                let (number, data) = (record["SequenceNumber"].as_str(), record["Data"].as_str());
                let data = STANDARD.decode(data.unwrap_or_default()).map_err(io::Error::other)?;
                all.insert(number.unwrap_or_default().to_owned(), data);
            }
            if answer["MillisBehindLatest"] == 0 {
                return Ok(all);
            }
            iterator = answer["NextShardIterator"].as_str().unwrap_or_default().to_owned();
        }
    }

    fn call(&mut self, operation: &str, input: &Value) -> io::Result<Value> {
        let first = self.ask(operation, input);
        let (status, body) = match first {
            Err(error) if !matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => {
                self.socket = Self::connect(self.address)?.socket;
                self.ask(operation, input)?
            }
            other => other?,
        };
        let text = String::from_utf8_lossy(&body);
        if status != 200 {
            return Err(io::Error::other(format!("{operation} is answered with {status} {text}")));
        }
        Ok(if body.is_empty() { Value::Null } else { serde_json::from_str(&text)? })
    }

    fn ask(&mut self, operation: &str, input: &Value) -> io::Result<(u16, Vec<u8>)> {
        self.exchange(&request(operation, input))
    }

    /// The status and the body of the answer to a request.
    pub(crate) fn exchange(&mut self, request: &[u8]) -> io::Result<(u16, Vec<u8>)> {
        self.socket.write_all(request)?;
        let (mut bytes, mut room) = (Vec::new(), vec![0; 64 << 10]);
        loop {
            if let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
                let head = String::from_utf8_lossy(&bytes[..end]).to_ascii_lowercase();
                let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
                let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok()).unwrap_or(0);
                let mut body = bytes.split_off(end + 4);
                let have = body.len();
                body.resize(length, 0);
                self.socket.read_exact(&mut body[have..])?;
                return Ok((status, body));
            }
            match self.socket.read(&mut room)? {
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                read => bytes.extend_from_slice(&room[..read]),
            }
        }
    }
}
