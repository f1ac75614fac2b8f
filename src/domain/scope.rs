//! What a token allows (contract 2.2, C33).

use std::fmt;

/// Declares the scopes once: the bit, the name, and the set of all of them.
macro_rules! scopes {
    ($($variant:ident = $name:literal),+ $(,)?) => {
        /// One permission that a token can carry.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        #[expect(missing_docs, reason = "each variant is spelled out by its wire name")]
        pub enum Scope { $($variant),+ }

        impl Scope {
            /// Every scope there is.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The name on the wire.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self { $(Self::$variant => $name),+ }
            }
        }
    };
}

scopes! {
    MessagesRead = "messages:read",
    MessagesWrite = "messages:write",
    ChannelsRead = "channels:read",
    ChannelsJoin = "channels:join",
    UsersRead = "users:read",
    PresenceRead = "presence:read",
    PresenceWrite = "presence:write",
    FilesRead = "files:read",
    FilesWrite = "files:write",
    CallsJoin = "calls:join",
    CallsManage = "calls:manage",
    VpStatus = "vp:status",
    VpConfig = "vp:config",
    AdminRead = "admin:read",
    AdminWrite = "admin:write",
}

impl Scope {
    fn bit(self) -> u16 {
        1 << (self as u16)
    }

    /// Reads a scope name, the `orchestrator:*` aliases included. Unknown names are nothing.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        let name = match name {
            "orchestrator:status" => "vp:status",
            "orchestrator:config" => "vp:config",
            other => other,
        };
        Self::ALL.iter().copied().find(|scope| scope.name() == name)
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A set of scopes, two bytes wide.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ScopeSet(u16);

impl ScopeSet {
    /// What an empty request is granted (contract 2.2, *standard*).
    pub const STANDARD: &'static [Scope] = &[
        Scope::MessagesRead,
        Scope::MessagesWrite,
        Scope::ChannelsRead,
        Scope::ChannelsJoin,
        Scope::PresenceRead,
        Scope::PresenceWrite,
        Scope::UsersRead,
        Scope::FilesRead,
        Scope::VpStatus,
        Scope::VpConfig,
    ];
    /// The scopes that open something on the socket; a token with none of them is refused there
    /// (close code 4005).
    const SOCKET: &'static [Scope] = &[
        Scope::MessagesRead,
        Scope::ChannelsRead,
        Scope::PresenceRead,
        Scope::PresenceWrite,
        Scope::VpStatus,
        Scope::VpConfig,
    ];

    /// The standard set.
    #[must_use]
    pub fn standard() -> Self {
        Self::STANDARD.iter().copied().collect()
    }

    /// Reads scope names: unknown ones are dropped, `*` is every scope but the admin ones.
    pub fn from_names<'a>(names: impl IntoIterator<Item = &'a str>) -> Self {
        names.into_iter().fold(Self::default(), |set, name| match name {
            "*" => Self(set.0 | Self::everything().0),
            name => Scope::parse(name).map_or(set, |scope| Self(set.0 | scope.bit())),
        })
    }

    /// Every scope but the admin ones (contract 2.2, *full* and what `*` stands for).
    #[must_use]
    pub fn everything() -> Self {
        let admin = [Scope::AdminRead, Scope::AdminWrite];
        Scope::ALL.iter().copied().filter(|scope| !admin.contains(scope)).collect()
    }

    /// What is granted to somebody who asks for `requested` (contract 2.2, C33): the standard set when
    /// nothing is asked for, never more than `allowed`, and never more than what the orchestrator's
    /// `capabilities` stand for, where any of them stands for a scope.
    pub fn grant<'a>(
        requested: impl IntoIterator<Item = &'a str>,
        allowed: Self,
        capabilities: impl IntoIterator<Item = &'a str>,
    ) -> Self {
        let mut requested = requested.into_iter().peekable();
        let asked = if requested.peek().is_none() {
            Self::standard()
        } else {
            // The star means everything that is allowed, the admin scopes included.
            requested.fold(Self::default(), |set, name| match name {
                "*" => allowed,
                name => Self(set.0 | Self::from_names([name]).0),
            })
        };
        let capable: Vec<&[Scope]> = capabilities.into_iter().filter_map(capability).collect();
        let granted = Self(asked.0 & allowed.0);
        if capable.is_empty() {
            return granted;
        }
        let always = [Scope::VpStatus, Scope::VpConfig, Scope::AdminRead, Scope::AdminWrite];
        let capable: Self = capable.into_iter().flatten().copied().chain(always).collect();
        Self(granted.0 & capable.0)
    }

    /// Whether the scope is in the set.
    #[must_use]
    pub fn allows(self, scope: Scope) -> bool {
        self.0 & scope.bit() != 0
    }

    /// Whether a daemon with this set can do anything on the socket.
    #[must_use]
    pub fn opens_socket(self) -> bool {
        Self::SOCKET.iter().any(|scope| self.allows(*scope))
    }

    /// The names in the set, in the documents' order.
    #[must_use]
    pub fn names(self) -> Vec<&'static str> {
        Scope::ALL.iter().filter(|scope| self.allows(**scope)).map(|scope| scope.name()).collect()
    }
}

