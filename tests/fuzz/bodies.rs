//! What each target does with the bytes that the fuzzer makes, and what has to hold whatever they are.

use std::future::Future;
use std::path::Path;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use bytes::{BufMut, Bytes};
use hyper::Request;
use kafka_protocol::messages::{ApiKey, ApiVersionsRequest, SaslHandshakeRequest};
use md5::{Digest, Md5};
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
use serde_json::json;
use shardgate::aws::{Codec, event_stream};
use shardgate::batch::{Batch, HEADER_BYTES, Marker, ProducerWindow};
use shardgate::config;
use shardgate::kafka::{Jwks, Listener, Mechanism, OauthSettings};
use shardgate::model::{Offset, Settings, Timestamp};
use shardgate::store::{Error, Extent, Journal, LaneHead, Options, Portion, SegmentStore};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio::time::timeout;

use crate::support::{AUTHORIZATION, Gateway, Kafka, batch};

/// What is done with the bytes.
type Body = fn(&[u8]);

/// Every target by its name, which is that of its corpus too.
pub(crate) const TARGETS: &[(&str, Body)] = &[
    ("aggregates", aggregates),
    ("aws_bodies", aws_bodies),
    ("aws_http", aws_http),
    ("aws_operations", aws_operations),
    ("aws_signatures", aws_signatures),
    ("batches", batches),
    ("config_file", config_file),
    ("event_streams", event_streams),
    ("kafka_frames", kafka_frames),
    ("kafka_logins", kafka_logins),
    ("kafka_requests", kafka_requests),
    ("segments", segments),
];

/// The body of a target.
pub(crate) fn body(target: &str) -> Body {
    let found = TARGETS.iter().find(|(name, _)| *name == target);
    found.unwrap_or_else(|| panic!("{target} is no target")).1
}

/// The longest that a conversation may take on the gateway's own clock, which costs nothing.
const PATIENCE: Duration = Duration::from_secs(3_600);
/// Bytes that the records of one batch may be opened into.
const BUDGET: usize = 1 << 20;

/// Of all requests that are made here.
const CORRELATION_ID: [u8; 4] = [0, 0, 0, 7];

/// Runs `work` with a clock that goes on by itself when everybody waits.
fn paused<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap().block_on(work)
}

/// A gateway with something in it: the topics `open`, in which are records, and `keyed`.
pub(crate) async fn furnished() -> Gateway {
    let gateway = Gateway::start();
    gateway.stream("open", 2).await;
    gateway.stream_with("keyed", 1, Settings { keys_required: true, ..Settings::default() }).await;
    gateway.kafka().produce("open", 0, batch(&["a", "b"])).await;
    gateway
}

/// Says all of `sent`, then nothing more, and hears whatever comes until the other side closes.
async fn talk(pipe: DuplexStream, sent: &[u8]) -> Vec<u8> {
    let (mut reader, mut writer) = tokio::io::split(pipe);
    let mut heard = Vec::new();
    let says = async {
        // The gateway may close before it has heard all.
        let _ = writer.write_all(sent).await;
        let _ = writer.shutdown().await;
    };
    let hears = async {
        let _ = reader.read_to_end(&mut heard).await;
    };
    timeout(PATIENCE, async { tokio::join!(says, hears) }).await.expect("the conversation ends");
    heard
}

/// Has the Kafka door hear `sent`, while somebody else is connected who is served behind it.
async fn converse(gateway: &Gateway, sent: &[u8]) {
    let mut honest = gateway.kafka();
    honest.call(0, ApiVersionsRequest::default()).await;
    talk(gateway.pipe(), sent).await;
    let served = timeout(PATIENCE, honest.call(0, ApiVersionsRequest::default())).await.expect("an answer");
    assert_eq!(served.error_code, 0);
}

/// Anything, on the wire.
fn kafka_frames(bytes: &[u8]) {
    paused(async { converse(&furnished().await, bytes).await });
}

/// Requests, each as key, version, two bytes of length, body: whatever they say, their frames and their heads are right.
fn kafka_requests(bytes: &[u8]) {
    paused(async { converse(&furnished().await, &frames(bytes)).await });
}

/// The bytes of a request in front of its body: key, version, correlation id, a client's id, and no tags where tags could be.
pub(crate) fn request_head(key: i16, version: i16) -> Vec<u8> {
    // The message crate does not have all keys; those it lacks came late, when heads had tags.
    let header_version = ApiKey::try_from(key).map_or(2, |known| known.request_header_version(version));
    let mut head = Vec::new();
    head.put_i16(key);
    head.put_i16(version);
    head.put_slice(&CORRELATION_ID);
    if header_version > 0 {
        head.put_i16(4);
        head.put_slice(b"fuzz");
    }
    if header_version > 1 {
        head.put_u8(0);
    }
    head
}

