//! A plain HTTP connection that stays open: requests go out as they are, answers are read whole.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpStream},
    time::Duration,
};

use anyhow::{Context, Result, bail};

const TIMEOUT: Duration = Duration::from_secs(10);

/// One connection.
pub(crate) struct Http {
    reader: BufReader<TcpStream>,
    host: SocketAddr,
    body: Vec<u8>,
}

impl Http {
    /// Connects to the hub.
    ///
    /// # Errors
    /// When it does not listen.
    pub(crate) fn connect(host: SocketAddr) -> Result<Self> {
        let stream = TcpStream::connect(host)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(TIMEOUT))?;
        Ok(Self { reader: BufReader::new(stream), host, body: Vec::new() })
    }

    /// Posts a JSON body with one header that says who asks; the status.
    ///
    /// # Errors
    /// When the connection breaks, or the answer is none.
    pub(crate) fn post(&mut self, path: &str, credential: &str, body: &str) -> Result<u16> {
        let request = format!(
            "POST {path} HTTP/1.1\r\nHost: {}\r\n{credential}\r\nContent-Type: application/json\r\n\
             Content-Length: {}\r\n\r\n{body}",
            self.host,
            body.len()
        );
        self.reader.get_mut().write_all(request.as_bytes())?;
        self.answer().context("reading an answer")
    }

    /// Whether the last answer's body has this in it.
    #[must_use]
    pub(crate) fn says(&self, what: &str) -> bool {
        memchr::memmem::find(&self.body, what.as_bytes()).is_some()
    }

    /// The last answer's body, for messages.
    #[must_use]
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).chars().take(500).collect()
    }

    fn answer(&mut self) -> Result<u16> {
        let mut line = String::new();
        self.reader.read_line(&mut line)?;
        let status = line.split(' ').nth(1).and_then(|text| text.parse().ok());
        let Some(status) = status else { bail!("this is no answer: {line:?}") };
        let mut length = 0;
        loop {
            line.clear();
            if self.reader.read_line(&mut line)? == 0 {
                bail!("the hub hung up");
            }
            let header = line.trim_end();
            if header.is_empty() {
                break;
            }
            if let Some((name, value)) = header.split_once(':')
                && name.eq_ignore_ascii_case("content-length")
            {
                length = value.trim().parse()?;
            }
        }
        self.body.resize(length, 0);
        self.reader.read_exact(&mut self.body)?;
        Ok(status)
    }
}
