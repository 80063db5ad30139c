//! Dataflow tests: what views must show for given rows, in any order and any cut of the input.
//!
//! A file `*.test.sql` stands beside the dataflows it tests. It is read line by line; a line that begins with `--` is a comment:
//!
//! ```text
//! -- What order_state makes of payments.
//! NOW '2026-11-11 00:00:00+00'
//! GIVEN fx_rates
//! {"currency": "EUR", "day": "2026-11-11", "version": 1, "rate": "7.8"}
//!
//! -- test: a payment arrives before its order
//! GIVEN payments
//! {"payment_id": "web:p1", "order_id": "web:1", "amount": "40.00", "status": "captured"}
//! EXPECT EMPTY order_state
//! TICK
//! GIVEN orders
//! {"order_id": "web:1", "amount": "40.00", "status": "placed"}
//! EXPECT order_state (order_id, paid, status)
//! {"order_id": "web:1", "paid": 40, "status": "paid"}
//! EXPECT SELECT status, count(*) AS n FROM order_state GROUP BY status;
//! {"status": "paid", "n": 1}
//! ```
//!
//! | line | means |
//! |---|---|
//! | `-- test: name` | begins a case. What stands before the first one, `GIVEN` and `NOW` only, begins every case of the file |
//! | `GIVEN name` | rows for a table, one JSON object after the other, decoded as the `file` connector decodes them; a missing field is NULL, `"__op": "delete"` deletes. A row that cannot be decoded, or a field that is no column, is an error of the test. A **view**'s name replaces the view, for this case, by a bag of the rows |
//! | `GIVEN name AS RECEIVED` | the same, taken as a connector takes it: unknown fields are passed over, bad rows go to `trueup.errors` |
//! | `TICK` | closes a tick, also where no `EXPECT` follows |
//! | `NOW 'time'` | sets the clock that `now()` reads; it never goes back. Until then it is 2026-11-11 00:00:00 UTC |
//! | `INSERT …;` `UPDATE …;` `DELETE …;` | runs the statement, at a tick of its own |
//! | `EXPECT name`, `EXPECT name (column, …)` | closes the tick if anything came since the last one; the relation's rows, or of them these columns, must be the rows that follow, as a multiset |
//! | `EXPECT SELECT …;` (or `WITH …;`) | the same of a query, on one line or several; in order if the query has an `ORDER BY` |
//! | `EXPECT EMPTY name`, `EXPECT EMPTY SELECT …;` | there must be no row |
//!
//! Rows may span lines. Expected values are compared by type: `"40.00"` and `40` are one DECIMAL, times may be in any ISO form,
//! floating-point numbers may differ by 1 in 10⁹.
//!
//! # What is run
//!
//! Each case runs straight, as written, on one worker. Then, `--rounds` times, on one and two workers in turn, everything it gives
//! is dealt anew, and the `EXPECT`s behind the last input must hold again (those in between belong to the straight run):
//!
//! - Rows of a table with a key and a version column arrive in any order, and some of them twice.
//! - Rows of a table with a key but no version, and of one whose conflicts are not simply overwritten, keep their order per table:
//!   there the order means something. So do those `AS RECEIVED` if any of them is bad, and those of bags if any is a delete.
//! - So do rows of a table whose history the case reads, itself or through views, each once: a history tells what arrived. (Its
//!   arrival numbers and ticks follow the interleaving: expect their order, not their values.)
//! - Rows of bags (a replaced view is one) arrive in any order, each once.
//! - Different tables interleave at random, and ticks are closed at random between any two rows: never, always or now and then.
//! - Nothing passes an `INSERT`, `UPDATE` or `DELETE`; the last `NOW` is set before the last tick.
//!
//! Connectors are left out: tables hold what the case gives. Only what a case's `EXPECT`s read is built.
//!
//! Not guaranteed: that all orders are tried; `--seed` repeats those of a run.

mod bind;
mod compare;
mod deal;
mod parse;
mod run;

pub use run::{Options, Report, run};

use crate::engine::{Diagnostic, Prepared, Script};

/// The clock where a case sets none: 2026-11-11 00:00:00 UTC.
const START_MS: u64 = 1_794_355_200_000;

/// Rounds of dealt input per case.
pub const ROUNDS: u64 = 4;

/// Reads test files, resolves what they name and decodes their rows, without running them: the number of cases, or all that is
/// wrong.
pub fn check(prepared: &Prepared, files: &[Script]) -> Result<usize, Vec<Diagnostic>> {
    bind::bind_all(prepared, files).map(|cases| cases.len())
}
