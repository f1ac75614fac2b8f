//! Asking the database, away from the threads that serve connections and run actors.

use std::sync::Arc;

use actix_web::web;

use crate::store::{Result, StoreError, database::Database};

/// Asks on a thread that may block.
///
/// # Errors
/// Those of `ask`; [`StoreError::Unavailable`] when the hub is stopping.
pub async fn ask<T: Send + 'static>(
    database: &Arc<Database>,
    ask: impl FnOnce(&Database) -> Result<T> + Send + 'static,
) -> Result<T> {
    let database = database.clone();
    let stopping = |_| Err(StoreError::Unavailable("the hub is stopping".to_owned()));
    web::block(move || ask(&database)).await.unwrap_or_else(stopping)
}
