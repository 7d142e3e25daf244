//! **Share sessions**: what a member fetches again and again without naming it each time (Kafka: `ShareSession`).
//!
//! A session begins with epoch 0, goes on with 1, 2, 3 and so on, and ends with -1. Where Kafka ends it with its connection too, here
//! the member's own end does; a session that nobody uses makes room when room is needed.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use super::state::{Place, Refusal};

/// Sessions at once (Kafka: `group.share.max.share.sessions`, 4.4).
const SESSIONS_MAX: usize = 2_000;
/// How long a session is idle before another one may take its place. *Ours*: longer than any lock.
const IDLE: Duration = Duration::from_secs(120);
/// Bytes of all sessions. *Ours*.
const BYTES_MAX: usize = 4 << 20;
/// What a session takes beside its texts and partitions.
const SESSION_BYTES: usize = 256;
/// Epochs that do not continue a session (Kafka: `ShareRequestMetadata`).
pub(super) const INITIAL: i32 = 0;
pub(super) const FINAL: i32 = -1;

#[derive(Debug)]
struct Session {
    /// The epoch of the next request.
    next: i32,
    /// What is fetched, in the order in which it was added.
    places: Vec<Place>,
    used_at: Duration,
    bytes: usize,
}

/// All sessions, by group and member.
#[derive(Debug, Default)]
pub(super) struct Sessions {
    all: HashMap<(Arc<str>, Arc<str>), Session>,
    bytes: usize,
}

impl Sessions {
    /// Begins, continues or ends a session: adds `more`, takes `fewer` away, and returns what is fetched now, rotated so that every
    /// partition comes first now and then.
    pub(super) fn go_on(
        &mut self,
        (group, member): (&Arc<str>, &Arc<str>),
        epoch: i32,
        more: &[Place],
        fewer: &[Place],
        now: Duration,
    ) -> Result<Vec<Place>, Refusal> {
        let key = (group.clone(), member.clone());
        match epoch {
            FINAL => {
                self.remove(&key).ok_or(Refusal::UnknownSession)?;
                return Ok(Vec::new());
            }
            INITIAL => {
                self.remove(&key);
                self.make_room(now)?;
                let bytes = SESSION_BYTES + 2 * member.len();
                self.bytes += bytes;
                self.all.insert(key.clone(), Session { next: INITIAL, places: Vec::new(), used_at: now, bytes });
            }
            _ => {}
        }
        let session = self.all.get_mut(&key).ok_or(Refusal::UnknownSession)?;
        if session.next != epoch {
            return Err(Refusal::SessionEpoch);
        }
        session.next = if epoch == i32::MAX { 1 } else { epoch + 1 };
        session.used_at = now;
        session.places.retain(|place| !fewer.contains(place));
        let known: std::collections::HashSet<Place> = session.places.iter().copied().collect();
        let room = BYTES_MAX.saturating_sub(self.bytes) / size_of::<Place>();
        let new: Vec<Place> = more.iter().filter(|place| !known.contains(place)).copied().collect();
        if new.len() > room {
            return Err(Refusal::TooManySessions);
        }
        session.places.extend(new);
        let bytes = SESSION_BYTES + 2 * member.len() + session.places.len() * size_of::<Place>();
        self.bytes = self.bytes - session.bytes + bytes;
        session.bytes = bytes;
        let mut places = session.places.clone();
        let by = usize::try_from(epoch).unwrap_or(0) % places.len().max(1);
        places.rotate_left(by);
        Ok(places)
    }

    /// Ends a member's session, if it has one.
    pub(super) fn end(&mut self, group: &Arc<str>, member: &Arc<str>) {
        self.remove(&(group.clone(), member.clone()));
    }

    /// Ends all sessions of a group.
    pub(super) fn end_all(&mut self, group: &str) {
        let gone: Vec<_> = self.all.keys().filter(|(of, _)| **of == *group).cloned().collect();
        gone.iter().for_each(|key| drop(self.remove(key)));
    }

    fn remove(&mut self, key: &(Arc<str>, Arc<str>)) -> Option<Session> {
        let session = self.all.remove(key)?;
        self.bytes -= session.bytes;
        Some(session)
    }

    fn make_room(&mut self, now: Duration) -> Result<(), Refusal> {
        if self.all.len() < SESSIONS_MAX && self.bytes < BYTES_MAX {
            return Ok(());
        }
        let oldest = self.all.iter().min_by_key(|(_, session)| session.used_at);
        let oldest = oldest.filter(|(_, session)| session.used_at.saturating_add(IDLE) <= now).map(|(key, _)| key.clone());
        self.remove(&oldest.ok_or(Refusal::TooManySessions)?);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Duration = Duration::from_secs(1);

    fn place(partition: i32) -> Place {
        Place { topic: uuid::Uuid::nil(), partition }
    }

    fn at(sessions: &mut Sessions, epoch: i32, more: &[Place], fewer: &[Place]) -> Result<Vec<Place>, Refusal> {
        sessions.go_on((&"g".into(), &"m".into()), epoch, more, fewer, NOW)
    }

    #[test]
    fn a_session_goes_on_with_the_next_epoch_only() {
        let mut sessions = Sessions::default();
        assert_eq!(at(&mut sessions, 1, &[], &[]), Err(Refusal::UnknownSession));
        assert_eq!(at(&mut sessions, -1, &[], &[]), Err(Refusal::UnknownSession));
        assert_eq!(at(&mut sessions, 0, &[place(0), place(1)], &[]), Ok(vec![place(0), place(1)]));
        assert_eq!(at(&mut sessions, 2, &[], &[]), Err(Refusal::SessionEpoch));
        assert_eq!(at(&mut sessions, 1, &[], &[]), Ok(vec![place(1), place(0)]));
        assert_eq!(at(&mut sessions, 1, &[], &[]), Err(Refusal::SessionEpoch));
        assert_eq!(at(&mut sessions, 2, &[place(1), place(2)], &[place(0)]), Ok(vec![place(1), place(2)]));
        assert_eq!(at(&mut sessions, -1, &[], &[]), Ok(vec![]));
        assert_eq!(at(&mut sessions, 3, &[], &[]), Err(Refusal::UnknownSession));
        assert_eq!(sessions.bytes, 0);
    }

    #[test]
    fn epochs_begin_again_at_one() {
        let mut sessions = Sessions::default();
        at(&mut sessions, 0, &[], &[]).unwrap();
        sessions.all.values_mut().for_each(|session| session.next = i32::MAX);
        at(&mut sessions, i32::MAX, &[], &[]).unwrap();
        assert_eq!(at(&mut sessions, 1, &[], &[]), Ok(vec![]));
    }

    #[test]
    fn a_new_session_takes_the_place_of_an_idle_one_or_none() {
        let mut sessions = Sessions::default();
        let member = |number: usize| Arc::from(number.to_string());
        for number in 0..SESSIONS_MAX {
            sessions.go_on((&"g".into(), &member(number)), 0, &[], &[], NOW).unwrap();
        }
        let one_more = (&"g".into(), &member(SESSIONS_MAX));
        assert_eq!(sessions.go_on(one_more, 0, &[], &[], NOW), Err(Refusal::TooManySessions));
        assert_eq!(sessions.go_on(one_more, 0, &[], &[], NOW + IDLE), Ok(vec![]));
        assert_eq!(sessions.all.len(), SESSIONS_MAX);
        let many: Vec<Place> = (0..300_000).map(place).collect();
        assert_eq!(sessions.go_on(one_more, 1, &many, &[], NOW + IDLE), Err(Refusal::TooManySessions));
    }
}
