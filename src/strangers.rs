//! **Strangers**: connections that have not shown yet who they are, how many there may be, and who goes when there are more.
//!
//! A stranger costs memory and work before anything is known of it (a handshake of TLS some 40 KiB and a millisecond), and may take
//! its time. So there are few places for them, at every door in the same way: at a listener of Kafka from the connection until its
//! handshake and its login are done, at the Kinesis door for the handshake. While all are taken, who comes waits, and somebody goes
//! for it:
//!
//! 1. nobody in its first tenth of a second, or in the second behind a step that it has made;
//! 2. of the others one from the network that has the most places, if that has no fewer than the network of who waits;
//! 3. of these one that has made the fewest steps, and of these the one whose last is the longest ago.
//!
//! Of those who wait, the one whose network has the fewest places is next. So whoever opens connections and does not go on with them
//! gives way to others first, and then to its own later ones; and a handshake that goes on is not cut off, however many come. Where
//! it is the gateway that had no time for it, the step that it makes when it is told to go lets it stay.

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap};
use std::future::{Future, pending};
use std::io;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use rustls::ServerConfig;
use rustls::server::Acceptor;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::watch;
use tokio::time::{Instant, timeout};
use tokio_rustls::LazyConfigAcceptor;
use tokio_rustls::server::TlsStream;

/// Strangers at once. *Ours*: 10 MiB of handshakes.
const PLACES: usize = 256;
/// Those who wait for a place. *Ours*: each is an open socket that nobody reads.
const WAITING_MAX: usize = 1_024;
/// For a place to become free.
const WAIT_TIME: Duration = Duration::from_secs(10);
/// What a stranger that has done nothing has for its first step, however many wait. *Ours*: clients speak first and at once.
const SILENT_TIME: Duration = Duration::from_millis(100);
/// What a stranger has for each further step. *Ours*: some round trips to the other side of the world.
const STEP_TIME: Duration = Duration::from_secs(1);
/// How often somebody is looked for who can go, while others wait.
const PACE: Duration = Duration::from_millis(50);
/// For a handshake of TLS.
const HANDSHAKE_TIME: Duration = Duration::from_secs(10);

/// The places for strangers at one listener. Clones are the same places.
#[derive(Clone, Default, Debug)]
pub struct Strangers(Arc<Mutex<Room>>);

#[derive(Default, Debug)]
struct Room {
    /// All strangers, in the order in which they came.
    strangers: BTreeMap<u64, Seen>,
    /// The number of the next one.
    next: u64,
    /// Places that are taken, also by those who have been told to go and have not gone yet.
    taken: usize,
    /// Where the strangers come from; who has been told to go does not count.
    networks: HashMap<IpAddr, Count>,
    /// When somebody was looked for who can go.
    looked_at: Option<Instant>,
}

/// Strangers from one network.
#[derive(Clone, Copy, Default, Debug)]
struct Count {
    placed: usize,
    waiting: usize,
}

/// A stranger, as seen by the others.
#[derive(Debug)]
struct Seen {
    network: IpAddr,
    /// Dropped, it is refused.
    standing: watch::Sender<Standing>,
    /// When it got its place, or made its last step.
    moved_at: Instant,
    /// How far it is.
    steps: usize,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Standing {
    Waiting,
    Placed,
    /// It has a place, and has to go.
    Cut,
}

/// Somebody with a place, until it is dropped: it has gone, or is known.
#[derive(Debug)]
pub(crate) struct Stranger {
    strangers: Strangers,
    number: u64,
    standing: watch::Receiver<Standing>,
}

impl Strangers {
    /// A place for a connection from `address`, when there is one; `None` if too many wait, or it took too long.
    pub(crate) async fn enter(&self, address: IpAddr) -> Option<Stranger> {
        let mut stranger = self.come(network(address))?;
        let placed = timeout(WAIT_TIME, async {
            loop {
                match *stranger.standing.borrow_and_update() {
                    Standing::Waiting => {}
                    Standing::Placed | Standing::Cut => return true,
                }
                match timeout(PACE, stranger.standing.changed()).await {
                    Ok(Ok(())) => {}
                    Ok(Err(_)) => return false,
                    // Who was not to be disturbed may go by now.
                    Err(_) => self.0.lock().look(Instant::now()),
                }
            }
        });
        placed.await.is_ok_and(|placed| placed).then_some(stranger)
    }

