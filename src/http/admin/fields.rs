//! What the bodies of admin requests have in common.

use actix_web::{HttpResponse, web};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value, json};
use utoipa::{
    ToSchema,
    openapi::{RefOr, Schema},
};

use crate::{
    domain::{
        ids::{IdError, OrganizationId},
        slug,
    },
    http::{
        HttpState, body,
        caller::Admin,
        error::ApiError,
        input::{self, Input},
    },
    store::{self, StoreError},
};

/// The most bytes of settings that are kept with anything.
const MAX_SETTINGS_BYTES: usize = 16 * 1024;

/// It is done.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = AdminDone)]
pub(super) struct Done {
    success: bool,
}

impl Done {
    /// The answer.
    pub(super) fn response() -> HttpResponse {
        HttpResponse::Ok().json(Self { success: true })
    }
}

/// Reads a body as `T`, and gives the names of the fields that were in it for the record.
///
/// # Errors
/// Those of [`input::Inputs::read`].
pub(super) async fn read<T: Input>(state: &HttpState, payload: web::Payload) -> Result<(T, Value), ApiError> {
    let value = input::parse(&body::read(payload).await?)?;
    let known = match T::schema() {
        RefOr::T(Schema::Object(object)) => object.properties,
        _ => Default::default(),
    };
    // Only what the schema names: a stranger's words have no place in the record.
    let given = value.as_object().into_iter().flat_map(Map::keys).filter(|name| known.contains_key(*name));
    let fields = json!({ "fields": given.collect::<Vec<_>>() });
    let (input, _) = state.inputs.parse::<T>(value)?;
    Ok((input, fields))
}

/// A field that `null` empties: nothing where it is left out.
pub(super) fn clearable<'de, T, D>(deserializer: D) -> Result<Option<Option<T>>, D::Error>
where
    T: Deserialize<'de>,
    D: Deserializer<'de>,
{
    Option::deserialize(deserializer).map(Some)
}

/// The word of an enum on the wire.
pub(super) fn word<T: Serialize>(value: T) -> String {
    match serde_json::to_value(value) {
        Ok(Value::String(word)) => word,
        _ => String::new(),
    }
}

/// An id that a client chose, if it is one for this kind of thing.
///
/// # Errors
/// 400.
pub(super) fn chosen<T>(
    id: Option<&str>,
    parse: impl FnOnce(&str) -> Result<T, IdError>,
) -> Result<(), ApiError> {
    match id.map(parse) {
        Some(Err(problem)) => Err(ApiError::field("id", problem.to_string())),
        _ => Ok(()),
    }
}

/// The name in addresses: the one given, or one made of the name for people.
///
/// # Errors
/// 400 when nothing of the name can stand in an address.
pub(super) fn slug(given: Option<String>, name: &str) -> Result<String, ApiError> {
    given.or_else(|| slug::slug(name)).ok_or_else(|| ApiError::field("slug", "Required"))
}

/// Settings, if they are small enough.
///
/// # Errors
/// 400.
pub(super) fn settings(object: Option<Map<String, Value>>) -> Result<Option<Value>, ApiError> {
    let value = object.map(Value::Object);
    match &value {
        Some(settings) if settings.to_string().len() > MAX_SETTINGS_BYTES => {
            Err(ApiError::field("settings", "must be at most 16 KiB"))
        }
        _ => Ok(value),
    }
}

/// The organization that something is created in: the one named, or the caller's own.
///
/// # Errors
/// 400 when neither is known.
pub(super) fn home(named: Option<String>, admin: &Admin) -> Result<OrganizationId, ApiError> {
    match (named, admin.organization()) {
        (Some(named), _) => {
            OrganizationId::parse(&named).map_err(|_| ApiError::from(StoreError::Missing("organization")))
        }
        (None, Some(own)) => Ok(own.clone()),
        (None, None) => Err(ApiError::field("organizationId", "Required")),
    }
}

/// Nothing where the very thing that the path names is missing; what the body names stays an error.
pub(super) fn found<T>(answer: store::Result<T>, what: &str) -> store::Result<Option<T>> {
    match answer {
        Ok(found) => Ok(Some(found)),
        Err(StoreError::Missing(missing)) if missing == what => Ok(None),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn null_is_not_the_same_as_nothing() {
        #[derive(Deserialize)]
        struct Patch {
            #[serde(default, deserialize_with = "clearable")]
            topic: Option<Option<String>>,
        }
        let read = |text: &str| serde_json::from_str::<Patch>(text).expect("a patch").topic;
        assert_eq!(read("{}"), None);
        assert_eq!(read(r#"{"topic":null}"#), Some(None));
        assert_eq!(read(r#"{"topic":"x"}"#), Some(Some("x".to_owned())));
    }
}
