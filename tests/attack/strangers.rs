//! **Strangers**: the same process with listeners of Kafka that ask for a login, speak TLS, or both, under fire from those who do
//! not log in, log in with something else, or do not finish their handshakes. At a plain listener beside them others attack as ever.
//!
//! An honest client of each listener connects and logs in anew for each record, with one mechanism after the other: a new connection
//! is what strangers could keep it from.

use std::collections::VecDeque;
use std::fs;
use std::io;
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use bytes::Bytes;
use kafka_protocol::messages::{ApiKey, SaslAuthenticateRequest, SaslHandshakeRequest};
use rcgen::{CertificateParams, KeyPair};
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
use ring::{digest, hmac, pbkdf2};
use serde_json::json;
use shardgate::sigv4;

use crate::hostile::{Attacker, Dice, framed};
use crate::kafka::{self, Client};
use crate::kinesis::{Line, hello, trusting};
use crate::{Checks, MEMORY_KIB_MAX, Over, PAUSE, REQUEST_BYTES_MAX, SERVED_WITHIN, Score, Server, check_log, watch};

const PLAIN: &str = "PLAIN";
const SCRAM_256: &str = "SCRAM-SHA-256";
const SCRAM_512: &str = "SCRAM-SHA-512";
const OAUTH: &str = "OAUTHBEARER";
const IAM: &str = "AWS_MSK_IAM";
const MECHANISMS: [&str; 5] = [PLAIN, SCRAM_256, SCRAM_512, OAUTH, IAM];
const USER: &str = "alice";
const PASSWORD: &str = "alice-secret";
const ACCESS_KEY: &str = "AKIDEXAMPLE";
const SECRET_KEY: &str = "iam-secret";
const ISSUER: &str = "https://issuer.example";
/// Connections that attack each listener at once.
const ATTACKERS: u64 = 6;
/// Silent connections that each attacker keeps: more, all together, than there are places for strangers.
const STALLED_MAX: usize = 60;
/// What an attacker waits for an answer.
const PATIENCE: Duration = Duration::from_millis(100);

/// A listener under attack, and the topic of its honest client, which no attacker names.
#[derive(Clone, Copy)]
struct Gate {
    name: &'static str,
    is_secret: bool,
    asks: bool,
}

static GATES: [Gate; 3] = [
    Gate { name: "sasl", is_secret: false, asks: true },
    Gate { name: "tls", is_secret: true, asks: false },
    Gate { name: "sasl-tls", is_secret: true, asks: true },
];

/// What honest clients know.
struct Secrets {
    key: EcdsaKeyPair,
    random: SystemRandom,
}

