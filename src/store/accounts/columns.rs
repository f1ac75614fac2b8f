//! How columns become fields: times, and JSON kept as text.

use chrono::NaiveDateTime;
use diesel::{
    backend::Backend,
    deserialize::{self, FromSql, FromSqlRow, Queryable},
    sql_types,
};
use serde_json::Value;

use crate::domain::clock::Timestamp;

/// The members of legacy capabilities that hold the hash of an API key (contract C8).
pub(super) const SECRET_CAPABILITIES: [&str; 2] = ["apiKeyHash", "apiKey"];

impl<DB> FromSql<sql_types::Timestamp, DB> for Timestamp
where
    DB: Backend,
    NaiveDateTime: FromSql<sql_types::Timestamp, DB>,
{
    fn from_sql(value: DB::RawValue<'_>) -> deserialize::Result<Self> {
        NaiveDateTime::from_sql(value).map(Self::from_utc)
    }
}

impl<DB> Queryable<sql_types::Timestamp, DB> for Timestamp
where
    DB: Backend,
    Self: FromSql<sql_types::Timestamp, DB>,
{
    type Row = Self;

    fn build(row: Self) -> deserialize::Result<Self> {
        Ok(row)
    }
}

/// A column of JSON text.
#[derive(Debug, FromSqlRow)]
pub struct JsonText(Value);

impl<DB> FromSql<sql_types::Text, DB> for JsonText
where
    DB: Backend,
    String: FromSql<sql_types::Text, DB>,
{
    fn from_sql(value: DB::RawValue<'_>) -> deserialize::Result<Self> {
        Ok(Self(serde_json::from_str(&String::from_sql(value)?)?))
    }
}

impl From<JsonText> for Value {
    fn from(text: JsonText) -> Self {
        text.0
    }
}

/// A column of JSON text that may be null.
#[derive(Debug, FromSqlRow)]
pub struct MaybeJson(Option<Value>);

impl<DB> FromSql<sql_types::Nullable<sql_types::Text>, DB> for MaybeJson
where
    DB: Backend,
    Option<String>: FromSql<sql_types::Nullable<sql_types::Text>, DB>,
{
    fn from_sql(value: DB::RawValue<'_>) -> deserialize::Result<Self> {
        Self::from_nullable_sql(Some(value))
    }

    fn from_nullable_sql(value: Option<DB::RawValue<'_>>) -> deserialize::Result<Self> {
        let text = Option::<String>::from_nullable_sql(value)?;
        Ok(Self(text.map(|text| serde_json::from_str(&text)).transpose()?))
    }
}

impl From<MaybeJson> for Option<Value> {
    fn from(text: MaybeJson) -> Self {
        text.0
    }
}

/// A list of names kept as a JSON array; anything else in it reads as no name.
impl From<MaybeJson> for Option<Vec<String>> {
    fn from(text: MaybeJson) -> Self {
        let names = |value: &Value| value.as_str().map(str::to_owned);
        text.0.map(|value| value.as_array().into_iter().flatten().filter_map(names).collect())
    }
}

/// The capabilities of an orchestrator, without what nobody may see.
#[derive(Debug, FromSqlRow)]
pub struct CapabilitiesText(Value);

impl<DB> FromSql<sql_types::Text, DB> for CapabilitiesText
where
    DB: Backend,
    String: FromSql<sql_types::Text, DB>,
{
    fn from_sql(value: DB::RawValue<'_>) -> deserialize::Result<Self> {
        let JsonText(capabilities) = JsonText::from_sql(value)?;
        Ok(Self(public_capabilities(capabilities)))
    }
}

impl From<CapabilitiesText> for Value {
    fn from(text: CapabilitiesText) -> Self {
        text.0
    }
}

/// Capabilities without the hashes of API keys that the platform keeps in them.
#[must_use]
pub fn public_capabilities(mut capabilities: Value) -> Value {
    if let Value::Object(members) = &mut capabilities {
        for secret in SECRET_CAPABILITIES {
            members.remove(secret);
        }
    }
    capabilities
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn hashes_of_keys_are_not_among_the_public_capabilities() {
        let stored = json!({"charter": 1, "apiKeyHash": "aa", "apiKey": {"hash": "bb"}});
        assert_eq!(public_capabilities(stored), json!({"charter": 1}));
        assert_eq!(public_capabilities(json!(["calls"])), json!(["calls"]));
    }
}
