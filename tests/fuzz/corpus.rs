//! Makes the corpus: `cargo test --locked --test tests fuzz::corpus -- --ignored`.
//!
//! Files that have the name of one that is made are made anew; those that found a fault have other names, and stay.

use std::fs;
use std::sync::{Arc, Mutex};

use kafka_protocol::messages::ApiKey;
use serde_json::json;
use shardgate::aws::Codec as AwsCodec;
use shardgate::batch::{Builder, Codec, Marker, Outcome};
use shardgate::model::Timestamp;
use shardgate::store::{Journal, Ledger, Options, SegmentStore, Write};

use super::bodies::{furnished, request_head};
use super::folder;
use crate::store::{Make, done, lane};
use crate::support::hostile::{Attacker, AwsTargets, Dice, Targets, asked, knows};
use crate::support::{AUTHORIZATION, aggregate, build, stamped};

/// The largest file. What is large is not what breaks.
const FILE_BYTES_MAX: usize = 4 << 10;

fn write(target: &str, name: &str, bytes: &[u8]) {
    assert!(bytes.len() <= FILE_BYTES_MAX, "{target}/{name} has {} bytes", bytes.len());
    let folder = folder(target);
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join(name), bytes).unwrap();
}

/// With two bytes of length in front.
fn piece(bytes: &[u8]) -> Vec<u8> {
    [&u16::try_from(bytes.len()).unwrap().to_be_bytes(), bytes].concat()
}

#[tokio::test(start_paused = true)]
#[ignore = "writes the corpus"]
async fn write_the_corpus() {
    requests().await;
    logins();
    batches();
    bodies();
    operations();
    signatures();
    aggregates();
    config_files();
    segments();
    let event = [b":event-type".as_slice(), b"SubscribeToShardEvent", b"{\"Records\":[]}"].map(piece).concat();
    write("event_streams", "event", &event);
}

async fn requests() {
    let gateway = furnished().await;
    let topics = ["open", "keyed"].map(|name| (name.to_owned(), gateway.log.stream(name).unwrap().id().0)).to_vec();
    let mut attacker = Attacker::new(1, Targets { topics, groups: vec!["readers".to_owned()] }, 1 << 10);
    for api in shardgate::kafka::supported() {
        let version = *api.served.end();
        // Of several the shortest that says something.
        let head = request_head(api.key, version).len() + "attacker".len() - "fuzz".len();
        let bodies = (0..20).map(|_| attacker.good(api.key, version)).filter(|request| request.len() > head);
        let body = bodies.min_by_key(|request| request.len()).map(|request| request.slice(head..)).unwrap_or_default();
        let of = [&[u8::try_from(api.key).unwrap(), u8::try_from(version).unwrap()], &piece(&body)[..]].concat();
        write("kafka_requests", api.name, &of);
    }
    let ask = |key: ApiKey, version| request_head(key as i16, version);
    let [versions, metadata] = [ask(ApiKey::ApiVersions, 0), [ask(ApiKey::Metadata, 1), vec![0xff; 4]].concat()];
    let framed = |request: &[u8]| [&(request.len() as u32).to_be_bytes(), request].concat();
    write("kafka_frames", "versions", &framed(&versions));
    write("kafka_frames", "pipelined", &[framed(&versions), framed(&metadata), framed(&versions)].concat());
    write("kafka_frames", "cut", &framed(&metadata)[..9]);
    write("kafka_frames", "tls", b"\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03");
}

