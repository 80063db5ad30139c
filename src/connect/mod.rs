//! Outside systems: bytes and positions, never meaning.
//!
//! A connector hands out bytes in the order its outside system holds them and says where they stand. It knows no format, no
//! schema and no table; `ingest` turns its bytes into rows. Today there is one: [`file`].

pub mod file;
