//! The claims of a token, as they are read.

use serde::{Deserialize, Deserializer};

use crate::domain::clock::Timestamp;

#[derive(Deserialize)]
pub(super) struct Claims {
    pub(super) exp: f64,
    pub(super) iat: Option<f64>,
    #[serde(rename = "type")]
    pub(super) kind: String,
    pub(super) iss: Option<String>,
    pub(super) aud: Option<Audience>,
    pub(super) sub: Option<String>,
    pub(super) sid: Option<String>,
    pub(super) jti: Option<String>,
    #[serde(rename = "orchestratorId")]
    pub(super) orchestrator_id: Option<String>,
    #[serde(rename = "vpId")]
    pub(super) vp_id: Option<String>,
    #[serde(rename = "daemonId")]
    pub(super) daemon_id: Option<String>,
    #[serde(rename = "workspaceId")]
    pub(super) workspace_id: Option<String>,
    #[serde(rename = "organizationId")]
    pub(super) organization_id: Option<String>,
    /// Absent means the standard set; `null` is refused rather than taken for absent.
    #[serde(default, deserialize_with = "present")]
    pub(super) scopes: Option<Vec<String>>,
}

fn present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Vec<String>>, D::Error> {
    Vec::deserialize(deserializer).map(Some)
}

#[derive(Deserialize)]
#[serde(untagged)]
pub(super) enum Audience {
    One(String),
    Several(Vec<String>),
}

impl Audience {
    pub(super) fn names_one_of(&self, names: &[String]) -> bool {
        match self {
            Self::One(name) => names.contains(name),
            Self::Several(given) => given.iter().any(|name| names.contains(name)),
        }
    }
}

/// A time in seconds, which may have a fraction.
pub(super) fn moment(seconds: f64) -> Option<Timestamp> {
    let millis = seconds * 1000.0;
    if !(0.0..=9e15).contains(&millis) {
        return None;
    }
    #[expect(clippy::cast_possible_truncation, reason = "checked to be a small number of milliseconds")]
    Some(Timestamp(millis as i64))
}
