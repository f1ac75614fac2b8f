//! Access tokens as the platform would issue them: HS256, made once before anything is measured.

use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use hmac::{Hmac, Mac};
use sha2::Sha256;

const HEADER: &str = r#"{"alg":"HS256","typ":"JWT"}"#;
const LIFETIME_SECS: u64 = 3600;

/// Signs tokens for orchestrators.
pub(crate) struct Issuer {
    key: Hmac<Sha256>,
    issued_at: u64,
}

impl Issuer {
    /// Signs with `secret`, as of now.
    ///
    /// # Errors
    /// When the clock stands before 1970.
    pub(crate) fn new(secret: &str) -> Result<Self> {
        let key = Hmac::new_from_slice(secret.as_bytes()).context("the secret is no key")?;
        let issued_at = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
        Ok(Self { key, issued_at })
    }

    /// An access token; `number` makes its session and its id unique.
    #[must_use]
    pub(crate) fn access(&self, orchestrator: &str, number: usize) -> String {
        let (issued_at, expires_at) = (self.issued_at, self.issued_at + LIFETIME_SECS);
        let claims = format!(
            concat!(
                r#"{{"orchestratorId":"{o}","sub":"{o}","daemonId":"daemon_session_{o}_{n}","type":"access","#,
                r#""scopes":["messages:read","messages:write"],"iat":{iat},"exp":{exp},"#,
                r#""iss":"neolith-platform","aud":"neolith-api","jti":"bench-{iat}-{n}"}}"#
            ),
            o = orchestrator,
            n = number,
            iat = issued_at,
            exp = expires_at,
        );
        let mut token = URL_SAFE_NO_PAD.encode(HEADER);
        token.push('.');
        URL_SAFE_NO_PAD.encode_string(claims, &mut token);
        let signature = self.key.clone().chain_update(&token).finalize().into_bytes();
        token.push('.');
        URL_SAFE_NO_PAD.encode_string(signature, &mut token);
        token
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_has_three_parts_and_names_its_owner() {
        let token = Issuer::new("secret").expect("an issuer").access("vp_1", 7);
        let parts: Vec<&str> = token.split('.').collect();
        assert_eq!(parts.len(), 3);
        assert_eq!(URL_SAFE_NO_PAD.decode(parts[0]).expect("base64"), HEADER.as_bytes());
        let claims = String::from_utf8(URL_SAFE_NO_PAD.decode(parts[1]).expect("base64")).expect("text");
        assert!(claims.contains(r#""orchestratorId":"vp_1""#) && claims.contains(r#""aud":"neolith-api""#));
        assert_eq!(URL_SAFE_NO_PAD.decode(parts[2]).expect("base64").len(), 32);
    }

    #[test]
    fn the_signature_is_that_of_the_standard() {
        // The key and text of RFC 4231, test case 2.
        let issuer = Issuer::new("Jefe").expect("an issuer");
        let mac = issuer.key.clone().chain_update("what do ya want for nothing?").finalize().into_bytes();
        assert_eq!(mac[..4], [0x5b, 0xdc, 0xc1, 0x46]);
    }
}
