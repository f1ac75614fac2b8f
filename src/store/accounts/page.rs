//! Pages of long lists, by the place where the last one ended.

use std::fmt;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::{Serialize, Serializer};

use crate::domain::clock::Timestamp;

/// The most items on one page.
pub const MAX_PAGE: i64 = 200;

/// A place in a list that is ordered by time and id. Clients see it as an opaque text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cursor {
    /// The time of the last item seen.
    pub at: Timestamp,
    /// Its id, which orders items of one time.
    pub id: String,
}

impl Cursor {
    /// Reads the text that [`fmt::Display`] wrote; nothing when it is not one.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
        let plain = String::from_utf8(bytes).ok()?;
        let (at, id) = plain.split_once(':')?;
        // PostgreSQL takes no NUL in a text, and the hub writes none.
        let id = Some(id).filter(|id| !id.is_empty() && !id.contains('\0'))?;
        // The times that both databases can hold.
        let at = at.parse().ok().filter(|at| (0..=253_402_300_799_999_i64).contains(at))?;
        Some(Self { at: Timestamp(at), id: id.to_owned() })
    }
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&URL_SAFE_NO_PAD.encode(format!("{}:{}", self.at.0, self.id)))
    }
}

impl Serialize for Cursor {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// Which part of a list is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PageRequest {
    limit: i64,
    after: Option<Cursor>,
}

impl PageRequest {
    /// At most `limit` items, clamped to 1 and [`MAX_PAGE`], from the beginning or after a place.
    #[must_use]
    pub fn new(limit: i64, after: Option<Cursor>) -> Self {
        Self { limit: limit.clamp(1, MAX_PAGE), after }
    }

    /// Where the page begins.
    pub(super) fn after(&self) -> Option<&Cursor> {
        self.after.as_ref()
    }

    /// How many rows to ask for: one more than wanted tells whether there are more.
    pub(super) fn rows(&self) -> i64 {
        self.limit + 1
    }

    /// Makes a page of the rows found.
    pub(super) fn page<T>(&self, mut items: Vec<T>, place: impl FnOnce(&T) -> Cursor) -> Page<T> {
        let limit = usize::try_from(self.limit).unwrap_or(usize::MAX);
        let more = items.len() > limit;
        items.truncate(limit);
        let next = if more { items.last().map(place) } else { None };
        Page { items, next }
    }
}

/// A part of a list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Page<T> {
    /// What is on it, newest first.
    pub items: Vec<T>,
    /// Where the next page begins; nothing on the last one.
    pub next: Option<Cursor>,
}

/// Runs a boxed query for one page, newest first. The first of the two conditions says nothing that
/// the second does not, but it is the one an index can begin at.
macro_rules! newest_first {
    ($connection:expr, $query:expr, $table:ident . $time:ident, $request:expr) => {{
        let mut query = $query.order(($table::$time.desc(), $table::id.desc())).limit($request.rows());
        if let Some(cursor) = $request.after() {
            let at = cursor.at.utc();
            query = query
                .filter($table::$time.le(at))
                .filter($table::$time.lt(at).or($table::id.lt(cursor.id.clone())));
        }
        query.load($connection)
    }};
}
pub(super) use newest_first;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_survives_the_way_through_a_client() {
        let cursor = Cursor { at: Timestamp(1_700_000_000_123), id: "org:1".to_owned() };
        let text = cursor.to_string();
        assert!(text.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_'), "{text}");
        assert_eq!(Cursor::parse(&text), Some(cursor));
    }

    #[test]
    fn what_is_no_cursor_is_refused() {
        let encoded = |text: &str| URL_SAFE_NO_PAD.encode(text);
        for text in ["", "!", "bm8", &encoded("x:1"), &encoded("1:"), &encoded("-1:a"), &encoded("1:\0")] {
            assert_eq!(Cursor::parse(text), None, "{text:?}");
        }
        assert_eq!(Cursor::parse(&encoded("9223372036854775807:a")), None);
    }

    #[test]
    fn the_next_page_is_known_by_one_row_too_many() {
        let request = PageRequest::new(2, None);
        let place = |n: &i64| Cursor { at: Timestamp(*n), id: n.to_string() };
        let page = request.page(vec![3, 2, 1], place);
        assert_eq!((page.items, page.next.map(|next| next.at)), (vec![3, 2], Some(Timestamp(2))));
        assert_eq!(request.page(vec![3, 2], place).next, None);
        assert_eq!(PageRequest::new(100_000, None).rows(), MAX_PAGE + 1);
        assert_eq!(PageRequest::new(-1, None).rows(), 2);
    }
}
