use super::super::state::Tasks;
use super::*;

/// A member of a process that works on some partitions of subtopology 0, has copies of others, and says how far.
#[derive(Clone, Default)]
struct Someone {
    process: &'static str,
    before: Held,
    offsets: TaskOffsets,
}

fn of(process: &'static str, active: &[i32], standby: &[i32]) -> Someone {
    let mut someone = Someone { process, ..Someone::default() };
    if !active.is_empty() {
        someone.before.active.insert("0".to_owned(), active.iter().map(|partition| (*partition, 1)).collect());
    }
    if !standby.is_empty() {
        someone.before.standby.insert("0".to_owned(), standby.iter().copied().collect());
    }
    someone
}

fn with_offset(mut someone: Someone, partition: i32, offset: i64) -> Someone {
    someone.offsets.insert(("0".to_owned(), partition), offset);
    someone
}

/// The active and standby partitions of each, of one subtopology with stores.
fn assigned(members: &[Someone], tasks: i32, standbys: u32) -> Vec<(Vec<i32>, Vec<i32>)> {
    let applicants = members.iter().map(|someone| Applicant {
        process: someone.process,
        before: &someone.before,
        offsets: Some(&someone.offsets),
    });
    let work = [("0".to_owned(), Work { tasks, is_stateful: true })].into();
    let targets = assign(&applicants.collect::<Vec<_>>(), &work, standbys);
    let list = |tasks: &Tasks| tasks.values().flatten().copied().collect::<Vec<_>>();
    targets.iter().map(|target| (list(&target.active), list(&target.standby))).collect()
}

fn active(members: &[Someone], tasks: i32) -> Vec<Vec<i32>> {
    assigned(members, tasks, 0).into_iter().map(|(active, _)| active).collect()
}

#[test]
fn tasks_are_spread_evenly_over_processes_and_their_members() {
    assert_eq!(active(&[of("p", &[], &[])], 3), [vec![0, 1, 2]]);
    assert_eq!(active(&[of("p", &[], &[]), of("q", &[], &[])], 4), [vec![0, 2], vec![1, 3]]);
    let threads = [of("p", &[], &[]), of("p", &[], &[]), of("q", &[], &[])];
    let each = active(&threads, 6).iter().map(Vec::len).collect::<Vec<_>>();
    assert_eq!(each, [2, 2, 2]);
    assert_eq!(active(&[], 3), Vec::<Vec<i32>>::new());
}

#[test]
fn tasks_stay_where_they_are_up_to_an_even_part() {
    assert_eq!(active(&[of("p", &[1, 3], &[]), of("q", &[0, 2], &[])], 4), [vec![1, 3], vec![0, 2]]);
    // A newcomer gets half, and nothing else moves.
    assert_eq!(active(&[of("p", &[0, 1, 2, 3], &[]), of("q", &[], &[])], 4), [vec![0, 1], vec![2, 3]]);
    // Who goes leaves its tasks to the others.
    assert_eq!(active(&[of("p", &[0, 1], &[])], 4), [vec![0, 1, 2, 3]]);
}

#[test]
fn a_task_goes_where_its_stores_are() {
    assert_eq!(active(&[of("p", &[], &[]), of("q", &[], &[0])], 1), [vec![], vec![0]]);
    let told = [with_offset(of("p", &[], &[]), 0, 5), with_offset(of("q", &[], &[]), 0, 9)];
    assert_eq!(active(&told, 1), [vec![], vec![0]]);
    // A copy that is kept comes before one that was left behind, however far that is.
    let kept = [with_offset(of("p", &[], &[]), 0, 99), of("q", &[], &[0])];
    assert_eq!(active(&kept, 1), [vec![], vec![0]]);
}

#[test]
fn copies_are_with_other_processes_and_stay_there() {
    let two = [of("p", &[], &[]), of("q", &[], &[])];
    assert_eq!(assigned(&two, 2, 1), [(vec![0], vec![1]), (vec![1], vec![0])]);
    // Two members of one process have no copies for each other.
    assert_eq!(assigned(&[of("p", &[], &[]), of("p", &[], &[])], 2, 1), [(vec![0], vec![]), (vec![1], vec![])]);
    let three = [of("p", &[0], &[]), of("q", &[1], &[]), of("r", &[], &[0, 1])];
    assert_eq!(assigned(&three[..2], 2, 1), [(vec![0], vec![1]), (vec![1], vec![0])]);
    let with_third = assigned(&three, 2, 1);
    assert_eq!((&with_third[0].0, &with_third[1].0), (&vec![0], &vec![1]));
    // Who worked on a task keeps a copy when it goes elsewhere.
    let moved = assigned(&[of("p", &[0, 1], &[]), of("q", &[], &[])], 2, 1);
    assert_eq!(moved, [(vec![0], vec![1]), (vec![1], vec![0])]);
    let more_copies_than_processes = assigned(&two, 1, 2);
    assert_eq!(more_copies_than_processes, [(vec![0], vec![]), (vec![], vec![0])]);
}

#[test]
fn many_members_and_tasks_are_assigned_at_once() {
    let members = (0..500).map(|_| of("p", &[], &[])).chain((0..500).map(|_| of("q", &[], &[]))).collect::<Vec<_>>();
    let targets = assigned(&members, 5_000, 1);
    assert!(targets.iter().all(|(active, standby)| active.len() == 5 && standby.len() == 5));
}