    fn come(&self, network: IpAddr) -> Option<Stranger> {
        let mut room = self.0.lock();
        if room.waiting() >= WAITING_MAX && !room.refuse_one_for(network) {
            return None;
        }
        let now = Instant::now();
        let (number, (sender, standing)) = (room.next, watch::channel(Standing::Waiting));
        room.next += 1;
        room.strangers.insert(number, Seen { network, standing: sender, moved_at: now, steps: 0 });
        room.networks.entry(network).or_default().waiting += 1;
        room.settle(now);
        drop(room);
        Some(Stranger { strangers: self.clone(), number, standing })
    }
}

impl Room {
    fn waiting(&self) -> usize {
        self.strangers.len() - self.taken
    }

    /// Refuses the last that came from the network of which the most wait, unless that is `network`.
    fn refuse_one_for(&mut self, network: IpAddr) -> bool {
        let waiting = |network: &IpAddr| self.networks.get(network).map_or(0, |count| count.waiting);
        let most = self.networks.values().map(|count| count.waiting).max().unwrap_or(0);
        if waiting(&network) + 1 >= most {
            return false;
        }
        let mut last = self.strangers.iter().rev();
        let last = last.find(|(_, seen)| seen.stands(Standing::Waiting) && waiting(&seen.network) == most);
        let last = last.map(|(number, _)| *number);
        last.is_some_and(|number| self.leave(number))
    }

    /// Takes a stranger out; whether it was there.
    fn leave(&mut self, number: u64) -> bool {
        let Some(seen) = self.strangers.remove(&number) else { return false };
        let standing = *seen.standing.borrow();
        self.taken -= usize::from(standing != Standing::Waiting);
        match standing {
            Standing::Waiting => self.count(seen.network, |count| count.waiting -= 1),
            Standing::Placed => self.count(seen.network, |count| count.placed -= 1),
            Standing::Cut => {}
        }
        true
    }

    fn count(&mut self, network: IpAddr, change: impl FnOnce(&mut Count)) {
        let count = self.networks.entry(network).or_default();
        change(count);
        if count.placed + count.waiting == 0 {
            self.networks.remove(&network);
        }
    }

    /// Settles again, if that was not done just now.
    fn look(&mut self, now: Instant) {
        if self.looked_at.is_none_or(|at| now.saturating_duration_since(at) >= PACE) {
            self.settle(now);
        }
    }

    /// Gives the places that there are to those who wait, and has others go for the rest of them.
    fn settle(&mut self, now: Instant) {
        if self.waiting() == 0 {
            return;
        }
        self.looked_at = Some(now);
        let placed = |seen: &Seen| self.networks.get(&seen.network).map_or(0, |count| count.placed);
        let waiting = self.strangers.iter().filter(|(_, seen)| seen.stands(Standing::Waiting));
        let mut waiting: Vec<_> = waiting.map(|(number, seen)| (placed(seen), *number)).collect();
        waiting.sort_unstable();
        let mut going = self.strangers.values().filter(|seen| seen.stands(Standing::Cut)).count();
        for (_, number) in waiting {
            if self.taken < PLACES {
                self.place(number, now);
            } else if going > 0 {
                // It gets that place when it is free.
                going -= 1;
            } else if !self.cut_one_for(number, now) {
                // Those behind it come from networks with no fewer places.
                break;
            }
        }
    }

