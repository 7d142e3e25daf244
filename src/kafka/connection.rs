//! One connection: frames in, requests started in order, answers in order.
//!
//! ```text
//!            head ──► may it start? ──► memory ──► body ──► started ──► in flight ──► answered
//!                          │ no                                  (front first)
//!                          └─► only watch for the client closing
//! ```
//!
//! Differs from Kafka, which handles one request of a connection at a time, in one way: while everything in flight is
//! pipelined (Produce), the next pipelined request is started without waiting. The order of what they do is the order in
//! which they came, because everything up to a handler's first wait happens when it is started; but writes to a shard that is
//! over its throughput wait for their turn (`turn.rs`), and let those to other shards pass. A request that may not start yet stays
//! in the socket, so a client that floods us waits in its own send buffer; and so does one that is over a quota (KIP-219).

use std::collections::VecDeque;
use std::future::{Future, pending, poll_fn};
use std::io::IoSlice;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::Bytes;
use parking_lot::Mutex;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::time::{Instant, sleep, sleep_until, timeout};

use super::answer::Answer;
use super::api::contract::{Call, Reply};
use super::frame::{Broken, FrameReader, Head, SMALL_FRAME_BYTES};
use super::listener::{Shutdown, stopped};
use super::memory::{Hold, Pool};
use super::started::Started;
use super::turn::{self, REQUEST_BYTES, Tab, Turn};

/// Pipelined requests of one connection at once. *Ours*: clients keep 5 (Java, librdkafka's idempotent producer) to a few dozen.
const PIPELINE_MAX: usize = 64;
/// What a connection that owes something may have in flight, in bytes, so that its writes to other shards come through. *Ours*:
/// librdkafka sends whatever is in its queue, by default 100,000 records, before the first answer.
const OWING_BYTES_MAX: usize = 12 << 20;
/// An answer of this size may wait for its client at no one else's cost.
const SMALL_ANSWER_BYTES: usize = 16 << 10;
/// Answers that are ready together are written together, up to about this many bytes.
const WRITE_BYTES: usize = 256 << 10;
/// The time an answer may take to be accepted by the client's side, plus a second for every `WRITE_BYTES`.
const WRITE_GRACE: Duration = Duration::from_secs(30);
/// The time requests have to finish when the gateway stops.
const DRAIN: Duration = Duration::from_millis(800);

/// What is done with frames: the table of APIs, or a test's own idea.
pub(crate) trait Service {
    /// How requests with this head are treated, or why the connection has to be closed.
    fn terms(&self, head: &Head) -> Result<Terms, String>;
    /// Whether a request with this head may be read now that everything before it has been started, or why the connection has to
    /// be closed.
    fn admits(&self, _head: &Head) -> Result<(), String> {
        Ok(())
    }
    /// Whether the next frame is nothing but a message of the login, without a head of its own.
    fn is_raw(&self) -> bool {
        false
    }
    /// Serves one request.
    fn call(&self, head: Head, frame: Bytes, turn: Turn) -> Call;
}

/// How requests of a kind are treated.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Terms {
    /// Largest frame in bytes.
    pub(crate) frame_bytes_max: usize,
    /// Bytes of memory that each byte of the frame may take.
    pub(crate) memory_per_byte: usize,
    /// Whether it carries records.
    pub(crate) has_records: bool,
    /// Whether its memory is free as soon as it is started.
    pub(crate) is_handed_over: bool,
    /// Whether it may be in flight with others of which the same is true.
    pub(crate) pipelined: bool,
    /// Whether it is dropped when the client goes or the gateway stops.
    pub(crate) waits: bool,
}

