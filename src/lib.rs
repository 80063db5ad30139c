//! Trueup keeps SQL views over order, payment and refund streams exact at every tick, on timely and differential dataflow.

pub mod connect;
pub mod dataflow;
pub mod engine;
pub mod ingest;
pub mod model;
pub mod plan;
pub mod views;
