//! Where a page of events ended: among what comes from messages, or behind that in the queue.

use std::fmt;

use crate::{backplane::inspection::QueueCursor, domain::clock::Timestamp};

/// A place; everything after it is on the next page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Place {
    /// After this message or mention, by its time and id.
    Messages(Timestamp, String),
    /// After everything that comes from messages, and after this place in the queue; `None`: before the
    /// first event in it.
    Queue(Option<QueueCursor>),
}

impl Place {
    /// Reads a place that [`fmt::Display`] wrote; anything else is none.
    pub(super) fn parse(text: &str) -> Option<Self> {
        if let Some(message) = text.strip_prefix("m.") {
            let (time, id) = message.split_once('.')?;
            return Some(Self::Messages(Timestamp(time.parse().ok()?), id.to_owned()));
        }
        match text.strip_prefix("q.")? {
            "" => Some(Self::Queue(None)),
            cursor => QueueCursor::parse(cursor).map(|cursor| Self::Queue(Some(cursor))),
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Messages(time, id) => write!(f, "m.{}.{id}", time.0),
            Self::Queue(Some(cursor)) => write!(f, "q.{cursor}"),
            Self::Queue(None) => f.write_str("q."),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_survives_the_way_through_a_client() {
        let cursor = QueueCursor { time: Timestamp(17), arrival: 3 };
        let message = Place::Messages(Timestamp(17), "msg_1.2".to_owned());
        for place in [message, Place::Queue(None), Place::Queue(Some(cursor))] {
            assert_eq!(Place::parse(&place.to_string()), Some(place));
        }
        for text in ["", "m.", "m.x.y", "q.x", "17.3", "nonsense"] {
            assert_eq!(Place::parse(text), None, "{text}");
        }
    }
}