    fn place(&mut self, number: u64, now: Instant) {
        let Some(seen) = self.strangers.get_mut(&number) else { return };
        seen.moved_at = now;
        seen.standing.send_replace(Standing::Placed);
        let network = seen.network;
        self.taken += 1;
        self.count(network, |count| {
            count.waiting -= 1;
            count.placed += 1;
        });
    }

    /// Tells somebody to go, if one can; whether one does.
    fn cut_one_for(&mut self, number: u64, now: Instant) -> bool {
        let placed = |seen: &Seen| self.networks.get(&seen.network).map_or(0, |count| count.placed);
        let own = self.strangers.get(&number).map_or(0, placed);
        let can_go = self.strangers.iter().filter(|(_, seen)| seen.can_go(now) && placed(seen) >= own);
        let goes = can_go.max_by_key(|(number, seen)| (placed(seen), Reverse((seen.steps, seen.moved_at, **number))));
        let Some((_, seen)) = goes else { return false };
        let network = seen.network;
        seen.standing.send_replace(Standing::Cut);
        self.count(network, |count| count.placed -= 1);
        true
    }
}

impl Seen {
    fn stands(&self, standing: Standing) -> bool {
        *self.standing.borrow() == standing
    }

    fn can_go(&self, now: Instant) -> bool {
        let time = if self.steps == 0 { SILENT_TIME } else { STEP_TIME };
        self.stands(Standing::Placed) && now.saturating_duration_since(self.moved_at) >= time
    }
}

impl Stranger {
    /// Notes that it is a step further, and may stay if it has to go. There must be few steps that it can make.
    pub(crate) fn step(&self) {
        self.step_if(|_| true);
    }

    /// Notes what may be its first step, and is none later.
    pub(crate) fn begin(&self) {
        self.step_if(|seen| seen.steps == 0);
    }

    fn step_if(&self, is_step: impl FnOnce(&Seen) -> bool) {
        let mut room = self.strangers.0.lock();
        let Some(seen) = room.strangers.get_mut(&self.number).filter(|seen| is_step(seen)) else { return };
        seen.steps += 1;
        seen.moved_at = Instant::now();
        if seen.stands(Standing::Cut) {
            seen.standing.send_replace(Standing::Placed);
            let network = seen.network;
            room.count(network, |count| count.placed += 1);
        }
    }

    /// Returns when it has to go; never, if it is known before. Whoever waits for it has to let the connection go on first.
    pub(crate) fn cut(&self) -> impl Future<Output = ()> + Send + use<> {
        let mut standing = self.standing.clone();
        async move {
            let is_cut = standing.wait_for(|standing| *standing == Standing::Cut).await.is_ok();
            drop(standing);
            if !is_cut {
                pending::<()>().await;
            }
        }
    }

    /// The connection behind its handshake of TLS, with the certificate that `config` gives once the client has said what it can do.
    ///
    /// # Errors
    /// What is wrong with the handshake; `TimedOut` if it took longer than 10 s.
    pub(crate) async fn handshake<S>(
        &self,
        stream: S,
        config: impl Future<Output = Arc<ServerConfig>>,
    ) -> io::Result<TlsStream<S>>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let shaken = timeout(HANDSHAKE_TIME, async {
            let begun = LazyConfigAcceptor::new(Acceptor::default(), stream).await?;
            self.step();
            let stream = begun.into_stream(config.await).await?;
            self.step();
            Ok(stream)
        });
        let late = |_| io::Error::new(io::ErrorKind::TimedOut, format!("the handshake took longer than {HANDSHAKE_TIME:?}"));
        shaken.await.map_err(late)?
    }
}

impl Drop for Stranger {
    fn drop(&mut self) {
        let mut room = self.strangers.0.lock();
        room.leave(self.number);
        room.settle(Instant::now());
    }
}

