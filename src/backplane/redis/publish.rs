//! One publication from the command line, without the machinery of a running hub.

use std::time::Duration;

/// How long Redis may take to connect and to answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// Publishes `body` to `channel` and tells how many subscribers of that Redis node got it. Of several
/// URLs the first is used: every node of a cluster passes publications on.
///
/// # Errors
/// When Redis cannot be reached or refuses.
pub fn publish_once(url: &str, channel: &str, body: &str) -> redis::RedisResult<usize> {
    let first = url.split(',').next().unwrap_or_default().trim();
    let mut connection = redis::Client::open(first)?.get_connection_with_timeout(PATIENCE)?;
    connection.set_read_timeout(Some(PATIENCE))?;
    redis::cmd("PUBLISH").arg(channel).arg(body).query(&mut connection)
}