/// What bounds a connection.
#[derive(Clone, Debug)]
pub(crate) struct Bounds {
    /// Largest frame in bytes, of any kind.
    pub(crate) frame_bytes_max: usize,
    /// All connections' memory for requests that carry records.
    pub(crate) records: Arc<Pool>,
    /// All connections' memory for other requests.
    pub(crate) requests: Arc<Pool>,
    /// All connections' memory for requests behind a write that is not paid for.
    pub(crate) owing: Arc<Pool>,
    /// All connections' memory for answers that their clients have not taken.
    pub(crate) answers: Arc<Pool>,
    /// How long nothing may be asked before the connection is closed (Kafka: `connections.max.idle.ms`); `None`: for ever.
    pub(crate) idle_max: Option<Duration>,
}

/// Why a connection is closed, other than by its client.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Closed {
    /// Nothing that follows could be understood.
    #[error(transparent)]
    Broken(#[from] Broken),
    /// A request was not acceptable.
    #[error("{0}")]
    HungUp(String),
    /// The client does not take its answers.
    #[error("the client did not take an answer in time")]
    Stalled,
    /// Too many clients do not take their answers.
    #[error("there is no memory to keep an answer of {0} bytes that the client did not take at once")]
    Crowded(usize),
    /// Nothing was asked for a long time.
    #[error("idle for {0:?}")]
    Idle(Duration),
    /// The gateway stopped before a request was finished.
    #[error("the gateway stopped before all requests were answered")]
    Overdue,
}

impl From<std::io::Error> for Closed {
    fn from(error: std::io::Error) -> Self {
        Self::Broken(Broken::Socket(error))
    }
}

/// Serves a connection until the client closes it, something is wrong with it, or the gateway stops.
pub(crate) async fn run<R, W, S>(reader: R, writer: W, service: &S, bounds: Bounds, shutdown: Shutdown) -> Result<(), Closed>
where
    R: AsyncRead + Unpin,
    W: AsyncWrite + Unpin,
    S: Service,
{
    let overdue = async {
        stopped(shutdown.clone()).await;
        sleep(DRAIN).await;
    };
    let frames = FrameReader::new(reader, bounds.frame_bytes_max);
    let Bounds { records, requests, owing, answers, .. } = bounds;
    let intake = Intake { frames, service, memory: Memory { records, requests, owing, state: State::Nothing } };
    let connection = Connection { intake, in_flight: VecDeque::new(), writer, answers, tab: Tab::default() };
    tokio::select! {
        biased;
        end = connection.serve(bounds.idle_max, shutdown.clone()) => end,
        () = overdue => Err(Closed::Overdue),
    }
}

struct Connection<'s, R, W, S> {
    intake: Intake<'s, R, S>,
    in_flight: VecDeque<InFlight>,
    writer: W,
    answers: Arc<Pool>,
    tab: Tab,
}

/// A request between its start and its answer.
struct InFlight {
    reply: Started<dyn Future<Output = Reply<Answer>> + Send>,
    terms: Terms,
    /// Whether it has done nothing yet, because it is not its turn.
    waits: bool,
    /// Whether its memory is of that for clients that owe something.
    is_owing: bool,
    /// Its frame's memory; given back with it, or before.
    memory: turn::Memory,
}

impl InFlight {
    /// Bytes that it has in memory, of those for clients that owe something.
    fn owing_bytes(&self) -> usize {
        if self.is_owing { self.memory.lock().as_ref().map_or(0, Hold::num_permits) } else { 0 }
    }
}

