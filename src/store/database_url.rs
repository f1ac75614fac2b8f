//! Where the accounts database is, as configured.

use std::fmt;

use super::{Result, StoreError};

const MASK: &str = "***";

/// The location of the accounts database, understood but not yet visited.
///
/// It may carry a password, so neither `Debug` nor `Display` shows more than is safe to log.
#[derive(Clone, PartialEq, Eq)]
pub enum DatabaseUrl {
    /// `sqlite://PATH`: the path of the file, relative to the working directory or absolute.
    Sqlite(String),
    /// `postgres://…` or `postgresql://…`: a libpq connection URI, verbatim.
    Postgres(String),
}

impl DatabaseUrl {
    /// Reads a URL.
    ///
    /// # Errors
    /// [`StoreError::Configuration`] when the scheme is none of the above, or the path is missing.
    pub fn parse(url: &str) -> Result<Self> {
        let Some((scheme, rest)) = url.split_once("://") else {
            // The text may be a connection string of another form, so it is not repeated.
            return Err(StoreError::Configuration(
                "the database URL has no scheme: use sqlite://PATH or postgres://USER@HOST/NAME".to_owned(),
            ));
        };
        match scheme {
            "sqlite" if rest.is_empty() => {
                Err(StoreError::Configuration("the database URL sqlite:// lacks a path".to_owned()))
            }
            "sqlite" => Ok(Self::Sqlite(rest.to_owned())),
            "postgres" | "postgresql" => Ok(Self::Postgres(url.to_owned())),
            other => Err(StoreError::Configuration(format!(
                "the database URL has the unknown scheme {other:?}: use sqlite:// or postgres://"
            ))),
        }
    }

    /// `text` with every password of this URL masked, for messages that quote parts of it.
    pub(super) fn redact(&self, text: &str) -> String {
        let Self::Postgres(url) = self else { return text.to_owned() };
        secrets(url).fold(text.to_owned(), |text, secret| text.replace(secret, MASK))
    }
}

/// Everything in a connection URI that may be a password, also when its special characters should have
/// been escaped and were not: masking too much is harmless.
fn secrets(url: &str) -> impl Iterator<Item = &str> {
    let rest = url.split_once("://").map_or("", |(_, rest)| rest);
    let (address, parameters) = rest.split_once('?').unwrap_or((rest, ""));
    let secret_parameters = parameters
        .split('&')
        .filter_map(|parameter| parameter.split_once('='))
        .filter(|(name, _)| matches!(*name, "password" | "sslpassword"))
        .map(|(_, value)| value);
    let logins = [address, rest].into_iter().filter_map(password_of_login);
    secret_parameters.chain(logins).filter(|secret| !secret.is_empty())
}

/// The password in `user:password@host…`.
fn password_of_login(address: &str) -> Option<&str> {
    let (login, _) = address.rsplit_once('@')?;
    login.split_once(':').map(|(_, password)| password)
}

impl fmt::Display for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sqlite(path) => write!(f, "sqlite://{path}"),
            Self::Postgres(url) => f.write_str(&self.redact(url)),
        }
    }
}

impl fmt::Debug for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DatabaseUrl({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_backends_are_known_by_their_scheme() {
        assert_eq!(DatabaseUrl::parse("sqlite://data/hub.db"), Ok(DatabaseUrl::Sqlite("data/hub.db".into())));
        assert_eq!(DatabaseUrl::parse("sqlite:///var/hub.db"), Ok(DatabaseUrl::Sqlite("/var/hub.db".into())));
        for url in ["postgres://hub@db/hub", "postgresql://hub@db/hub"] {
            assert_eq!(DatabaseUrl::parse(url), Ok(DatabaseUrl::Postgres(url.into())));
        }
    }

    #[test]
    fn an_unknown_scheme_is_named_and_nothing_else() {
        let problem = |url: &str| DatabaseUrl::parse(url).expect_err("refused").to_string();
        assert!(problem("mysql://root:secret@db/hub").contains("\"mysql\""));
        assert!(!problem("mysql://root:secret@db/hub").contains("secret"));
        assert!(!problem("host=db password=secret").contains("secret"));
        assert!(problem("sqlite://").contains("path"));
    }

    #[test]
    fn passwords_are_never_shown() {
        for (url, secret) in [
            ("postgres://hub:s3cr@t/x@db:5432/hub", "s3cr@t/x"),
            ("postgres://hub:?s3cr@t@db:5432/hub", "?s3cr@t"),
            ("postgres:///hub?host=db&password=s3cr@t&sslmode=require", "s3cr@t"),
        ] {
            let url = DatabaseUrl::parse(url).expect("a URL");
            for shown in [url.to_string(), format!("{url:?}"), url.redact(&format!("bad token {secret:?}"))] {
                assert!(!shown.contains(secret) && shown.contains(MASK), "{shown}");
            }
        }
        let plain = DatabaseUrl::parse("postgres://hub@db/hub").expect("a URL");
        assert_eq!(plain.to_string(), "postgres://hub@db/hub");
    }
}
