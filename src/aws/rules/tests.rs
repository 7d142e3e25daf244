use bytes::Bytes;

use super::{Pattern, Rule, check};
use crate::aws::codec::Codec;
use crate::aws::refusal::Refusal;
use crate::aws::value::Input;

const WORD: Pattern =
    Pattern { text: "[a-z]+", accepts: |text| !text.is_empty() && text.bytes().all(|b| b.is_ascii_lowercase()) };
const ENTRY: Rule =
    Rule::structure("member", &[Rule::text("PartitionKey").required().length(1, 3), Rule::blob("Data").required().length(0, 2)])
        .shown("Entry@1");
const KEY: Rule = Rule::text("key").length(1, 2);
const RULES: &[Rule] = &[
    Rule::text("StreamName").required().pattern(WORD).length(1, 4),
    Rule::integer("Limit").range(1, 10),
    Rule::boolean("On"),
    Rule::timestamp("At"),
    Rule::double("Share"),
    Rule::text("Type").one_of(&["LATEST", "TRIM_HORIZON"]),
    Rule::list("Records", &ENTRY).length(1, 2),
    Rule::list("Keys", &KEY).length(1, 50),
    Rule::map("Tags", &KEY, &Rule::text("value").length(0, 1)).length(1, 200),
    Rule::structure("Filter", &[Rule::text("Type").required()]),
];

fn input(json: &str) -> Result<Input, Refusal> {
    check(RULES, Codec::Json.decode(&Bytes::copy_from_slice(json.as_bytes())).unwrap())
}

fn refusal(members: &str) -> Refusal {
    let comma = if members.is_empty() { "" } else { "," };
    input(&format!("{{\"StreamName\":\"a\"{comma}{members}}}")).unwrap_err()
}

#[test]
fn what_is_right_comes_out_as_its_kind() {
    let found = input(
        "{\"StreamName\":\"abcd\",\"Limit\":3.7,\"On\":\"Yes\",\"At\":1700000000.1234,\"Share\":1,\"Type\":\"LATEST\",\
          \"Records\":[{\"PartitionKey\":\"k\",\"Data\":\"AP8=\",\"Unknown\":{}}],\"Keys\":[\"k\"],\"Tags\":{\"k\":\"v\"},\
          \"Filter\":{\"Type\":\"t\"},\"Unknown\":[1]}",
    )
    .unwrap();
    assert_eq!((found.text("StreamName"), found.integer("Limit"), found.is_set("On")), (Some("abcd"), Some(3), true));
    assert_eq!((found.timestamp("At").unwrap().0, found.double("Share")), (1_700_000_000_123, Some(1.0)));
    let record = found.structures("Records").next().unwrap();
    assert_eq!((record.bytes("Data").unwrap().as_ref(), record.len()), ([0, 255].as_slice(), 2));
    assert_eq!(found.texts("Keys").collect::<Vec<_>>(), ["k"]);
    assert_eq!(found.structure("Tags").unwrap().text("k"), Some("v"));
    assert_eq!(found.get("Unknown"), None);
    assert!(input("{\"StreamName\":\"a\",\"Limit\":null,\"Records\":null}").unwrap().get("Limit").is_none());
}

#[test]
fn what_is_of_another_kind_is_refused_in_the_words_of_aws() {
    for (members, words) in [
        ("\"StreamName\":true", "class java.lang.Boolean can not be converted to an String"),
        ("\"StreamName\":1", "class com.amazon.coral.value.json.numbers.TruncatingBigNumber can not be converted to an String"),
        ("\"StreamName\":[]", "Start of list found where not expected"),
        ("\"StreamName\":{}", "Start of structure or map found where not expected."),
        ("\"Limit\":\"1\"", "class java.lang.String can not be converted to an Integer"),
        ("\"Limit\":false", "class java.lang.Boolean can not be converted to an Integer"),
        ("\"On\":1", "class com.amazon.coral.value.json.numbers.TruncatingBigNumber can not be converted to an Boolean"),
        ("\"On\":\"maybe\"", "'MAYBE' can not be converted to an Boolean"),
        ("\"At\":\"now\"", "class java.lang.String can not be converted to milliseconds since epoch"),
        ("\"Records\":1", "Expected list or null"),
        ("\"Records\":{}", "Start of structure or map found where not expected."),
        ("\"Records\":[1]", "Expected null"),
        ("\"Records\":[[]]", "Start of list found where not expected"),
        ("\"Tags\":\"x\"", "Expected map or null"),
        ("\"Tags\":{\"a\":1}", "class com.amazon.coral.value.json.numbers.TruncatingBigNumber can not be converted to an String"),
        ("\"Filter\":true", "Expected null"),
        (
            "\"Records\":[{\"Data\":1}]",
            "class com.amazon.coral.value.json.numbers.TruncatingBigNumber can not be converted to a Blob",
        ),
        (
            "\"Records\":[{\"Data\":\"abc\"}]",
            "'abc' can not be converted to a Blob: Base64 encoded length is expected a multiple of 4 bytes but found: 3",
        ),
        ("\"Records\":[{\"Data\":\"ab!d\"}]", "'ab!d' can not be converted to a Blob: Invalid Base64 character: '!'"),
        (
            "\"Records\":[{\"Data\":\"abb=\"}]",
            "'abb=' can not be converted to a Blob: Invalid last non-pad Base64 character dectected",
        ),
    ] {
        let refusal = refusal(members);
        assert_eq!((refusal.name(), refusal.message(), refusal.status()), ("SerializationException", words, 400), "{members}");
        assert_eq!(refusal.body().text("Message"), Some(words));
    }
}

