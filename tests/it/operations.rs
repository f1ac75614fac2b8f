//! What an operator relies on: the books balance, the canary comes back, and damage is found.

mod canary;
mod documented;
mod fsck;
mod ledger;
