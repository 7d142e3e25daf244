use std::sync::Arc;

use super::super::state::{Member, Profile};
use super::*;

fn tasks(partitions: &[i32]) -> Tasks {
    if partitions.is_empty() { Tasks::new() } else { [("0".to_owned(), partitions.iter().copied().collect())].into() }
}

fn target(active: &[i32], standby: &[i32]) -> Target {
    Target { active: tasks(active), standby: tasks(standby) }
}

fn held(active: &[i32], standby: &[i32]) -> Held {
    let given = active.iter().map(|partition| (*partition, 5)).collect::<BTreeMap<_, _>>();
    let active = if given.is_empty() { Given::new() } else { [("0".to_owned(), given)].into() };
    Held { active, standby: tasks(standby) }
}

fn at(phase: Phase, assigned: Held, revoking: Held) -> Holding {
    Holding { epoch: 5, previous: 4, phase, assigned, revoking }
}

/// What a member `a` of process `p` has after a step to `to` in epoch 6, when others have what is given with their processes.
fn after(before: &Holding, to: &Target, owned: Option<&Target>, others: &[(&str, Held)]) -> Holding {
    let mut roster = Roster::default();
    let mut seat = |id: &str, process: &str, holding: Holding| {
        let profile = Profile { id: id.to_owned(), process: process.to_owned(), ..Profile::default() };
        let member = Member { profile: Arc::new(profile), holding: Arc::new(holding), ..Member::default() };
        roster.members.insert(id.to_owned(), member);
    };
    seat("a", "p", before.clone());
    for (number, (process, held)) in others.iter().enumerate() {
        seat(&number.to_string(), process, at(Phase::Stable, held.clone(), Held::default()));
    }
    let holders = Holders::of(&roster, "p");
    Way { target: to, target_epoch: 6, owned, holders: &holders }.from(before)
}

fn facts(holding: &Holding) -> (i32, Phase, Target, Target) {
    (holding.epoch, holding.phase, holding.assigned.tasks(), holding.revoking.tasks())
}

#[test]
fn free_tasks_are_given_at_once_and_those_of_others_when_they_are_free() {
    let before = at(Phase::Stable, held(&[0], &[]), Held::default());
    let free = after(&before, &target(&[0, 1], &[2]), None, &[]);
    assert_eq!(facts(&free), (6, Phase::Stable, target(&[0, 1], &[2]), Target::default()));
    assert_eq!(free.assigned.active["0"], BTreeMap::from([(0, 5), (1, 6)]));
    let busy = after(&before, &target(&[0, 1], &[]), None, &[("q", held(&[1], &[]))]);
    assert_eq!(facts(&busy), (6, Phase::Unreleased, target(&[0], &[]), Target::default()));
    let freed = after(&busy, &target(&[0, 1], &[]), None, &[]);
    assert_eq!(facts(&freed), (6, Phase::Stable, target(&[0, 1], &[]), Target::default()));
}

#[test]
fn what_is_no_longer_its_own_is_given_up_first() {
    let before = at(Phase::Stable, held(&[0, 1], &[2]), Held::default());
    let to = target(&[0, 3], &[]);
    let asked = after(&before, &to, None, &[]);
    assert_eq!(facts(&asked), (5, Phase::Unrevoked, target(&[0], &[]), target(&[1], &[2])));
    // It has not, or does not say.
    assert_eq!(after(&asked, &to, None, &[]), asked);
    assert_eq!(after(&asked, &to, Some(&target(&[0], &[2])), &[]), asked);
    let given_up = after(&asked, &to, Some(&target(&[0], &[])), &[]);
    assert_eq!(facts(&given_up), (6, Phase::Stable, target(&[0, 3], &[]), Target::default()));
    // It had given up already when it was asked.
    let at_once = after(&before, &to, Some(&target(&[0], &[])), &[]);
    assert_eq!(facts(&at_once), (6, Phase::Stable, target(&[0, 3], &[]), Target::default()));
}

#[test]
fn a_standby_becomes_active_where_it_is_and_not_before_it_is_free() {
    let before = at(Phase::Stable, held(&[], &[0]), Held::default());
    let free = after(&before, &target(&[0], &[]), None, &[]);
    assert_eq!(facts(&free), (6, Phase::Stable, target(&[0], &[]), Target::default()));
    let busy = after(&before, &target(&[0], &[]), None, &[("q", held(&[0], &[]))]);
    assert_eq!(facts(&busy), (6, Phase::Unreleased, target(&[], &[0]), Target::default()));
}

#[test]
fn an_active_task_becomes_a_standby_at_once_and_is_given_up_as_active() {
    let before = at(Phase::Stable, held(&[0], &[]), Held::default());
    let demoted = after(&before, &target(&[], &[0]), None, &[]);
    assert_eq!(facts(&demoted), (5, Phase::Unrevoked, target(&[], &[0]), target(&[0], &[])));
    let done = after(&demoted, &target(&[], &[0]), Some(&target(&[], &[0])), &[]);
    assert_eq!(facts(&done), (6, Phase::Stable, target(&[], &[0]), Target::default()));
}

#[test]
fn members_of_a_process_do_not_open_the_same_stores() {
    let nothing = at(Phase::Stable, Held::default(), Held::default());
    for (other, to, waits) in [
        (held(&[], &[0]), target(&[0], &[]), true),
        (held(&[0], &[]), target(&[], &[0]), true),
        (held(&[], &[0]), target(&[], &[0]), true),
    ] {
        let here = after(&nothing, &to, None, &[("p", other.clone())]);
        assert_eq!(here.phase == Phase::Unreleased, waits, "{other:?} {to:?}");
    }
    // In another process a copy is in nobody's way.
    let there = after(&nothing, &target(&[], &[0]), None, &[("q", held(&[0], &[])), ("r", held(&[], &[0]))]);
    assert_eq!(facts(&there), (6, Phase::Stable, target(&[], &[0]), Target::default()));
}
