//! SQL text to decisions, as pure functions: no IO, no async, no clock.
//!
//! The way through: [`parse::parse`] splits a text into [`statement::Statement`]s (DDL becomes `model` types at once, queries stay
//! sqlparser's); DataFusion types a query in the one [`context::session_context`]; [`now`] handles the only function that changes
//! with the tick; [`error::from_datafusion`] turns whatever DataFusion refuses into PostgreSQL's words, with its place in the text.

pub mod coerce;
pub mod context;
pub mod error;
pub mod explain;
pub mod fragment;
mod functions;
mod json;
pub mod lir;
pub mod lower;
pub mod now;
pub mod optimize;
pub mod parse;
pub mod place;
pub mod statement;
pub mod types;
