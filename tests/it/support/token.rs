//! Tokens, good and broken, made by hand so that no rule of the hub's own issuer is assumed.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use chrono::Utc;
use hmac::{Hmac, Mac, digest::KeyInit};
use serde_json::{Value, json};
use sha2::{Sha256, Sha384, Sha512};
use uuid::Uuid;

use super::hub::JWT_SECRET;

/// A token in the making.
#[derive(Clone)]
pub(crate) struct Token {
    header: Value,
    claims: Value,
    secret: String,
}

/// The present in the unit of `iat` and `exp`.
pub(crate) fn seconds_from_now(seconds: i64) -> i64 {
    Utc::now().timestamp() + seconds
}

impl Token {
    /// A token that opens everything a daemon may do, for an hour.
    pub(crate) fn access(orchestrator: &str, daemon: &str) -> Self {
        Self {
            header: json!({ "alg": "HS256", "typ": "JWT" }),
            claims: json!({
                "sub": orchestrator, "orchestratorId": orchestrator, "vpId": orchestrator,
                "daemonId": format!("daemon_session_{daemon}"),
                "sid": format!("daemon_session_{daemon}"),
                "jti": Uuid::new_v4(), "type": "access",
                "scopes": ["messages:read", "messages:write", "channels:read", "presence:read"],
                "iss": "neolith-platform", "aud": "neolith-api",
                "iat": seconds_from_now(0), "exp": seconds_from_now(3600),
            }),
            secret: JWT_SECRET.to_owned(),
        }
    }

    /// With another value of one claim; `null` takes the claim away.
    pub(crate) fn claim(mut self, name: &str, value: impl Into<Value>) -> Self {
        let value = value.into();
        let claims = self.claims.as_object_mut().unwrap();
        if value.is_null() {
            claims.remove(name);
        } else {
            claims.insert(name.to_owned(), value);
        }
        self
    }

    /// Signed with a secret that is not the hub's.
    pub(crate) fn signed_with(mut self, secret: &str) -> Self {
        secret.clone_into(&mut self.secret);
        self
    }

    /// Signed with another algorithm, and saying so.
    pub(crate) fn algorithm(mut self, name: &str) -> Self {
        self.header["alg"] = name.into();
        self
    }

    /// With one more member in its header.
    pub(crate) fn header(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.header[name] = value.into();
        self
    }

    /// Without a signature, and saying so.
    pub(crate) fn unsigned(mut self) -> String {
        self.header = json!({ "alg": "none", "typ": "JWT" });
        format!("{}.", self.signing_input())
    }

    /// The token as text.
    pub(crate) fn mint(&self) -> String {
        let input = self.signing_input();
        let signature = match self.header["alg"].as_str() {
            Some("HS384") => self.sign::<Hmac<Sha384>>(&input),
            Some("HS512") => self.sign::<Hmac<Sha512>>(&input),
            _ => self.sign::<Hmac<Sha256>>(&input),
        };
        format!("{input}.{signature}")
    }

    fn sign<M: Mac + KeyInit>(&self, input: &str) -> String {
        let mut mac = <M as Mac>::new_from_slice(self.secret.as_bytes()).unwrap();
        mac.update(input.as_bytes());
        URL_SAFE_NO_PAD.encode(mac.finalize().into_bytes())
    }

    fn signing_input(&self) -> String {
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        format!("{}.{}", part(&self.header), part(&self.claims))
    }
}
