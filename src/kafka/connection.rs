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
mod tests {
    use super::*;
    use crate::model::{Lane, LaneId, StreamId};
    use std::collections::HashMap;
    use std::sync::Mutex;
    use tokio::io::{AsyncReadExt, DuplexStream, duplex};
    use tokio::sync::{Notify, watch};
    use tokio::task::{JoinHandle, yield_now};
    use tokio::time::{advance, timeout_at};

    // Keys of the test's own API: the first is pipelined, the last waits for others.
    const PIPELINED: i16 = 0;
    const PLAIN: i16 = 1;
    const WAITING: i16 = 2;
    const SILENT: i16 = 3;
    const REFUSED: i16 = 4;
    /// Pipelined, and owes a second for the lane whose number is its id's last digit.
    const OWING: i16 = 5;
    /// Mutes its connection for as many seconds as its id says.
    const MUTING: i16 = 6;
    /// Has records of [`RECORDS_BYTES`] in its answer, twice.
    const READING: i16 = 7;
    /// Too many to be copied.
    const RECORDS_BYTES: usize = 10_000;

    /// Answers with the correlation id once the test lets it.
    #[derive(Clone, Default)]
    struct Fake {
        started: Arc<Mutex<Vec<i32>>>,
        dropped: Arc<Mutex<Vec<i32>>>,
        gates: Arc<Mutex<HashMap<i32, Arc<Notify>>>>,
    }

    struct DropMark(Fake, i32, bool);

    impl Drop for DropMark {
        fn drop(&mut self) {
            if !self.2 {
                self.0.dropped.lock().unwrap().push(self.1);
            }
        }
    }

    impl Fake {
        fn gate(&self, id: i32) -> Arc<Notify> {
            self.gates.lock().unwrap().entry(id).or_default().clone()
        }

        fn started(&self) -> Vec<i32> {
            self.started.lock().unwrap().clone()
        }
    }

    impl Service for Fake {
        fn terms(&self, head: &Head) -> Result<Terms, String> {
            match head.key {
                PIPELINED | SILENT | OWING => Ok(Terms {
                    frame_bytes_max: usize::MAX,
                    memory_per_byte: 1,
                    has_records: true,
                    is_handed_over: false,
                    pipelined: true,
                    waits: false,
                }),
                PLAIN | REFUSED | MUTING | READING => Ok(Terms {
                    frame_bytes_max: 64 << 10,
                    memory_per_byte: 1,
                    has_records: true,
                    is_handed_over: false,
                    pipelined: false,
                    waits: false,
                }),
                WAITING => Ok(Terms {
                    frame_bytes_max: 64 << 10,
                    memory_per_byte: 1,
                    has_records: true,
                    is_handed_over: false,
                    pipelined: false,
                    waits: true,
                }),
                key => Err(format!("API key {key} is not served")),
            }
        }

        fn call(&self, head: Head, _frame: Bytes, turn: Turn) -> Call {
            let fake = self.clone();
            Box::pin(async move {
                let id = head.correlation_id;
                if head.key == OWING {
                    let lane = LaneId { stream: StreamId(uuid::Uuid::nil()), lane: Lane(id.unsigned_abs() % 10) };
                    turn.comes(&[lane]).await;
                    let paid_at = Instant::now() + Duration::from_secs(1);
                    turn.owe(lane, paid_at);
                    fake.started.lock().unwrap().push(id);
                    let _ = timeout_at(paid_at, fake.gate(id).notified()).await;
                    return Reply::Send(id.to_be_bytes().as_slice().into());
                }
                fake.started.lock().unwrap().push(id);
                let mut mark = DropMark(fake.clone(), id, false);
                fake.gate(id).notified().await;
                mark.2 = true;
                match head.key {
                    MUTING => {
                        turn.mute(Instant::now() + Duration::from_secs(id.unsigned_abs().into()));
                        Reply::Send(id.to_be_bytes().as_slice().into())
                    }
                    READING => {
                        let mut answer = Answer::from(id.to_be_bytes().as_slice());
                        answer.put_records(&[1, 2].map(|byte| Bytes::from(vec![byte; RECORDS_BYTES])));
                        answer.append(id.to_be_bytes().as_slice().into());
                        Reply::Send(answer)
                    }
                    SILENT => Reply::Silent,
                    REFUSED => Reply::HangUp("refused".to_owned()),
                    _ => Reply::Send(id.to_be_bytes().as_slice().into()),
                }
            })
        }
    }

