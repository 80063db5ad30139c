//! Integration tests: the engine in process, the program and the protocol with real clients, the tree's shape.

mod bank;
mod bench;
mod cli;
mod counts;
mod dashboards;
mod dataflow_tests;
mod harness;
mod history;
mod http;
mod live;
mod oracle;
mod pgwire;
mod plans;
mod real_data;
mod sink;
mod smoke;
mod tables;
mod tidy;
mod world;
