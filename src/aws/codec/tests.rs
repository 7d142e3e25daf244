use bytes::Bytes;

use super::{Codec, VALUES_MAX};
use crate::aws::value::{Structure, Value};
use crate::model::Timestamp;

fn json(text: &str) -> Result<Structure, String> {
    Codec::Json.decode(&Bytes::copy_from_slice(text.as_bytes())).map_err(|error| error.to_string())
}

fn cbor(hex: &str) -> Result<Structure, String> {
    Codec::Cbor.decode(&unhex(hex).into()).map_err(|error| error.to_string())
}

fn unhex(hex: &str) -> Vec<u8> {
    let digits: Vec<char> = hex.chars().filter(|c| !c.is_whitespace()).collect();
    digits.chunks(2).map(|pair| u8::from_str_radix(&pair.iter().collect::<String>(), 16).unwrap()).collect()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn all_kinds() -> Structure {
    Structure::default()
        .with("Text", "a \"quoted\" \u{1f980}".to_owned())
        .with("Integer", -7_i64)
        .with("Double", 0.5)
        .with("Bool", true)
        .with("Bytes", Bytes::from_static(&[0, 255, 1]))
        .with("Time", Timestamp(1_700_000_000_123))
        .with("List", vec!["a", "b"])
        .with("Map", Structure::default().with("Inner", 1_i64))
}

#[test]
fn json_is_written_as_aws_writes_it() {
    let text = String::from_utf8(Codec::Json.encode(&all_kinds())).unwrap();
    let expected = "{\"Text\":\"a \\\"quoted\\\" \u{1f980}\",\"Integer\":-7,\"Double\":0.5,\"Bool\":true,\"Bytes\":\"AP8B\",\
                    \"Time\":1700000000.123,\"List\":[\"a\",\"b\"],\"Map\":{\"Inner\":1}}";
    assert_eq!(text, expected);
    for (millis, seconds) in [(0, "0.000"), (-1, "-0.001"), (1_005, "1.005"), (i64::MIN, "-9223372036854775.808")] {
        let members = Structure::default().with("T", Timestamp(millis));
        assert_eq!(String::from_utf8(Codec::Json.encode(&members)).unwrap(), format!("{{\"T\":{seconds}}}"));
    }
}

#[test]
fn cbor_that_is_written_is_read_as_the_same() {
    let members = all_kinds();
    assert_eq!(Codec::Cbor.decode(&Codec::Cbor.encode(&members).into()), Ok(members));
    for number in [0, 23, 24, 255, 256, 65_535, 65_536, 4_294_967_295, 4_294_967_296, i64::MAX, -1, -24, -25, i64::MIN] {
        let members = Structure::default().with("N", number);
        assert_eq!(Codec::Cbor.decode(&Codec::Cbor.encode(&members).into()), Ok(members), "{number}");
    }
}

#[test]
fn a_time_in_cbor_is_tag_1_and_whole_milliseconds() {
    // GetShardIterator at a timestamp, as the Java SDK was seen to send it.
    let found = cbor("bf 6954696d657374616d70 c1 1b 000001a013accc38 ff").unwrap();
    assert_eq!(found.timestamp("Timestamp"), Some(Timestamp(0x01a0_13ac_cc38)));
    assert_eq!(
        hex(&Codec::Cbor.encode(&Structure::default().with("T", Timestamp(1_700_000_000_123)))),
        "a16154c11b0000018bcfe5687b"
    );
    assert!(cbor("a1 6154 c1 fb41d954fc4000000000").unwrap_err().contains("whole number"));
}

#[test]
fn a_time_in_smithys_cbor_is_tag_1_and_seconds() {
    let read = |hex: &str| Codec::RpcCbor.decode(&unhex(hex).into()).unwrap().timestamp("T");
    assert_eq!(read("a16154c11a6553f100"), Some(Timestamp(1_700_000_000_000)));
    assert_eq!(read("a16154c1fb41d954fc4007df3b"), Some(Timestamp(1_700_000_000_123)));
    let written = Codec::RpcCbor.encode(&Structure::default().with("T", Timestamp(1_700_000_000_500)));
    assert_eq!(hex(&written), "a16154c1fb41d954fc40200000");
}

#[test]
fn cbor_of_definite_and_indefinite_length_says_the_same() {
    let definite = cbor("a2 6144 43 010203 614c 82 01 63616263").unwrap();
    let indefinite = cbor("bf 6144 5f 4101 420203 ff 614c 9f 01 7f 6161 626263 ff ff ff").unwrap();
    assert_eq!(definite, indefinite);
    assert_eq!(definite.bytes("D").unwrap().as_ref(), [1, 2, 3]);
    assert_eq!(definite.get("L"), Some(&Value::List(vec![Value::Integer(1), "abc".into()])));
}

#[test]
fn numbers_of_every_width_are_read() {
    for (hex, number) in
        [("f93c00", 1.0), ("f90001", 5.960_464_477_539_063e-8), ("fac0000000", -2.0), ("fb3fe0000000000000", 0.5)]
    {
        assert_eq!(cbor(&format!("a1614e{hex}")).unwrap().double("N"), Some(number), "{hex}");
    }
    assert_eq!(cbor("a1614e1bffffffffffffffff").unwrap().double("N"), Some(18_446_744_073_709_551_615.0));
    assert_eq!(json("{\"N\":18446744073709551615}").unwrap().double("N"), Some(18_446_744_073_709_551_615.0));
}

#[test]
fn texts_and_bytes_share_the_memory_of_the_body() {
    let body = Bytes::from_static(b"{\"Data\":\"QUJD\",\"Key\":\"a\\u0062\"}");
    let found = Codec::Json.decode(&body).unwrap();
    assert!(body.as_ptr_range().contains(&found.text("Data").unwrap().as_ptr()));
    assert_eq!(found.text("Key"), Some("ab"));
    let body = Bytes::from(unhex("a16144 43 010203"));
    let found = Codec::Cbor.decode(&body).unwrap();
    assert!(body.as_ptr_range().contains(&found.bytes("D").unwrap().as_ptr()));
}

#[test]
fn what_is_no_body_is_refused_in_words() {
    for (text, why) in [
        ("", "EOF"),
        ("hello", "expected value"),
        ("[]", "a map is expected"),
        ("1", "a map is expected"),
        ("{} {}", "trailing"),
        ("{\"a\":\"\u{1}\"}", "control character"),
    ] {
        assert!(json(text).unwrap_err().contains(why), "{text}: {}", json(text).unwrap_err());
    }
    for (hex, why) in [
        ("", "1 more bytes"),
        ("80", "a map is expected"),
        ("a0 00", "bytes follow"),
        ("bf", "no end"),
        ("bf 01 01 ff", "not a text"),
        ("a1 61 ff 00", "not UTF-8"),
        ("a1 6161", "1 more bytes"),
        ("a1 6161 5b ffffffffffffffff", "more bytes are announced"),
        ("a1 6161 9b ffffffffffffffff", "1 more bytes"),
        ("a1 6161 5f 6161 ff", "another kind"),
        ("a1 6161 5f 5f ff ff", "another kind"),
        ("a1 6161 c2 41 01", "the tag 2"),
        ("a1 6161 e0", "simple value"),
        ("a1 6161 ff", "no indefinite length"),
        ("a1 6161 1f", "no indefinite length"),
        ("a1 6161 1c", "begins no value"),
    ] {
        assert!(cbor(hex).unwrap_err().contains(why), "{hex}: {}", cbor(hex).unwrap_err());
    }
}

#[test]
fn depth_and_number_of_values_are_bounded() {
    assert!(json(&"{\"a\":".repeat(100)).unwrap_err().contains("32 levels"));
    assert!(cbor(&"a16161".repeat(100)).unwrap_err().contains("32 levels"));
    assert!(cbor(&format!("a16161{}", "c1".repeat(1_000_000))).unwrap_err().contains("32 levels"));
    let many = |count: usize| format!("{{\"a\":[{}0]}}", "0,".repeat(count));
    assert!(json(&many(VALUES_MAX)).unwrap_err().contains("100000 values"));
    assert!(json(&many(VALUES_MAX - 4)).is_ok());
    let mut body = unhex("a161619f");
    body.resize(VALUES_MAX + 10, 0);
    assert!(Codec::Cbor.decode(&body.into()).unwrap_err().to_string().contains("100000 values"));
}

/// Every prefix and every changed byte of a body is read or refused, and nothing else.
#[test]
fn damaged_bodies_are_read_or_refused() {
    for codec in [Codec::Json, Codec::Cbor, Codec::RpcCbor] {
        let body = codec.encode(&all_kinds());
        for at in 0..body.len() {
            assert!(codec.decode(&Bytes::copy_from_slice(&body[..at])).is_err(), "{codec:?} cut at {at}");
            for byte in 0..=255 {
                let mut changed = body.clone();
                changed[at] = byte;
                let _ = codec.decode(&changed.into());
            }
        }
    }
}
