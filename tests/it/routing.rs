//! `POST /api/orchestrators/{id}/messages`, and an original router on the same Redis.

mod original_router;
mod routes;
