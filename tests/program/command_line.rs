//! Flags, help and what is wrong with them.

use shardgate::config::{Kind, SETTINGS};

use super::{output, shardgate, text};

#[test]
fn a_bad_flag_ends_with_code_2_and_says_what_is_accepted() {
    for (arguments, words) in [
        (vec!["--data-dri", "x"], "--data-dir"),
        (
            vec!["serve", "--node-id", "x"],
            "the flag --node-id has the value \"x\": a whole number from 0 to 2147483647 is accepted",
        ),
        (vec!["--ephemeral", "maybe"], "true and false are accepted"),
        (vec!["--config", "/nonexistent.toml"], "/nonexistent.toml cannot be read"),
        (vec!["map", "orders"], "orders/2@1234"),
        (vec!["map", "--sequence", "12"], "does not have the layout"),
        (vec!["run"], "<CMD>"),
    ] {
        let refused = output(&arguments);
        let complaint = text(&refused.stderr);
        assert_eq!(refused.status.code(), Some(2), "{arguments:?}: {complaint}");
        assert!(complaint.contains(words), "{arguments:?}: {complaint}");
    }
}

#[test]
fn a_bad_variable_is_named() {
    let refused = shardgate().env("SHARDGATE_LOG_FORMAT", "xml").output().unwrap();
    assert_eq!(refused.status.code(), Some(2));
    let complaint = text(&refused.stderr);
    assert!(
        complaint.contains("the environment variable SHARDGATE_LOG_FORMAT has the value \"xml\": text and json are accepted"),
        "{complaint}"
    );
}

#[test]
fn the_help_shows_every_flag_with_its_variable_and_its_default() {
    let help = text(&output(&["--help"]).stdout).split_whitespace().collect::<Vec<_>>().join(" ");
    // Secrets have no flag.
    for setting in SETTINGS.iter().filter(|setting| setting.kind != Kind::Tables) {
        assert!(help.contains(&format!("--{} ", setting.key)), "{} is not in\n{help}", setting.key);
        assert!(help.contains(&format!("[env: {}]", setting.env)), "{} is not in\n{help}", setting.env);
    }
    assert!(help.contains("[default: 127.0.0.1:9092]"), "{help}");
}

#[test]
fn a_sequence_number_is_taken_apart_without_a_gateway() {
    // From the Kinesis specification: the start of shard 0, and its index 0.
    let decoded =
        output(&["map", "--sequence", "49646437577108476416916876405825929425585429676275269634", "--http", "127.0.0.1:1"]);
    let shown = text(&decoded.stdout);
    assert!(
        decoded.status.success() && shown.contains("shardId-000000000000") && shown.contains("2023-11-14T22:13:20"),
        "{shown}"
    );
    assert!(shown.contains("no gateway answers at http://127.0.0.1:1"), "{shown}");
}

#[test]
fn completions_are_written_for_a_shell() {
    let script = text(&output(&["completions", "bash"]).stdout);
    assert!(script.contains("_shardgate()") && script.contains("--kafka-listener"), "{script}");
}
