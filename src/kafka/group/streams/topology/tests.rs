use super::*;
use crate::kafka::group::topics::Shelf;

fn names(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

fn internal(name: &str, partitions: i32) -> Internal {
    Internal { name: name.to_owned(), partitions, ..Internal::default() }
}

fn part(sources: &[&str], repartition: &[(&str, i32)], sinks: &[&str], changelogs: &[&str]) -> Subtopology {
    Subtopology {
        sources: names(sources),
        repartition_sources: repartition.iter().map(|(name, count)| internal(name, *count)).collect(),
        repartition_sinks: names(sinks),
        changelogs: changelogs.iter().map(|name| internal(name, 0)).collect(),
        copartitions: Vec::new(),
    }
}

fn topology(parts: Vec<Subtopology>) -> Topology {
    Topology { epoch: 0, subtopologies: (0..).map(|id: i32| id.to_string()).zip(parts).collect() }
}

fn word_count() -> Topology {
    topology(vec![part(&["lines"], &[], &["by-word"], &[]), part(&[], &[("by-word", 0)], &[], &["totals"])])
}

fn with(topics: &[(&str, i32)]) -> Shelf {
    let shelf = Shelf::default();
    for (name, partitions) in topics {
        shelf.create(name, *partitions);
    }
    shelf
}

fn missing(configured: &Configured) -> Vec<(&str, i32)> {
    configured.missing.iter().map(|(topic, partitions)| (topic.name.as_str(), *partitions)).collect()
}

fn problem(topology: &Topology, topics: &[(&str, i32)]) -> (Status, String) {
    topology.configure(&with(topics)).unwrap().problem.unwrap()
}

#[test]
fn internal_topics_have_the_partitions_of_what_they_are_made_of() {
    let configured = word_count().configure(&with(&[("lines", 3)])).unwrap();
    assert_eq!(missing(&configured), [("by-word", 3), ("totals", 3)]);
    let words = "Internal topics are missing: by-word, totals".to_owned();
    assert_eq!(configured.problem, Some((Status::MissingInternalTopics, words)));
    let ready = word_count().configure(&with(&[("lines", 3), ("by-word", 3), ("totals", 3)])).unwrap();
    assert!(ready.is_ready() && ready.missing.is_empty());
    let work = [("0", Work { tasks: 3, is_stateful: false }), ("1", Work { tasks: 3, is_stateful: true })];
    assert_eq!(ready.work, work.map(|(id, work)| (id.to_owned(), work)).into());
}

#[test]
fn a_chain_of_repartition_topics_takes_the_largest_that_is_read() {
    let chain = topology(vec![
        part(&[], &[("second", 0)], &[], &["store"]),
        part(&["small"], &[("first", 0)], &["second"], &[]),
        part(&["small", "large"], &[("fixed", 9)], &["first"], &[]),
        part(&["large"], &[], &["fixed"], &[]),
    ]);
    let configured = chain.configure(&with(&[("small", 2), ("large", 5)])).unwrap();
    assert_eq!(missing(&configured), [("first", 9), ("fixed", 9), ("second", 9), ("store", 9)]);
}

#[test]
fn what_is_read_and_not_there_is_named() {
    let many = topology(vec![part(&["a", "b", "c", "d", "e"], &[], &[], &[])]);
    assert_eq!(
        problem(&many, &[]),
        (Status::MissingSourceTopics, "Source topics a, b, c and 2 additional topics are missing.".to_owned())
    );
    assert_eq!(problem(&word_count(), &[]), (Status::MissingSourceTopics, "Source topics lines are missing.".to_owned()));
}

#[test]
fn topics_that_are_joined_have_equal_partitions() {
    let set = |mut part: Subtopology, topics: &[&str]| {
        part.copartitions = vec![names(topics)];
        part
    };
    let join = topology(vec![set(part(&["a", "b"], &[], &[], &[]), &["a", "b"])]);
    assert!(join.configure(&with(&[("a", 2), ("b", 2)])).unwrap().is_ready());
    let words = "Following topics do not have the same number of partitions: [{a=2, b=3}]".to_owned();
    assert_eq!(problem(&join, &[("a", 2), ("b", 3)]), (Status::IncorrectlyPartitionedTopics, words));
    // A repartition topic takes the number of what it is joined with, and one that is fixed has to have it.
    let flexible = |count| {
        let joined = set(part(&["a"], &[("r", count)], &[], &["store"]), &["a", "r"]);
        topology(vec![joined, part(&["b"], &[], &["r"], &[])])
    };
    let configured = flexible(0).configure(&with(&[("a", 4), ("b", 2)])).unwrap();
    assert_eq!(missing(&configured), [("r", 4), ("store", 4)]);
    assert_eq!(problem(&flexible(3), &[("a", 4), ("b", 2)]).0, Status::IncorrectlyPartitionedTopics);
    // Among themselves the largest counts, or the one that is fixed.
    let both = |one, other| {
        let joined = set(part(&[], &[("r", one), ("s", other)], &[], &[]), &["r", "s"]);
        topology(vec![joined, part(&["a"], &[], &["r"], &[]), part(&["b"], &[], &["s"], &[])])
    };
    for (one, other, expected) in [(0, 0, 4), (7, 0, 7), (7, 7, 7)] {
        let configured = both(one, other).configure(&with(&[("a", 4), ("b", 2)])).unwrap();
        assert_eq!(missing(&configured), [("r", expected), ("s", expected)], "{one} {other}");
    }
    assert_eq!(problem(&both(7, 8), &[("a", 4), ("b", 2)]).0, Status::IncorrectlyPartitionedTopics);
}

#[test]
fn an_internal_topic_of_another_size_is_not_touched() {
    let words = "Existing topic by-word has different number of partitions: expected 3, found 2".to_owned();
    let fixed = topology(vec![part(&["lines"], &[], &["by-word"], &[]), part(&[], &[("by-word", 3)], &[], &[])]);
    let decided = fixed.configure(&with(&[("lines", 3), ("by-word", 2)])).unwrap();
    assert_eq!(decided.problem, Some((Status::IncorrectlyPartitionedTopics, words)));
}

#[test]
fn topologies_that_lead_nowhere_are_refused() {
    let circle = topology(vec![part(&[], &[("a", 0)], &["b"], &[]), part(&[], &[("b", 0)], &["a"], &[])]);
    let orphan = topology(vec![part(&["lines"], &[("nobody's", 0)], &[], &[])]);
    for lost in [circle, orphan] {
        assert!(matches!(lost.configure(&with(&[("lines", 1)])), Err(Refusal::InvalidTopology(_))), "{lost:?}");
    }
    assert!(matches!(topology(vec![part(&[], &[], &["a"], &[])]).check(), Err(Refusal::InvalidTopology(_))));
    let mut large = word_count();
    large.subtopologies.get_mut("0").unwrap().sources.insert("x".repeat(BYTES_MAX));
    assert!(matches!(large.check(), Err(Refusal::InvalidTopology(_))));
    assert_eq!(word_count().check(), Ok(()));
    assert_eq!(
        problem(&topology(vec![part(&["lines"], &[], &[], &[])]), &[("lines", 20_001)]).0,
        Status::IncorrectlyPartitionedTopics
    );
}

#[test]
fn the_fingerprint_differs_when_a_topic_that_is_needed_does() {
    let topics = with(&[("lines", 3)]);
    let before = word_count().fingerprint(&topics);
    topics.create("other", 1);
    assert_eq!(word_count().fingerprint(&topics), before);
    topics.create("totals", 3);
    let with_store = word_count().fingerprint(&topics);
    topics.grow("lines", 1);
    assert!(before != with_store && with_store != word_count().fingerprint(&topics));
}
