//! Bytes → typed rows: decoding, bad rows, and the threads that keep sources running.
//!
//! [`driver::start`] gives a table with a connector its thread: it reads ([`crate::connect`]), splits ([`split`]), decodes
//! ([`decode`]) and sends [`InputBatch`](crate::model::InputBatch)es into a bounded channel, which slows it down when the engine
//! is behind. [`simulator`] is a source that makes its own events; [`InputFolder`] puts files in the place of any source. The same decoders serve `COPY` and HTTP input.
//!
//! Deliberately absent: ticks, keys' current rows, conflict rules. Those belong to the engine, which sees all writers of a table.

pub mod decode;
pub mod driver;
mod files;
mod input;
mod options;
pub mod simulator;
pub mod split;
#[cfg(test)]
mod tests;

pub use driver::{SourceHandle, SourceStats, start, validate};
pub use input::InputFolder;
