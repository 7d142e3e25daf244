//! An HTTP/2 connection that is left to its client to close.
//!
//! Who has sent the last request may say so (GOAWAY) while its answer still comes, as the AWS SDK for JavaScript does with each
//! subscription. hyper then closes the connection behind the answer's last frame, and Node drops what it has received
//! and not handed over yet: the subscription ends in "Premature close". With HTTP/1.1 the end of the connection may be the end of
//! the answer, so it is not delayed there.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Sleep, sleep};

/// For the client to take what it was sent, and to close. *Ours*: what is left is less than a window of HTTP/2.
const LINGER: Duration = Duration::from_secs(10);

/// A stream whose end waits for that of the other side, once it is known to be HTTP/2.
pub(super) struct Lingering<S> {
    stream: S,
    is_http2: Arc<AtomicBool>,
    /// How long the end waits, once it is due.
    until: Option<Pin<Box<Sleep>>>,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Lingering<S> {
    /// `is_http2` is looked at when the end is due.
    pub(super) fn over(stream: S, is_http2: Arc<AtomicBool>) -> Self {
        Self { stream, is_http2, until: None }
    }

    /// Ready when the other side has closed, or had its time. What it still sends is dropped.
    fn poll_left(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let until = self.until.get_or_insert_with(|| Box::pin(sleep(LINGER)));
        if until.as_mut().poll(cx).is_ready() {
            return Poll::Ready(());
        }
        let mut dropped = [0; 1 << 10];
        loop {
            let mut dropped = ReadBuf::new(&mut dropped);
            let read = ready!(Pin::new(&mut self.stream).poll_read(cx, &mut dropped));
            if read.is_err() || dropped.filled().is_empty() {
                return Poll::Ready(());
            }
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Lingering<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Lingering<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        pieces: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, pieces)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.is_http2.load(Ordering::Relaxed) {
            ready!(Pin::new(&mut self.stream).poll_flush(cx))?;
            ready!(self.poll_left(cx));
        }
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, duplex};
    use tokio::time::Instant;

    fn lingering(is_http2: bool) -> (tokio::io::DuplexStream, Lingering<tokio::io::DuplexStream>) {
        let (client, server) = duplex(64);
        (client, Lingering::over(server, Arc::new(AtomicBool::new(is_http2))))
    }

    #[tokio::test(start_paused = true)]
    async fn an_http2_client_may_take_its_time_and_close_first() {
        let (mut client, mut server) = lingering(true);
        let begun = Instant::now();
        let client = async {
            client.write_all(b"what comes late is dropped").await.unwrap();
            let mut taken = [0; 4];
            client.read_exact(&mut taken).await.unwrap();
            sleep(Duration::from_secs(7)).await;
            assert!(is_pending(client.read_u8()).await, "the connection has ended");
            drop(client);
            taken
        };
        let server = async {
            server.write_all(b"last").await.unwrap();
            server.shutdown().await
        };
        let (taken, shut) = tokio::join!(client, server);
        shut.unwrap();
        assert_eq!((&taken, begun.elapsed().as_secs()), (b"last", 7));
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_does_not_close_is_closed() {
        let (mut client, mut server) = lingering(true);
        let begun = Instant::now();
        server.shutdown().await.unwrap();
        assert_eq!((begun.elapsed(), client.read_u8().await.is_err()), (LINGER, true));
    }

    #[tokio::test(start_paused = true)]
    async fn the_end_of_http1_is_not_delayed() {
        let (mut client, mut server) = lingering(false);
        let begun = Instant::now();
        server.shutdown().await.unwrap();
        assert_eq!((begun.elapsed(), client.read_u8().await.is_err()), (Duration::ZERO, true));
    }

    /// Whether a future is not ready at once.
    async fn is_pending<F: Future>(future: F) -> bool {
        let mut future = std::pin::pin!(future);
        std::future::poll_fn(|cx| Poll::Ready(future.as_mut().poll(cx).is_pending())).await
    }
}
