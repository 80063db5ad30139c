//! The PostgreSQL port, through real clients: tokio-postgres, psycopg, psql, sqllogictest, what graphical tools ask, and raw bytes where no client goes.

mod clients;
mod copy;
mod extended;
mod limits;
mod raw;
mod server;
mod simple;
mod subscribe;
mod tools;
