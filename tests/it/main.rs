//! Integration tests: the engine in process, the program and the protocol with real clients, the tree's shape.

mod cli;
mod dataflows;
mod pgwire;
mod smoke;
mod tidy;
