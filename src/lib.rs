//! Trueup keeps SQL views over order, payment and refund streams exact at every tick, on timely and differential dataflow.

pub mod model;
pub mod connect;
pub mod ingest;
pub mod plan;
pub mod views;
pub mod dataflow;
pub mod engine;
