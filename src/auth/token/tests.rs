use std::time::Duration;

use jsonwebtoken::{EncodingKey, Header, encode};
use serde_json::{Value, json};

use super::*;
use crate::domain::scope::Scope;

const NOW: Timestamp = Timestamp(1_700_000_000_000);
const SECRET: &str = "a secret of the tests";

fn verifier() -> TokenVerifier {
    TokenVerifier::new(SECRET, "neolith-platform", "neolith-api")
}

fn signed_with(algorithm: Algorithm, secret: &str, claims: &Value) -> String {
    encode(&Header::new(algorithm), claims, &EncodingKey::from_secret(secret.as_bytes())).expect("a token")
}

/// The legacy claims with some of them replaced; `null` removes one.
fn token(changes: &Value) -> String {
    let mut claims = json!({
        "orchestratorId": "vp_1", "daemonId": "daemon_session_vp_1_17", "scopes": ["messages:read"],
        "type": "access", "iat": 1_700_000_000, "exp": 1_700_000_060,
    });
    for (name, value) in changes.as_object().expect("an object") {
        if value.is_null() {
            claims.as_object_mut().expect("an object").remove(name);
        } else {
            claims[name] = value.clone();
        }
    }
    signed_with(Algorithm::HS256, SECRET, &claims)
}

fn verify(changes: &Value) -> Result<AccessToken, TokenError> {
    verifier().verify(&token(changes), NOW)
}

fn is_invalid(result: &Result<AccessToken, TokenError>) -> bool {
    matches!(result, Err(TokenError::Invalid(_)))
}

#[test]
fn the_claims_of_the_live_routes_are_enough() {
    let token = verify(&json!({})).expect("a token");
    assert_eq!(token.orchestrator.as_str(), "vp_1");
    assert_eq!(token.session.as_ref().map(SessionId::as_str), Some("daemon_session_vp_1_17"));
    assert_eq!(token.scopes.names(), ["messages:read"]);
    assert_eq!(token.expires_at, Timestamp(1_700_000_060_000));
    assert_eq!(token.issued_at, Some(Timestamp(1_700_000_000_000)));
    assert_eq!((token.organization, token.jti), (None, None));
    assert_eq!(verify(&json!({"iat": null})).expect("a token").issued_at, None);
}

#[test]
fn the_orchestrator_and_the_session_go_by_their_newest_name() {
    let orchestrator = |changes: Value| verify(&changes).map(|token| token.orchestrator.as_str().to_owned());
    assert_eq!(orchestrator(json!({"vpId": "vp_2", "sub": "vp_3"})).as_deref(), Ok("vp_1"));
    assert_eq!(
        orchestrator(json!({"orchestratorId": null, "vpId": "vp_2", "sub": "vp_3"})).as_deref(),
        Ok("vp_2")
    );
    assert_eq!(orchestrator(json!({"orchestratorId": "", "sub": "vp_3"})).as_deref(), Ok("vp_3"));
    assert!(is_invalid(&verify(&json!({"orchestratorId": null}))));
    assert!(is_invalid(&verify(&json!({"orchestratorId": "vp_1:data"}))));
    let session = verify(&json!({"sid": "s1"})).expect("a token").session;
    assert_eq!(session.as_ref().map(SessionId::as_str), Some("s1"));
}

#[test]
fn absent_scopes_are_the_standard_set_and_empty_ones_are_none() {
    assert_eq!(verify(&json!({"scopes": null})).expect("a token").scopes, ScopeSet::standard());
    assert_eq!(verify(&json!({"scopes": []})).expect("a token").scopes, ScopeSet::default());
    let null = json!({"orchestratorId": "vp_1", "type": "access", "exp": 1_700_000_060, "scopes": null});
    let null = signed_with(Algorithm::HS256, SECRET, &null);
    assert!(is_invalid(&verifier().verify(&null, NOW)), "null is not absent");
}

#[test]
fn only_hs256_with_the_right_secret_is_accepted() {
    let claims = json!({"orchestratorId": "vp_1", "type": "access", "exp": 1_700_000_060});
    assert!(verifier().verify(&signed_with(Algorithm::HS256, SECRET, &claims), NOW).is_ok());
    for algorithm in [Algorithm::HS384, Algorithm::HS512] {
        assert!(is_invalid(&verifier().verify(&signed_with(algorithm, SECRET, &claims), NOW)));
    }
    let wrong = verifier().verify(&signed_with(Algorithm::HS256, "another secret", &claims), NOW);
    assert_eq!(wrong, Err(TokenError::Invalid("its signature is wrong")));
}

