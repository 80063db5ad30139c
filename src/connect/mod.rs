//! Outside systems: bytes and positions, never meaning.
//!
//! A connector hands out bytes in the order its outside system holds them and says where they stand. It knows no format, no
//! schema and no table; `ingest` turns its bytes into rows. Today there is one: [`file`].

pub mod file;

/// How a pass over what an outside system holds ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PassEnd {
    /// All that was there has been handed out; more may come.
    Idle,
    /// Nothing more will come, ever.
    Finished,
    /// The visitor asked to stop.
    Stopped,
}
