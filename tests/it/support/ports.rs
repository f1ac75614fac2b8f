//! Free TCP ports.

use std::{
    net::SocketAddr,
    process,
    sync::atomic::{AtomicU16, Ordering},
};

use socket2::{Domain, Socket, Type};

/// Below the range that the kernel draws outgoing ports from, so that no connection of another test
/// can sit on a port between its choice here and the moment its server listens.
const FIRST: u16 = 12_000;
const COUNT: u16 = 20_000;

static NEXT: AtomicU16 = AtomicU16::new(0);

/// A port on the loopback address that nobody listens on, never the same one twice.
pub(crate) fn free() -> u16 {
    let offset = u16::try_from(process::id().wrapping_mul(97) % u32::from(COUNT)).unwrap();
    for _ in 0..COUNT {
        let step = NEXT.fetch_add(1, Ordering::Relaxed);
        let port = FIRST + (offset + step % COUNT) % COUNT;
        if nobody_listens_on(port) {
            return port;
        }
    }
    panic!("no free port between {FIRST} and {}", FIRST + COUNT);
}

/// Asks without listening: a child process that another test starts at this moment has a copy of the
/// socket until it runs its own program, and a copy that listens would keep the port.
fn nobody_listens_on(port: u16) -> bool {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket.set_reuse_address(true).unwrap();
    socket.bind(&SocketAddr::from(([127, 0, 0, 1], port)).into()).is_ok()
}
