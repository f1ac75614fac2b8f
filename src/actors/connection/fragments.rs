//! Messages that arrive in several frames.

use actix_http::ws::Item;
use bytes::BytesMut;

use crate::protocol::MAX_MESSAGE_BYTES;

/// What a frame made of the message so far.
pub(super) enum Assembled {
    /// More is to come.
    Incomplete,
    /// The message is complete.
    Text(String),
    /// The message is complete, and no text.
    NotUtf8,
    /// The message is binary.
    Binary,
    /// The message is larger than one may be.
    TooBig,
}

/// The part of a message that has arrived; bounded like a message.
#[derive(Debug, Default)]
pub(super) struct Fragments(BytesMut);

impl Fragments {
    /// Adds a frame. The decoder sees to it that they come in order.
    pub(super) fn add(&mut self, item: Item) -> Assembled {
        let (bytes, last) = match item {
            Item::FirstBinary(_) => return Assembled::Binary,
            Item::FirstText(bytes) | Item::Continue(bytes) => (bytes, false),
            Item::Last(bytes) => (bytes, true),
        };
        if self.0.len() + bytes.len() > MAX_MESSAGE_BYTES {
            self.0 = BytesMut::new();
            return Assembled::TooBig;
        }
        self.0.extend_from_slice(&bytes);
        if !last {
            return Assembled::Incomplete;
        }
        let message = std::mem::take(&mut self.0);
        match String::from_utf8(message.to_vec()) {
            Ok(text) => Assembled::Text(text),
            Err(_) => Assembled::NotUtf8,
        }
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    #[test]
    fn a_message_is_its_fragments_in_order() {
        let mut fragments = Fragments::default();
        assert!(matches!(fragments.add(Item::FirstText(Bytes::from_static(b"{\"a"))), Assembled::Incomplete));
        assert!(matches!(fragments.add(Item::Continue(Bytes::from_static(b"\":"))), Assembled::Incomplete));
        let last = fragments.add(Item::Last(Bytes::from_static(b"1}")));
        assert!(matches!(last, Assembled::Text(ref text) if text == "{\"a\":1}"));
    }

    #[test]
    fn fragments_cannot_grow_beyond_a_message() {
        let mut fragments = Fragments::default();
        let half = Bytes::from(vec![b'x'; MAX_MESSAGE_BYTES / 2]);
        assert!(matches!(fragments.add(Item::FirstText(half.clone())), Assembled::Incomplete));
        assert!(matches!(fragments.add(Item::Continue(half.clone())), Assembled::Incomplete));
        assert!(matches!(fragments.add(Item::Continue(half)), Assembled::TooBig));
    }
}
