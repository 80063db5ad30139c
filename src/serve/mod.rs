//! How the world reads and commands the database: the PostgreSQL protocol and HTTP.

pub mod http;
pub mod pg;
