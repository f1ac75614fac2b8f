//! Who somebody is and what they may do: access tokens and API keys.
//!
//! Pure of I/O: revocation is asked elsewhere, with what a verified token says about itself.

pub mod api_key;
pub mod failures;
pub mod ingress_signature;
pub mod key_hash;
pub mod seal;
pub mod token;
