//! The members that a schema describes, each on a line of its own.

use serde_json::Value;

/// One member.
pub(super) struct Field {
    /// Where it stands, such as `payload.eventTypes`.
    pub(super) path: String,
    /// What it is.
    pub(super) kind: String,
    /// Whether it must be there.
    pub(super) required: bool,
    /// What it means, and its limits.
    pub(super) words: String,
}

/// The members of a schema of the document.
pub(super) fn of(document: &Value, name: &str) -> Vec<Field> {
    let schemas = Schemas(document.pointer("/components/schemas").unwrap_or(&Value::Null));
    let mut fields = Vec::new();
    if let Some(schema) = schemas.0.get(name) {
        schemas.members(schema, "", &mut fields);
    }
    fields
}

struct Schemas<'a>(&'a Value);

/// The words that limits are shown with.
const LIMITS: [(&str, &str); 9] = [
    ("format", "format"),
    ("minimum", "at least"),
    ("maximum", "at most"),
    ("minLength", "shortest"),
    ("maxLength", "longest"),
    ("minItems", "at least so many"),
    ("maxItems", "at most so many"),
    ("maxProperties", "at most so many members"),
    ("default", "otherwise"),
];

impl<'a> Schemas<'a> {
    /// What a reference means, or the schema itself.
    fn resolve(&self, schema: &'a Value) -> &'a Value {
        let name = schema.get("$ref").and_then(Value::as_str).and_then(|to| to.rsplit('/').next());
        name.and_then(|name| self.0.get(name)).unwrap_or(schema)
    }

    fn members(&self, schema: &'a Value, path: &str, fields: &mut Vec<Field>) {
        let schema = self.resolve(schema);
        for part in choices(schema, "allOf") {
            self.members(part, path, fields);
        }
        let required = schema.get("required").and_then(Value::as_array);
        let is_required =
            |name: &str| required.into_iter().flatten().any(|required| required.as_str() == Some(name));
        // What stands in a condition only is described elsewhere.
        let members =
            schema.get("properties").and_then(Value::as_object).filter(|_| schema.get("type").is_some());
        for (name, member) in members.into_iter().flatten() {
            let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
            self.field(member, path, is_required(name), fields);
        }
    }

    fn field(&self, member: &'a Value, path: String, required: bool, fields: &mut Vec<Field>) {
        let (kind, words) = (self.kind(member), self.words(member));
        fields.push(Field { path: path.clone(), kind, required, words });
        self.members(member, &path, fields);
        if let Some(items) = self.resolve(member).get("items") {
            self.field(items, format!("{path}[]"), false, fields);
        }
    }

    fn kind(&self, schema: &'a Value) -> String {
        let schema = self.resolve(schema);
        if let Some(value) = schema.get("const") {
            return format!("`{value}`");
        }
        if let Some(values) = schema.get("enum").and_then(Value::as_array) {
            return joined(values.iter().map(|value| format!("`{value}`")));
        }
        match schema.get("type") {
            Some(Value::String(kind)) => kind.clone(),
            Some(Value::Array(kinds)) => joined(kinds.iter().filter_map(Value::as_str).map(str::to_owned)),
            _ => {
                let parts = choices(schema, "anyOf").chain(choices(schema, "allOf"));
                let parts = joined(parts.map(|part| self.kind(part)));
                if parts.is_empty() { "anything".to_owned() } else { parts }
            }
        }
    }

    /// The nearest description, and all limits.
    fn words(&self, schema: &'a Value) -> String {
        let resolved = self.resolve(schema);
        let parts = || choices(resolved, "anyOf").chain(choices(resolved, "allOf"));
        let own = resolved.get("description").and_then(Value::as_str).map(str::to_owned);
        let inherited = || parts().map(|part| self.words(part)).find(|words| !words.is_empty());
        let described = own.or_else(inherited).unwrap_or_default();
        let limits = LIMITS.iter().filter_map(|(member, words)| {
            let limit = resolved.get(*member)?;
            Some(format!("{words} `{}`", limit.as_str().map_or_else(|| limit.to_string(), str::to_owned)))
        });
        let limits: Vec<String> = limits.collect();
        if limits.is_empty() { described } else { format!("{described} ({})", limits.join(", ")) }
    }
}

fn choices<'a>(schema: &'a Value, member: &str) -> impl Iterator<Item = &'a Value> {
    schema.get(member).and_then(Value::as_array).into_iter().flatten()
}

fn joined(parts: impl Iterator<Item = String>) -> String {
    parts.collect::<Vec<_>>().join(" or ")
}
