//! What a connection wants to receive, and whether an event is wanted (contract 9.3).

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::{
    event::{EventType, MAX_EVENT_TYPE_BYTES},
    ids::ChannelId,
    scope::{Scope, ScopeSet},
};

/// How many event types one connection may subscribe to.
pub const MAX_SUBSCRIPTIONS: usize = 50;
/// How many channels one subscription may be limited to.
pub const MAX_CHANNELS: usize = 1000;

/// Type names of the legacy lists, which have no dot (contract C17).
const LEGACY_TYPES: [&str; 2] = ["message_created", "mention"];

/// Which event types are meant: one, all that share a prefix, or all.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum TypePattern {
    /// `*`
    All,
    /// `message.*`: the prefix, with its dot.
    Prefix(Box<str>),
    /// `message.received`
    Exact(Box<str>),
}

/// Why a subscription was refused.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum SubscriptionError {
    /// The text is no event type.
    #[error(
        "{0:?} is not an event type: use a dotted name of at most {MAX_EVENT_TYPE_BYTES} characters, `prefix.*` or `*`"
    )]
    BadType(String),
    /// More event types than one connection may have.
    #[error("at most {MAX_SUBSCRIPTIONS} event types per connection")]
    TooMany,
}

impl TypePattern {
    /// Reads a pattern as a subscriber writes it.
    ///
    /// # Errors
    /// [`SubscriptionError::BadType`] when `text` is neither `*`, `prefix.*` nor a type name.
    pub fn parse(text: &str) -> Result<Self, SubscriptionError> {
        let bad = || SubscriptionError::BadType(text.chars().take(MAX_EVENT_TYPE_BYTES).collect());
        if text == "*" {
            return Ok(Self::All);
        }
        if let Some(prefix) = text.strip_suffix('*') {
            let stem = prefix.strip_suffix('.').and_then(EventType::parse);
            return stem.map(|_| Self::Prefix(prefix.into())).ok_or_else(bad);
        }
        let known_form = text.contains('.') || LEGACY_TYPES.contains(&text);
        match EventType::parse(text) {
            Some(_) if known_form => Ok(Self::Exact(text.into())),
            _ => Err(bad()),
        }
    }

    /// Whether events of type `kind` are meant.
    #[must_use]
    pub fn matches(&self, kind: &EventType) -> bool {
        match self {
            Self::All => true,
            Self::Prefix(prefix) => kind.as_str().starts_with(prefix.as_ref()),
            Self::Exact(name) => kind.as_str() == name.as_ref(),
        }
    }

    /// The scope that a strict hub asks for, beside `messages:read`, which is enough elsewhere.
    fn scope(&self) -> Option<Scope> {
        let name = match self {
            Self::All => return Some(Scope::MessagesRead),
            Self::Prefix(name) | Self::Exact(name) => name,
        };
        match name.split('.').next() {
            Some("message" | "message_created" | "mention") => Some(Scope::MessagesRead),
            Some("channel") => Some(Scope::ChannelsRead),
            Some("presence") => Some(Scope::PresenceRead),
            _ => None,
        }
    }

    /// The scope that `scopes` lacks to subscribe to this, if any (contract 9.3, *scope gate*).
    #[must_use]
    pub fn missing_scope(&self, scopes: ScopeSet, strict: bool) -> Option<Scope> {
        let wanted = self.scope()?;
        let enough = scopes.allows(wanted) || (!strict && scopes.allows(Scope::MessagesRead));
        (!enough).then_some(wanted)
    }
}

impl TryFrom<String> for TypePattern {
    type Error = SubscriptionError;

    fn try_from(text: String) -> Result<Self, SubscriptionError> {
        Self::parse(&text)
    }
}

impl From<TypePattern> for String {
    fn from(pattern: TypePattern) -> Self {
        match pattern {
            TypePattern::All => "*".to_owned(),
            TypePattern::Prefix(prefix) => format!("{prefix}*"),
            TypePattern::Exact(name) => name.into(),
        }
    }
}

/// One subscribed pattern with its channel filter.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Subscription {
    #[serde(rename = "t")]
    pattern: TypePattern,
    /// Empty: every channel.
    #[serde(rename = "c", default, skip_serializing_if = "<[_]>::is_empty")]
    channels: Box<[ChannelId]>,
}

/// Everything one connection is subscribed to.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Subscriptions(Vec<Subscription>);

impl Subscriptions {
    /// Adds `patterns`; a type that was there takes the new channel filter. An empty filter means
    /// every channel, and never hides events that have no channel.
    ///
    /// # Errors
    /// [`SubscriptionError::TooMany`]; then nothing was changed.
    pub fn subscribe(
        &mut self,
        patterns: &[TypePattern],
        channels: &[ChannelId],
    ) -> Result<(), SubscriptionError> {
        let mut merged = self.0.clone();
        for pattern in patterns {
            merged.retain(|old| old.pattern != *pattern);
            merged.push(Subscription { pattern: pattern.clone(), channels: channels.into() });
        }
        if merged.len() > MAX_SUBSCRIPTIONS {
            return Err(SubscriptionError::TooMany);
        }
        merged.shrink_to_fit();
        self.0 = merged;
        Ok(())
    }

    /// Removes `patterns`; `*` removes everything.
    pub fn unsubscribe(&mut self, patterns: &[TypePattern]) {
        if patterns.contains(&TypePattern::All) {
            self.0.clear();
        }
        self.0.retain(|old| !patterns.contains(&old.pattern));
    }

