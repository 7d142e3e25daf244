//! AWS's event stream: an answer that goes on, as frames of headers and a payload, each with its own checksums.
//!
//! A frame is the length of all of it, the length of its headers, the CRC-32 of these two, the headers, the payload, and the
//! CRC-32 of everything before; all numbers big-endian (AWS, "Amazon Event Stream Encoding").

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};

use bytes::{BufMut, Bytes, BytesMut};
use tokio::sync::mpsc;

use super::codec::Codec;
use super::crowd::Crowd;
use super::memory::{Hold, Memory};
use super::refusal::Refusal;
use super::value::Structure;

/// The content type of an answer that is one.
pub const CONTENT_TYPE: &str = "application/vnd.amazon.eventstream";

/// The type of a header whose value is text.
const TEXT: u8 = 7;
/// What is in a frame besides headers and payload.
const AROUND_BYTES: usize = 16;

/// One frame with these headers.
pub fn frame(headers: &[(&str, &str)], payload: &[u8]) -> Bytes {
    let header_bytes: usize = headers.iter().map(|(name, value)| name.len() + value.len() + 4).sum();
    let all = AROUND_BYTES + header_bytes + payload.len();
    let mut frame = BytesMut::with_capacity(all);
    frame.put_u32(length(all));
    frame.put_u32(length(header_bytes));
    frame.put_u32(crc32fast::hash(&frame));
    for (name, value) in headers {
        frame.put_u8(u8::try_from(name.len()).unwrap_or(u8::MAX));
        frame.put_slice(name.as_bytes());
        frame.put_u8(TEXT);
        frame.put_u16(u16::try_from(value.len()).unwrap_or(u16::MAX));
        frame.put_slice(value.as_bytes());
    }
    frame.put_slice(payload);
    frame.put_u32(crc32fast::hash(&frame));
    frame.freeze()
}

/// Names of headers and values are those of this program, and payloads are far smaller than 4 GiB.
fn length(bytes: usize) -> u32 {
    u32::try_from(bytes).unwrap_or(u32::MAX)
}

enum Event {
    Message(&'static str, Structure),
    Exception(Refusal),
}

/// An event, and the memory that was taken for it.
type Made = (Event, Option<Hold>);

/// Where memory for events is taken from; known when they are asked for.
type Source = Arc<OnceLock<(Arc<Memory>, Arc<Crowd>)>>;

/// Where the events of one answer are put in.
///
/// It takes one at a time: [`place`](Self::place) waits until the client has taken the one before, so that nothing piles up.
pub struct Sink {
    events: mpsc::Sender<Made>,
    source: Source,
}

/// A place for the next event.
pub struct Place<'a> {
    permit: Option<mpsc::Permit<'a, Made>>,
    hold: Option<Hold>,
}

impl Sink {
    /// A place for the next event, of which nothing should be made before: it waits until the one before is on its way and there are
    /// `bytes` bytes of memory.
    pub async fn place(&mut self, bytes: usize) -> Place<'_> {
        // Nobody takes events only when the answer is gone, and whoever calls this with it.
        let permit = self.events.reserve().await.ok();
        let hold = match self.source.get() {
            Some((memory, crowd)) if bytes > 0 => crowd.room(memory, bytes).await,
            _ => None,
        };
        Place { permit, hold }
    }

    /// Sends a refusal in the middle of the answer; it should be the last event.
    pub async fn refuse(&mut self, refusal: Refusal) {
        let _ = self.events.send((Event::Exception(refusal), None)).await;
    }
}

impl Place<'_> {
    /// Sends an event of this name.
    pub fn send(self, name: &'static str, payload: Structure) {
        if let Some(permit) = self.permit {
            permit.send((Event::Message(name, payload), self.hold));
        }
    }
}

/// An answer that goes on: events, made while the client takes them.
pub struct Events {
    /// What makes them; `None` when it is done. It runs only while the answer is asked for more, and goes with it.
    work: Option<Pin<Box<dyn Future<Output = ()> + Send>>>,
    events: mpsc::Receiver<Made>,
    source: Source,
}

