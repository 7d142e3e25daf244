//! Who is subscribed to which shard: one at a time per consumer and shard, and the next one takes over, but not at once.

use std::collections::HashMap;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::watch;
use tokio::time::Instant;

use crate::aws::Refusal;
use crate::model::{ShardId, StreamId};

use super::refusal::{in_use, limit};

/// How long a subscription holds its place against the next one (Kinesis API reference, SubscribeToShard, 2026-11).
const HOLD: Duration = Duration::from_secs(5);

/// Subscriptions at once. *Ours*: each takes a few KiB, and AWS bounds them by its quotas of streams, shards and consumers.
const SUBSCRIPTIONS_MAX: usize = 5_000;

/// What a subscription is for: an incarnation of a stream, a consumer of it by name, and a shard.
pub(super) type Place = (StreamId, String, ShardId);

/// All subscriptions.
#[derive(Default)]
pub(super) struct Subscriptions(Mutex<HashMap<Place, Held>>);

struct Held {
    since: Instant,
    /// Turned true, it ends the subscription.
    taken: watch::Sender<bool>,
}

/// One subscription's hold on its place.
pub(super) struct Hold(watch::Receiver<bool>);

impl Subscriptions {
    /// Takes a place, and ends the subscription that has it.
    ///
    /// # Errors
    /// ResourceInUseException if that one began less than five seconds ago, also if it has ended since; LimitExceededException if there
    /// are as many as there may be.
    pub(super) fn take(&self, place: Place) -> Result<Hold, Refusal> {
        let (mut all, now) = (self.0.lock(), Instant::now());
        let is_young = |held: &Held| now.saturating_duration_since(held.since) < HOLD;
        all.retain(|_, held| is_young(held) || held.taken.receiver_count() > 0);
        if all.get(&place).is_some_and(is_young) {
            return Err(taken());
        }
        if all.len() >= SUBSCRIPTIONS_MAX && !all.contains_key(&place) {
            return Err(limit(format!(
                "There are {SUBSCRIPTIONS_MAX} subscriptions already, as many as this gateway serves at once."
            )));
        }
        let (sender, receiver) = watch::channel(false);
        if let Some(before) = all.insert(place, Held { since: now, taken: sender }) {
            before.taken.send_replace(true);
        }
        Ok(Hold(receiver))
    }
}

impl Hold {
    /// Returns when another subscription has taken the place.
    pub(super) async fn lost(&mut self) {
        // An error means that the one who took it was faster to say so.
        let _ = self.0.wait_for(|is_taken| *is_taken).await;
    }
}

/// The place is another subscription's.
pub(super) fn taken() -> Refusal {
    in_use("Another active subscription exists for this consumer.")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_number_of_subscriptions_is_bounded() {
        let subscriptions = Subscriptions::default();
        let take = |shard| subscriptions.take((StreamId(uuid::Uuid::nil()), "reader".to_owned(), ShardId(shard)));
        let held: Vec<_> = (0..SUBSCRIPTIONS_MAX as u32).map(|shard| take(shard).unwrap_or_else(|_| panic!("{shard}"))).collect();
        let refused = |shard| take(shard).err().map(|refusal| refusal.name());
        assert_eq!(refused(SUBSCRIPTIONS_MAX as u32), Some("LimitExceededException"));
        assert_eq!(refused(0), Some("ResourceInUseException"));
        tokio::time::advance(HOLD).await;
        // The next one of the same consumer takes over all the same.
        assert!(refused(0).is_none());
        drop(held);
        assert!(refused(SUBSCRIPTIONS_MAX as u32).is_none());
    }
}