/// What a capability of an orchestrator stands for; `None` for those that have nothing to do with
/// scopes.
fn capability(name: &str) -> Option<&'static [Scope]> {
    Some(match name {
        "messaging" => &[Scope::MessagesRead, Scope::MessagesWrite, Scope::ChannelsRead],
        "channels" => &[Scope::ChannelsRead, Scope::ChannelsJoin],
        "presence" => &[Scope::PresenceRead, Scope::PresenceWrite],
        "files" => &[Scope::FilesRead, Scope::FilesWrite],
        "calls" => &[Scope::CallsJoin, Scope::CallsManage],
        "users" => &[Scope::UsersRead],
        _ => return None,
    })
}

impl FromIterator<Scope> for ScopeSet {
    fn from_iter<I: IntoIterator<Item = Scope>>(scopes: I) -> Self {
        Self(scopes.into_iter().fold(0, |bits, scope| bits | scope.bit()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn aliases_and_the_star_are_understood_and_unknown_names_dropped() {
        let set = ScopeSet::from_names(["orchestrator:status", "no:such"]);
        assert_eq!(set.names(), ["vp:status"]);
        let all = ScopeSet::from_names(["*"]);
        assert!(all.allows(Scope::MessagesWrite));
        assert!(!all.allows(Scope::AdminWrite));
    }

    fn granted(
        requested: &[&'static str],
        allowed: ScopeSet,
        capabilities: &[&'static str],
    ) -> Vec<&'static str> {
        ScopeSet::grant(requested.iter().copied(), allowed, capabilities.iter().copied()).names()
    }

    #[test]
    fn who_asks_for_nothing_is_granted_the_standard_set() {
        assert_eq!(granted(&[], ScopeSet::everything(), &[]), ScopeSet::standard().names());
        assert_eq!(granted(&["no:such"], ScopeSet::everything(), &[]), [""; 0]);
    }

    #[test]
    fn nobody_is_granted_more_than_is_allowed() {
        let all = ScopeSet::everything();
        assert!(granted(&["admin:write"], all, &[]).is_empty());
        assert_eq!(granted(&["*"], all, &[]), all.names());
        let reading = ScopeSet::from_names(["messages:read", "admin:read"]);
        assert_eq!(granted(&["*"], reading, &[]), ["messages:read", "admin:read"]);
        assert_eq!(granted(&["messages:write", "messages:read"], reading, &[]), ["messages:read"]);
    }

    #[test]
    fn capabilities_narrow_what_is_granted_if_they_say_anything_about_scopes() {
        let all = ScopeSet::everything();
        assert_eq!(granted(&["*"], all, &["files"]), ["files:read", "files:write", "vp:status", "vp:config"]);
        assert_eq!(granted(&["*"], all, &["chat", "voice"]), all.names());
    }

    #[test]
    fn a_token_that_opens_nothing_on_the_socket_is_known_as_such() {
        assert!(!ScopeSet::from_names(["files:read", "calls:join"]).opens_socket());
        assert!(!ScopeSet::default().opens_socket());
        assert!(ScopeSet::standard().opens_socket());
    }
}
