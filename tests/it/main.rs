//! Integration tests.

mod pgwire;
