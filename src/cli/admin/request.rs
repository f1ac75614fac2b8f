//! One request to the hub, and how its answer is printed.

use clap::Args;
use serde::Serialize;
use serde_json::{Map, Value};
use ureq::http;

use crate::{
    cli::{CliError, address, output},
    config::{Config, Secret},
};

/// Where the routes are.
const BASE: &str = "/api/admin";

/// Which part of a list.
#[derive(Debug, Clone, Default, Args)]
pub(super) struct Listed {
    /// Follow the list to its end
    #[arg(long)]
    all: bool,
    /// How many at once
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=200))]
    limit: Option<u16>,
    /// Begin where a page ended
    #[arg(long, value_name = "CURSOR")]
    cursor: Option<String>,
    /// Only those with this value of a filter that docs/admin.md names; may be repeated
    #[arg(long = "filter", value_name = "NAME=VALUE", value_parser = pair)]
    filters: Vec<(String, String)>,
}

/// Reads `NAME=VALUE`.
pub(super) fn pair(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err("use NAME=VALUE".to_owned()),
    }
}

/// Reads a JSON object.
pub(super) fn object(text: &str) -> Result<Map<String, Value>, String> {
    serde_json::from_str(text).map_err(|error| format!("must be a JSON object: {error}"))
}

/// What is to be sent.
#[derive(Debug)]
pub(super) struct Request {
    method: &'static str,
    path: String,
    query: Vec<(String, String)>,
    body: Option<Value>,
    list: Option<bool>,
}

impl Request {
    /// A request to the route that these words make.
    pub(super) fn new(method: &'static str, words: &[&str]) -> Self {
        let mut path = BASE.to_owned();
        for word in words {
            path.push('/');
            path.push_str(&encoded(word));
        }
        Self { method, path, query: Vec::new(), body: None, list: None }
    }

    /// A request for a list.
    pub(super) fn list(words: &[&str], listed: &Listed) -> Self {
        let mut request = Self::new("GET", words);
        request.query.clone_from(&listed.filters);
        let limit = listed.limit.or(listed.all.then_some(200));
        request.query.extend(limit.map(|limit| ("limit".to_owned(), limit.to_string())));
        request.query.extend(listed.cursor.clone().map(|cursor| ("cursor".to_owned(), cursor)));
        Self { list: Some(listed.all), ..request }
    }

    /// The same with one more parameter, if there is a value.
    pub(super) fn with(mut self, name: &str, value: Option<impl ToString>) -> Self {
        self.query.extend(value.map(|value| (name.to_owned(), value.to_string())));
        self
    }

    /// The same with a body; what is left out of `body` is left out of the request.
    pub(super) fn body(self, body: &impl Serialize) -> Self {
        let mut body = serde_json::to_value(body).unwrap_or_default();
        if let Some(members) = body.as_object_mut() {
            members.retain(|_, value| !value.is_null());
        }
        Self { body: Some(body), ..self }
    }

    /// The same with a body in which `null` means something.
    pub(super) fn changes(self, changes: &[(String, String)]) -> Self {
        let value = |text: &String| serde_json::from_str(text).unwrap_or_else(|_| Value::from(text.as_str()));
        let body = changes.iter().map(|(name, text)| (name.clone(), value(text))).collect();
        Self { body: Some(Value::Object(body)), ..self }
    }

    fn url(&self, base: &str) -> String {
        let mut url = format!("{base}{}", self.path);
        for (place, (name, value)) in self.query.iter().enumerate() {
            url.push(if place == 0 { '?' } else { '&' });
            url.push_str(&format!("{}={}", encoded(name), encoded(value)));
        }
        url
    }
}

/// As a part of a URL.
fn encoded(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
    }
    encoded
}

/// Sends a request, and what its answer says where to go on, and prints what comes back.
///
/// # Errors
/// When the hub cannot be reached, or refuses.
pub(super) fn send(config: &Config, url: Option<&str>, mut request: Request) -> Result<(), CliError> {
    let key = config.auth.admin_api_key.as_ref().ok_or_else(|| {
        CliError::failed("administration needs the hub's key: set ADMIN_API_KEY to the hub's one")
    })?;
    let base = address::http_base(url, &config.server.bind);
    loop {
        let answer = exchange(&base, key, &request)?;
        let Some(all) = request.list else { return Ok(output::line(&answer.to_string())?) };
        for item in answer.get("items").and_then(Value::as_array).into_iter().flatten() {
            output::line(&item.to_string())?;
        }
        let Some(next) = answer.get("nextCursor").and_then(Value::as_str) else { return Ok(()) };
        if !all {
            return Ok(output::note(&format!("there are more: --all, or --cursor {next}"))?);
        }
        request.query.retain(|(name, _)| name != "cursor");
        request.query.push(("cursor".to_owned(), next.to_owned()));
    }
}

fn exchange(base: &str, key: &Secret, request: &Request) -> Result<Value, CliError> {
    let url = request.url(base);
    let unreachable = |error: &dyn std::fmt::Display| {
        CliError::failed(format!("cannot reach the hub at {base}: {error}; start it, or name it with --url"))
    };
    let built = http::Request::builder().method(request.method).uri(&url).header("X-API-Key", key.expose());
    let agent = address::agent();
    let sent = match &request.body {
        Some(body) => {
            let built = built.header("Content-Type", "application/json").body(body.to_string());
            agent.run(built.map_err(|error| unreachable(&error))?)
        }
        None => agent.run(built.body(()).map_err(|error| unreachable(&error))?),
    };
    let mut response = sent.map_err(|error| unreachable(&error))?;
    let text = response.body_mut().read_to_string().map_err(|error| unreachable(&error))?;
    let answer: Value = serde_json::from_str(&text).unwrap_or_default();
    match response.status() {
        status if status.is_success() => Ok(answer),
        status if status.as_u16() == 401 => Err(CliError::failed(
            "the hub does not accept this key: use the --data-dir or the ADMIN_API_KEY that it was started with",
        )),
        status => {
            let message = answer.get("message").and_then(Value::as_str).unwrap_or("no explanation");
            let details = answer.get("details").map(|details| format!(" {details}")).unwrap_or_default();
            Err(CliError::failed(format!("the hub answered {status}: {message}{details}")))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_and_filters_stay_what_they_are_on_their_way() {
        let listed =
            Listed { all: true, filters: vec![("text".to_owned(), "a b&c".to_owned())], ..Listed::default() };
        let request = Request::list(&["channels", "a/b?c"], &listed);
        assert_eq!(request.url("http://h"), "http://h/api/admin/channels/a%2Fb%3Fc?text=a%20b%26c&limit=200");
    }

    #[test]
    fn a_change_may_be_any_json_or_a_plain_word() {
        let pairs = ["name=Acme", "topic=null", "isArchived=true"].map(|text| pair(text).expect("a pair"));
        let request = Request::new("PATCH", &["channels", "c"]).changes(&pairs);
        let body = serde_json::json!({ "name": "Acme", "topic": null, "isArchived": true });
        assert_eq!(request.body, Some(body));
    }
}
