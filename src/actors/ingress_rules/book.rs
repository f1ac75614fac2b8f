//! Every rule, by what it is asked by.

use std::{collections::HashMap, time::Duration};

use crate::{
    config::Secret,
    domain::{clock::Monotonic, ids::OrganizationId, ingress::IngressPolicy},
    store::accounts::ingress::IngressRule,
};

/// How long after this hub has learned of an organization's first rule the others may not know it, and
/// leave unsealed what they take in: twice the time between two readings.
const SPREAD: Duration = Duration::from_secs(10);

#[derive(Debug)]
struct Entry {
    policy: IngressPolicy,
    /// From when on all hubs seal what they take in for it.
    sealed_from: Monotonic,
}

/// The rules of all organizations.
#[derive(Debug, Default)]
pub(super) struct Book {
    entries: HashMap<OrganizationId, Entry>,
    keys: HashMap<String, (OrganizationId, Secret)>,
    strictest: IngressPolicy,
}

impl Book {
    /// The book of `rules`. An organization that is not in the book `before` is new to all hubs; without
    /// one this hub has only just started, and the others have known it for long.
    pub(super) fn new(rules: Vec<IngressRule>, before: Option<&Self>, now: Monotonic) -> Self {
        let mut book = Self::default();
        for IngressRule { organization, policy, keys } in rules {
            if policy == IngressPolicy::Require || book.strictest == IngressPolicy::Off {
                book.strictest = policy;
            }
            let keys = keys.into_iter().map(|key| (key.kid, (organization.clone(), key.secret)));
            book.keys.extend(keys);
            let sealed_from = before.map_or(now, |before| {
                before.entries.get(&organization).map_or(now.plus(SPREAD), |entry| entry.sealed_from)
            });
            book.entries.insert(organization, Entry { policy, sealed_from });
        }
        book
    }

    /// What an organization wants.
    pub(super) fn policy(&self, organization: &OrganizationId) -> IngressPolicy {
        self.entries.get(organization).map(|entry| entry.policy).unwrap_or_default()
    }

    /// What the most careful organization wants.
    pub(super) fn strictest(&self) -> IngressPolicy {
        self.strictest
    }

    /// Whether an organization has a rule or a key.
    pub(super) fn has(&self, organization: &OrganizationId) -> bool {
        self.entries.contains_key(organization)
    }

    /// Whether all hubs have sealed for a while what they take in for an organization.
    pub(super) fn is_sealed_everywhere(&self, organization: &OrganizationId, now: Monotonic) -> bool {
        self.entries.get(organization).is_some_and(|entry| entry.sealed_from <= now)
    }

    /// A key, and whose it is.
    pub(super) fn key(&self, name: &str) -> Option<(&OrganizationId, &Secret)> {
        self.keys.get(name).map(|(organization, secret)| (organization, secret))
    }
}
