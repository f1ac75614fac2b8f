//! What is wrong with a field, in the words that clients of the platform have always read.

use jsonschema::{
    ValidationError,
    error::{TypeKind, ValidationErrorKind},
};
use serde_json::{Map, Value, json};

/// How many problems of one field are named: an answer must not be longer than what it is about.
const NAMED: usize = 16;

/// Adds a problem under the top-level field that it is in.
pub(super) fn collect(
    error: &ValidationError<'_>,
    when_empty: &[(&str, &str)],
    problems: &mut Map<String, Value>,
) {
    let path = error.instance_path().as_str();
    let mut steps = path.split('/').skip(1);
    let missing = match error.kind() {
        ValidationErrorKind::Required { property } => property.as_str(),
        _ => None,
    };
    let Some(field) = steps.next().or(missing) else { return };
    let named = problems.entry(field).or_insert_with(|| json!([])).as_array_mut();
    let Some(messages) = named.filter(|messages| messages.len() < NAMED) else { return };
    let innermost = missing.or_else(|| path.rsplit('/').next()).unwrap_or_default();
    messages.push(Value::String(message(error, innermost, when_empty)));
}

fn message(error: &ValidationError<'_>, field: &str, when_empty: &[(&str, &str)]) -> String {
    match error.kind() {
        ValidationErrorKind::Required { .. } => "Required".to_owned(),
        ValidationErrorKind::Type { kind } => {
            format!("Expected {}, received {}", expected(kind), received(error.instance(), kind))
        }
        ValidationErrorKind::MinLength { limit: 1 } => when_empty
            .iter()
            .find(|(name, _)| *name == field)
            .map_or("String must contain at least 1 character(s)", |(_, words)| words)
            .to_owned(),
        ValidationErrorKind::MinLength { limit } => {
            format!("String must contain at least {limit} character(s)")
        }
        ValidationErrorKind::MaxLength { limit } => {
            format!("String must contain at most {limit} character(s)")
        }
        ValidationErrorKind::MinItems { limit } => format!("Array must contain at least {limit} element(s)"),
        ValidationErrorKind::MaxItems { limit } => format!("Array must contain at most {limit} element(s)"),
        ValidationErrorKind::Minimum { limit } => {
            format!("Number must be greater than or equal to {limit}")
        }
        ValidationErrorKind::ExclusiveMinimum { limit } => format!("Number must be greater than {limit}"),
        ValidationErrorKind::Maximum { limit } => format!("Number must be less than or equal to {limit}"),
        ValidationErrorKind::Enum { options } => {
            let options = options.as_array().into_iter().flatten().filter_map(Value::as_str);
            let options: Vec<String> = options.map(|option| format!("'{option}'")).collect();
            format!("Invalid enum value. Expected {}", options.join(" | "))
        }
        ValidationErrorKind::Format { format } if format == "date-time" => "Invalid datetime".to_owned(),
        _ => error.masked().to_string(),
    }
}

fn expected(kind: &TypeKind) -> String {
    match kind {
        TypeKind::Single(kind) => kind.to_string(),
        TypeKind::Multiple(kinds) => {
            let kinds: Vec<String> = kinds.iter().map(|kind| kind.to_string()).collect();
            kinds.join(" or ")
        }
    }
}

fn received(value: &Value, expected: &TypeKind) -> &'static str {
    let integer = matches!(expected, TypeKind::Single(kind) if kind.to_string() == "integer");
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(_) if integer => "float",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}
