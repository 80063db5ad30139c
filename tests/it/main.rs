//! Integration tests.

mod cli;
mod dataflows;
