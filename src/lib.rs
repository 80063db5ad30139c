//! Trueup keeps SQL views over order, payment and refund streams exact at every tick, on timely and differential dataflow.

pub mod app;
pub mod config;
pub mod connect;
pub mod ingest;
pub mod model;
