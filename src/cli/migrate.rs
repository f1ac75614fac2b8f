//! `migrate`: brings the database to the version that this program needs.

use super::{CliError, output};
use crate::{
    config::{Config, secrets},
    store::{database::Database, database_url::DatabaseUrl},
};

pub(super) fn run(config: &Config) -> Result<(), CliError> {
    if config.database.sqlite_path().is_some() {
        secrets::ensure_data_dir(&config.server.data_dir)?;
    }
    let failed = |error: &dyn std::fmt::Display| {
        CliError::failed(format!("cannot migrate {}: {error}; check DATABASE_URL", config.database))
    };
    let url = DatabaseUrl::parse(config.database.as_str()).map_err(|error| failed(&error))?;
    let applied = Database::new(url).migrate().map_err(|error| failed(&error))?;
    for name in &applied {
        output::line(&format!("applied {name}"))?;
    }
    output::note(&format!("{} is up to date ({} migrations applied)", config.database, applied.len()))?;
    Ok(())
}