impl Secrets {
    fn new() -> Self {
        let random = SystemRandom::new();
        let key = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random).unwrap();
        let key = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, key.as_ref(), &random).unwrap();
        Self { key, random }
    }

    /// Writes what the gateway knows of it into files; the config file.
    fn write(&self, home: &Path) -> PathBuf {
        let pem = |label: &str, der: &[u8]| format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", STANDARD.encode(der));
        let write = |name: &str, text: String| {
            fs::write(home.join(name), text).unwrap();
            home.join(name)
        };
        let key = KeyPair::generate().unwrap();
        let made = CertificateParams::new(vec!["localhost".to_owned()]).unwrap().self_signed(&key).unwrap();
        let certificate = write("certificate.pem", pem("CERTIFICATE", made.der()));
        let key = write("key.pem", pem("PRIVATE KEY", key.serialized_der()));
        let point = self.key.public_key().as_ref();
        let [x, y] = [&point[1..33], &point[33..]].map(|half| URL_SAFE_NO_PAD.encode(half));
        let jwks = json!({"keys": [{"kty": "EC", "crv": "P-256", "kid": "one", "use": "sig", "alg": "ES256", "x": x, "y": y}]});
        let jwks = write("jwks.json", jwks.to_string());
        let tls = format!("certificate = {certificate:?}\nkey = {key:?}\n");
        let login = format!("login = {MECHANISMS:?}\n");
        let listener = |name: &str, rest: &[&str]| {
            format!("[[kafka-listeners]]\nname = {name:?}\naddress = \"127.0.0.1:0\"\n{}", rest.concat())
        };
        let listeners = GATES.map(|gate| {
            let rest = [gate.is_secret.then_some(tls.as_str()), gate.asks.then_some(login.as_str())];
            listener(gate.name, &rest.into_iter().flatten().collect::<Vec<_>>())
        });
        let text = format!(
            "oauth-jwks = {jwks:?}\noauth-issuer = {ISSUER:?}\noauth-audience = \"kafka\"\n\
             [[users]]\nname = {USER:?}\npassword = {PASSWORD:?}\n\
             [[credentials]]\naccess-key = {ACCESS_KEY:?}\nsecret-key = {SECRET_KEY:?}\n{}{}",
            listener("plain", &[]),
            listeners.concat(),
        );
        write("shardgate.toml", text)
    }

    fn token(&self) -> String {
        let encode = |part: serde_json::Value| URL_SAFE_NO_PAD.encode(part.to_string());
        let claims = json!({"iss": ISSUER, "aud": "kafka", "sub": USER, "exp": seconds_now() + 600});
        let signed = format!("{}.{}", encode(json!({"alg": "ES256", "kid": "one"})), encode(claims));
        let signature = self.key.sign(&self.random, signed.as_bytes()).unwrap();
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
    }

    /// What a client says first, if it logs in with this mechanism.
    fn first(&self, mechanism: &str) -> Vec<u8> {
        match mechanism {
            PLAIN => format!("\0{USER}\0{PASSWORD}").into(),
            OAUTH => format!("n,,\u{1}auth=Bearer {}\u{1}\u{1}", self.token()).into(),
            IAM => signed().into(),
            _ => format!("n,,n={USER},r=clientnonce").into(),
        }
    }

    fn log_in(&self, client: &mut Client, mechanism: &'static str) -> io::Result<()> {
        let chosen = client.call(1, &SaslHandshakeRequest::default().with_mechanism(mechanism.into()))?;
        if chosen.error_code != 0 {
            return Err(io::Error::other(format!("{mechanism} is answered with error {}", chosen.error_code)));
        }
        let mut say = |message: Vec<u8>| -> io::Result<Vec<u8>> {
            let answer = client.call(2, &SaslAuthenticateRequest::default().with_auth_bytes(message.into()))?;
            match answer.error_code {
                0 => Ok(answer.auth_bytes.to_vec()),
                code => Err(io::Error::other(format!("a login with {mechanism} is answered with error {code}"))),
            }
        };
        let challenge = say(self.first(mechanism))?;
        if [SCRAM_256, SCRAM_512].contains(&mechanism) {
            say(last(mechanism, &String::from_utf8_lossy(&challenge)).into())?;
        }
        Ok(())
    }
}

/// What a client of SCRAM says last.
fn last(mechanism: &str, challenge: &str) -> String {
    let (of_password, of_keys, of_hash) = if mechanism == SCRAM_256 {
        (pbkdf2::PBKDF2_HMAC_SHA256, hmac::HMAC_SHA256, &digest::SHA256)
    } else {
        (pbkdf2::PBKDF2_HMAC_SHA512, hmac::HMAC_SHA512, &digest::SHA512)
    };
    let part = |at: usize| challenge.split(',').nth(at).and_then(|part| part.get(2..)).unwrap_or_default();
    let salt = STANDARD.decode(part(1)).unwrap_or_default();
    let mut salted = vec![0; of_hash.output_len()];
    let iterations = part(2).parse().unwrap_or(std::num::NonZeroU32::MIN);
    pbkdf2::derive(of_password, iterations, &salt, PASSWORD.as_bytes(), &mut salted);
    let sign = |key: &[u8], text: &[u8]| hmac::sign(&hmac::Key::new(of_keys, key), text);
    let client_key = sign(&salted, b"Client Key");
    let stored_key = digest::digest(of_hash, client_key.as_ref());
    let without_proof = format!("c=biws,r={}", part(0));
    let said = format!("n={USER},r=clientnonce,{challenge},{without_proof}");
    let signature = sign(stored_key.as_ref(), said.as_bytes());
    let proof: Vec<u8> = client_key.as_ref().iter().zip(signature.as_ref()).map(|(key, signature)| key ^ signature).collect();
    format!("{without_proof},p={}", STANDARD.encode(proof))
}