#[test]
fn a_header_cannot_talk_the_verifier_into_another_algorithm() {
    let good = token(&json!({}));
    let (_, rest) = good.split_once('.').expect("a token");
    let (body, _) = rest.split_once('.').expect("a token");
    // {"alg":"none","typ":"JWT"} and {"alg":"RS256","typ":"JWT"}
    for header in ["eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0", "eyJhbGciOiJSUzI1NiIsInR5cCI6IkpXVCJ9"] {
        for forged in [format!("{header}.{rest}"), format!("{header}.{body}."), format!("{header}.{body}")] {
            assert!(is_invalid(&verifier().verify(&forged, NOW)), "{forged}");
        }
    }
    let crit = Header { crit: Some(vec!["b64".to_owned()]), ..Header::new(Algorithm::HS256) };
    let claims = json!({"orchestratorId": "vp_1", "type": "access", "exp": 1_700_000_060});
    let crit = encode(&crit, &claims, &EncodingKey::from_secret(SECRET.as_bytes())).expect("a token");
    assert!(is_invalid(&verifier().verify(&crit, NOW)));
}

#[test]
fn what_is_no_token_is_refused() {
    for text in ["", "a", "a.b.c", "..", "ééé.ééé.ééé"] {
        assert_eq!(verifier().verify(text, NOW), Err(TokenError::Invalid("it is malformed")), "{text}");
    }
}

#[test]
fn refresh_tokens_and_untyped_ones_are_refused() {
    assert!(is_invalid(&verify(&json!({"type": "refresh"}))));
    assert!(is_invalid(&verify(&json!({"type": null}))));
}

#[test]
fn expiry_has_no_leeway() {
    let at = |millis: i64| verifier().verify(&token(&json!({})), Timestamp(millis));
    assert!(at(1_700_000_059_999).is_ok());
    assert_eq!(at(1_700_000_060_000), Err(TokenError::Expired));
    assert!(is_invalid(&verify(&json!({"exp": null}))), "a token without an end is refused");
    assert!(is_invalid(&verify(&json!({"exp": "1700000060"}))));
    assert!(is_invalid(&verify(&json!({"exp": -1.0}))));
    assert_eq!(
        verify(&json!({"exp": 1_700_000_000.5})).map(|token| token.expires_at),
        Ok(Timestamp(1_700_000_000_500))
    );
}

#[test]
fn issuer_and_audience_are_checked_where_they_are_present() {
    assert!(verify(&json!({"iss": "neolith-platform", "aud": "neolith-api"})).is_ok());
    assert!(verify(&json!({"iss": "genesis-platform", "aud": "genesis-api"})).is_ok());
    assert!(verify(&json!({"aud": ["other", "neolith-api"]})).is_ok());
    for wrong in [
        json!({"iss": "evil"}),
        json!({"iss": 7}),
        json!({"aud": "evil"}),
        json!({"aud": ["evil"]}),
        json!({"aud": []}),
        json!({"aud": {}}),
    ] {
        assert!(is_invalid(&verify(&wrong)), "{wrong}");
    }
}

#[test]
fn what_is_minted_is_verified_and_carries_the_union() {
    let minter = TokenMinter::new(SECRET, "neolith-platform", "neolith-api");
    let orchestrator = OrchestratorId::parse("vp_1").expect("an id");
    let organization = OrganizationId::parse("org_1").expect("an id");
    let session = SessionId::parse("s1").expect("an id");
    let grant = Grant {
        orchestrator: &orchestrator,
        session: &session,
        daemon: "d1",
        organization: Some(&organization),
        workspace: Some("w1"),
        scopes: [Scope::MessagesRead].into_iter().collect(),
        lifetime: Duration::from_secs(60),
    };
    let minted = minter.access(&grant, NOW).expect("a token");
    let token = verifier().verify(&minted, NOW).expect("a token");
    assert_eq!((&token.orchestrator, &token.organization), (&orchestrator, &Some(organization.clone())));
    assert_eq!((&token.session, token.workspace.as_deref()), (&Some(session.clone()), Some("w1")));
    assert_eq!(token.expires_at, NOW.plus(Duration::from_secs(60)));
    assert_eq!(token.scopes.names(), ["messages:read"]);
    assert!(token.jti.is_some());
    let claims: Value = jsonwebtoken::dangerous::insecure_decode_claims(&minted).expect("claims");
    for name in ["sub", "orchestratorId", "vpId"] {
        assert_eq!(claims[name], "vp_1", "{name}");
    }
    assert_eq!((&claims["daemonId"], &claims["iat"]), (&json!("d1"), &json!(1_700_000_000)));
    assert!(is_invalid(&verifier().verify(&minter.refresh(&grant, NOW).expect("a token"), NOW)));
}
