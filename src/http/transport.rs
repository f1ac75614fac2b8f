//! The TCP connections under HTTP: options, and a second handle to end one from outside.

use std::{any::Any, time::Duration};

use actix_web::{dev::Extensions, rt::net::TcpStream};
use parking_lot::Mutex;
use socket2::{SockRef, Socket, TcpKeepalive};

/// How long written bytes may stay without the peer's acknowledgement before the kernel gives up.
const USER_TIMEOUT: Duration = Duration::from_secs(30);
/// How long a connection may be silent before the kernel asks.
const KEEPALIVE: Duration = Duration::from_secs(60);

/// A second handle on a connection's socket, for whoever upgrades it.
pub(super) struct Transport(Mutex<Option<Socket>>);

impl Transport {
    /// Takes the handle.
    pub(super) fn socket(&self) -> Option<Socket> {
        self.0.lock().take()
    }
}

/// Prepares an accepted connection. An option that the system does not know is left as it is.
pub fn on_connect(connection: &dyn Any, extensions: &mut Extensions) {
    let Some(stream) = connection.downcast_ref::<TcpStream>() else { return };
    let socket = SockRef::from(stream);
    let _ = socket.set_tcp_nodelay(true);
    let _ = socket.set_tcp_keepalive(&TcpKeepalive::new().with_time(KEEPALIVE).with_interval(KEEPALIVE));
    #[cfg(target_os = "linux")]
    let _ = socket.set_tcp_user_timeout(Some(USER_TIMEOUT));
    match socket.try_clone() {
        Ok(second) => {
            extensions.insert(Transport(Mutex::new(Some(second))));
        }
        Err(error) => {
            log::warn!(error:% = error; "a connection cannot be ended from outside: out of file descriptors?");
        }
    }
}