/// What a client of AWS_MSK_IAM says.
fn signed() -> String {
    let date = date_now();
    let scope = [&date[..8], "us-east-1", "kafka-cluster", "aws4_request"];
    let credential = format!("{ACCESS_KEY}/{}", scope.join("/"));
    let mut query = String::from("Action=kafka-cluster%3AConnect&X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=");
    sigv4::escape(&mut query, credential.as_bytes());
    query += &format!("&X-Amz-Date={date}&X-Amz-Expires=900&X-Amz-SignedHeaders=host");
    let empty = sigv4::hex(digest::digest(&digest::SHA256, b"").as_ref());
    let canonical = format!("GET\n/\n{query}\nhost:localhost\n\nhost\n{empty}");
    let sign = |key: &[u8], text: &str| hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), text.as_bytes());
    let key = scope.iter().fold(format!("AWS4{SECRET_KEY}").into_bytes(), |key, part| sign(&key, part).as_ref().to_vec());
    let signature = sigv4::hex(sign(&key, &sigv4::to_sign(&canonical, &date, scope)).as_ref());
    json!({
        "version": "2020_10_22", "host": "localhost", "user-agent": "tests", "action": "kafka-cluster:Connect",
        "x-amz-algorithm": sigv4::ALGORITHM, "x-amz-credential": credential, "x-amz-date": date, "x-amz-expires": "900",
        "x-amz-signedheaders": "host", "x-amz-signature": signature,
    })
    .to_string()
}

fn seconds_now() -> u64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |now| now.as_secs())
}

/// As signatures have it.
fn date_now() -> String {
    let (days, seconds) = (seconds_now() / 86_400, seconds_now() % 86_400);
    let (mut year, mut left) = (1970, days);
    let is_leap = |year: u64| year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    while left >= 365 + u64::from(is_leap(year)) {
        left -= 365 + u64::from(is_leap(year));
        year += 1;
    }
    let mut month = 0;
    for days in [31, 28 + u64::from(is_leap(year)), 31, 30, 31, 30, 31, 31, 30, 31, 30, 31] {
        month += 1;
        if left < days {
            break;
        }
        left -= days;
    }
    format!("{year:04}{month:02}{:02}T{:02}{:02}{:02}Z", left + 1, seconds / 3_600, seconds / 60 % 60, seconds % 60)
}

/// What all attackers count together.
#[derive(Default)]
struct Seen {
    /// Requests beside the login that were hung up on before it.
    refused: AtomicU64,
    /// Those that were answered.
    leaks: AtomicU64,
    /// Logins that an attacker got through.
    broken_in: AtomicU64,
}

