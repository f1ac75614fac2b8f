//! Requests with any method, headers and body.

use serde_json::Value;

use super::{
    description::assert_described,
    http::{self, Response},
    hub::Hub,
};

/// A request in the making.
pub(crate) struct Call<'a> {
    hub: &'a Hub,
    method: String,
    path: String,
    headers: Vec<(String, String)>,
    body: Option<String>,
}

impl Hub {
    /// A request to this hub.
    pub(crate) fn call(&self, method: &str, path: &str) -> Call<'_> {
        Call { hub: self, method: method.to_owned(), path: path.to_owned(), headers: Vec::new(), body: None }
    }
}

impl Call<'_> {
    /// With one more header.
    pub(crate) fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// With a token.
    pub(crate) fn bearer(self, token: &str) -> Self {
        self.header("authorization", &format!("Bearer {token}"))
    }

    /// With the operator's key.
    pub(crate) fn operator(self) -> Self {
        self.header("x-api-key", super::hub::ADMIN_KEY)
    }

    /// With a JSON body.
    pub(crate) fn json(self, body: &Value) -> Self {
        self.text(&body.to_string())
    }

    /// With a body as it is.
    pub(crate) fn text(mut self, body: &str) -> Self {
        self.body = Some(body.to_owned());
        self
    }

    /// The answer, which must be as the hub describes it.
    #[track_caller]
    pub(crate) fn send(self) -> Response {
        let response =
            http::send(&self.method, &self.hub.url(&self.path), &self.headers, self.body.as_deref());
        assert_described(self.hub, &self.method, &self.path, &response);
        response
    }

    /// The JSON body of an answer that must have this status.
    #[track_caller]
    pub(crate) fn expect(self, status: u16) -> Value {
        let what = format!("{} {}", self.method, self.path);
        let response = self.send();
        assert_eq!(response.status, status, "{what}: {response:?}");
        response.json()
    }

    /// Asserts that this is refused with a code; the body.
    #[track_caller]
    pub(crate) fn refused(self, status: u16, code: &str) -> Value {
        let what = format!("{} {}", self.method, self.path);
        let response = self.send();
        response.assert_json_error(status);
        let body = response.json();
        assert_eq!(body["code"], code, "{what}: {response:?}");
        body
    }
}
