//! From the address that a hub listens on to URLs that reach it, and back to a shell's words.

use std::time::Duration;

use ureq::Agent;

/// How long a hub may take to answer over HTTP.
const PATIENCE: Duration = Duration::from_secs(10);

/// `host:port` that reaches a hub listening on `bind` from the same machine.
pub(super) fn reachable(bind: &str) -> String {
    match bind.rsplit_once(':') {
        Some(("0.0.0.0", port)) => format!("127.0.0.1:{port}"),
        Some(("[::]", port)) => format!("[::1]:{port}"),
        _ => bind.to_owned(),
    }
}

/// The base URL for HTTP: what the user named, or the configured address.
pub(super) fn http_base(named: Option<&str>, bind: &str) -> String {
    match named {
        Some(url) => url.trim_end_matches('/').to_owned(),
        None => format!("http://{}", reachable(bind)),
    }
}

/// An HTTP client that reports every status as an answer.
pub(super) fn agent() -> Agent {
    let config = Agent::config_builder().http_status_as_error(false).timeout_global(Some(PATIENCE));
    config.build().new_agent()
}

/// `text` as one word of a POSIX shell.
pub(super) fn shell_word(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-:=@%+,".contains(c);
    if !text.is_empty() && text.chars().all(plain) {
        return text.to_owned();
    }
    format!("'{}'", text.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_for_everybody_is_reached_by_loopback() {
        assert_eq!(reachable("0.0.0.0:3000"), "127.0.0.1:3000");
        assert_eq!(reachable("[::]:3000"), "[::1]:3000");
        assert_eq!(reachable("hub.local:3000"), "hub.local:3000");
        assert_eq!(http_base(Some("http://hub/"), "x:1"), "http://hub");
    }

    #[test]
    fn a_path_survives_the_shell() {
        assert_eq!(shell_word("/opt/hub-1.0/neolith-hub"), "/opt/hub-1.0/neolith-hub");
        assert_eq!(shell_word("/tmp/my data/it's"), r"'/tmp/my data/it'\''s'");
        assert_eq!(shell_word(""), "''");
    }
}
