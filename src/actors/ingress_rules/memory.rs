//! Keeps the rules in the data directory, so that a hub that starts while its database server is away
//! goes on with the last ones.
//!
//! The file holds the secrets of keys, and is this user's only, like the other secrets there.

use std::{
    fs,
    io::{ErrorKind, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
    sync::Arc,
};

use parking_lot::Mutex;
use serde::{Deserialize, Serialize};

use crate::{
    config::Secret,
    domain::{ids::OrganizationId, ingress::IngressPolicy},
    store::accounts::ingress::{IngressKey, IngressRule},
};

/// The file in the data directory.
const FILE: &str = "ingress_rules";
/// The next one, while it is written.
const DRAFT: &str = ".ingress_rules.new";

#[derive(Serialize, Deserialize)]
struct KeptRule {
    organization: OrganizationId,
    policy: String,
    /// Names and secrets.
    keys: Vec<(String, String)>,
}

/// Where the rules are kept. Cloning it is cheap.
#[derive(Clone)]
pub struct RuleMemory {
    directory: Option<Arc<Path>>,
    /// What the file says, as far as this run has seen it.
    text: Arc<Mutex<Option<String>>>,
}

impl RuleMemory {
    /// A memory in `directory`; without one nothing is kept, and nothing recalled.
    #[must_use]
    pub fn new(directory: Option<&Path>) -> Self {
        Self { directory: directory.map(Arc::from), text: Arc::default() }
    }

    /// The rules of the last run; `None` when there are none, or they cannot be read.
    #[must_use]
    pub fn recall(&self) -> Option<Vec<IngressRule>> {
        let path = self.directory.as_ref()?.join(FILE);
        let text = match fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == ErrorKind::NotFound => return None,
            Err(error) => {
                log::warn!(path:% = path.display(), error:% = error; "the kept rules of signed events cannot be read");
                return None;
            }
        };
        let kept: Vec<KeptRule> = match serde_json::from_str(&text) {
            Ok(kept) => kept,
            Err(error) => {
                // What is wrong, without what is in it.
                let (line, column) = (error.line(), error.column());
                log::warn!(path:% = path.display(), line, column; "the kept rules of signed events are not readable");
                return None;
            }
        };
        *self.text.lock() = Some(text);
        Some(kept.into_iter().map(rule).collect())
    }

    /// Keeps these rules instead of the last ones. Blocks.
    pub fn keep(&self, rules: &[IngressRule]) {
        let Some(directory) = &self.directory else { return };
        let kept: Vec<KeptRule> = rules.iter().map(kept).collect();
        let Ok(text) = serde_json::to_string(&kept) else { return };
        let mut last = self.text.lock();
        if last.as_deref() == Some(&*text) {
            return;
        }
        if let Err(error) = write(directory, &text) {
            log::warn!(error:% = error; "the rules of signed events are not kept for the next start");
        }
        // Once per change, whether it worked or not.
        *last = Some(text);
    }
}

fn kept(rule: &IngressRule) -> KeptRule {
    let keys = rule.keys.iter().map(|key| (key.kid.clone(), key.secret.expose().to_owned())).collect();
    KeptRule { organization: rule.organization.clone(), policy: rule.policy.as_str().to_owned(), keys }
}

fn rule(kept: KeptRule) -> IngressRule {
    let KeptRule { organization, policy, keys } = kept;
    // A word that no hub wrote must not open a door.
    let policy = IngressPolicy::parse(&policy).unwrap_or(IngressPolicy::Require);
    let keys =
        keys.into_iter().map(|(kid, secret)| IngressKey { kid, secret: Secret::new(secret) }).collect();
    IngressRule { organization, policy, keys }
}

fn write(directory: &Path, text: &str) -> std::io::Result<()> {
    let draft: PathBuf = directory.join(DRAFT);
    match fs::remove_file(&draft) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&draft)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    fs::rename(&draft, directory.join(FILE))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn the_next_run_recalls_what_was_kept_and_nobody_else_can() {
        let directory = tempfile::tempdir().expect("a directory");
        let memory = RuleMemory::new(Some(directory.path()));
        assert!(memory.recall().is_none());
        let key = IngressKey { kid: "k".to_owned(), secret: Secret::new("s") };
        let organization = OrganizationId::parse("org").expect("an id");
        memory.keep(&[IngressRule { organization, policy: IngressPolicy::Require, keys: vec![key] }]);
        let mode = fs::metadata(directory.path().join(FILE)).expect("a file").permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let next = RuleMemory::new(Some(directory.path()));
        let rules = next.recall().expect("rules");
        assert_eq!((rules[0].organization.as_str(), rules[0].policy), ("org", IngressPolicy::Require));
        assert_eq!((rules[0].keys[0].kid.as_str(), rules[0].keys[0].secret.expose()), ("k", "s"));
        next.keep(&[]);
        assert_eq!(next.recall().map(|rules| rules.len()), Some(0), "that there are none is known too");
        fs::write(directory.path().join(FILE), "[{").expect("a write");
        assert!(next.recall().is_none());
    }

    #[test]
    fn what_is_kept_nowhere_is_not_recalled() {
        let memory = RuleMemory::new(None);
        memory.keep(&[]);
        assert!(memory.recall().is_none());
    }
}