    struct Rig {
        client: DuplexStream,
        fake: Fake,
        stop: watch::Sender<bool>,
        memory: Arc<Pool>,
        end: JoinHandle<Result<(), Closed>>,
    }

    const MEMORY: usize = 1 << 20;

    impl Rig {
        fn new() -> Self {
            Self::with(1 << 16, None)
        }

        fn with(pipe_bytes: usize, idle_max: Option<Duration>) -> Self {
            let (client, server) = duplex(pipe_bytes);
            let (stop, shutdown) = watch::channel(false);
            let (fake, memory) = (Fake::default(), Pool::of(MEMORY));
            let bounds = Bounds {
                frame_bytes_max: 8 << 20,
                records: memory.clone(),
                requests: memory.clone(),
                owing: Pool::of(MEMORY),
                answers: Pool::of(MEMORY),
                idle_max,
            };
            let service = fake.clone();
            let end = tokio::spawn(async move {
                let (reader, writer) = tokio::io::split(server);
                run(reader, writer, &service, bounds, shutdown).await
            });
            Self { client, fake, stop, memory, end }
        }

        async fn send(&mut self, key: i16, id: i32) {
            self.send_sized(key, id, 0).await;
        }

        async fn send_sized(&mut self, key: i16, id: i32, body: usize) {
            let mut frame = i32::try_from(8 + body).unwrap().to_be_bytes().to_vec();
            frame.extend(key.to_be_bytes());
            frame.extend([0, 0]);
            frame.extend(id.to_be_bytes());
            frame.resize(12 + body, 0);
            self.client.write_all(&frame).await.unwrap();
            settle().await;
        }

        async fn allow(&self, id: i32) {
            self.fake.gate(id).notify_one();
            settle().await;
        }

        async fn answer(&mut self) -> i32 {
            self.client.read_i32().await.unwrap()
        }
    }

    async fn settle() {
        for _ in 0..50 {
            yield_now().await;
        }
    }

    #[tokio::test(start_paused = true)]
    async fn pipelined_requests_start_at_once_and_are_answered_in_order() {
        let mut rig = Rig::new();
        for id in 1..=3 {
            rig.send(PIPELINED, id).await;
        }
        assert_eq!(rig.fake.started(), [1, 2, 3]);
        rig.allow(3).await;
        rig.allow(2).await;
        assert!(timeout(Duration::from_secs(1), rig.answer()).await.is_err());
        rig.allow(1).await;
        assert_eq!([rig.answer().await, rig.answer().await, rig.answer().await], [1, 2, 3]);
        assert_eq!(rig.memory.left(), MEMORY);
    }

