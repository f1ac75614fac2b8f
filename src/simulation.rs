//! A seeded simulation of everything that moves events: hubs with the real session, the real memory of
//! ids, the real commit buffer and the real rules of the queue, on virtual time.
//!
//! A seed decides how large the world is, what is published, and what goes wrong: duplicates, lost
//! wake-ups, hubs that die, a store that is away or loses its answer, daemons that acknowledge late,
//! elsewhere, twice or never, that crash, refuse, stop reading, and connect again. Somebody who sees
//! everything ([`oracle`]) holds every step to the promises ([`invariant`]). See `docs/simulation.md`.

mod act;
mod checks;
mod commits;
mod connection;
mod daemon;
mod deliveries;
mod facts;
mod fates;
mod hub;
mod invariant;
mod mail;
mod manners;
mod mutants;
mod oracle;
mod plan;
mod presence;
mod publisher;
mod random;
mod reading;
mod replay;
mod settle;
mod shell;
mod store;
mod words;
mod world;

mod tests;

/// The number of a hub, a connection, a daemon, an orchestrator or an event.
type Number = usize;
