//! Plain HTTP requests; every status is an answer, not an error.

use std::{collections::BTreeMap, time::Duration};

use serde_json::Value;
use ureq::{Agent, http};

use super::eventually::DEADLINE;

/// What the hub answered.
#[derive(Debug)]
pub(crate) struct Response {
    /// The status code.
    pub(crate) status: u16,
    /// The headers, names in lower case.
    pub(crate) headers: BTreeMap<String, String>,
    /// The body as text.
    pub(crate) body: String,
}

impl Response {
    /// The body as JSON.
    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// Asserts that this is an error body a program can read.
    #[track_caller]
    pub(crate) fn assert_json_error(&self, status: u16) {
        assert_eq!(self.status, status, "{self:?}");
        let content_type = self.headers.get("content-type").map_or("", String::as_str);
        assert!(content_type.starts_with("application/json"), "{self:?}");
        let body = self.json();
        assert!(body["code"].is_string() && body["message"].is_string(), "{self:?}");
    }
}

fn agent(timeout: Duration) -> Agent {
    Agent::config_builder().http_status_as_error(false).timeout_global(Some(timeout)).build().into()
}

fn read(response: http::Response<ureq::Body>) -> Response {
    let text = |value: &http::HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    let headers = response.headers().iter().map(|(name, value)| (name.to_string(), text(value))).collect();
    Response {
        status: response.status().as_u16(),
        headers,
        body: response.into_body().read_to_string().unwrap(),
    }
}

/// The status of `GET url`, if anybody answers.
pub(crate) fn try_get(url: &str) -> Option<u16> {
    agent(Duration::from_secs(2)).get(url).call().ok().map(|response| response.status().as_u16())
}

/// `GET url`.
#[track_caller]
pub(crate) fn get(url: &str, headers: &[(&str, &str)]) -> Response {
    let request =
        headers.iter().fold(agent(DEADLINE).get(url), |request, (name, value)| request.header(*name, *value));
    read(request.call().unwrap_or_else(|error| panic!("GET {url}: {error}")))
}

/// `POST url` with `body` as it is.
#[track_caller]
pub(crate) fn post(url: &str, headers: &[(&str, &str)], body: &str) -> Response {
    let request = agent(DEADLINE).post(url).header("content-type", "application/json");
    let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
    read(request.send(body).unwrap_or_else(|error| panic!("POST {url}: {error}")))
}

/// Any request, with the connection closed afterwards.
#[track_caller]
pub(crate) fn send(method: &str, url: &str, headers: &[(String, String)], body: Option<&str>) -> Response {
    let mut request = http::Request::builder().method(method).uri(url);
    for (name, value) in headers {
        request = request.header(name, value);
    }
    let agent: Agent = Agent::config_builder()
        .http_status_as_error(false)
        .allow_non_standard_methods(true)
        .max_redirects(0)
        .timeout_global(Some(DEADLINE))
        .build()
        .into();
    let sent = match body {
        Some(body) => agent.run(request.header("content-type", "application/json").body(body).unwrap()),
        None => agent.run(request.body(()).unwrap()),
    };
    read(sent.unwrap_or_else(|error| panic!("{method} {url}: {error}")))
}
