//! Requests byte by byte, for what no client library lets through.

use std::{
    io::{Read as _, Write as _},
    net::TcpStream,
};

use super::{eventually::DEADLINE, hub::Hub};

/// What the hub answered to bytes.
#[derive(Debug)]
pub(crate) struct RawResponse {
    /// The status code; 0 when it hung up without a word.
    pub(crate) status: u16,
    /// Everything after the status line.
    pub(crate) rest: String,
}

impl Hub {
    /// Sends the head of a request, line by line, and its body; the connection is closed afterwards.
    #[track_caller]
    pub(crate) fn raw(&self, head: &[&str], body: &[u8]) -> RawResponse {
        let length = body.len();
        let mut request = format!("{}\r\nhost: hub\r\nconnection: close\r\n", head[0]);
        request.extend(head[1..].iter().map(|line| format!("{line}\r\n")));
        request.push_str(&format!("content-length: {length}\r\n\r\n"));
        let mut stream = TcpStream::connect(("127.0.0.1", self.port())).unwrap();
        stream.set_read_timeout(Some(DEADLINE)).unwrap();
        stream.write_all(request.as_bytes()).unwrap();
        stream.write_all(body).unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).unwrap();
        let answer = String::from_utf8_lossy(&answer).into_owned();
        let (first, rest) = answer.split_once("\r\n").unwrap_or_default();
        let status = first.split(' ').nth(1).and_then(|code| code.parse().ok()).unwrap_or(0);
        RawResponse { status, rest: rest.to_owned() }
    }
}