impl Events {
    /// The events that `work` puts into its sink, until it returns: then the answer ends cleanly. When the client hangs up,
    /// `work` is dropped where it waits.
    pub fn made_by<W: Future<Output = ()> + Send + 'static>(work: impl FnOnce(Sink) -> W) -> Self {
        let (sink, events) = mpsc::channel(1);
        let source = Source::default();
        Self { work: Some(Box::pin(work(Sink { events: sink, source: source.clone() }))), events, source }
    }

    /// The same, with memory for events from there.
    pub(super) fn with(self, memory: Arc<Memory>, crowd: Arc<Crowd>) -> Self {
        // There is no other.
        let _ = self.source.set((memory, crowd));
        self
    }

    /// The next frame, and the memory taken for it; `None` behind the last one.
    pub(super) fn poll_next(&mut self, codec: Codec, cx: &mut Context<'_>) -> Poll<Option<(Bytes, Option<Hold>)>> {
        let encoded = |made: Option<Made>| made.map(|(event, hold)| (encode(codec, &event), hold));
        loop {
            if let Poll::Ready(made) = self.events.poll_recv(cx) {
                return Poll::Ready(encoded(made));
            }
            let Some(work) = &mut self.work else { return Poll::Pending };
            match work.as_mut().poll(cx) {
                Poll::Ready(()) => self.work = None,
                Poll::Pending => {
                    return self.events.poll_recv(cx).map(encoded);
                }
            }
        }
    }
}

/// The first frame, without which no SDK takes the others.
pub(super) fn initial(codec: Codec) -> Bytes {
    encode(codec, &Event::Message("initial-response", Structure::default()))
}

fn encode(codec: Codec, event: &Event) -> Bytes {
    let content_type = (":content-type", codec.content_type());
    match event {
        Event::Message(name, payload) => {
            frame(&[(":message-type", "event"), (":event-type", name), content_type], &codec.encode(payload))
        }
        Event::Exception(refusal) => {
            let payload = Structure::default().with("message", refusal.message().to_owned());
            let headers = [(":message-type", "exception"), (":exception-type", refusal.name()), content_type];
            frame(&headers, &codec.encode(&payload))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_is_that_of_botocore() {
        // Decoded by botocore 1.44.5.
        let expected = "00000068000000564e6817240d3a6d6573736167652d747970650700056576656e740b3a6576656e742d74797065070010696e6974\
                        69616c2d726573706f6e73650d3a636f6e74656e742d747970650700106170706c69636174696f6e2f6a736f6e7b7dfe942c1d";
        let headers = [(":message-type", "event"), (":event-type", "initial-response"), (":content-type", "application/json")];
        let found: String = frame(&headers, b"{}").iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(found, expected);
    }

    async fn next(events: &mut Events) -> Option<String> {
        let (frame, _) = std::future::poll_fn(|cx| events.poll_next(Codec::Json, cx)).await?;
        Some(String::from_utf8_lossy(&frame).into_owned())
    }

    #[tokio::test(start_paused = true)]
    async fn events_are_made_while_they_are_asked_for_and_end_cleanly() {
        let mut events = Events::made_by(|mut sink| async move {
            for number in 0..3_i64 {
                tokio::time::sleep(std::time::Duration::from_secs(1)).await;
                sink.place(0).await.send("Tick", Structure::default().with("Number", number));
            }
            sink.refuse(Refusal::new("LimitExceededException", "enough")).await;
        });
        for number in 0..3 {
            let frame = next(&mut events).await.unwrap();
            assert!(frame.contains("Tick") && frame.contains(&format!("{{\"Number\":{number}}}")), "{frame}");
        }
        let frame = next(&mut events).await.unwrap();
        assert!(frame.contains("exception") && frame.contains("{\"message\":\"enough\"}"), "{frame}");
        assert_eq!(next(&mut events).await, None);
    }
}