    /// Removes what `scopes` do not allow.
    pub fn restrict(&mut self, scopes: ScopeSet, strict: bool) {
        self.0.retain(|subscription| subscription.pattern.missing_scope(scopes, strict).is_none());
    }

    /// Whether an event of this type, in this channel, is wanted.
    #[must_use]
    pub fn matches(&self, kind: &EventType, channel: Option<&ChannelId>) -> bool {
        self.0.iter().any(|subscription| {
            let channel_passes = subscription.channels.is_empty()
                || channel.is_none_or(|channel| subscription.channels.contains(channel));
            channel_passes && subscription.pattern.matches(kind)
        })
    }

    /// Whether nothing is subscribed to.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The patterns as a subscriber writes them.
    pub fn patterns(&self) -> impl Iterator<Item = String> + '_ {
        self.0.iter().map(|subscription| subscription.pattern.clone().into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(name: &str) -> EventType {
        EventType::parse(name).expect("a type name")
    }

    fn patterns(names: &[&str]) -> Vec<TypePattern> {
        names.iter().map(|name| TypePattern::parse(name).expect("a pattern")).collect()
    }

    fn channel(id: &str) -> ChannelId {
        ChannelId::parse(id).expect("an id")
    }

    #[test]
    fn a_type_a_prefix_and_the_star_match_what_they_say() {
        let mut wanted = Subscriptions::default();
        wanted.subscribe(&patterns(&["vp.mentioned", "message.*"]), &[]).expect("room");
        assert!(wanted.matches(&kind("vp.mentioned"), None));
        assert!(wanted.matches(&kind("message.deleted"), None));
        assert!(!wanted.matches(&kind("messages.deleted"), None));
        assert!(!wanted.matches(&kind("vp.status_changed"), None));
        wanted.subscribe(&patterns(&["*"]), &[]).expect("room");
        assert!(wanted.matches(&kind("anything"), None));
    }

    #[test]
    fn a_channel_filter_restricts_only_events_that_have_a_channel() {
        let mut wanted = Subscriptions::default();
        wanted.subscribe(&patterns(&["message.received"]), &[channel("c1")]).expect("room");
        assert!(wanted.matches(&kind("message.received"), Some(&channel("c1"))));
        assert!(!wanted.matches(&kind("message.received"), Some(&channel("c2"))));
        assert!(wanted.matches(&kind("message.received"), None));
    }

    #[test]
    fn subscribing_again_replaces_the_filter_of_that_type_only() {
        let mut wanted = Subscriptions::default();
        wanted.subscribe(&patterns(&["message.received", "message.sent"]), &[channel("c1")]).expect("room");
        wanted.subscribe(&patterns(&["message.received"]), &[]).expect("room");
        assert!(wanted.matches(&kind("message.received"), Some(&channel("c9"))));
        assert!(!wanted.matches(&kind("message.sent"), Some(&channel("c9"))));
    }

    #[test]
    fn the_fifty_first_type_is_refused_and_changes_nothing() {
        let mut wanted = Subscriptions::default();
        let fifty: Vec<_> = (0..50).map(|n| TypePattern::Exact(format!("t.{n}").into())).collect();
        wanted.subscribe(&fifty, &[]).expect("room");
        let before = wanted.clone();
        assert_eq!(wanted.subscribe(&patterns(&["one.more"]), &[]), Err(SubscriptionError::TooMany));
        assert_eq!(wanted, before);
        assert!(wanted.subscribe(&patterns(&["t.1"]), &[]).is_ok(), "known types need no room");
    }

    #[test]
    fn unsubscribing_from_the_star_removes_everything() {
        let mut wanted = Subscriptions::default();
        wanted.subscribe(&patterns(&["message.received", "vp.mentioned"]), &[]).expect("room");
        wanted.unsubscribe(&patterns(&["vp.mentioned"]));
        assert_eq!(wanted.patterns().collect::<Vec<_>>(), ["message.received"]);
        wanted.unsubscribe(&patterns(&["*"]));
        assert!(wanted.is_empty());
    }

    #[test]
    fn what_is_no_type_is_refused() {
        for text in ["", "no-dot", "sp ace.x", "message.**", ".*", &"x.".repeat(40)] {
            assert!(TypePattern::parse(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn messages_read_opens_everything_unless_the_hub_is_strict() {
        let reader = ScopeSet::from_names(["messages:read"]);
        let presence = TypePattern::parse("presence.updated").expect("a pattern");
        assert_eq!(presence.missing_scope(reader, false), None);
        assert_eq!(presence.missing_scope(reader, true), Some(Scope::PresenceRead));
        let none = ScopeSet::from_names(["vp:status"]);
        assert_eq!(presence.missing_scope(none, false), Some(Scope::PresenceRead));
        assert_eq!(
            TypePattern::parse("system.maintenance").expect("a pattern").missing_scope(none, true),
            None
        );
    }

    #[test]
    fn subscriptions_survive_being_written_down() {
        let mut wanted = Subscriptions::default();
        wanted.subscribe(&patterns(&["message.*", "*"]), &[channel("c1")]).expect("room");
        let text = serde_json::to_string(&wanted).expect("JSON");
        assert_eq!(serde_json::from_str::<Subscriptions>(&text).expect("readable"), wanted);
    }
}
