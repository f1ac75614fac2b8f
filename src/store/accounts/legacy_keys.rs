//! Hashes of API keys where the platform kept them before there were credentials (contract C8).
//!
//! They can only be asked for by orchestrator: there is no index over them, and a key that opens one
//! orchestrator must not be tried on others. The hub itself writes none.

use diesel::{
    BoolExpressionMethods, ExpressionMethods, NullableExpressionMethods, OptionalExtension, QueryDsl,
    RunQueryDsl,
};
use serde_json::Value;

use crate::{
    domain::clock::Timestamp,
    store::{
        Result,
        database::Database,
        schema::{orchestrators, organizations, users},
    },
};

/// The stored hash of a key. Not for showing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredKey {
    /// The hash, in whichever of the formats that `auth::key_hash` knows.
    pub hash: String,
    /// From when on the key is refused.
    pub expires_at: Option<Timestamp>,
}

/// What an orchestrator has of legacy keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LegacyKeys {
    /// The organization of the orchestrator.
    pub organization_id: String,
    /// The workspace of the orchestrator.
    pub workspace_id: Option<String>,
    /// Whether the orchestrator and its organization are both enabled.
    pub enabled: bool,
    /// The keys that were not revoked; a key that matches none of them opens nothing.
    pub keys: Vec<StoredKey>,
}

impl Database {
    /// The legacy keys of an orchestrator; nothing when there is no such orchestrator.
    ///
    /// # Errors
    /// When the database does not answer.
    pub fn legacy_keys(&self, orchestrator: &str) -> Result<Option<LegacyKeys>> {
        type Row = (String, Option<String>, bool, String, Option<String>);
        let enabled = orchestrators::disabled_at.is_null().and(organizations::disabled_at.is_null());
        let row: Option<Row> = orchestrators::table
            .inner_join(organizations::table)
            .left_join(users::table)
            .filter(orchestrators::id.eq(orchestrator))
            .select((
                orchestrators::organization_id,
                orchestrators::workspace_id,
                enabled,
                orchestrators::capabilities,
                users::vp_config.nullable(),
            ))
            .first(&mut *self.connection()?)
            .optional()?;
        Ok(row.map(|(organization_id, workspace_id, enabled, capabilities, vp_config)| {
            let vp_config = vp_config.as_deref().map_or(Value::Null, read);
            let keys = keys(&read(&capabilities), &vp_config);
            LegacyKeys { organization_id, workspace_id, enabled, keys }
        }))
    }
}

/// What cannot be read holds no key.
fn read(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_default()
}

fn keys(capabilities: &Value, vp_config: &Value) -> Vec<StoredKey> {
    let plain = stored(&capabilities["apiKeyHash"], &Value::Null);
    let issued = &capabilities["apiKey"];
    let issued = stored(&issued["hash"], &issued["expiresAt"]);
    let configured = match vp_config["apiKeyRevoked"] {
        Value::Null | Value::Bool(false) => stored(&vp_config["apiKeyHash"], &vp_config["apiKeyExpiresAt"]),
        _ => None,
    };
    [plain, issued, configured].into_iter().flatten().collect()
}

fn stored(hash: &Value, end: &Value) -> Option<StoredKey> {
    let hash = hash.as_str().filter(|hash| !hash.is_empty())?.to_owned();
    let expires_at = match end {
        Value::Null => None,
        Value::Number(millis) => Some(Timestamp(millis.as_i64().unwrap_or(0))),
        // An end that cannot be read is one that was meant.
        other => Some(other.as_str().and_then(Timestamp::parse_iso).unwrap_or(Timestamp(0))),
    };
    Some(StoredKey { hash, expires_at })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn key(hash: &str, expires_at: Option<i64>) -> StoredKey {
        StoredKey { hash: hash.to_owned(), expires_at: expires_at.map(Timestamp) }
    }

    #[test]
    fn keys_are_found_in_each_of_their_places() {
        let capabilities = json!({
            "apiKeyHash": "a",
            "apiKey": {"hash": "b", "expiresAt": "1970-01-01T00:00:01Z"},
        });
        let vp_config = json!({"apiKeyHash": "c", "apiKeyRevoked": false, "apiKeyExpiresAt": 5});
        let found = keys(&capabilities, &vp_config);
        assert_eq!(found, [key("a", None), key("b", Some(1000)), key("c", Some(5))]);
    }

    #[test]
    fn there_is_no_key_where_nothing_is_stored() {
        assert_eq!(keys(&json!(["calls"]), &Value::Null), []);
        assert_eq!(keys(&json!({"apiKeyHash": "", "apiKey": "text"}), &json!({"apiKeyHash": 1})), []);
        let revoked = json!({"apiKeyHash": "c", "apiKeyRevoked": true});
        assert_eq!(keys(&Value::Null, &revoked), []);
    }

    #[test]
    fn an_end_that_cannot_be_read_has_come() {
        let capabilities = json!({"apiKey": {"hash": "b", "expiresAt": "soon"}});
        assert_eq!(keys(&capabilities, &Value::Null), [key("b", Some(0))]);
    }
}
