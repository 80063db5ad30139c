//! Trueup keeps SQL views over order, payment and refund streams exact at every tick, on timely and differential dataflow.

// The order is that of the data's way; `tests/it/tidy.rs` checks that no module names a later one it must not.
pub mod model;

pub mod connect;

pub mod ingest;

pub mod plan;

pub mod views;

pub mod dataflow;

pub mod engine;

pub mod serve;

pub mod config;

pub mod app;