fn frames(mut bytes: &[u8]) -> Vec<u8> {
    let apis: Vec<_> = shardgate::kafka::supported().collect();
    let mut sent = Vec::new();
    while let Some((&[key, version, high, low], rest)) = bytes.split_first_chunk() {
        let api = apis.iter().find(|api| api.key == i16::from(key)).unwrap_or(&apis[usize::from(key) % apis.len()]);
        let version = i16::from(version).clamp(*api.served.start(), *api.served.end());
        let (body, rest) = rest.split_at(usize::from(u16::from_be_bytes([high, low])).min(rest.len()));
        let head = request_head(api.key, version);
        sent.put_i32((head.len() + body.len()) as i32);
        sent.put_slice(&head);
        sent.put_slice(body);
        bytes = rest;
    }
    sent
}

/// A login: the mechanism, whether the handshake is the old one with messages that have no frame of their own, and messages, each
/// behind two bytes of length. Whoever gets in by them does not when the secrets are others.
fn kafka_logins(bytes: &[u8]) {
    let Some((&[mechanism, old], rest)) = bytes.split_first_chunk() else { return };
    let mechanism = Mechanism::ALL[usize::from(mechanism) % Mechanism::ALL.len()];
    let messages = pieces(rest);
    if paused(is_let_in(mechanism, old & 1 == 1, &messages, "secret")) {
        assert!(!paused(is_let_in(mechanism, old & 1 == 1, &messages, "another")), "let in without the secret");
    }
}

/// What lies behind two bytes of length each.
fn pieces(mut bytes: &[u8]) -> Vec<&[u8]> {
    let mut pieces = Vec::new();
    while let Some((&length, rest)) = bytes.split_first_chunk() {
        let (piece, rest) = rest.split_at(usize::from(u16::from_be_bytes(length)).min(rest.len()));
        pieces.push(piece);
        bytes = rest;
    }
    pieces
}

async fn is_let_in(mechanism: Mechanism, old: bool, messages: &[&[u8]], secret: &str) -> bool {
    let issuer = (mechanism == Mechanism::OauthBearer).then(Issuer::new);
    // Tokens are signed by the right issuer, if the secret is right.
    let trusted = if secret == "secret" { issuer.as_ref() } else { None };
    let gateway = Gateway::with(|config| {
        config.security.users = vec![("alice".to_owned(), secret.to_owned())];
        config.security.credentials = [("alice".to_owned(), secret.to_owned())].into_iter().collect();
        config.security.oauth = trusted.map(Issuer::settings);
    });
    let mut kafka = gateway.kafka_at(Listener { mechanisms: Mechanism::ALL.to_vec(), ..Listener::default() });
    let chosen = SaslHandshakeRequest::default().with_mechanism(mechanism.name().into());
    assert_eq!(kafka.call(i16::from(!old), chosen).await.error_code, 0);
    for message in messages {
        let signed = issuer.as_ref().and_then(|issuer| issuer.signed(message));
        let message = signed.as_deref().unwrap_or(message);
        let sent = if old { message.to_vec() } else { authenticate(message) };
        if ask(&mut kafka, &sent).await.is_none() {
            return false;
        }
    }
    // Of all topics.
    let answer = ask(&mut kafka, &[request_head(ApiKey::Metadata as i16, 1), vec![0xff; 4]].concat()).await;
    answer.is_some_and(|answer| answer.starts_with(&CORRELATION_ID))
}

/// A message of a login in a request.
fn authenticate(message: &[u8]) -> Vec<u8> {
    let mut request = request_head(ApiKey::SaslAuthenticate as i16, 1);
    request.put_i32(message.len() as i32);
    request.put_slice(message);
    request
}

/// Sends a frame, and hears another one. `None`: the connection is closed.
async fn ask(kafka: &mut Kafka, frame: &[u8]) -> Option<Vec<u8>> {
    kafka.pipe.write_i32(frame.len() as i32).await.ok()?;
    kafka.pipe.write_all(frame).await.ok()?;
    let length = timeout(PATIENCE, kafka.pipe.read_i32()).await.expect("an answer or an end").ok()?;
    let mut answer = vec![0; usize::try_from(length).unwrap()];
    kafka.pipe.read_exact(&mut answer).await.ok().map(|_| answer)
}

