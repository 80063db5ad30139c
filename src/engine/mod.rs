//! The engine: what a server asks of the part that keeps views true.

pub mod api;

pub use api::{Database, Description, Outcome, SessionState, Subscription, SubscriptionMessage, Transaction};