    #[tokio::test(start_paused = true)]
    async fn who_owes_for_a_lane_waits_with_what_goes_there_and_with_nothing_else() {
        let mut rig = Rig::new();
        for id in [10, 20, 11, 30, 12, 21] {
            rig.send(OWING, id).await;
        }
        assert_eq!(rig.fake.started(), [10, 11, 12]);
        let begun = Instant::now();
        for (id, seconds, started) in
            [(10, 1, vec![20, 21]), (20, 2, vec![30]), (11, 2, vec![]), (30, 3, vec![]), (12, 3, vec![]), (21, 3, vec![])]
        {
            let before = rig.fake.started().len();
            assert_eq!((rig.answer().await, begun.elapsed().as_secs()), (id, seconds));
            settle().await;
            assert_eq!(rig.fake.started()[before..], started);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn who_owes_something_has_only_so_much_in_memory() {
        let mut rig = Rig::with(4 << 20, None);
        for id in [10, 20, 30, 11, 40, 12] {
            rig.send_sized(OWING, id, 400_000).await;
        }
        // Two behind the first find memory; the others wait in the socket, whatever they are.
        assert_eq!(rig.fake.started(), [10]);
        assert_eq!(rig.answer().await, 10);
        settle().await;
        assert_eq!(rig.fake.started(), [10, 20]);
        assert_eq!(rig.answer().await, 20);
        settle().await;
        assert_eq!(rig.fake.started(), [10, 20, 30, 11]);
    }

    #[tokio::test(start_paused = true)]
    async fn stopping_begins_what_waits_for_its_turn() {
        let mut rig = Rig::new();
        for id in [10, 20, 30] {
            rig.send(OWING, id).await;
            rig.fake.gate(id).notify_one();
        }
        rig.stop.send(true).unwrap();
        assert_eq!([rig.answer().await, rig.answer().await, rig.answer().await], [10, 20, 30]);
        rig.end.await.unwrap().unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn a_request_that_is_not_pipelined_runs_alone() {
        let mut rig = Rig::new();
        for (key, id) in [(PIPELINED, 1), (PLAIN, 2), (PIPELINED, 3), (PLAIN, 4), (PLAIN, 5)] {
            rig.send(key, id).await;
        }
        for id in 1..=5 {
            assert_eq!(rig.fake.started(), (1..=id).collect::<Vec<_>>());
            rig.allow(id).await;
            assert_eq!(rig.answer().await, id);
            settle().await;
        }
    }

    #[tokio::test(start_paused = true)]
    async fn who_is_over_a_quota_is_answered_at_once_and_heard_after_the_delay() {
        let mut rig = Rig::with(1 << 16, Some(Duration::from_secs(600)));
        let begun = Instant::now();
        for id in [3, 5] {
            rig.send(MUTING, id).await;
            rig.allow(id).await;
        }
        rig.send(PLAIN, 7).await;
        rig.allow(7).await;
        let mut answered = Vec::new();
        for _ in 0..3 {
            answered.push((rig.answer().await, begun.elapsed().as_secs()));
        }
        assert_eq!(answered, [(3, 0), (5, 3), (7, 8)]);
        // Muted for longer than a connection may be idle, it is closed as an idle one.
        rig.send(MUTING, 1_000).await;
        rig.allow(1_000).await;
        assert_eq!(rig.answer().await, 1_000);
        assert!(matches!(rig.end.await.unwrap(), Err(Closed::Idle(_))));
    }

    #[tokio::test(start_paused = true)]
    async fn stopping_does_not_wait_for_who_is_over_a_quota() {
        let mut rig = Rig::new();
        rig.send(MUTING, 100).await;
        rig.allow(100).await;
        assert_eq!(rig.answer().await, 100);
        let begun = Instant::now();
        rig.stop.send(true).unwrap();
        rig.end.await.unwrap().unwrap();
        assert_eq!(begun.elapsed(), Duration::ZERO);
    }

    #[tokio::test(start_paused = true)]
    async fn no_more_than_the_pipeline_holds_is_started() {
        let mut rig = Rig::new();
        let max = i32::try_from(PIPELINE_MAX).unwrap();
        for id in 1..=max + 10 {
            rig.send(PIPELINED, id).await;
        }
        assert_eq!(rig.fake.started().len(), PIPELINE_MAX);
        rig.allow(1).await;
        assert_eq!(rig.fake.started().len(), PIPELINE_MAX + 1);
    }

    #[tokio::test(start_paused = true)]
    async fn a_silent_request_is_not_answered_and_does_not_hold_up_others() {
        let mut rig = Rig::new();
        for (key, id) in [(SILENT, 1), (PIPELINED, 2), (SILENT, 3), (PLAIN, 4)] {
            rig.send(key, id).await;
            rig.allow(id).await;
        }
        assert_eq!([rig.answer().await, rig.answer().await], [2, 4]);
        assert_eq!(rig.memory.left(), MEMORY);
    }

    #[tokio::test(start_paused = true)]
    async fn a_refusal_closes_the_connection_behind_the_answers_before_it() {
        let mut rig = Rig::new();
        rig.send(PLAIN, 1).await;
        rig.send(REFUSED, 2).await;
        rig.allow(1).await;
        rig.allow(2).await;
        assert_eq!(rig.answer().await, 1);
        assert!(matches!(rig.end.await.unwrap(), Err(Closed::HungUp(reason)) if reason == "refused"));
        assert_eq!(rig.client.read(&mut [0]).await.unwrap(), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn an_unknown_key_closes_the_connection() {
        let mut rig = Rig::new();
        rig.send(99, 1).await;
        assert!(matches!(rig.end.await.unwrap(), Err(Closed::HungUp(reason)) if reason.contains("99")));
    }

    #[tokio::test(start_paused = true)]
    async fn a_frame_above_the_limit_of_its_kind_closes_the_connection_before_its_body_comes() {
        let mut rig = Rig::new();
        let head = [&(100_000_i32).to_be_bytes()[..], &PLAIN.to_be_bytes(), &[0; 6]].concat();
        rig.client.write_all(&head).await.unwrap();
        assert!(matches!(rig.end.await.unwrap(), Err(Closed::Broken(Broken::Length { length: 100_000, max: 65_536 }))));
    }

    #[tokio::test(start_paused = true)]
    async fn an_end_within_a_frame_closes_the_connection() {
        let mut rig = Rig::new();
        rig.client.write_all(&[0, 0, 0, 9, 0]).await.unwrap();
        drop(rig.client);
        assert!(matches!(rig.end.await.unwrap(), Err(Closed::Broken(Broken::Truncated))));
    }

    #[tokio::test(start_paused = true)]
    async fn a_large_frame_waits_for_memory_and_a_small_one_does_not() {
        let mut rig = Rig::new();
        let others = rig.memory.try_hold(MEMORY).unwrap();
        rig.send(PLAIN, 1).await;
        assert_eq!(rig.fake.started(), [1]);
        rig.allow(1).await;
        assert_eq!(rig.answer().await, 1);
        rig.send_sized(PIPELINED, 2, 40_000).await;
        rig.send(PIPELINED, 3).await;
        assert_eq!(rig.fake.started(), [1]);
        drop(others);
        settle().await;
        assert_eq!(rig.fake.started(), [1, 2, 3]);
        assert_eq!(rig.memory.left(), MEMORY - 40_008 - 8);
        rig.allow(2).await;
        rig.allow(3).await;
        assert_eq!([rig.answer().await, rig.answer().await], [2, 3]);
        assert_eq!(rig.memory.left(), MEMORY);
    }

    #[tokio::test(start_paused = true)]
    async fn a_frame_larger_than_all_memory_passes_alone() {
        let mut rig = Rig::with(8 << 20, None);
        rig.send_sized(PIPELINED, 1, 4 << 20).await;
        assert_eq!((rig.fake.started(), rig.memory.left()), (vec![1], 0));
        rig.allow(1).await;
        assert_eq!(rig.answer().await, 1);
        assert_eq!(rig.memory.left(), MEMORY);
    }

    #[tokio::test(start_paused = true)]
    async fn memory_of_a_frame_that_never_comes_is_given_back() {
        let mut rig = Rig::new();
        let head = [&(500_000_i32).to_be_bytes()[..], &PIPELINED.to_be_bytes(), &[0; 6]].concat();
        rig.client.write_all(&head).await.unwrap();
        settle().await;
        assert_eq!(rig.memory.left(), MEMORY - 500_000);
        assert!(matches!(rig.end.await.unwrap(), Err(Closed::Broken(Broken::Late { .. }))));
        assert_eq!(rig.memory.left(), MEMORY);
    }

    #[tokio::test(start_paused = true)]
    async fn a_waiting_request_ends_when_its_client_goes() {
        let mut rig = Rig::new();
        rig.send(WAITING, 1).await;
        assert_eq!(rig.fake.started(), [1]);
        drop(rig.client);
        rig.end.await.unwrap().unwrap();
        assert_eq!(*rig.fake.dropped.lock().unwrap(), [1]);
    }

    #[tokio::test(start_paused = true)]
    async fn what_a_client_sent_before_it_went_is_carried_out() {
        let mut rig = Rig::new();
        rig.send(WAITING, 1).await;
        rig.send(SILENT, 2).await;
        rig.fake.gate(2).notify_one();
        drop(rig.client);
        // The answers have nowhere to go, but nothing here is answered.
        let _ = rig.end.await.unwrap();
        assert_eq!((rig.fake.started(), rig.fake.dropped.lock().unwrap().clone()), (vec![1, 2], vec![1]));
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_only_stops_sending_gets_its_answers() {
        let mut rig = Rig::new();
        rig.send(PIPELINED, 1).await;
        rig.send(PLAIN, 2).await;
        rig.client.shutdown().await.unwrap();
        settle().await;
        rig.allow(1).await;
        rig.allow(2).await;
        assert_eq!([rig.answer().await, rig.answer().await], [1, 2]);
        rig.end.await.unwrap().unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn stopping_lets_started_requests_finish_and_starts_no_others() {
        let mut rig = Rig::new();
        rig.send(PLAIN, 1).await;
        rig.send(PLAIN, 2).await;
        rig.stop.send(true).unwrap();
        settle().await;
        rig.allow(1).await;
        assert_eq!(rig.answer().await, 1);
        rig.end.await.unwrap().unwrap();
        assert_eq!(rig.fake.started(), [1]);
    }

    #[tokio::test(start_paused = true)]
    async fn stopping_does_not_wait_for_a_waiting_request() {
        let mut rig = Rig::new();
        rig.send(WAITING, 1).await;
        let begun = Instant::now();
        rig.stop.send(true).unwrap();
        rig.end.await.unwrap().unwrap();
        assert_eq!(begun.elapsed(), Duration::ZERO);
    }

    #[tokio::test(start_paused = true)]
    async fn stopping_waits_less_than_a_second() {
        let mut rig = Rig::new();
        rig.send(PLAIN, 1).await;
        let begun = Instant::now();
        rig.stop.send(true).unwrap();
        assert!(matches!(rig.end.await.unwrap(), Err(Closed::Overdue)));
        assert!(begun.elapsed() < Duration::from_secs(1));
    }

    #[tokio::test(start_paused = true)]
    async fn dropping_the_switch_stops_too() {
        let rig = Rig::new();
        drop(rig.stop);
        rig.end.await.unwrap().unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_takes_no_answers_is_closed_and_its_memory_given_back() {
        let mut rig = Rig::with(64, None);
        for id in 1..=40 {
            rig.fake.gate(id).notify_one();
            if timeout(Duration::from_millis(10), rig.send(PLAIN, id)).await.is_err() {
                break;
            }
        }
        assert!(matches!(rig.end.await.unwrap(), Err(Closed::Stalled)));
        assert_eq!(rig.memory.left(), MEMORY);
    }

    #[tokio::test(start_paused = true)]
    async fn records_that_are_not_copied_come_whole_and_in_their_place_however_little_the_client_takes_at_once() {
        for pipe_bytes in [64, 1_000, 1 << 16] {
            let mut rig = Rig::with(pipe_bytes, None);
            for id in 1..=2 {
                rig.send(READING, id).await;
                rig.allow(id).await;
                assert_eq!(rig.answer().await, id);
                for byte in 1..=2 {
                    let mut records = vec![0; RECORDS_BYTES];
                    rig.client.read_exact(&mut records).await.unwrap();
                    assert_eq!(records, vec![byte; RECORDS_BYTES], "{pipe_bytes}");
                }
                assert_eq!(rig.answer().await, id);
            }
        }
    }

    #[tokio::test]
    async fn an_idle_connection_takes_a_few_kilobytes() {
        let (_client, server) = duplex(64);
        let (reader, writer) = tokio::io::split(server);
        let memory = Pool::of(MEMORY);
        let bounds = Bounds {
            frame_bytes_max: 8 << 20,
            records: memory.clone(),
            requests: memory,
            owing: Pool::of(MEMORY),
            answers: Pool::of(MEMORY),
            idle_max: None,
        };
        let (fake, shutdown) = (Fake::default(), watch::channel(false).1);
        let connection = run(reader, writer, &fake, bounds, shutdown);
        assert!(size_of_val(&connection) < 4_000, "{} bytes", size_of_val(&connection));
    }

    #[tokio::test(start_paused = true)]
    async fn an_idle_connection_is_closed_and_a_busy_one_is_not() {
        let mut rig = Rig::with(1 << 16, Some(Duration::from_secs(600)));
        rig.send(PLAIN, 1).await;
        for _ in 0..5 {
            advance(Duration::from_secs(599)).await;
            settle().await;
        }
        rig.allow(1).await;
        assert_eq!(rig.answer().await, 1);
        let begun = Instant::now();
        assert!(matches!(rig.end.await.unwrap(), Err(Closed::Idle(_))));
        assert_eq!(begun.elapsed().as_secs(), 600);
    }
}