/// Who signs tokens.
struct Issuer {
    key: EcdsaKeyPair,
    home: tempfile::TempDir,
}

impl Issuer {
    fn new() -> Self {
        let chance = SystemRandom::new();
        let made = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &chance).unwrap();
        let key = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, made.as_ref(), &chance).unwrap();
        let home = tempfile::tempdir().unwrap();
        let (x, y) = key.public_key().as_ref()[1..].split_at(32);
        let [x, y] = [x, y].map(|number| URL_SAFE_NO_PAD.encode(number));
        let keys = json!({"keys": [{"kty": "EC", "crv": "P-256", "kid": "k", "x": x, "y": y}]});
        std::fs::write(home.path().join("jwks.json"), keys.to_string()).unwrap();
        Self { key, home }
    }

    fn settings(&self) -> OauthSettings {
        OauthSettings { jwks: Jwks::File(self.home.path().join("jwks.json")), issuer: None, audience: Some("kafka".to_owned()) }
    }

    /// The message with the token whose claims follow `sign:`; `None`: the message has to be sent as it is.
    fn signed(&self, message: &[u8]) -> Option<Vec<u8>> {
        let claims = message.strip_prefix(b"sign:")?;
        let head = URL_SAFE_NO_PAD.encode(br#"{"alg":"ES256","kid":"k"}"#);
        let signed = format!("{head}.{}", URL_SAFE_NO_PAD.encode(claims));
        let signature = self.key.sign(&SystemRandom::new(), signed.as_bytes()).unwrap();
        Some(format!("n,,\u{1}auth=Bearer {signed}.{}\u{1}\u{1}", URL_SAFE_NO_PAD.encode(signature)).into_bytes())
    }
}

/// A batch: one byte that says whether length, magic and checksum are made right, then the batch.
fn batches(bytes: &[u8]) {
    let Some((how, bytes)) = bytes.split_first() else { return };
    let mut bytes = bytes.to_vec();
    if how & 1 == 1 && bytes.len() >= HEADER_BYTES {
        mend_batch(&mut bytes);
    }
    let mut state = &bytes[..];
    if let Some(window) = ProducerWindow::decode(&mut state) {
        let mut again = Vec::new();
        window.encode(&mut again);
        assert_eq!(ProducerWindow::decode(&mut &again[..]), Some(window));
    }
    let mut state = &bytes[..];
    if let Some(head) = LaneHead::decode(&mut state) {
        let mut again = Vec::new();
        head.encode(&mut again);
        assert_eq!(LaneHead::decode(&mut &again[..]).map(|head| head.extent()), Some(head.extent()));
    }
    let Ok(batch) = Batch::check(bytes.into()) else { return };
    let whole = open(&batch);
    assert!(whole || batch.header().codec != shardgate::batch::Codec::None, "a batch that was checked has bad records");
    for moved in [batch.placed_at(Offset(7)), batch.stamped(Timestamp(7))] {
        assert_eq!(open(&Batch::check(moved.bytes().clone()).unwrap()), whole);
    }
    Marker::of(&batch);
}

pub(crate) fn mend_batch(bytes: &mut [u8]) {
    let length = (bytes.len() - 12) as u32;
    bytes[8..12].copy_from_slice(&length.to_be_bytes());
    bytes[16] = 2;
    let crc = crc32c::crc32c(&bytes[21..]);
    bytes[17..21].copy_from_slice(&crc.to_be_bytes());
}

/// Reads all records; whether there were as many as are announced. They never take more than they may.
fn open(batch: &Batch) -> bool {
    let Ok(records) = batch.records(BUDGET) else { return false };
    let (mut found, mut taken, mut whole) = (0, 0, true);
    for record in records {
        let Ok(record) = record else {
            whole = false;
            break;
        };
        found += 1;
        taken += [&record.key, &record.value].into_iter().flatten().map(Bytes::len).sum::<usize>();
        taken += record.headers().map(|(name, value)| name.len() + value.map_or(0, |value| value.len())).sum::<usize>();
    }
    assert!(taken <= BUDGET.max(batch.bytes().len()), "{taken} bytes");
    whole && found == batch.header().records
}

