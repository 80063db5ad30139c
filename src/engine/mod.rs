//! The engine: what a server asks of the part that keeps views true.

pub mod api;
mod parameters;

pub use api::{Database, Description, Outcome, SessionState, Subscription, SubscriptionMessage, Transaction};
pub use parameters::parameter_types;
