//! The ledger's promises.

use std::sync::mpsc;

use bytes::Bytes;
use shardgate::store::{Error, Write};

use super::{Engine, done};

type Open = fn() -> Engine;

fn put(key: impl Into<Bytes>, value: impl Into<Bytes>) -> Write {
    Write::Put { key: key.into(), value: value.into() }
}

fn delete(key: &'static str) -> Write {
    Write::Delete { key: key.into() }
}

fn commit(engine: &Engine, writes: Vec<Write>) {
    done(|done| engine.ledger.commit(writes, done)).unwrap();
}

fn get(engine: &Engine, key: &str) -> Option<Bytes> {
    engine.ledger.get(key.as_bytes()).unwrap()
}

fn scan(engine: &Engine, prefix: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    engine.ledger.scan(prefix.as_bytes(), &mut |key, value| found.push((text(key), text(value)))).unwrap();
    found
}

pub(crate) fn the_last_value_of_a_key_counts(open: Open) {
    let engine = open();
    assert_eq!(get(&engine, "a"), None);
    for value in ["1", "2", ""] {
        commit(&engine, vec![put("a", value)]);
        assert_eq!(get(&engine, "a").unwrap(), value);
    }
    commit(&engine, vec![put("b", "3"), put("c", "4")]);
    commit(&engine, vec![delete("c"), delete("never there")]);
    engine.lasting(|engine| {
        assert_eq!(["a", "b", "c"].map(|key| get(engine, key)), [Some(Bytes::new()), Some("3".into()), None]);
    });
}

pub(crate) fn a_scan_visits_the_keys_of_a_prefix_in_order(open: Open) {
    let engine = open();
    commit(&engine, ["b/2", "a", "b/10", "c", "b/1", "b", "b0"].map(|key| put(key, key)).to_vec());
    engine.lasting(|engine| {
        let keys = |prefix| {
            scan(engine, prefix).into_iter().map(|(key, value)| {
                assert_eq!(key, value);
                key
            })
        };
        assert!(keys("b/").eq(["b/1", "b/10", "b/2"]));
        assert!(keys("").eq(["a", "b", "b/1", "b/10", "b/2", "b0", "c"]));
        assert!(keys("d").next().is_none());
    });
}

pub(crate) fn a_commit_takes_effect_whole(open: Open) {
    let engine = open();
    let keys: Vec<_> = (0..500).map(|key| format!("x/{key:03}")).collect();
    for value in ["old", "new"] {
        commit(&engine, keys.iter().map(|key| put(key.clone(), value)).collect());
        assert!(scan(&engine, "x/").iter().map(|(_, value)| value).eq([value; 500]));
    }
    engine.lasting(|engine| assert!(scan(engine, "x/").iter().map(|(key, _)| key).eq(&keys)));
}

pub(crate) fn within_a_commit_the_last_write_of_a_key_counts(open: Open) {
    let engine = open();
    commit(&engine, vec![put("a", "1"), put("a", "2"), put("b", "1"), delete("b"), delete("c"), put("c", "1")]);
    commit(&engine, vec![]);
    engine.lasting(|engine| {
        assert_eq!(["a", "b", "c"].map(|key| get(engine, key)), [Some("2".into()), None, Some("1".into())]);
    });
}

pub(crate) fn commits_take_effect_and_are_answered_in_call_order(open: Open) {
    let engine = open();
    let (answer, answers) = mpsc::channel();
    for number in 0..300_u32 {
        let answer = answer.clone();
        let done = Box::new(move |result: Result<(), Error>| answer.send((number, result.is_ok())).unwrap());
        engine.ledger.commit(vec![put("last", number.to_string()), put(format!("n/{number:03}"), "")], done);
    }
    drop(answer);
    assert!(answers.iter().eq((0..300).map(|number| (number, true))));
    engine.lasting(|engine| {
        assert_eq!(get(engine, "last").unwrap(), "299");
        assert_eq!(scan(engine, "n/").len(), 300);
    });
}

pub(crate) fn a_large_value_comes_back_whole(open: Open) {
    let engine = open();
    let value = |seed: usize, bytes: usize| (0..bytes).map(|index| (index * seed % 251) as u8).collect::<Bytes>();
    let key = "k".repeat(512);
    commit(&engine, vec![put("l/1", value(7, 100 << 10)), put("l/2", value(11, 1 << 20)), put(key.clone(), "long key")]);
    commit(&engine, vec![put("l/2", value(13, 100 << 10)), put("l/3", "small")]);
    commit(&engine, vec![put("l/1", value(3, 150 << 10))]);
    engine.lasting(|engine| {
        assert_eq!(get(engine, "l/1").unwrap(), value(3, 150 << 10));
        assert_eq!(get(engine, "l/2").unwrap(), value(13, 100 << 10));
        assert_eq!(get(engine, &key).unwrap(), "long key");
        let mut sizes = Vec::new();
        engine.ledger.scan(b"l/", &mut |key, value| sizes.push((key.to_vec(), value.len()))).unwrap();
        assert_eq!(sizes, [(b"l/1".to_vec(), 150 << 10), (b"l/2".to_vec(), 100 << 10), (b"l/3".to_vec(), 5)]);
    });
}
