//! As little of an HTTP/1.1 client as possible: whole requests are made beforehand, and an answer is read without being looked into.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use super::Outcome;

/// Longer than any of the servers takes for the largest of these requests.
const TIMEOUT: Duration = Duration::from_secs(120);
const BUFFER_BYTES: usize = 1 << 20;

/// A request of the Kinesis API, head and body.
pub(crate) fn request(operation: &str, body: &str) -> Vec<u8> {
    // Nobody here verifies signatures; all of them want one.
    let signature = "AWS4-HMAC-SHA256 Credential=local/20261124/us-east-1/kinesis/aws4_request, \
                     SignedHeaders=host;x-amz-date, Signature=0000000000000000000000000000000000000000000000000000000000000000";
    format!(
        "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/x-amz-json-1.1\r\nX-Amz-Target: \
         Kinesis_20131202.{operation}\r\nX-Amz-Date: 20261124T000000Z\r\nAuthorization: {signature}\r\nContent-Length: \
         {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}

/// A connection; one request at a time.
pub(crate) struct Connection {
    socket: BufReader<TcpStream>,
    body: Vec<u8>,
}

/// How the bytes of a body are told.
enum Length {
    Known(usize),
    Chunks,
}

impl Connection {
    pub(crate) fn open(address: &str) -> Outcome<Self> {
        let socket = TcpStream::connect(address)?;
        socket.set_nodelay(true)?;
        socket.set_read_timeout(Some(TIMEOUT))?;
        Ok(Self { socket: BufReader::with_capacity(BUFFER_BYTES, socket), body: Vec::new() })
    }

    /// Sends a request and waits for the answer, which has to be a good one; its body.
    pub(crate) fn ask(&mut self, request: &[u8]) -> Outcome<&[u8]> {
        let (status, length) = self.begin(request)?;
        self.body.clear();
        match length {
            Length::Known(bytes) => {
                self.body.resize(bytes, 0);
                self.socket.read_exact(&mut self.body)?;
            }
            Length::Chunks => while self.chunk()? {},
        }
        if status != 200 {
            let words = String::from_utf8_lossy(&self.body).chars().take(300).collect::<String>();
            return Err(format!("refused with status {status}: {words}").into());
        }
        Ok(&self.body)
    }

    /// Asks for an operation that is not measured; its output.
    pub(crate) fn call(&mut self, operation: &str, input: &serde_json::Value) -> Outcome<serde_json::Value> {
        let body = self.ask(&request(operation, &input.to_string())).map_err(|error| format!("{operation}: {error}"))?;
        Ok(if body.is_empty() { serde_json::Value::Null } else { serde_json::from_slice(body)? })
    }

    /// Begins an answer that goes on; what follows comes by [`Self::more`].
    pub(crate) fn subscribe(&mut self, request: &[u8]) -> Outcome<()> {
        match self.begin(request)? {
            (200, Length::Chunks) => Ok(()),
            (status, _) => Err(format!("refused with status {status}").into()),
        }
    }

    /// The next piece of an answer that goes on; nothing at its end.
    pub(crate) fn more(&mut self) -> Outcome<&[u8]> {
        self.body.clear();
        self.chunk()?;
        Ok(&self.body)
    }

    /// A second handle of the socket, to end the connection from elsewhere.
    pub(crate) fn handle(&self) -> Outcome<TcpStream> {
        Ok(self.socket.get_ref().try_clone()?)
    }

    fn begin(&mut self, request: &[u8]) -> Outcome<(u16, Length)> {
        self.socket.get_mut().write_all(request)?;
        let mut line = String::new();
        self.socket.read_line(&mut line)?;
        let status = line.split(' ').nth(1).ok_or("no answer")?.trim().parse()?;
        let mut length = Length::Known(0);
        loop {
            line.clear();
            self.socket.read_line(&mut line)?;
            let Some((name, value)) = line.trim_end().split_once(':') else { return Ok((status, length)) };
            if name.eq_ignore_ascii_case("content-length") {
                length = Length::Known(value.trim().parse()?);
            } else if name.eq_ignore_ascii_case("transfer-encoding") {
                length = Length::Chunks;
            }
        }
    }

    /// Appends the next chunk to the body; whether there was one.
    fn chunk(&mut self) -> Outcome<bool> {
        let mut line = String::new();
        self.socket.read_line(&mut line)?;
        let bytes = usize::from_str_radix(line.trim_end(), 16)?;
        let from = self.body.len();
        // The line end behind it comes off again.
        self.body.resize(from + bytes + 2, 0);
        self.socket.read_exact(&mut self.body[from..])?;
        self.body.truncate(from + bytes);
        Ok(bytes > 0)
    }
}
