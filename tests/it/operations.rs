//! What an operator relies on: the books balance, the canary comes back, and damage is found.

mod fsck;
mod ledger;