/// What somebody has who has `address`: of IPv6 nobody has less than 64 bits.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(ip) => Ipv6Addr::from_bits(ip.to_bits() >> 64 << 64).into(),
        ip @ IpAddr::V4(_) => ip,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::task::{JoinHandle, yield_now};
    use tokio::time::advance;

    /// An address of the network of this number.
    fn from(network: u8) -> IpAddr {
        [10, 0, 0, network].into()
    }

    async fn enter(strangers: &Strangers, network: u8) -> Stranger {
        strangers.enter(from(network)).await.unwrap()
    }

    async fn fill(strangers: &Strangers, network: u8, places: usize) -> Vec<Stranger> {
        let mut placed = Vec::new();
        for _ in 0..places {
            placed.push(enter(strangers, network).await);
        }
        placed
    }

    /// Somebody who waits for a place by now, and when it came to it.
    async fn waiting(strangers: &Strangers, network: u8) -> JoinHandle<(Option<Stranger>, Duration)> {
        let (strangers, begun) = (strangers.clone(), Instant::now());
        let waiting = tokio::spawn(async move { (strangers.enter(from(network)).await, begun.elapsed()) });
        for _ in 0..10 {
            yield_now().await;
        }
        waiting
    }

    /// Lets some time pass, and everybody do what they do then.
    async fn pass(time: Duration) {
        advance(time).await;
        for _ in 0..10 {
            yield_now().await;
        }
    }

    /// Which of them have been told to go.
    fn cut(placed: &[Stranger]) -> Vec<usize> {
        let has_to_go = |at: &usize| *placed[*at].standing.borrow() == Standing::Cut;
        (0..placed.len()).filter(has_to_go).collect()
    }

    #[tokio::test(start_paused = true)]
    async fn a_place_that_is_given_back_goes_to_who_waits() {
        let strangers = Strangers::default();
        let mut placed = fill(&strangers, 1, PLACES).await;
        let next = waiting(&strangers, 2).await;
        assert!(!next.is_finished());
        placed.pop();
        let (next, waited) = next.await.unwrap();
        assert_eq!(waited, Duration::ZERO);
        assert!(cut(&placed).is_empty() && next.is_some());
        // Nothing is left of those who are gone.
        drop((placed, next));
        let room = strangers.0.lock();
        assert!(room.strangers.is_empty() && room.networks.is_empty() && room.taken == 0);
    }

    #[tokio::test(start_paused = true)]
    async fn who_says_nothing_goes_first_and_the_oldest_of_them() {
        let strangers = Strangers::default();
        let mut placed = fill(&strangers, 1, PLACES).await;
        placed.iter().filter(|stranger| stranger.number % 2 == 0).for_each(Stranger::step);
        let next = waiting(&strangers, 1).await;
        pass(SILENT_TIME - PACE / 2).await;
        assert!(cut(&placed).is_empty(), "everybody has a moment");
        pass(PACE).await;
        assert_eq!(cut(&placed), [1]);
        assert!(!next.is_finished(), "who has to go takes its place until it is gone");
        placed[1].cut().await;
        placed.remove(1);
        assert!(next.await.unwrap().0.is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn who_has_to_go_and_makes_a_step_stays() {
        let strangers = Strangers::default();
        let mut placed = fill(&strangers, 1, PLACES).await;
        let next = waiting(&strangers, 1).await;
        pass(SILENT_TIME + PACE).await;
        assert_eq!(cut(&placed), [0]);
        placed[0].begin();
        pass(PACE).await;
        assert_eq!(cut(&placed), [1]);
        placed.remove(1);
        let next = next.await.unwrap().0;
        assert!(next.is_some() && cut(&placed).is_empty());
        drop((placed, next));
        assert_eq!(strangers.0.lock().networks.len(), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn who_goes_on_is_not_cut_within_a_second_however_many_come() {
        let strangers = Strangers::default();
        let honest = enter(&strangers, 1).await;
        honest.step();
        let mut rest = fill(&strangers, 1, PLACES - 1).await;
        let begun = Instant::now();
        while begun.elapsed() < STEP_TIME - SILENT_TIME - PACE {
            let next = waiting(&strangers, 1).await;
            pass(SILENT_TIME + PACE).await;
            let gone = cut(&rest);
            assert_eq!(gone.len(), 1);
            rest.remove(gone[0]);
            rest.extend(next.await.unwrap().0);
        }
        assert_eq!(rest.len(), PLACES - 1);
        assert!(cut(&[honest]).is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn if_all_go_on_who_comes_waits_until_one_has_not_for_a_second() {
        let strangers = Strangers::default();
        let mut placed = fill(&strangers, 1, PLACES).await;
        placed.iter().for_each(Stranger::step);
        placed[0].step();
        let next = waiting(&strangers, 2).await;
        pass(STEP_TIME - PACE / 2).await;
        assert!(cut(&placed).is_empty());
        pass(PACE).await;
        assert_eq!(cut(&placed), [1], "of those that are as far the oldest");
        placed.remove(1);
        let (next, waited) = next.await.unwrap();
        assert!(next.is_some() && waited < 2 * STEP_TIME, "{waited:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn who_holds_the_most_gives_way_to_others_and_displaces_none_of_them() {
        let strangers = Strangers::default();
        let few = fill(&strangers, 2, 2).await;
        let mut many = fill(&strangers, 1, PLACES - 2).await;
        many.iter().for_each(Stranger::step);
        pass(STEP_TIME).await;
        let next = waiting(&strangers, 3).await;
        assert_eq!((cut(&few), cut(&many)), (vec![], vec![0]), "although they are younger and further");
        many.remove(0);
        let third = next.await.unwrap().0.unwrap();
        // Nobody goes for one more of theirs but one of theirs.
        many.drain(..100);
        many.extend(fill(&strangers, 1, 100).await);
        let greedy = waiting(&strangers, 1).await;
        assert!(cut(&few).is_empty() && !cut(&many).is_empty());
        drop((greedy, third));
    }

    #[tokio::test(start_paused = true)]
    async fn who_has_the_fewest_places_is_next() {
        let strangers = Strangers::default();
        let mut placed = fill(&strangers, 1, PLACES).await;
        let (greedy, other) = (waiting(&strangers, 1).await, waiting(&strangers, 2).await);
        placed.pop();
        let other = other.await.unwrap().0;
        assert!(other.is_some() && !greedy.is_finished());
        drop(placed);
        assert!(greedy.await.unwrap().0.is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn of_too_many_that_wait_the_greediest_are_refused() {
        let strangers = Strangers::default();
        let placed = fill(&strangers, 1, PLACES).await;
        let mut greedy = Vec::new();
        for _ in 0..WAITING_MAX {
            greedy.push(waiting(&strangers, 1).await);
        }
        assert!(waiting(&strangers, 1).await.await.unwrap().0.is_none(), "one more");
        let other = waiting(&strangers, 2).await;
        assert!(greedy.pop().unwrap().await.unwrap().0.is_none(), "the last that came gives way");
        assert!(!greedy.pop().unwrap().is_finished() && !other.is_finished());
        drop(placed);
        assert!(other.await.unwrap().0.is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn who_gets_no_place_is_given_up() {
        let strangers = Strangers::default();
        let placed = fill(&strangers, 1, PLACES).await;
        let (next, waited) = waiting(&strangers, 2).await.await.unwrap();
        assert_eq!((next.is_none(), waited), (true, WAIT_TIME), "one was told to go and did not");
        assert_eq!(cut(&placed).len(), 1);
        assert_eq!(strangers.0.lock().waiting(), 0);
    }

    #[test]
    fn a_network_is_what_one_may_have() {
        let same = |a: &str, b: &str| network(a.parse().unwrap()) == network(b.parse().unwrap());
        assert!(same("2001:db8:1:2::1", "2001:db8:1:2:ffff::9") && !same("2001:db8:1:2::1", "2001:db8:1:3::1"));
        assert!(same("10.0.0.1", "::ffff:10.0.0.1") && !same("10.0.0.1", "10.0.0.2"));
    }
}
