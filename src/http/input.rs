//! Request bodies: read whole, bounded, and held against the very schema that the API's description
//! shows. Every problem is named, by field.

mod words;

use std::collections::HashMap;

use actix_web::web;
use jsonschema::Validator;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};
use utoipa::ToSchema;

use super::{
    body,
    error::{ApiError, Code},
};
use crate::domain::clock::Timestamp;

/// A body that a route understands.
pub(super) trait Input: DeserializeOwned + ToSchema {
    /// The code of a refusal.
    const CODE: Code = Code::Validation;
    /// What a refusal says where clients know one sentence for every problem.
    const SENTENCE: &'static str = "Validation failed";
    /// What fields say when they are empty, where that is not the general phrase.
    const WHEN_EMPTY: &'static [(&'static str, &'static str)] = &[];
}

/// Which of its two names an orchestrator's id had in a request (contract C1); errors answer in the
/// same language (C46).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Naming {
    /// `orchestratorId`, or none.
    #[default]
    Orchestrator,
    /// `vpId`.
    Vp,
}

impl Naming {
    /// The error for an orchestrator that does not exist.
    pub(super) fn not_found(self) -> ApiError {
        match self {
            Self::Orchestrator => ApiError::new(Code::OrchestratorNotFound, "Orchestrator not found"),
            Self::Vp => ApiError::new(Code::VpNotFound, "VP not found"),
        }
    }
}

/// The schemas of all inputs, ready to check. Built once from the API's description.
pub(super) struct Inputs(HashMap<String, Validator>);

impl Inputs {
    /// Takes the schemas under `components` that are bodies, by their names: `…Request` or `…Patch`.
    ///
    /// # Errors
    /// When one of them is no valid schema.
    pub(super) fn new(description: &Value) -> Result<Self, String> {
        let none = Map::new();
        let schemas = description.pointer("/components/schemas").and_then(Value::as_object).unwrap_or(&none);
        let bodies = schemas.keys().filter(|name| name.ends_with("Request") || name.ends_with("Patch"));
        let mut validators = HashMap::new();
        for name in bodies {
            // Only what it refers to: a validator keeps a copy of all that it was given.
            let mut needed = Map::new();
            gather(name, schemas, &mut needed);
            let schema = json!({
                "$ref": format!("#/components/schemas/{name}"),
                "components": { "schemas": needed },
            });
            let validator = jsonschema::options()
                .with_draft(jsonschema::Draft::Draft202012)
                .should_validate_formats(true)
                .with_format("date-time", |text: &str| Timestamp::parse_datetime(text).is_some())
                .build(&schema)
                .map_err(|error| format!("{name}: {error}"))?;
            validators.insert(name.clone(), validator);
        }
        Ok(Self(validators))
    }

    /// Reads a body as `T`.
    ///
    /// # Errors
    /// 413 over the limit; `T`'s code with a list of messages per top-level field for anything else.
    pub(super) async fn read<T: Input>(&self, payload: web::Payload) -> Result<T, ApiError> {
        self.read_named(payload).await.map(|(input, _)| input)
    }

    /// Reads a body as `T`, and tells which of its names the orchestrator's id had.
    ///
    /// # Errors
    /// As [`Inputs::read`]; also when both names are there and contradict each other.
    pub(super) async fn read_named<T: Input>(&self, payload: web::Payload) -> Result<(T, Naming), ApiError> {
        let body = body::read(payload).await?;
        self.parse(parse(&body).map_err(|error| error.with_code(T::CODE))?)
    }

    /// Holds a value against the schema of `T`.
    ///
    /// # Errors
    /// As [`Inputs::read_named`].
    pub(super) fn parse<T: Input>(&self, mut value: Value) -> Result<(T, Naming), ApiError> {
        let naming = match value.as_object_mut() {
            Some(object) => unify(object).map_err(|problem| refusal::<T>(problem))?,
            None => return Err(refusal::<T>(Map::new())),
        };
        let name = T::name();
        let validator = self.0.get(name.as_ref()).ok_or_else(|| {
            log::error!(schema:% = name; "a request's schema is not described");
            ApiError::new(Code::Internal, "Internal error")
        })?;
        let mut problems = Map::new();
        for error in validator.iter_errors(&value) {
            words::collect(&error, T::WHEN_EMPTY, &mut problems);
        }
        if !problems.is_empty() {
            return Err(refusal::<T>(problems));
        }
        serde_path_to_error::deserialize(value).map(|input| (input, naming)).map_err(|error| {
            let path = error.path().to_string();
            let field = path.split(['.', '[']).next().unwrap_or_default().to_owned();
            refusal::<T>(Map::from_iter([(field, json!([error.inner().to_string()]))]))
        })
    }
}

/// Reads JSON, whatever its content type says (contract 1.0).
///
/// # Errors
/// When it is none, or is nested too deeply.
pub(super) fn parse(body: &[u8]) -> Result<Value, ApiError> {
    let value = serde_json::from_slice(body).map_err(|_| ApiError::validation("Invalid JSON body"))?;
    // No text that people write has one, and not every database takes it.
    if has_nul(&value) { Err(ApiError::validation("Texts must not contain NUL")) } else { Ok(value) }
}

fn has_nul(value: &Value) -> bool {
    match value {
        Value::String(text) => text.contains('\0'),
        Value::Array(items) => items.iter().any(has_nul),
        Value::Object(members) => members.iter().any(|(name, value)| name.contains('\0') || has_nul(value)),
        _ => false,
    }
}

fn refusal<T: Input>(problems: Map<String, Value>) -> ApiError {
    ApiError::new(T::CODE, T::SENTENCE).with_details(json!({ "errors": problems }))
}

/// Adds a schema and everything that it refers to.
fn gather(name: &str, schemas: &Map<String, Value>, needed: &mut Map<String, Value>) {
    let Some(schema) = schemas.get(name).filter(|_| !needed.contains_key(name)) else { return };
    needed.insert(name.to_owned(), schema.clone());
    let mut parts = vec![schema];
    while let Some(part) = parts.pop() {
        match part {
            Value::Object(members) => {
                let named = members.get("$ref").and_then(Value::as_str);
                if let Some(name) = named.and_then(|named| named.strip_prefix("#/components/schemas/")) {
                    gather(name, schemas, needed);
                }
                parts.extend(members.values());
            }
            Value::Array(items) => parts.extend(items),
            _ => {}
        }
    }
}

/// Makes one name of an orchestrator's two.
fn unify(object: &mut Map<String, Value>) -> Result<Naming, Map<String, Value>> {
    let Some(vp) = object.remove("vpId") else { return Ok(Naming::Orchestrator) };
    match object.get("orchestratorId") {
        None => {
            object.insert("orchestratorId".to_owned(), vp);
            Ok(Naming::Vp)
        }
        Some(orchestrator) if *orchestrator == vp => Ok(Naming::Orchestrator),
        Some(_) => {
            let problem = json!(["vpId and orchestratorId name different orchestrators"]);
            Err(Map::from_iter([("orchestratorId".to_owned(), problem)]))
        }
    }
}

#[cfg(test)]
mod tests;