impl<R: AsyncRead + Unpin, W: AsyncWrite + Unpin, S: Service> Connection<'_, R, W, S> {
    async fn serve(mut self, idle_max: Option<Duration>, shutdown: Shutdown) -> Result<(), Closed> {
        let mut stop = pin!(stopped(shutdown));
        let mut idle = pin!(sleep(idle_max.unwrap_or_default()));
        let mut busy_at = Instant::now();
        loop {
            let busy = Busy::of(&self.in_flight, self.tab.is_open());
            let due = self.tab.due();
            let muted = self.tab.muted_until();
            tokio::select! {
                biased;
                () = &mut stop => return self.finish().await,
                reply = answer(&mut self.in_flight) => {
                    self.write(reply).await?;
                    busy_at = Instant::now();
                }
                () = sleep_until(due.unwrap_or(busy_at)), if due.is_some() => self.ask().await,
                () = sleep_until(muted.unwrap_or(busy_at)), if muted.is_some() => {}
                next = self.intake.next(busy), if muted.is_none() => match next? {
                    Next::Request(accepted) => {
                        self.start(accepted).await;
                        busy_at = Instant::now();
                    }
                    // Whatever it has sent behind is carried out all the same: it may have asked for no answer.
                    Next::Gone => self.in_flight.clear(),
                    Next::End => return self.finish().await,
                },
                () = &mut idle, if idle_max.is_some() => {
                    let idle_max = idle_max.unwrap_or_default();
                    if busy == Busy::No && busy_at.elapsed() >= idle_max {
                        return Err(Closed::Idle(idle_max));
                    }
                    let since = if busy == Busy::No { busy_at } else { Instant::now() };
                    idle.as_mut().reset(since + idle_max);
                }
            }
        }
    }

    async fn start(&mut self, accepted: Accepted) {
        let Accepted { head, frame, terms, memory, is_owing } = accepted;
        let memory = turn::Memory::new(Mutex::new(memory));
        let turn = Turn::new(self.tab.clone(), memory.clone());
        let reply = Started::begin(self.intake.service.call(head, frame, turn)).await;
        if terms.is_handed_over {
            memory.lock().take();
        }
        let waits = self.tab.waits();
        self.in_flight.push_back(InFlight { reply, terms, waits, is_owing, memory });
    }

    /// Asks the requests that wait for their turn again.
    async fn ask(&mut self) {
        self.tab.strike(Instant::now());
        for request in self.in_flight.iter_mut().filter(|request| request.waits) {
            poll_fn(|cx| {
                request.reply.advance(cx);
                Poll::Ready(())
            })
            .await;
            request.waits = self.tab.waits();
        }
    }

    /// Answers what is in flight, and reads nothing more. Nobody is there to wait with for a request that waits for others.
    async fn finish(mut self) -> Result<(), Closed> {
        self.tab.close();
        self.ask().await;
        while let Some(front) = self.in_flight.front() {
            if front.terms.waits {
                return Ok(());
            }
            let reply = answer(&mut self.in_flight).await;
            self.write(reply).await?;
        }
        Ok(self.writer.shutdown().await?)
    }

    /// Writes the answer of the front request, and of those behind it that are ready too.
    async fn write(&mut self, mut reply: Reply<Answer>) -> Result<(), Closed> {
        let (mut answer, mut answered) = (Answer::default(), Vec::new());
        let hung_up = loop {
            answered.extend(self.in_flight.pop_front());
            match reply {
                Reply::Send(next) => answer.append(next),
                Reply::Silent => {}
                Reply::Last(next, reason) => {
                    answer.append(next);
                    break Some(reason);
                }
                Reply::HangUp(reason) => break Some(reason),
            }
            let next = if answer.len() < WRITE_BYTES { self.ready() } else { None };
            match next {
                Some(next) => reply = next,
                None => break None,
            }
        };
        let (length, mut holds) = (answer.len(), std::mem::take(&mut answer.memory));
        let mut pieces = answer.pieces();
        let rest = self.write_pieces(&mut pieces, false).await?;
        if !rest.is_empty() {
            // What the client has not taken stays with us, if there is room for it.
            let is_held = holds.iter().map(Hold::num_permits).sum::<usize>() >= length;
            if !is_held && length > SMALL_ANSWER_BYTES {
                holds.push(self.answers.try_hold(length).ok_or(Closed::Crowded(length))?);
            }
            let allowed = WRITE_GRACE + Duration::from_secs((length / WRITE_BYTES) as u64);
            timeout(allowed, self.write_pieces(rest, true)).await.map_err(|_| Closed::Stalled)??;
        }
        // TLS keeps a little back, which may wait for the client too.
        timeout(WRITE_GRACE, self.writer.flush()).await.map_err(|_| Closed::Stalled)??;
        hung_up.map_or(Ok(()), |reason| Err(Closed::HungUp(reason)))
    }

    /// Writes as much as the client's side takes without waiting, or everything if it `waits`; what is left.
    async fn write_pieces<'a, 'b>(
        &mut self,
        mut rest: &'a mut [IoSlice<'b>],
        waits: bool,
    ) -> std::io::Result<&'a mut [IoSlice<'b>]> {
        IoSlice::advance_slices(&mut rest, 0); // Nothing empty is left at the front.
        while !rest.is_empty() {
            let written = poll_fn(|cx| match Pin::new(&mut self.writer).poll_write_vectored(cx, rest) {
                Poll::Pending if !waits => Poll::Ready(None),
                written => written.map(Some),
            });
            match written.await {
                None => break,
                Some(Ok(0)) => return Err(std::io::ErrorKind::WriteZero.into()),
                Some(written) => IoSlice::advance_slices(&mut rest, written?),
            }
        }
        Ok(rest)
    }

    /// The reply of the front request, if it is there already.
    fn ready(&mut self) -> Option<Reply<Answer>> {
        let front = self.in_flight.front_mut().filter(|front| !front.waits)?;
        // Who comes to the front later is polled again with the task's own waker, so none is lost here.
        front.reply.advance(&mut Context::from_waker(Waker::noop()));
        front.reply.take()
    }
}

