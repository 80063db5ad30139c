//! Renders plans on timely and differential dataflow: the only stage that names them.

pub(crate) mod trace;
