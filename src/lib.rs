//! Trueup keeps SQL views over order, payment and refund streams exact at every tick, on timely and differential dataflow.

pub mod engine;
pub mod model;
pub mod plan;
pub mod serve;
