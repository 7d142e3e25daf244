//! What a gateway writes to its log while a test listens.

use std::io;
use std::sync::Arc;

use parking_lot::Mutex;
use tracing::subscriber::DefaultGuard;

/// Everything that is logged in this thread from now on.
pub(crate) struct Words {
    written: Arc<Mutex<Vec<u8>>>,
    _listening: DefaultGuard,
}

impl Words {
    pub(crate) fn listen() -> Self {
        let written: Arc<Mutex<Vec<u8>>> = Arc::default();
        let ear = written.clone();
        let subscriber = tracing_subscriber::fmt().with_ansi(false).with_writer(move || Pen(ear.clone())).finish();
        Self { written, _listening: tracing::subscriber::set_default(subscriber) }
    }

    pub(crate) fn contain(&self, words: &str) -> bool {
        String::from_utf8_lossy(&self.written.lock()).contains(words)
    }
}

struct Pen(Arc<Mutex<Vec<u8>>>);

impl io::Write for Pen {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
