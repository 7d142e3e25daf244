//! Assignments, by example and by what has to be true of all of them.

use proptest::collection::{btree_map, btree_set, vec};
use proptest::prelude::*;

use super::*;

fn topic(number: u8) -> Uuid {
    Uuid::from_u128(number.into())
}

/// What each member, named by its number, gets when it subscribes to the topics of those numbers and had that before.
fn assign(assignor: Assignor, members: &[(&[u8], Target)], topics: &[i32]) -> Vec<Target> {
    let topics = (0..).zip(topics).map(|(number, &partitions)| (topic(number), partitions)).collect();
    let ids = (0..members.len()).map(|number| format!("m{number}")).collect::<Vec<_>>();
    let applicants = members.iter().zip(&ids).map(|((subscribed, before), id)| Applicant {
        id,
        instance: None,
        topics: subscribed.iter().copied().map(topic).collect(),
        before,
    });
    assignor.assign(&applicants.collect::<Vec<_>>(), &topics)
}

fn target(partitions: &[(u8, &[i32])]) -> Target {
    partitions.iter().map(|(number, partitions)| (topic(*number), partitions.iter().copied().collect())).collect()
}

#[test]
fn range_gives_runs_of_each_topic_in_the_members_order() {
    let nothing = Target::new;
    type Row<'a> = (&'a [(&'a [u8], Target)], &'a [i32], &'a [Target]);
    let rows: [Row<'_>; 4] = [
        (&[(&[0], nothing())], &[3], &[target(&[(0, &[0, 1, 2])])]),
        (
            &[(&[0, 1], nothing()), (&[0, 1], nothing())],
            &[3, 3],
            &[target(&[(0, &[0, 1]), (1, &[0, 1])]), target(&[(0, &[2]), (1, &[2])])],
        ),
        (&[(&[0], nothing()), (&[0], nothing())], &[1], &[target(&[(0, &[0])]), nothing()]),
        (
            &[(&[0], nothing()), (&[1], nothing()), (&[0, 1, 9], nothing())],
            &[2, 1],
            &[target(&[(0, &[0])]), target(&[(1, &[0])]), target(&[(0, &[1])])],
        ),
    ];
    for (members, topics, expected) in rows {
        assert_eq!(assign(Assignor::Range, members, topics), expected, "{members:?}");
    }
}

#[test]
fn range_keeps_static_members_at_their_places() {
    let (topics, nothing) = (BTreeMap::from([(topic(0), 2)]), Target::new());
    let applicant =
        |id, instance| Applicant { id, instance: Some(instance), topics: BTreeSet::from([topic(0)]), before: &nothing };
    for (first, second) in [("a", "b"), ("z", "b")] {
        let shares = Assignor::Range.assign(&[applicant(first, "one"), applicant(second, "two")], &topics);
        assert_eq!(shares, [target(&[(0, &[0])]), target(&[(0, &[1])])]);
    }
}

#[test]
fn uniform_moves_only_what_evenness_needs() {
    let all = target(&[(0, &[0, 1, 2, 3])]);
    let shares = assign(Assignor::Uniform, &[(&[0], all), (&[0], Target::new())], &[4]);
    assert_eq!(shares, [target(&[(0, &[0, 1])]), target(&[(0, &[2, 3])])]);
    let before = [(&[0][..], target(&[(0, &[3])])), (&[0][..], target(&[(0, &[0, 1])]))];
    assert_eq!(assign(Assignor::Uniform, &before, &[4]), [target(&[(0, &[2, 3])]), target(&[(0, &[0, 1])])]);
    // Who can read nothing else is not left with less than who can.
    let choosy = [(&[0][..], Target::new()), (&[0, 1][..], Target::new())];
    assert_eq!(assign(Assignor::Uniform, &choosy, &[2, 2]), [target(&[(0, &[0, 1])]), target(&[(1, &[0, 1])])]);
}

fn anybody() -> impl Strategy<Value = (BTreeSet<u8>, BTreeMap<u8, BTreeSet<i32>>)> {
    (btree_set(0..4_u8, 0..4), btree_map(0..4_u8, btree_set(0..8, 0..8), 0..4))
}

proptest! {
    #[test]
    fn every_partition_has_one_reader_and_nobody_reads_what_it_does_not_want(
        members in vec(anybody(), 1..7),
        topics in vec(0..8_i32, 1..4),
    ) {
        let members = members.into_iter().map(|(subscribed, before)| {
            let before = before.into_iter().map(|(number, partitions)| (topic(number), partitions)).collect::<Target>();
            (subscribed.into_iter().collect::<Vec<_>>(), before)
        }).collect::<Vec<_>>();
        let borrowed = members.iter().map(|(subscribed, before)| (&subscribed[..], before.clone())).collect::<Vec<_>>();
        for assignor in Assignor::ALL {
            let shares = assign(assignor, &borrowed, &topics);
            let mut read = HashSet::new();
            for ((subscribed, _), share) in members.iter().zip(&shares) {
                for (id, partitions) in share {
                    prop_assert!(subscribed.iter().any(|&number| topic(number) == *id));
                    prop_assert!(!partitions.is_empty() && partitions.iter().all(|&partition| read.insert((*id, partition))));
                }
            }
            let wanted = (0..).zip(&topics).filter(|(number, _)| members.iter().any(|(subscribed, _)| subscribed.contains(number)));
            prop_assert_eq!(read.len(), wanted.map(|(_, &partitions)| partitions as usize).sum::<usize>());
        }
        // Where two could read a partition, neither has two more than the other.
        let shares = assign(Assignor::Uniform, &borrowed, &topics);
        let load = |share: &Target| share.values().map(BTreeSet::len).sum::<usize>();
        for share in &shares {
            for ((subscribed, _), other) in members.iter().zip(&shares) {
                let could_take = share.keys().any(|id| subscribed.iter().any(|&number| topic(number) == *id));
                prop_assert!(!could_take || load(share) < load(other) + 2);
            }
        }
        // And what is even already stays.
        let settled = members.iter().zip(&shares).map(|((subscribed, _), share)| (&subscribed[..], share.clone()));
        prop_assert_eq!(assign(Assignor::Uniform, &settled.collect::<Vec<_>>(), &topics), shares);
    }

    #[test]
    fn members_of_one_mind_lose_nothing_they_could_keep(sizes in vec(0..9_usize, 1..6), members in 1..6_usize) {
        // Each member has a run of the only topic; the rest is new.
        let partitions = sizes.iter().take(members).sum::<usize>() as i32 + 3;
        let mut next = 0;
        let before = (0..members).map(|number| {
            let end = next + sizes.get(number).copied().unwrap_or(0) as i32;
            let run = (next..end).collect::<BTreeSet<_>>();
            next = end;
            (&[0_u8][..], Target::from([(topic(0), run)]))
        }).collect::<Vec<_>>();
        let shares = assign(Assignor::Uniform, &before, &[partitions]);
        let most = (partitions as usize).div_ceil(members);
        for ((_, had), has) in before.iter().zip(&shares) {
            let (had, has) = (&had[&topic(0)], has.get(&topic(0)).cloned().unwrap_or_default());
            let kept = had.intersection(&has).count();
            prop_assert!(kept == had.len() || has.len() == kept && kept + 1 >= most, "{had:?} {has:?}");
        }
    }
}
