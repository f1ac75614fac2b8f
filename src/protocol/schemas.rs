//! The wire as JSON Schema (2020-12, and draft 7 as well: AsyncAPI reads that): one file per frame, in
//! both directions, and the event as publishers write it. The tests hold them against the code that
//! reads and writes frames, so that they cannot be wrong about it.
//!
//! What a schema cannot say stands in its descriptions: lengths are limited in bytes, a member must not
//! be repeated, and two spellings of the same member must not contradict each other.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

/// The dialect that served schemas name.
const DIALECT: &str = "https://json-schema.org/draft/2020-12/schema";
/// What the files share, by its file name.
const COMMON: (&str, &str) = ("common", include_str!("schemas/common.json"));

/// Declares the files once: the name of a schema is that of its file.
macro_rules! files {
    ($($name:literal),+ $(,)?) => {
        /// Every schema's name and text.
        const FILES: &[(&str, &str)] = &[$(($name, include_str!(concat!("schemas/", $name, ".json")))),+];
    };
}

files! {
    "client.auth",
    "client.heartbeat",
    "client.subscribe",
    "client.unsubscribe",
    "client.ack",
    "client.nack",
    "client.progress",
    "client.flow",
    "client.ping",
    "server.auth_success",
    "server.auth_error",
    "server.heartbeat_ack",
    "server.event",
    "server.batch",
    "server.ack_ok",
    "server.error",
    "server.rate_limit",
    "server.reconnect",
    "server.pong",
    "event",
    "event.envelope",
}

/// All schemas, read. A file refers to another by its name, and to what files share as
/// `common.json#/$defs/…`.
#[derive(Debug, Clone)]
pub struct Schemas {
    /// Those with a name of their own.
    named: BTreeMap<&'static str, Value>,
    /// What they share.
    common: Map<String, Value>,
}

impl Schemas {
    /// Reads the schemas that are part of the program.
    ///
    /// # Errors
    /// When one of them is no JSON: a mistake in the program.
    pub fn load() -> Result<Self, String> {
        let read = |(name, text): (&'static str, &str)| {
            let schema: Value = serde_json::from_str(text).map_err(|error| format!("{name}: {error}"))?;
            Ok::<_, String>((name, schema))
        };
        let named = FILES.iter().copied().map(read).collect::<Result<_, _>>()?;
        let (_, common) = read(COMMON)?;
        let common = common.get("$defs").and_then(Value::as_object).cloned();
        Ok(Self { named, common: common.ok_or_else(|| "common: no $defs".to_owned())? })
    }

    /// The names of all schemas: what clients say, what the hub says, what publishers say.
    pub fn names(&self) -> impl Iterator<Item = &'static str> {
        FILES.iter().map(|(name, _)| *name)
    }

    /// One schema as it is in its file; its references lead to other files.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.named.get(name)
    }

    /// One schema with everything that it refers to, for use by itself.
    #[must_use]
    pub fn complete(&self, name: &str) -> Option<Value> {
        let mut schema = self.named.get(name)?.clone();
        let mut wanted = BTreeSet::new();
        refer(&mut schema, "#/$defs/", &mut wanted);
        let mut definitions = Map::new();
        while let Some(name) = wanted.pop_first() {
            if let Some(mut definition) = self.find(&name).cloned() {
                let mut more = BTreeSet::new();
                refer(&mut definition, "#/$defs/", &mut more);
                definitions.insert(name, definition);
                wanted.extend(more.into_iter().filter(|name| !definitions.contains_key(name)));
            }
        }
        let members = schema.as_object_mut()?;
        members.insert("$schema".to_owned(), json!(DIALECT));
        if !definitions.is_empty() {
            members.insert("$defs".to_owned(), Value::Object(definitions));
        }
        Some(schema)
    }

    /// All schemas beside each other, what they share included, for a document that has them under
    /// `#/components/schemas/`.
    #[must_use]
    pub fn components(&self) -> Map<String, Value> {
        let named = self.named.iter().map(|(name, schema)| ((*name).to_owned(), schema.clone()));
        let common = self.common.iter().map(|(name, schema)| (name.clone(), schema.clone()));
        let all = named.chain(common).map(|(name, mut schema)| {
            refer(&mut schema, "#/components/schemas/", &mut BTreeSet::new());
            (name, schema)
        });
        all.collect()
    }

    /// What a reference means.
    fn find(&self, name: &str) -> Option<&Value> {
        self.named.get(name).or_else(|| self.common.get(name))
    }
}

/// Lets the references of a schema lead to `place`, and notes what they refer to.
fn refer(schema: &mut Value, place: &str, wanted: &mut BTreeSet<String>) {
    match schema {
        Value::Object(members) => {
            for (name, member) in members.iter_mut() {
                match member.as_str().filter(|_| name == "$ref").and_then(target) {
                    Some(target) => {
                        let reference = format!("{place}{target}");
                        wanted.insert(target.to_owned());
                        *member = Value::String(reference);
                    }
                    // Examples are frames, not schemas.
                    None if name == "examples" => {}
                    None => refer(member, place, wanted),
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| refer(item, place, wanted)),
        _ => {}
    }
}

/// The name of what a file refers to.
fn target(reference: &str) -> Option<&str> {
    reference.strip_prefix("common.json#/$defs/").or_else(|| reference.strip_suffix(".json"))
}

#[cfg(test)]
mod tests;
