//! SQL text to decisions, as pure functions: no IO, no async, no clock.
//!
//! The way through: [`parse::parse`] splits a text into [`statement::Statement`]s (DDL becomes `model` types at once, queries stay
//! sqlparser's, their columns named as PostgreSQL would); DataFusion types a query in the one [`context::session_context`];
//! [`lateral::unnest_lateral`] and [`output::view_output`] make its first and last step ours; [`now`] handles the only functions
//! that change with the tick; [`error::from_datafusion`] turns whatever DataFusion refuses into PostgreSQL's words, with its place
//! in the text.

pub mod coerce;
pub mod context;
pub mod error;
pub mod explain;
pub mod fragment;
mod frames;
mod functions;
mod interval;
mod json;
pub mod lateral;
pub mod lir;
pub mod lower;
pub mod now;
pub mod optimize;
pub mod output;
pub mod overflow;
pub mod parse;
pub mod place;
pub mod statement;
pub mod subquery;
mod template;
#[cfg(test)]
mod testing;
mod timezone;
pub mod types;
