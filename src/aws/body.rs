//! The body of an answer: whole, or events as they come.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};

use super::codec::Codec;
use super::event_stream::{Events, initial};
use super::memory::{Memory, Waiting};

/// Memory that must be free before the next event is made. *Ours*: what the largest event takes, about.
const EVENT_BYTES: usize = 4 << 20;

/// The body of an answer.
pub struct AnswerBody(Inner);

enum Inner {
    Whole(Bytes),
    Events { events: Events, codec: Codec, memory: Arc<Memory>, begun: bool, gate: Option<Waiting> },
}

impl AnswerBody {
    pub(super) fn whole(body: impl Into<Bytes>) -> Self {
        Self(Inner::Whole(body.into()))
    }

    /// Events in `codec`, each of which takes of `memory` until it is sent.
    pub(super) fn events(events: Events, codec: Codec, memory: Arc<Memory>) -> Self {
        Self(Inner::Events { events, codec, memory, begun: false, gate: None })
    }
}

impl Body for AnswerBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let bytes = match &mut self.get_mut().0 {
            Inner::Whole(bytes) => Some(std::mem::take(bytes)).filter(|bytes| !bytes.is_empty()),
            Inner::Events { codec, begun, .. } if !*begun => {
                *begun = true;
                Some(initial(*codec))
            }
            Inner::Events { events, codec, memory, gate, .. } => {
                // How large the next event is nobody knows yet: it is made when there is room for the largest.
                if gate.is_none() && !memory.has(EVENT_BYTES) {
                    *gate = Some(memory.clone().wait(EVENT_BYTES));
                }
                if let Some(waiting) = gate {
                    match waiting.as_mut().poll(cx) {
                        Poll::Ready(hold) => drop(hold),
                        Poll::Pending => return Poll::Pending,
                    }
                    *gate = None;
                }
                match events.poll_next(*codec, cx) {
                    Poll::Ready(frame) => frame.map(|frame| memory.held(frame)),
                    Poll::Pending => return Poll::Pending,
                }
            }
        };
        Poll::Ready(bytes.map(|bytes| Ok(Frame::data(bytes))))
    }

    fn is_end_stream(&self) -> bool {
        matches!(&self.0, Inner::Whole(bytes) if bytes.is_empty())
    }

    fn size_hint(&self) -> SizeHint {
        match &self.0 {
            Inner::Whole(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Inner::Events { .. } => SizeHint::default(),
        }
    }
}