/// A body of the AWS door in JSON, CBOR or Smithy's CBOR. What was understood once is said and understood again.
fn aws_bodies(bytes: &[u8]) {
    let Some((codec, body)) = bytes.split_first() else { return };
    let codec = [Codec::Json, Codec::Cbor, Codec::RpcCbor][usize::from(*codec) % 3];
    let Ok(found) = codec.decode(&Bytes::copy_from_slice(body)) else { return };
    let said = codec.encode(&found);
    let again = codec.decode(&Bytes::from(said.clone())).expect("what we write is read");
    assert_eq!(codec.encode(&again), said);
}

/// Anything, at the AWS door.
fn aws_http(bytes: &[u8]) {
    paused(async {
        let heard = talk(furnished().await.kinesis_pipe(None), bytes).await;
        assert!(!heard.starts_with(b"HTTP/1.1 500"), "{}", String::from_utf8_lossy(&heard));
    });
}

/// An operation's number, the content type, and the body.
fn aws_operations(bytes: &[u8]) {
    let Some((&[operation, kind], body)) = bytes.split_first_chunk() else { return };
    let operations: Vec<_> = shardgate::kinesis::operations().map(|name| format!("Kinesis_20131202.{name}")).collect();
    let watch = ["GetMetricData", "GetMetricStatistics", "ListMetrics", "PutMetricData"];
    let watch = watch.map(|name| format!("GraniteServiceVersion20100801.{name}"));
    let target = operations.iter().chain(&watch).cycle().nth(operation.into()).unwrap();
    let types = ["application/x-amz-json-1.1", "application/x-amz-cbor-1.1", "application/x-www-form-urlencoded"];
    let request = Request::post("/")
        .header("content-type", types[usize::from(kind) % types.len()])
        .header("x-amz-target", target)
        .header("x-amz-date", "20231114T221320Z")
        .header("authorization", AUTHORIZATION)
        .body(Bytes::copy_from_slice(body));
    paused(async {
        let answered = timeout(PATIENCE, furnished().await.kinesis().send(request.unwrap())).await.expect("an answer");
        // The one number of which AWS itself says this.
        let is_meant = body.windows(16).any(|text| text == b"SequenceNumber\":") && body.contains(&b'0');
        assert!(answered.status != 500 || is_meant, "{target} {answered:?}");
    });
}

/// A request at a door that knows one access key: the path, headers as lines of `name: value`, an empty line, the body. Nobody
/// can sign it right.
fn aws_signatures(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let (head, body) = text.split_once("\n\n").unwrap_or((&text, ""));
    let mut lines = head.lines();
    let mut request = Request::post(lines.next().unwrap_or("/"));
    for (name, value) in lines.filter_map(|line| line.split_once(": ")) {
        request = request.header(name, value);
    }
    let Ok(request) = request.body(Bytes::copy_from_slice(body.as_bytes())) else { return };
    paused(async {
        let kinesis = Gateway::start().kinesis_for([("alice".to_owned(), "secret".to_owned())]);
        let answered = timeout(PATIENCE, kinesis.send(request)).await.expect("an answer");
        assert!((400..500).contains(&answered.status), "{answered:?}");
    });
}

/// The message of an aggregate, under a right checksum. Every record of it can be read, or it is kept as it came.
fn aggregates(bytes: &[u8]) {
    let data = [&[0xf3, 0x89, 0x9a, 0xc2], bytes, &Md5::digest(bytes)[..]].concat();
    paused(async {
        let gateway = Gateway::start();
        gateway.stream_with("open", 2, Settings { deaggregate: true, ..Settings::default() }).await;
        let kinesis = gateway.kinesis();
        let input = json!({"StreamName": "open", "PartitionKey": "k", "Data": STANDARD.encode(&data)});
        let answered = kinesis.ask("PutRecord", input).await;
        assert!(answered.status == 200 || answered.status == 400, "{answered:?}");
        let mut found = 0;
        for shard in ["shardId-000000000000", "shardId-000000000001"] {
            let from = json!({"StreamName": "open", "ShardId": shard, "ShardIteratorType": "TRIM_HORIZON"});
            let iterator = kinesis.call("GetShardIterator", from).await;
            let page = kinesis.call("GetRecords", json!({"ShardIterator": iterator["ShardIterator"]})).await;
            found += page["Records"].as_array().unwrap().len();
        }
        assert_eq!(found > 0, answered.status == 200);
    });
}