fn logins() {
    let scram = |text: &str| [piece(text.as_bytes()), piece(b"c=biws,r=abcdef,p=AAAA")].concat();
    for (name, [mechanism, old], messages) in [
        ("plain", [0, 0], piece(b"\0alice\0secret")),
        ("plain-old", [0, 1], piece(b"alice\0alice\0secret")),
        ("scram-256", [1, 0], scram("n,,n=alice,r=abc")),
        ("scram-512", [2, 0], scram("y,a=alice,n=al=2Cice,r=abc,t=x")),
        ("token", [3, 0], piece(br#"sign:{"sub":"alice","aud":["kafka"],"exp":1700003600,"nbf":1,"iat":1700000000}"#)),
        ("token-bad", [3, 1], [piece(b"n,a=alice,\x01auth=Bearer e30.e30.AAAA\x01\x01"), piece(b"\x01")].concat()),
        ("iam", [4, 0], {
            let message = json!({
                "version": "2020_10_22", "host": "localhost", "user-agent": "fuzz", "action": "kafka-cluster:Connect",
                "x-amz-algorithm": "AWS4-HMAC-SHA256", "x-amz-date": "20231114T221320Z", "x-amz-expires": "900",
                "x-amz-credential": "alice/20231114/us-east-1/kafka-cluster/aws4_request", "x-amz-signedheaders": "host",
                "x-amz-signature": "00",
            });
            piece(message.to_string().as_bytes())
        }),
    ] {
        write("kafka_logins", name, &[vec![mechanism, old], messages].concat());
    }
}

fn batches() {
    let codecs = [Codec::None, Codec::Gzip, Codec::Snappy, Codec::Lz4, Codec::Zstd];
    for (name, codec) in ["plain", "gzip", "snappy", "lz4", "zstd"].into_iter().zip(codecs) {
        let batch = build(Builder::default().codec(codec), &["a", "a", "a much longer value, much longer than the others"]);
        write("batches", name, &[&[1], &batch[..]].concat());
    }
    write("batches", "stamped", &[&[0], &stamped(&["a"], 7, 0, 3)[..]].concat());
    let marker = Marker { producer: 7, epoch: 0, outcome: Outcome::Committed, coordinator_epoch: 0 };
    write("batches", "marker", &[&[1], &marker.batch(Timestamp(7)).unwrap().bytes()[..]].concat());
}

fn bodies() {
    let json = br#"{"a":"\u00e4\n","b":[1,-2.5e3,true,null],"c":{"d":{}}}"#;
    write("aws_bodies", "json", &[b"\0".as_slice(), json].concat());
    let members = AwsCodec::Json.decode(&json.as_slice().into()).unwrap();
    write("aws_bodies", "cbor", &[vec![1], AwsCodec::Cbor.encode(&members)].concat());
    // Of indefinite length, with bytes in pieces, a time and half a float.
    write(
        "aws_bodies",
        "cbor-pieces",
        b"\x01\xbf\x61a\x5f\x41A\x41B\xff\x61b\xc1\x1b\0\0\x01\x8b\xcf\xe5\x68\0\x61c\xf9\x3c\0\xff",
    );
    write("aws_bodies", "rpc", &[vec![2], AwsCodec::RpcCbor.encode(&members)].concat());
}

fn operations() {
    let mut dice = Dice::new(1);
    let targets = AwsTargets {
        streams: vec!["open".to_owned()],
        consumers: vec!["arn:aws:kinesis:us-east-1:000000000000:stream/open/consumer/reader:1700000000".to_owned()],
        iterators: Arc::new(Mutex::new(vec!["AAAAAAAAAAE=".to_owned()])),
    };
    for (number, operation) in shardgate::kinesis::operations().enumerate() {
        assert!(knows(operation));
        let inputs = (0..40).map(|_| asked(&mut dice, &targets, operation).to_string());
        // Of several the longest that is not long.
        let input = inputs.filter(|input| input.len() < 400).max_by_key(String::len).unwrap_or_else(|| "{}".to_owned());
        let number = u8::try_from(number).unwrap();
        write("aws_operations", operation, &[&[number, 0], input.as_bytes()].concat());
        if number % 8 == 0 {
            let members = AwsCodec::Json.decode(&input.into()).unwrap();
            write("aws_operations", &format!("{operation}-cbor"), &[vec![number, 1], AwsCodec::Cbor.encode(&members)].concat());
        }
    }
    let form = "Action=GetMetricStatistics&Version=2010-08-01&Namespace=AWS%2FKinesis&MetricName=IncomingBytes&Period=60\
                &StartTime=2023-11-14T22%3A13%3A00Z&EndTime=2023-11-14T23%3A13%3A00Z&Statistics.member.1=Sum\
                &Dimensions.member.1.Name=StreamName&Dimensions.member.1.Value=open";
    write("aws_operations", "form", &[&[0, 2], form.as_bytes()].concat());
    let post = |more: &str, body: &str| {
        format!(
            "POST / HTTP/1.1\r\nhost: x\r\nx-amz-target: Kinesis_20131202.ListStreams\r\ncontent-type: application/x-amz-json-1.1\
             \r\nauthorization: {AUTHORIZATION}\r\nx-amz-date: 20231114T221320Z\r\n{more}\r\n\r\n{body}"
        )
    };
    write("aws_http", "post", post("content-length: 2", "{}").as_bytes());
    write("aws_http", "chunked", post("transfer-encoding: chunked", "2\r\n{}\r\n0\r\n\r\n").as_bytes());
    write("aws_http", "options", b"OPTIONS / HTTP/1.1\r\nhost: x\r\norigin: y\r\n\r\n");
    write("aws_http", "http2", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0");
}

fn signatures() {
    let scope = "alice/20231114/us-east-1/kinesis/aws4_request";
    let common = "host: x\ncontent-type: application/x-amz-json-1.1\nx-amz-target: Kinesis_20131202.ListStreams\n";
    let header = format!(
        "/?b=%20&a=1&c\n{common}x-amz-date: 20231114T221320Z\nx-amz-content-sha256: UNSIGNED-PAYLOAD\nx-amz-security-token: t\n\
         authorization: AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host;x-amz-date, Signature=00\n\n{{}}"
    );
    let query = format!(
        "/?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential={}&X-Amz-Date=20231114T221320Z&X-Amz-Expires=60\
         &X-Amz-SignedHeaders=host&X-Amz-Signature=00\n{common}\n{{}}",
        scope.replace('/', "%2F")
    );
    write("aws_signatures", "header", header.as_bytes());
    write("aws_signatures", "query", query.as_bytes());
}

fn aggregates() {
    let records = [("a", None, b"one".as_slice()), ("b", Some(7), b""), ("a", Some(u128::MAX), b"three")];
    let whole = aggregate(&records);
    write("aggregates", "three", &whole[4..whole.len() - 16]);
    // Unknown fields in every wire type, and a number of ten bytes.
    write(
        "aggregates",
        "unknown",
        b"\x0a\x01k\x28\x96\x01\x31ABCDEFGH\x3dABCD\x1a\x07\x08\x00\x1a\x01x\x22\x00\x28\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01",
    );
}

fn config_files() {
    write(
        "config_file",
        "some",
        b"data-dir = \"/tmp/\\u00e4\"\nephemeral = true\ntopic = [\"orders:3\", \"keyed\"]\nnode-id = 7\nlimits = \"off\"\n\
          offsets-retention = \"7d\"\nkafka-listener = \"[::1]:0\"\n",
    );
    write(
        "config_file",
        "tables",
        b"[[users]]\nname = \"alice\"\npassword = \"p\"\n\n[[credentials]]\naccess-key = \"a\"\nsecret-key = \"s\"\n\n\
          [[kafka-listeners]]\nname = \"tls\"\naddress = \"127.0.0.1:0\"\nlogin = [\"PLAIN\"]\n",
    );
    write("config_file", "all", shardgate::config::print(&shardgate::config::merge(&[]).unwrap()).as_bytes());
}

fn segments() {
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("log").join(format!("{:020}.log", 1));
    let keep = |name: &str| {
        let bytes = fs::read(&file).unwrap();
        // What is made ready for later is zeros.
        let end = bytes.iter().rposition(|byte| *byte != 0).unwrap_or(0) + 1;
        write("segments", name, &[&[1], &bytes[..end]].concat());
    };
    let store = SegmentStore::open(home.path(), Options::default()).unwrap();
    keep("empty");
    for (at, lane) in [(0, lane(1, 0)), (1, lane(1, 0)), (0, lane(1, 1))] {
        let block = Make { base: at, value_bytes: 5, created_at: 7, arrived_at: 7, ..Make::default() }.block();
        done(|done| store.append(lane, block, done)).unwrap();
    }
    let put = |key: &'static [u8]| Write::Put { key: key.into(), value: b"value".as_slice().into() };
    done(|done| store.commit(vec![put(b"a"), put(b"b"), Write::Delete { key: b"a".as_slice().into() }], done)).unwrap();
    store.trim(lane(1, 0), shardgate::model::Offset(1));
    done(|done| store.remove(&[lane(1, 1)], done)).unwrap();
    keep("crashed");
    drop(store);
    keep("closed");
}
