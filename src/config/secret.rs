//! Values that must not show up in logs, error texts or `Debug` output.

use std::fmt;

/// A secret. Printing it prints `***`.
#[derive(Clone)]
pub struct Secret(Box<str>);

impl Secret {
    /// Wraps a secret.
    #[must_use]
    pub fn new(text: impl Into<Box<str>>) -> Self {
        Self(text.into())
    }

    /// The secret itself, for the one place that needs it.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// Where the database is: `sqlite://PATH` or `postgres://…`. Printing it hides user and password.
#[derive(Clone, PartialEq, Eq)]
pub struct DatabaseUrl(Box<str>);

impl DatabaseUrl {
    /// Accepts the URL of a supported database.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let rest = ["sqlite://", "postgres://", "postgresql://"].iter().find_map(|s| text.strip_prefix(s))?;
        (!rest.is_empty()).then(|| Self(text.into()))
    }

    /// The URL with its password, for the driver.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The file of an SQLite database.
    #[must_use]
    pub fn sqlite_path(&self) -> Option<&str> {
        self.0.strip_prefix("sqlite://")
    }
}

impl fmt::Display for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&redact_url(&self.0))
    }
}

impl fmt::Debug for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DatabaseUrl({self})")
    }
}

/// A URL, or several behind each other, fit for people: without user, password and parameters.
#[must_use]
pub fn redact_url(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else { return "***".to_owned() };
    // A password that was not percent-encoded may hold '@', '/' or '?', so only the last '@' counts.
    match (rest.rsplit_once('@'), rest.split_once('?')) {
        (Some((user, _)), Some(_)) if user.contains('?') => format!("{scheme}://***"),
        (Some((_, location)), _) => {
            format!("{scheme}://***@{}", location.split('?').next().unwrap_or_default())
        }
        (None, Some((location, _))) => format!("{scheme}://{location}"),
        (None, None) => url.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_printed_contains_a_secret() {
        let secret = Secret::new("hunter2");
        assert_eq!(format!("{secret} {secret:?}"), "*** ***");
        assert_eq!(secret.expose(), "hunter2");
        let url = DatabaseUrl::parse("postgres://hub:hunter2@db:5432/hub?password=hunter2").expect("a URL");
        assert_eq!(format!("{url:?}"), "DatabaseUrl(postgres://***@db:5432/hub)");
        for url in ["redis://:a@b/hunter2@host:6379", "redis://host?password=x@hunter2", "hunter2"] {
            assert!(!redact_url(url).contains("hunter2"), "{url}");
        }
    }

    #[test]
    fn only_supported_databases_are_accepted() {
        assert!(DatabaseUrl::parse("postgresql://db/hub").is_some());
        let sqlite = DatabaseUrl::parse("sqlite:///var/lib/hub.db").expect("a URL");
        assert_eq!(sqlite.sqlite_path(), Some("/var/lib/hub.db"));
        for url in ["mysql://db/hub", "hub.db", "sqlite://", ""] {
            assert!(DatabaseUrl::parse(url).is_none(), "{url}");
        }
    }
}
