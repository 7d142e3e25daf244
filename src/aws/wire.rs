//! A connection that is given up when nothing moves on it.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep_until};

use super::crowd::Peer;

/// Without a byte in either direction. *Ours*: longer than the pauses of any client's keep-alive.
const IDLE_TIME: Duration = Duration::from_secs(120);
/// With bytes that the other side does not take.
const STALL_TIME: Duration = Duration::from_secs(30);

/// A stream, its first byte looked at already, and when something moved on it. One task has to both read and write it.
pub(super) struct Wire<S> {
    stream: S,
    /// Is told what its client takes.
    peer: Arc<Peer>,
    first: Option<u8>,
    timer: Pin<Box<Sleep>>,
    moved: Instant,
    /// Since when a write waits.
    stalled: Option<Instant>,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Wire<S> {
    /// `stream`, and its first byte, which stays to be read; `None` if it ends before.
    pub(super) async fn open(stream: S, peer: Arc<Peer>) -> io::Result<(Option<u8>, Self)> {
        let now = Instant::now();
        let timer = Box::pin(sleep_until(now + IDLE_TIME));
        let mut wire = Self { stream, peer, first: None, timer, moved: now, stalled: None };
        let mut first = [0];
        wire.first = (wire.read(&mut first).await? > 0).then_some(first[0]);
        Ok((wire.first, wire))
    }

    /// Notes that something moved, or that somebody waits for it; an error when that was too long.
    fn watch<T>(&mut self, moved: Poll<T>, cx: &mut Context<'_>) -> Poll<io::Result<T>> {
        if let Poll::Ready(moved) = moved {
            self.moved = Instant::now();
            return Poll::Ready(Ok(moved));
        }
        while self.timer.as_mut().poll(cx).is_ready() {
            let idle_end = self.moved + IDLE_TIME;
            let end = self.stalled.map_or(idle_end, |since| idle_end.min(since + STALL_TIME));
            if end <= Instant::now() {
                return Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, "nothing moved on the connection")));
            }
            self.timer.as_mut().reset(end);
        }
        Poll::Pending
    }

    fn count(&self, written: &Poll<io::Result<usize>>) {
        if let Poll::Ready(Ok(bytes)) = written {
            self.peer.took(*bytes);
        }
    }

    fn watch_write<T>(&mut self, written: Poll<io::Result<T>>, cx: &mut Context<'_>) -> Poll<io::Result<T>> {
        match (&written, self.stalled) {
            (Poll::Ready(_), _) => self.stalled = None,
            (Poll::Pending, None) => {
                let now = Instant::now();
                self.stalled = Some(now);
                self.timer.as_mut().reset(now + STALL_TIME);
            }
            (Poll::Pending, Some(_)) => {}
        }
        self.watch(written, cx).map(|written| written?)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for Wire<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if let Some(first) = self.first.filter(|_| buf.remaining() > 0) {
            buf.put_slice(&[first]);
            self.first = None;
            return Poll::Ready(Ok(()));
        }
        let read = Pin::new(&mut self.stream).poll_read(cx, buf);
        self.watch(read, cx).map(|read| read?)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Wire<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.count(&written);
        self.watch_write(written, cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        pieces: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(cx, pieces);
        self.count(&written);
        self.watch_write(written, cx)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.stream).poll_flush(cx);
        self.watch_write(flushed, cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let shut = Pin::new(&mut self.stream).poll_shutdown(cx);
        self.watch_write(shut, cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncWriteExt as _, duplex};

    #[tokio::test(start_paused = true)]
    async fn the_first_byte_is_seen_and_still_read() {
        let (mut client, server) = duplex(64);
        client.write_all(b"POST").await.unwrap();
        drop(client);
        let (first, mut wire) = Wire::open(server, Arc::default()).await.unwrap();
        let mut all = String::new();
        wire.read_to_string(&mut all).await.unwrap();
        assert_eq!((first, all.as_str()), (Some(b'P'), "POST"));
        let (client, server) = duplex(64);
        drop(client);
        assert_eq!(Wire::open(server, Arc::default()).await.unwrap().0, None);
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_on_which_nothing_moves_is_given_up() {
        let begun = Instant::now();
        let (_silent, server) = duplex(64);
        assert_eq!(Wire::open(server, Arc::default()).await.err().unwrap().kind(), io::ErrorKind::TimedOut);
        assert_eq!(begun.elapsed(), IDLE_TIME);
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_takes_nothing_is_given_up_although_it_sends() {
        let (client, server) = duplex(64);
        let (_takes_nothing, mut sends) = tokio::io::split(client);
        tokio::spawn(async move {
            while sends.write_all(b"x").await.is_ok() {
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        });
        let (_, wire) = Wire::open(server, Arc::default()).await.unwrap();
        let (mut reads, mut writes) = tokio::io::split(wire);
        let begun = Instant::now();
        // In one task, as HTTP does it: whoever waits last is woken.
        let written = tokio::select! {
            written = writes.write_all(&[0; 1_000]) => written,
            () = async { while reads.read_u8().await.is_ok() {} } => Err(io::ErrorKind::TimedOut.into()),
        };
        assert_eq!(written.unwrap_err().kind(), io::ErrorKind::TimedOut);
        assert!(begun.elapsed() >= STALL_TIME && begun.elapsed() < IDLE_TIME);
    }
}
