//! What daemons do over HTTP: the routes under `/api/daemon`.

mod channels;
mod events;
mod fleet;
mod health;
mod heartbeat;
mod lifecycle;
mod limits;
mod login;
mod messages;
mod presence;
mod registration;
mod sessions;
mod statuses;