pub(crate) fn run(seconds: u64, seed: u64, checks: &mut Checks) {
    let home = tempfile::tempdir().unwrap();
    let secrets = Secrets::new();
    let server = Server::start_with(home.path(), "kinesis", Some(&secrets.write(home.path())));
    let mut client = Client::connect(server.listeners["plain"]).unwrap();
    let targets = client.prepare().unwrap();
    GATES.iter().for_each(|gate| client.create(gate.name, 1).unwrap());
    let (score, seen, span) = (Score::default(), Seen::default(), Duration::from_secs(seconds));
    let over = Over(&score.over);
    let served = thread::scope(|scope| {
        let attacker = Attacker::new(seed, targets, REQUEST_BYTES_MAX);
        let plain = server.listeners["plain"];
        for number in 0..ATTACKERS {
            let reseeded = || attacker.reseeded(seed.wrapping_mul(2_000) + number);
            let (score, seen, secrets, attacker) = (&score, &seen, &secrets, reseeded());
            scope.spawn(move || kafka::attack(attacker, plain, score));
            for (at, gate) in (0..).zip(&GATES) {
                let (attacker, address) = (reseeded(), server.listeners[gate.name]);
                let dice = Dice::new(seed.wrapping_mul(3_000) + 100 * at + number);
                scope.spawn(move || Stranger { attacker, dice, gate, address, secrets, score, seen }.attack());
            }
        }
        scope.spawn(|| watch(server.process.id(), &score));
        let honest = GATES.map(|gate| {
            let (address, secrets) = (server.listeners[gate.name], &secrets);
            scope.spawn(move || work(&gate, address, secrets, span))
        });
        let served = honest.map(|client| client.join().unwrap_or_default());
        drop(over);
        served
    });
    let load = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
    let sent = score.sent.lock().unwrap().clone();
    println!("sent {}: {sent:?}, {} MB, {} answers", sent.values().sum::<u64>(), load(&score.bytes) >> 20, load(&score.answered));
    println!("hung up on for what is not of the login: {}", load(&seen.refused));
    println!("memory: {} KiB at most", load(&score.memory_kib));
    for (gate, served) in GATES.iter().zip(served) {
        println!("honest at {}: {} records, worst {:?}", gate.name, served.records, served.worst);
        let is_served = !served.has_failed && served.records > 0 && served.worst <= SERVED_WITHIN;
        checks.say(&format!("the honest client of the listener {} is served all the time", gate.name), is_served);
    }
    checks.say("nothing but the login is answered before the login", load(&seen.leaks) == 0 && load(&seen.refused) > 0);
    checks.say("nobody logs in with something else", load(&seen.broken_in) == 0);
    checks.say("the memory stays within 256 MiB", (1..=MEMORY_KIB_MAX).contains(&load(&score.memory_kib)));
    checks.say("the process stops with status 0", server.stop());
    check_log(home.path(), checks);
}

/// What an honest client has seen.
#[derive(Default)]
struct Served {
    records: usize,
    /// The longest time from connecting to reading the record back.
    worst: Duration,
    has_failed: bool,
}

fn work(gate: &Gate, address: SocketAddr, secrets: &Secrets, span: Duration) -> Served {
    let (begun, mut served) = (Instant::now(), Served::default());
    while begun.elapsed() < span && !served.has_failed {
        let mechanism = MECHANISMS[served.records % MECHANISMS.len()];
        let (step, value) = (Instant::now(), Bytes::from(format!("{} {}", gate.name, served.records)));
        let outcome = (|| {
            let socket = kafka::patient(address)?;
            let mut client = match gate.is_secret {
                true => Client::over(rustls::StreamOwned::new(trusting(), socket)),
                false => Client::over(socket),
            };
            if gate.asks {
                secrets.log_in(&mut client, mechanism)?;
            }
            let offset = client.produce_to(gate.name, &value)?;
            match client.fetch_from(gate.name, 0, offset, 1 << 20)?.get(&offset) == Some(&value) {
                true => Ok(()),
                false => Err(io::Error::other(format!("offset {offset} reads back as something else"))),
            }
        })();
        served.worst = served.worst.max(step.elapsed());
        if let Err(error) = outcome {
            println!("the honest client of {}, after {:?} and {:?}: {error}", gate.name, begun.elapsed(), step.elapsed());
            served.has_failed = true;
        }
        served.records += 1;
        thread::sleep(PAUSE);
    }
    served
}

/// Somebody who attacks a listener.
struct Stranger<'a> {
    attacker: Attacker,
    dice: Dice,
    gate: &'static Gate,
    address: SocketAddr,
    secrets: &'a Secrets,
    score: &'a Score,
    seen: &'a Seen,
}

