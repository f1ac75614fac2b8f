//! A few commands to Redis beside the measurement: is it up, and what is still queued.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{Ipv4Addr, TcpStream},
    time::Duration,
};

use anyhow::{Context, Result, bail};

const TIMEOUT: Duration = Duration::from_secs(5);

/// A blocking connection for looking, not for load.
pub(crate) struct Redis {
    reader: BufReader<TcpStream>,
}

/// The answers that the commands here can have.
enum Reply {
    Text(String),
    Number(u64),
    List(Vec<Reply>),
}

impl Redis {
    /// Connects to the Redis on `port`, and sees that it answers.
    ///
    /// # Errors
    /// When it does not.
    pub(crate) fn connect(port: u16) -> Result<Self> {
        let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
        stream.set_read_timeout(Some(TIMEOUT))?;
        stream.set_nodelay(true)?;
        let mut redis = Self { reader: BufReader::new(stream) };
        redis.send(&[&["PING"]])?;
        match redis.reply()? {
            Reply::Text(text) if text == "PONG" => Ok(redis),
            _ => bail!("something other than Redis answers on port {port}"),
        }
    }

    /// How many events are queued for these orchestrators together.
    ///
    /// # Errors
    /// When Redis does not answer.
    pub(crate) fn queued(&mut self, orchestrators: &[String]) -> Result<u64> {
        let keys: Vec<String> = orchestrators.iter().map(|name| format!("daemon:events:{name}")).collect();
        let commands: Vec<[&str; 2]> = keys.iter().map(|key| ["ZCARD", key.as_str()]).collect();
        let commands: Vec<&[&str]> = commands.iter().map(<[&str; 2]>::as_slice).collect();
        self.send(&commands)?;
        let mut sum = 0;
        for _ in &commands {
            if let Reply::Number(count) = self.reply()? {
                sum += count;
            }
        }
        Ok(sum)
    }

    /// The ids of the oldest events that are queued for an orchestrator.
    ///
    /// # Errors
    /// When Redis does not answer.
    pub(crate) fn oldest(&mut self, orchestrator: &str, count: u64) -> Result<Vec<String>> {
        let (key, last) = (format!("daemon:events:{orchestrator}"), count.saturating_sub(1).to_string());
        self.send(&[&["ZRANGE", &key, "0", &last]])?;
        let Reply::List(ids) = self.reply()? else { bail!("ZRANGE answered no list") };
        Ok(ids.into_iter().filter_map(|id| if let Reply::Text(id) = id { Some(id) } else { None }).collect())
    }

    /// How many entries a stream has.
    ///
    /// # Errors
    /// When Redis does not answer.
    pub(crate) fn length_of_stream(&mut self, name: &str) -> Result<u64> {
        self.send(&[&["XLEN", name]])?;
        match self.reply()? {
            Reply::Number(length) => Ok(length),
            _ => bail!("XLEN answered no number"),
        }
    }

    /// The queues that are not empty: Redis removes a sorted set with its last member.
    ///
    /// # Errors
    /// When Redis does not answer.
    pub(crate) fn queues(&mut self) -> Result<Vec<String>> {
        let (mut cursor, mut found) = ("0".to_owned(), Vec::new());
        loop {
            let scan = ["SCAN", &cursor, "MATCH", "daemon:events:*", "COUNT", "10000", "TYPE", "zset"];
            self.send(&[&scan])?;
            let Reply::List(mut parts) = self.reply()? else { bail!("SCAN answered no list") };
            if let Some(Reply::List(keys)) = parts.pop() {
                found.extend(keys.into_iter().filter_map(|key| match key {
                    Reply::Text(key) => Some(key),
                    _ => None,
                }));
            }
            match parts.pop() {
                Some(Reply::Text(next)) if next != "0" => cursor = next,
                _ => return Ok(found),
            }
        }
    }

    fn send(&mut self, commands: &[&[&str]]) -> Result<()> {
        let mut text = String::new();
        for command in commands {
            text.push_str(&format!("*{}\r\n", command.len()));
            for part in *command {
                text.push_str(&format!("${}\r\n{part}\r\n", part.len()));
            }
        }
        Ok(self.reader.get_mut().write_all(text.as_bytes())?)
    }

    fn reply(&mut self) -> Result<Reply> {
        let mut line = String::new();
        self.reader.read_line(&mut line).context("Redis does not answer")?;
        let Some((kind, rest)) = line.trim_end().split_at_checked(1) else { bail!("Redis hung up") };
        match kind {
            "+" => Ok(Reply::Text(rest.to_owned())),
            ":" => Ok(Reply::Number(rest.parse()?)),
            "$" => {
                let mut text = vec![0; rest.parse::<usize>()? + 2];
                self.reader.read_exact(&mut text)?;
                text.truncate(text.len() - 2);
                Ok(Reply::Text(String::from_utf8(text)?))
            }
            "*" => (0..rest.parse::<usize>()?).map(|_| self.reply()).collect::<Result<_>>().map(Reply::List),
            _ => bail!("Redis says {rest}"),
        }
    }
}