#[test]
fn a_broken_constraint_is_told_in_the_words_of_aws() {
    for (members, words) in [
        ("\"StreamName\":null", ""),
        (
            "\"StreamName\":\"A B\"",
            "Value 'A B' at 'streamName' failed to satisfy constraint: Member must satisfy regular expression pattern: [a-z]+",
        ),
        (
            "\"StreamName\":\"abcde\"",
            "Value 'abcde' at 'streamName' failed to satisfy constraint: Member must have length less than or equal to 4",
        ),
        ("\"Limit\":0", "Value '0' at 'limit' failed to satisfy constraint: Member must have value greater than or equal to 1"),
        ("\"Limit\":11", "Value '11' at 'limit' failed to satisfy constraint: Member must have value less than or equal to 10"),
        (
            "\"Type\":\"X\"",
            "Value 'X' at 'type' failed to satisfy constraint: Member must satisfy enum value set: [LATEST, TRIM_HORIZON]",
        ),
        (
            "\"Records\":[{\"PartitionKey\":\"abcd\",\"Data\":\"\"}]",
            "Value 'abcd' at 'records.1.member.partitionKey' failed to satisfy constraint: Member must have length less than or equal to 3",
        ),
        (
            "\"Records\":[{\"PartitionKey\":\"a\",\"Data\":\"AAAA\"}]",
            "Value 'java.nio.HeapByteBuffer[pos=0 lim=3 cap=3]' at 'records.1.member.data' failed to satisfy constraint: \
             Member must have length less than or equal to 2",
        ),
        (
            "\"Records\":[{\"PartitionKey\":\"a\"}]",
            "Value null at 'records.1.member.data' failed to satisfy constraint: Member must not be null",
        ),
        (
            "\"Keys\":[\"\",\"abc\"]",
            "Value '[, abc]' at 'keys' failed to satisfy constraint: Member must satisfy constraint: \
             [Member must have length less than or equal to 2, Member must have length greater than or equal to 1]",
        ),
        (
            "\"Tags\":{\"abc\":\"v\"}",
            "Value '{abc=v}' at 'tags' failed to satisfy constraint: Map keys must satisfy constraint: \
             [Member must have length less than or equal to 2, Member must have length greater than or equal to 1]",
        ),
        (
            "\"Tags\":{\"a\":\"vw\"}",
            "Value '{a=vw}' at 'tags' failed to satisfy constraint: Map value must satisfy constraint: \
             [Member must have length less than or equal to 1, Member must have length greater than or equal to 0]",
        ),
        ("\"Filter\":{}", "Value null at 'filter.type' failed to satisfy constraint: Member must not be null"),
    ] {
        if words.is_empty() {
            assert!(input(&format!("{{\"StreamName\":\"a\",{members}}}")).is_ok());
            continue;
        }
        let refusal = refusal(members);
        assert_eq!(refusal.name(), "ValidationException");
        assert_eq!(refusal.message(), format!("1 validation error detected: {words}"));
        assert_eq!(refusal.body().text("message"), Some(refusal.message()));
    }
}

#[test]
fn all_broken_constraints_are_told_in_order_but_no_more_than_ten() {
    let refusal = input("{\"StreamName\":\"\",\"Limit\":0}").unwrap_err();
    assert_eq!(
        refusal.message(),
        "3 validation errors detected: \
         Value '' at 'streamName' failed to satisfy constraint: Member must satisfy regular expression pattern: [a-z]+; \
         Value '' at 'streamName' failed to satisfy constraint: Member must have length greater than or equal to 1; \
         Value '0' at 'limit' failed to satisfy constraint: Member must have value greater than or equal to 1"
    );
    let entries = vec!["{}"; 20].join(",");
    let refusal = input(&format!("{{\"StreamName\":\"a\",\"Records\":[{entries}]}}")).unwrap_err();
    assert!(refusal.message().starts_with("10 validation errors detected: Value '[Entry@1, Entry@1, "), "{}", refusal.message());
    assert_eq!(refusal.message().matches("Value ").count(), 10);
}

