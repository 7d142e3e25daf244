//! Connections over pipes in memory, on a stopped clock, with a service that answers when the test lets it.

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
