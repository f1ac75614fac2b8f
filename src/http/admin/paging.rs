//! Pages of lists, and filters of queries.

use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::{
    domain::clock::Timestamp,
    http::error::ApiError,
    store::accounts::page::{Cursor, MAX_PAGE, Page, PageRequest},
};

/// How many items a page has when nobody says.
const PAGE: i64 = 50;

/// Which part of a list.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct Paging {
    /// At most 200; 50 when left out.
    #[param(value_type = Option<i64>)]
    limit: Option<String>,
    /// The `nextCursor` of the page before.
    cursor: Option<String>,
}

impl Paging {
    /// How many items, between 1 and [`MAX_PAGE`].
    ///
    /// # Errors
    /// 400 for what is no number.
    pub(super) fn limit(&self) -> Result<i64, ApiError> {
        match self.limit.as_deref() {
            None | Some("") => Ok(PAGE),
            Some(text) => {
                let number: i64 = text.parse().map_err(|_| ApiError::field("limit", "must be a number"))?;
                Ok(number.clamp(1, MAX_PAGE))
            }
        }
    }

    /// The same as a size.
    ///
    /// # Errors
    /// 400 for what is no number.
    pub(super) fn size(&self) -> Result<usize, ApiError> {
        self.limit().map(|limit| usize::try_from(limit).unwrap_or(1))
    }

    /// Where the page begins, as `parse` reads it.
    ///
    /// # Errors
    /// 400 for what is none.
    pub(super) fn after<T>(&self, parse: impl FnOnce(&str) -> Option<T>) -> Result<Option<T>, ApiError> {
        match self.cursor.as_deref() {
            None | Some("") => Ok(None),
            Some(text) => {
                parse(text).map(Some).ok_or_else(|| ApiError::field("cursor", "is none of this list"))
            }
        }
    }

    /// What to ask the database for.
    ///
    /// # Errors
    /// 400 for a limit that is no number and a cursor that is none.
    pub(super) fn request(&self) -> Result<PageRequest, ApiError> {
        Ok(PageRequest::new(self.limit()?, self.after(Cursor::parse)?))
    }
}

/// A part of a list.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct List<T> {
    items: Vec<T>,
    /// Where the next page begins; nothing on the last one.
    next_cursor: Option<String>,
}

impl<T> List<T> {
    /// Items, and where those after them begin.
    pub(super) fn new(items: Vec<T>, next: Option<String>) -> Self {
        Self { items, next_cursor: next }
    }
}

impl<T> From<Page<T>> for List<T> {
    fn from(page: Page<T>) -> Self {
        Self { items: page.items, next_cursor: page.next.map(|cursor| cursor.to_string()) }
    }
}

/// A yes or a no in a query.
///
/// # Errors
/// 400 for anything else.
pub(super) fn flag(name: &str, text: Option<&str>) -> Result<Option<bool>, ApiError> {
    match text {
        None | Some("") => Ok(None),
        Some("true") => Ok(Some(true)),
        Some("false") => Ok(Some(false)),
        Some(_) => Err(ApiError::field(name, "must be true or false")),
    }
}

/// A time in a query.
///
/// # Errors
/// 400 for anything else.
pub(super) fn time(name: &str, text: Option<&str>) -> Result<Option<Timestamp>, ApiError> {
    match text {
        None | Some("") => Ok(None),
        Some(text) => {
            let time = Timestamp::parse_datetime(text);
            time.map(Some).ok_or_else(|| ApiError::field(name, "Invalid datetime"))
        }
    }
}

/// A filter that was given, unless it is empty.
pub(super) fn given(text: Option<String>) -> Option<String> {
    text.filter(|text| !text.is_empty())
}
