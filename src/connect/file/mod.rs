//! Files as a source of bytes: read once, or followed as they grow.
//!
//! [`FileTail::pass`] reads, in one go, everything the matching files held when it was called, in blocks, files in the order of
//! their names. In [`Mode::Follow`] it is called again and again: grown files go on where they were, new files join.
//!
//! Guarantees: every byte of a file is handed out once and in order. A file that is renamed stays the same file (it is known by
//! device and inode and held open); one that is replaced under its name is first read to its end, then the new one from its
//! start; one that shrinks is read again from its start. [`Piece::End`] separates the two, so that no record spans them.
//!
//! Non-guarantees: a file cut and rewritten past the old length between two passes is not noticed. Beyond
//! [`OPEN_FILES_MAX`] followed files the idle ones are closed, and what is written to such a file just before it is deleted
//! may be missed. Unix only.

mod find;
mod tail;
#[cfg(test)]
mod tests;

pub use find::Pattern;
pub use tail::{FileId, FileTail, Mode, OPEN_FILES_MAX, Piece};
