//! Trueup keeps SQL views over order, payment and refund streams exact at every tick, on timely and differential dataflow.
//!
//! # A tour
//!
//! ```text
//!  outside ──► connect ──► ingest ──► dataflow ──► views ──► serve ──► psql, HTTP
//!              bytes       rows       workers      snapshots
//!                            └── engine: one coordinator closes ticks ──┘
//!  dataflows/*.sql ──► plan: parse, optimise, lower, explain ──► dataflow
//! ```
//!
//! A SQL text becomes statements ([`plan::parse`]); a view's query is typed and optimised by DataFusion with rules we chose
//! ([`plan::optimize`]) and lowered to a plan of our own in which every decision is made ([`plan::lir`], [`plan::lower`]). The
//! workers render the plan straight into timely operators ([`dataflow`]). The [`engine`]'s coordinator gathers input, closes a tick
//! as soon as the one before is done, waits until every relation has reached it, and publishes. Readers get immutable runs of rows
//! ([`views`]) and run DataFusion over them.
//!
//! # Invariants
//!
//! - **One tick in flight.** The coordinator feeds a tick only after every worker has finished the one before. So rows carry no times,
//!   and whatever an operator has received when its frontier moves is of the tick just completed (asserted there and where rows are
//!   arranged).
//! - **Arrow between operators, bytes in arrangements.** [`model::codec`] makes rows of columns once before a stateful operator; rows sort
//!   by a 64-bit order word, then bytes.
//! - **Readers hold no trace.** A snapshot is a list of `Arc`ed runs; compaction follows the published tick.
//! - **An error is a row.** What cannot be decoded or evaluated stands in `trueup.errors` until its row is corrected; our own broken
//!   invariants stop the process.
//! - **Only [`dataflow`] names timely and differential**, and no module names a later one but where `tests/it/tidy.rs` says so.

// The order is that of the data's way.
pub mod model;

pub mod connect;

pub mod ingest;

pub mod plan;

pub mod views;

pub mod sink;

pub mod dataflow;

pub mod engine;

pub mod testing;

pub mod bench;

pub mod serve;

pub mod config;

pub mod app;
