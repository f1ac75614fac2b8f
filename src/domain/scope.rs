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

    fn everything() -> Self {
        let admin = [Scope::AdminRead, Scope::AdminWrite];
        Scope::ALL.iter().copied().filter(|scope| !admin.contains(scope)).collect()
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

    #[test]
    fn a_token_that_opens_nothing_on_the_socket_is_known_as_such() {
        assert!(!ScopeSet::from_names(["files:read", "calls:join"]).opens_socket());
        assert!(!ScopeSet::default().opens_socket());
        assert!(ScopeSet::standard().opens_socket());
    }
}