/// An event: a header's name and value and the payload, each behind two bytes of length, are found again by who knows the format.
fn event_streams(bytes: &[u8]) {
    let [name, value, payload] = [0, 1, 2].map(|at| pieces(bytes).get(at).copied().unwrap_or_default());
    let [name, value] = [name, value].map(String::from_utf8_lossy);
    // Names are those of this program.
    if name.len() > usize::from(u8::MAX) || value.len() > usize::from(u16::MAX) {
        return;
    }
    let frame = event_stream::frame(&[(&name, &value)], payload);
    let number = |at: usize| u32::from_be_bytes(frame[at..at + 4].try_into().unwrap());
    let (end, headers) = (frame.len() - 4, number(4) as usize);
    assert_eq!((number(0) as usize, number(8)), (frame.len(), crc32fast::hash(&frame[..8])));
    assert_eq!(number(end), crc32fast::hash(&frame[..end]));
    let expected = [&[name.len() as u8], name.as_bytes(), &[7], &(value.len() as u16).to_be_bytes(), value.as_bytes()].concat();
    assert_eq!((&frame[12..12 + headers], &frame[12 + headers..end]), (&expected[..], payload));
}

/// A config file. What it sets is what the file that we print of it sets.
fn config_file(bytes: &[u8]) {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("shardgate.toml");
    std::fs::write(&path, bytes).unwrap();
    let Ok(merged) = config::read_file(&path).and_then(|given| config::merge(&given)) else { return };
    let shown = config::print(&merged);
    std::fs::write(&path, shown).unwrap();
    let again = config::read_file(&path).and_then(|given| config::merge(&given)).expect("what we print is read");
    // Tables are not shown: they may have secrets.
    let hidden = |config: &config::Config| config::Config {
        kafka_listeners: Vec::new(),
        users: Vec::new(),
        credentials: Vec::new(),
        ..config.clone()
    };
    assert_eq!(hidden(&again.config), hidden(&merged.config));
}

/// The only segment of a data directory: one byte that says whether the checksums are made right, then the file. What opens once
/// opens again and says the same; what does not open can be repaired.
fn segments(bytes: &[u8]) {
    let Some((how, bytes)) = bytes.split_first() else { return };
    let mut bytes = bytes.to_vec();
    if how & 1 == 1 {
        mend_segment(&mut bytes);
    }
    let home = tempfile::tempdir().unwrap();
    let log = home.path().join("log");
    std::fs::create_dir(&log).unwrap();
    std::fs::write(home.path().join("FORMAT"), "shardgate data, format 3\n").unwrap();
    std::fs::write(log.join(format!("{:020}.log", 1)), &bytes).unwrap();
    let opened = extents(home.path(), false).or_else(|_| extents(home.path(), true)).expect("a repair opens it");
    assert_eq!(extents(home.path(), false).expect("it was opened before"), opened);
}

/// Opens the directory, reads all lanes, and closes it; how far each lane goes.
fn extents(directory: &Path, repair: bool) -> Result<Vec<(String, Extent)>, Error> {
    let store = SegmentStore::open(directory, Options { segment_bytes: 64 << 10, repair })?;
    let mut extents = Vec::new();
    for lane in store.lanes() {
        let extent = store.extent(lane);
        // What is found may be wrong only where somebody made wrong checksums right.
        let _ = store.read(lane, extent.horizon, Portion::AtLeastOne(1 << 20));
        let _ = store.bytes(lane);
        extents.push((format!("{lane:?}"), extent));
    }
    extents.sort_by(|one, other| one.0.cmp(&other.0));
    Ok(extents)
}

/// Bytes of a segment's header, and of an entry before its body.
const SEGMENT_HEAD: usize = 44;
const ENTRY_HEAD: usize = 16;

/// Gives header and entries right checksums, and all the mark of the header.
pub(crate) fn mend_segment(bytes: &mut [u8]) {
    let Some((head, mut rest)) = bytes.split_at_mut_checked(SEGMENT_HEAD) else { return };
    head[..20].copy_from_slice(b"SHGATE01\x03\0\0\0\x01\0\0\0\0\0\0\0");
    let crc = crc32c::crc32c(&head[..SEGMENT_HEAD - 4]);
    head[SEGMENT_HEAD - 4..].copy_from_slice(&crc.to_le_bytes());
    while let Some((prefix, behind)) = rest.split_at_mut_checked(ENTRY_HEAD) {
        let length = u32::from_le_bytes(prefix[4..8].try_into().unwrap()) as usize;
        let Some((body, next)) = behind.split_at_mut_checked(length) else { return };
        prefix[..4].copy_from_slice(&head[36..40]);
        let crc = crc32c::crc32c_append(crc32c::crc32c(&prefix[4..12]), body);
        prefix[12..].copy_from_slice(&crc.to_le_bytes());
        rest = next;
    }
}
