//! Work that is begun in order and awaited later.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::{Context, Poll};

/// A future that was polled once, so that everything up to its first wait has happened.
///
/// What it waits for then makes progress by itself (a commit, a timer), so several of them can be awaited one after another.
pub(crate) enum Started<F: Future + ?Sized> {
    /// It waits.
    Running(Pin<Box<F>>),
    /// It is finished; `None` when the result was taken.
    Done(Option<F::Output>),
}

impl<F: Future + ?Sized> Started<F> {
    /// Begins `future` now; never waits.
    pub(crate) async fn begin(future: Pin<Box<F>>) -> Self {
        let mut started = Self::Running(future);
        poll_fn(|cx| {
            started.advance(cx);
            Poll::Ready(())
        })
        .await;
        started
    }

    /// The result, if it is there; it is given once.
    pub(crate) fn take(&mut self) -> Option<F::Output> {
        match self {
            Self::Running(_) => None,
            Self::Done(result) => result.take(),
        }
    }

    /// Polls it, unless it is finished.
    pub(crate) fn advance(&mut self, cx: &mut Context<'_>) {
        if let Self::Running(future) = self
            && let Poll::Ready(result) = future.as_mut().poll(cx)
        {
            *self = Self::Done(Some(result));
        }
    }
}
