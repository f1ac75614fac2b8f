//! The bytes that a client sends, in a form that outlives the WebSocket decoder.
//!
//! When the hub closes a connection it must go on reading for a moment: closing a socket with unread
//! bytes resets it, and the reset can overtake the close frame, so that the client never learns why.

use std::{
    cell::RefCell,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll},
    time::Duration,
};

use actix_web::{error::PayloadError, web};
use bytes::Bytes;
use futures_util::{Stream, StreamExt as _};

/// How long a closed connection is read from at most.
const LINGER: Duration = Duration::from_secs(1);
/// A closed connection that is quiet for this long has nothing more to say.
const QUIET: Duration = Duration::from_millis(200);

/// The request's body, shared between the decoder and the closing connection.
#[derive(Clone)]
pub struct Inbound(Rc<RefCell<web::Payload>>);

impl Inbound {
    /// Shares `payload`.
    #[must_use]
    pub fn new(payload: web::Payload) -> Self {
        Self(Rc::new(RefCell::new(payload)))
    }

    /// Reads and forgets what still arrives, until the client is quiet or gone.
    pub async fn linger(mut self) {
        let quiet = async { while let Ok(Some(_)) = tokio::time::timeout(QUIET, self.next()).await {} };
        let _ = tokio::time::timeout(LINGER, quiet).await;
    }
}

impl Stream for Inbound {
    type Item = Result<Bytes, PayloadError>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        match Pin::new(&mut *self.0.borrow_mut()).poll_next(cx) {
            // A transport that broke has ended; what remains to be told from it is bad UTF-8.
            Poll::Ready(Some(Err(_))) => Poll::Ready(None),
            other => other,
        }
    }
}
