//! Servers that are processes of this one; an interrupt from the terminal reaches them too.

use std::net::{TcpListener, TcpStream};
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use super::Outcome;

/// How long one may take until it serves.
const PATIENCE: Duration = Duration::from_secs(30);

/// It ends when it is dropped.
pub(crate) struct Child(std::process::Child);

impl Child {
    /// Starts one that nobody listens to, and waits until something accepts connections at `host:port`.
    pub(crate) fn start(name: &str, command: &mut Command, address: &str) -> Outcome<Self> {
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
        let mut started = Self(child);
        let deadline = Instant::now() + PATIENCE;
        while TcpStream::connect(address).is_err() {
            if let Some(status) = started.0.try_wait()? {
                return Err(format!("{name} ended at its start: {status}").into());
            }
            if Instant::now() > deadline {
                return Err(format!("{name} does not serve after {PATIENCE:?}").into());
            }
            sleep(Duration::from_millis(20));
        }
        Ok(started)
    }

    /// Its process number.
    pub(crate) fn process(&self) -> String {
        self.0.id().to_string()
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A port that nobody has at the moment.
pub(crate) fn free_port() -> Outcome<u16> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}