/// A connection that is kept, and says nothing more.
enum Kept {
    Bare(#[expect(dead_code, reason = "it is open")] TcpStream),
    Line(#[expect(dead_code, reason = "it is open")] Line),
}

impl Stranger<'_> {
    /// One connection after the other.
    fn attack(mut self) {
        let mut stalled = VecDeque::new();
        while !self.score.is_over() {
            let kept = if self.gate.is_secret && self.dice.one_in(2) { self.half_way() } else { self.through() };
            // Most end in an error, as they should.
            if let Ok(Some(kept)) = kept {
                stalled.push_back(kept);
                if stalled.len() > STALLED_MAX {
                    stalled.pop_front();
                }
            }
        }
    }

    fn count(&self, kind: &'static str, bytes: usize) {
        *self.score.sent.lock().unwrap().entry(kind).or_default() += 1;
        self.score.bytes.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    fn noise(&mut self, bytes_max: usize) -> Vec<u8> {
        (0..self.dice.below(bytes_max)).map(|_| self.dice.next() as u8).collect()
    }

    /// A handshake of TLS that comes to nothing.
    fn half_way(&mut self) -> io::Result<Option<Kept>> {
        let mut socket = TcpStream::connect(self.address)?;
        socket.set_write_timeout(Some(PATIENCE))?;
        socket.set_read_timeout(Some(PATIENCE))?;
        let hello = hello().to_vec();
        let (kind, said) = match self.dice.below(8) {
            0 => ("silent", Vec::new()),
            1 => ("half a hello", hello[..self.dice.below(hello.len())].to_vec()),
            2 | 3 => ("half a handshake", hello),
            4 => ("no hello", self.attacker.next().bytes.to_vec()),
            5 => {
                let (mut mutated, at) = (hello, self.dice.below(64));
                let noise = self.noise(8);
                mutated.splice(at..(at + noise.len()).min(mutated.len()), noise);
                ("mutated hello", mutated)
            }
            6 => ("records", self.records()),
            _ => ("records behind a hello", [hello, self.records()].concat()),
        };
        self.count(kind, said.len());
        io::Write::write_all(&mut socket, &said)?;
        if self.dice.one_in(2) {
            let _ = io::Read::read(&mut socket, &mut [0; 4_096]);
            let more = self.records();
            io::Write::write_all(&mut socket, &more)?;
        }
        Ok(self.dice.one_in(2).then_some(Kept::Bare(socket)))
    }

    /// Records of TLS with anything in them, of which some lie about their length.
    fn records(&mut self) -> Vec<u8> {
        let mut records = Vec::new();
        for _ in 0..self.dice.below(20) + 1 {
            let content = *self.dice.pick(&[20, 21, 22, 22, 22, 23, 24, 0, 255]);
            let payload = self.noise(2_000);
            let length = match self.dice.below(6) {
                0 => 0xffff,
                1 => 0x4100,
                2 => self.dice.next() as u16,
                _ => payload.len() as u16,
            };
            records.extend([content, 3, self.dice.below(5) as u8]);
            records.extend(length.to_be_bytes());
            records.extend(payload);
        }
        records
    }

    /// Somebody to whom the gateway listens, up to the login.
    fn through(&mut self) -> io::Result<Option<Kept>> {
        let mut line = Line::connect(self.address, self.gate.is_secret)?;
        match (self.gate.asks, self.dice.below(3)) {
            (false, _) => self.requests(&mut line, "request in TLS")?,
            (true, 0) => self.requests(&mut line, "request before login")?,
            (true, _) => self.login(&mut line)?,
        }
        Ok(self.dice.one_in(4).then_some(Kept::Line(line)))
    }

    /// Requests, whatever they are.
    fn requests(&mut self, line: &mut Line, kind: &'static str) -> io::Result<()> {
        for _ in 0..self.dice.below(4) + 1 {
            let request = self.attacker.next().bytes;
            self.count(kind, request.len());
            let is_sent = line.send(&request);
            if self.gate.asks && !is_of_login(&request) {
                return self.is_hung_up_on(line);
            }
            is_sent?;
            self.hear(line)?;
            // There may be more than one answer, and what comes next must have none.
            if self.gate.asks {
                break;
            }
        }
        Ok(())
    }

    /// Notes whether somebody is answered who must not be.
    fn is_hung_up_on(&self, line: &mut Line) -> io::Result<()> {
        let mut room = [0; 4_096];
        match line.receive(&mut room) {
            Ok(0) => _ = self.seen.refused.fetch_add(1, Ordering::Relaxed),
            Ok(bytes) => {
                println!("  at {} somebody is answered before the login: {:?}", self.gate.name, &room[..bytes.min(100)]);
                self.seen.leaks.fetch_add(1, Ordering::Relaxed);
            }
            // It waits for a place.
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(_) => _ = self.seen.refused.fetch_add(1, Ordering::Relaxed),
        }
        Err(io::ErrorKind::ConnectionAborted.into())
    }

    /// Whatever is answered.
    fn hear(&self, line: &mut Line) -> io::Result<Bytes> {
        line.socket().set_read_timeout(Some(PATIENCE))?;
        let mut room = vec![0; 64 << 10];
        let bytes = line.receive(&mut room)?;
        if bytes == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.score.answered.fetch_add(1, Ordering::Relaxed);
        room.truncate(bytes);
        Ok(room.into())
    }

    /// A login that goes wrong in the middle.
    fn login(&mut self, line: &mut Line) -> io::Result<()> {
        let mechanism = *self.dice.pick(&MECHANISMS);
        let is_raw = self.dice.one_in(3);
        let chosen = SaslHandshakeRequest::default().with_mechanism(mechanism.into());
        let chosen = kafka::frame(i16::from(!is_raw), &chosen);
        self.count(mechanism, chosen.len());
        line.send(&chosen)?;
        self.hear(line)?;
        let mut first = self.secrets.first(mechanism);
        // With SCRAM anybody may begin, as a rule right.
        let is_scram = [SCRAM_256, SCRAM_512].contains(&mechanism);
        if !is_scram || self.dice.one_in(3) {
            first = self.spoilt(first);
        }
        for round in 0..4 {
            if self.dice.one_in(6) {
                let request = self.attacker.next().bytes;
                self.count("request in a login", request.len());
                let is_sent = line.send(&request);
                // Bare messages have no key.
                if !is_raw && !is_of_login(&request) {
                    return self.is_hung_up_on(line);
                }
                is_sent?;
                return self.hear(line).map(|_| ());
            }
            let message = if round == 0 { std::mem::take(&mut first) } else { self.last_message() };
            let sent = if is_raw {
                framed(&message)
            } else {
                kafka::frame(self.dice.below(3) as i16, &SaslAuthenticateRequest::default().with_auth_bytes(message.into()))
            };
            line.send(&sent)?;
            let answer = self.hear(line)?;
            // The last word of SCRAM to somebody who has proved to know the password.
            if is_scram && answer.windows(2).any(|word| word == b"v=") {
                self.seen.broken_in.fetch_add(1, Ordering::Relaxed);
            }
        }
        Ok(())
    }

    /// What may come behind a challenge, but for what should.
    fn last_message(&mut self) -> Vec<u8> {
        match self.dice.below(5) {
            0 => format!("c=biws,r=clientnonce,p={}", STANDARD.encode(self.noise(64))).into(),
            1 => b"\x01".to_vec(),
            2 => Vec::new(),
            3 => b"c=,r=,p=,p=,=,,".to_vec(),
            _ => self.noise(1_000),
        }
    }

    /// Something like `message` that must not let anybody in.
    fn spoilt(&mut self, mut message: Vec<u8>) -> Vec<u8> {
        match self.dice.below(8) {
            0 => Vec::new(),
            1 => self.noise(70_000),
            2 => {
                message.truncate(self.dice.below(message.len().saturating_sub(12)));
                message
            }
            3 => vec![0; self.dice.below(70_000)],
            4 => b"[".repeat(self.dice.below(60_000)),
            5 => format!("n,a={},\u{1}auth=Bearer {}.e30.AAAA\u{1}\u{1}", "x".repeat(self.dice.below(9_000)), "e30").into(),
            // A number of rounds or a name that is too long, where there is one.
            6 => format!("n,,n={},r={}", "=2C".repeat(self.dice.below(5_000)), "r".repeat(self.dice.below(9_000))).into(),
            _ => {
                // Near its end is what proves it.
                let at = message.len() - 12 - self.dice.below(8);
                message[at] ^= 0x15;
                message
            }
        }
    }
}

/// Whether the first of these requests may be answered before the login, or is not there as far as its head.
fn is_of_login(requests: &[u8]) -> bool {
    let of_login = [ApiKey::SaslHandshake, ApiKey::SaslAuthenticate, ApiKey::ApiVersions].map(|key| key as i16);
    requests.len() < 12 || of_login.contains(&i16::from_be_bytes([requests[4], requests[5]]))
}
