//! PostgreSQL protocol.
mod decode;
mod encode;