/// The reply of the front request, when it is there. The request stays in flight until its answer is written.
///
/// Those behind it that were let pass go on meanwhile: they give their memory back, and others may come.
async fn answer(in_flight: &mut VecDeque<InFlight>) -> Reply<Answer> {
    poll_fn(|cx| {
        let mut begun = in_flight.iter_mut().filter(|request| !request.waits);
        for request in begun.by_ref().skip(1).filter(|request| request.owing_bytes() > REQUEST_BYTES) {
            request.reply.advance(cx);
        }
        match in_flight.front_mut() {
            Some(front) if !front.waits => {
                front.reply.advance(cx);
                front.reply.take().map_or(Poll::Pending, Poll::Ready)
            }
            _ => Poll::Pending,
        }
    })
    .await
}

/// What is in flight, as far as it decides what may be started.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Busy {
    /// Nothing.
    No,
    /// Pipelined requests only, and fewer than [`PIPELINE_MAX`].
    Pipelined,
    /// The same, some of which are not paid for; the bytes that further ones may take.
    Owing(usize),
    /// A request that must be alone, or as many as there may be.
    Yes,
    /// A request that must be alone and is worth nothing without its client.
    Waiting,
}

impl Busy {
    /// Whatever is not pipelined runs alone, so the last request tells.
    fn of(in_flight: &VecDeque<InFlight>, is_owing: bool) -> Self {
        match in_flight.back() {
            None => Self::No,
            Some(last) if last.terms.pipelined && is_owing => {
                let taken = in_flight.iter().map(InFlight::owing_bytes).sum();
                Self::Owing(OWING_BYTES_MAX.saturating_sub(taken))
            }
            Some(last) if last.terms.pipelined && in_flight.len() < PIPELINE_MAX => Self::Pipelined,
            Some(last) if last.terms.waits => Self::Waiting,
            Some(_) => Self::Yes,
        }
    }
}

/// What comes in.
struct Intake<'s, R, S> {
    frames: FrameReader<R>,
    service: &'s S,
    memory: Memory,
}

/// What comes next.
enum Next {
    /// A request that may be started.
    Request(Accepted),
    /// The client has closed the connection, perhaps behind further requests.
    Gone,
    /// The client has closed the connection, and everything it sent is started.
    End,
}

