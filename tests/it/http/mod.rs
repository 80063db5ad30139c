//! HTTP with a real client on a socket: answers, limits, event streams, ends.

mod api;
mod client;
mod limits;
mod live;
mod load;
mod openapi;
mod schema;
mod server;
mod tables;
