//! The queries, by construct. A query has no name of its own: it is its group and its place, `joins_07`.
//!
//! Every query must have one answer only: where order or ties decide, the order is total. None may fail on the rows drawn; errors of
//! expressions are `tables.rs`' business.

mod aggregates;
mod firsts;
mod joins;
mod layers;
mod rows;
mod sets;
mod subqueries;
mod times;
mod windows;

pub use aggregates::AGGREGATES;
pub use firsts::FIRSTS;
pub use joins::JOINS;
pub use layers::{LAYERS, Layer, VIEWS_ON_VIEWS};
pub use rows::ROWS;
pub use sets::SETS;
pub use subqueries::SUBQUERIES;
pub use times::TIMES;
pub use windows::WINDOWS;
