//! scratch
use crate::plan::testing::{context, shown};

#[test]
fn scratch() {
    let context = context();
    for line in std::fs::read_to_string("/tmp/h5.sql").unwrap().lines() {
        println!("> {line}\n{}", shown(&context, line));
    }
}
