//! COPY's data: lines of text or CSV to Arrow, and back.

mod lines;
pub(crate) mod read;
pub(crate) mod write;

#[cfg(test)]
mod tests;
