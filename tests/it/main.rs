//! Integration tests: the engine in process, the protocol with real clients, the tree's shape.

mod harness;
mod live;
mod oracle;
mod smoke;
mod tables;