#[test]
fn types_are_looked_at_before_constraints() {
    let refusal = input("{\"Limit\":0,\"Filter\":1}").unwrap_err();
    assert_eq!(refusal.name(), "SerializationException");
}

#[test]
fn what_is_shown_of_a_value_is_bounded() {
    let long = "x".repeat(1 << 20);
    let refusal = input(&format!("{{\"StreamName\":\"{long}\"}}")).unwrap_err();
    assert!(refusal.message().len() < 70_000);
    let refusal = input(&format!("{{\"Records\":[{{\"Data\":\"{long}!!!!\"}}]}}")).unwrap_err();
    assert!(refusal.message().len() < 2_000);
}

fn form(text: &str) -> Result<Input, Refusal> {
    super::check_form(RULES, &crate::aws::form::pairs(text).collect::<Vec<_>>())
}

#[test]
fn a_form_says_the_same_as_json() {
    let same = "{\"StreamName\":\"ab\",\"Limit\":3,\"On\":true,\"Share\":0.5,\"At\":1700000000.25,\"Keys\":[\"a\",\"b\"],\
                \"Filter\":{\"Type\":\"x\"}}";
    let written = "Action=List&StreamName=ab&Limit=3&On=true&Share=0.5&At=2023-11-14T22%3A13%3A20.25Z&Keys.member.10=b&\
                   Keys.member.2=a&Filter.Type=x&Other.member.1=y&StreamNames=no";
    assert_eq!(form(written), input(same));
    assert_eq!(form("StreamName=ab&Keys=").unwrap_err(), input("{\"StreamName\":\"ab\",\"Keys\":[]}").unwrap_err());
    assert_eq!(form("Filter.Type=x").unwrap_err(), input("{\"Filter\":{\"Type\":\"x\"}}").unwrap_err());
}

#[test]
fn times_in_forms_are_those_of_iso_8601() {
    let at = |text: &str| form(&format!("StreamName=a&At={text}")).ok().and_then(|input| input.timestamp("At")).map(|at| at.0);
    for (text, millis) in [
        ("2023-11-14T22:13:20Z", Some(1_700_000_000_000)),
        ("2023-11-14T22:13:20", Some(1_700_000_000_000)),
        ("2023-11-14T22:13:20.123456Z", Some(1_700_000_000_123)),
        ("2023-11-14T23:43:20%2B01:30", Some(1_700_000_000_000)),
        ("2023-11-14T22:13:20-00:00", Some(1_700_000_000_000)),
        ("2023-11-14", Some(1_699_920_000_000)),
        ("1970-01-01T00:00:00.5Z", Some(500)),
    ] {
        assert_eq!(at(text), millis, "{text}");
    }
    for text in [
        "1700000000",
        "2023-11-31",
        "2023-11-14T",
        "2023-11-14T22:13Z",
        "2023-11-14T22:13:20.Z",
        "2023-11-14T22:13:20Zx",
        "2023-11-14T22:13:20%2B0130",
        "2023-11-14T+2:13:20Z",
        "\u{1f980}",
        "",
    ] {
        let refused = form(&format!("StreamName=a&At={text}")).unwrap_err();
        assert_eq!((refused.name(), refused.message()), ("SerializationException", "timestamp must follow ISO8601"), "{text}");
    }
}

#[test]
fn forms_with_something_else_than_the_rules_say_are_refused() {
    for (text, message) in [
        ("Limit=a", "integer must follow xsd1.1 definition"),
        ("On=1", "boolean must follow xsd1.1 definition"),
        ("Share=x", "double must follow xsd1.1 definition"),
        ("Limit.x=1", "Unexpected complex element termination"),
        ("Limit=1&Limit=1", "Unexpected complex element termination"),
        ("Filter=1", "Unexpected complex element termination"),
        ("Keys=a", "Unexpected complex element termination"),
        ("Keys.1=a", "Unexpected complex element termination"),
        ("Keys.member.x=a", "Unexpected list element termination"),
        ("Keys.member.1.y=a", "Unexpected complex element termination"),
        ("Tags.entry.1.key=a", "Unexpected complex element termination"),
    ] {
        let refused = form(text).unwrap_err();
        assert_eq!((refused.name(), refused.message()), ("SerializationException", message), "{text}");
    }
}