/// A frame that may be started.
struct Accepted {
    head: Head,
    frame: Bytes,
    terms: Terms,
    memory: Option<Hold>,
    /// Whether its memory is of that for clients that owe something.
    is_owing: bool,
}

impl<R: AsyncRead + Unpin, S: Service> Intake<'_, R, S> {
    /// What comes next, as far as it may be started beside what is in flight. It can be dropped while it waits and called again.
    async fn next(&mut self, busy: Busy) -> Result<Next, Closed> {
        let head = if self.service.is_raw() { self.frames.message().await } else { self.frames.head().await };
        let Some(head) = head? else { return Ok(Next::End) };
        let terms = self.service.terms(&head).map_err(Closed::HungUp)?;
        if head.length > terms.frame_bytes_max {
            let length = i32::try_from(head.length).unwrap_or(i32::MAX);
            return Err(Broken::Length { length, max: terms.frame_bytes_max }.into());
        }
        let mut is_owing = false;
        match busy {
            Busy::No => {}
            Busy::Pipelined if terms.pipelined => {}
            // What finds no memory waits in the socket. Each byte is counted once: few requests begin, and are copied, at a time.
            Busy::Owing(left) if terms.pipelined && self.memory.hold_owing(head.length + REQUEST_BYTES, left) => {
                is_owing = true;
            }
            Busy::Pipelined | Busy::Owing(_) | Busy::Yes => pending().await,
            Busy::Waiting => {
                self.frames.closed().await?;
                return Ok(Next::Gone);
            }
        }
        self.service.admits(&head).map_err(Closed::HungUp)?;
        let pool = if terms.has_records { &self.memory.records } else { &self.memory.requests }.clone();
        let bytes = head.length.saturating_mul(terms.memory_per_byte);
        self.memory.hold(&pool, bytes, head.length <= SMALL_FRAME_BYTES && busy == Busy::No).await;
        self.frames.hurry_for(&pool);
        let frame = self.frames.body(&head).await?;
        Ok(Next::Request(Accepted { head, frame, terms, memory: self.memory.take(), is_owing }))
    }
}

/// The memory for the frame being read.
struct Memory {
    records: Arc<Pool>,
    requests: Arc<Pool>,
    owing: Arc<Pool>,
    state: State,
}

enum State {
    Nothing,
    /// In the queue for it. The future is kept, and with it the place in the queue.
    Queued(Pin<Box<dyn Future<Output = Option<Hold>> + Send>>),
    /// Granted; `None` is the grant of a small frame.
    Granted(Option<Hold>),
}

impl Memory {
    /// Takes `bytes` bytes of those for clients that owe something, if they are there and no more than `left`; unless it has
    /// begun to take others.
    fn hold_owing(&mut self, bytes: usize, left: usize) -> bool {
        if matches!(self.state, State::Nothing)
            && bytes <= left
            && let Some(hold) = self.owing.try_hold(bytes)
        {
            self.state = State::Granted(Some(hold));
        }
        !matches!(self.state, State::Nothing)
    }

    /// Returns when there are `bytes` bytes in the pool; at once, if the frame is small.
    async fn hold(&mut self, pool: &Arc<Pool>, bytes: usize, is_small: bool) {
        if matches!(self.state, State::Nothing) {
            self.state = match pool.try_hold(bytes) {
                Some(hold) => State::Granted(Some(hold)),
                None if is_small => State::Granted(None),
                None => State::Queued(Box::pin(pool.clone().hold(bytes))),
            };
        }
        if let State::Queued(queued) = &mut self.state {
            self.state = State::Granted(if is_small { None } else { queued.await });
        }
    }

    fn take(&mut self) -> Option<Hold> {
        match std::mem::replace(&mut self.state, State::Nothing) {
            State::Granted(hold) => hold,
            State::Nothing | State::Queued(_) => None,
        }
    }
}

#[cfg(test)]
mod tests;
