//! Cursors: results that are read a few rows at a time by name.
//!
//! FETCH from a subscription waits until there is at least one row (or `WITH (timeout = …)` is over) and then gives what is
//! there, up to its count; from a query it gives its count, as PostgreSQL does.

use std::collections::HashMap;
use std::time::Duration;

use crate::model::{SqlError, SqlResult};
use crate::serve::pg::rows::Rows;

/// Open cursors of one session; a session can be made to hold at most this many.
const CURSORS_MAX: usize = 1_000;

/// Open cursors by name.
#[derive(Default)]
pub(super) struct Cursors {
    open: HashMap<String, Cursor>,
}

struct Cursor {
    rows: Rows,
    is_held: bool,
}

impl Cursors {
    pub(super) fn get(&self, name: &str) -> SqlResult<&Rows> {
        self.open.get(name).map(|cursor| &cursor.rows).ok_or_else(|| unknown(name))
    }

    /// Refuses a name that is taken.
    pub(super) fn check_free(&self, name: &str) -> SqlResult<()> {
        if self.open.contains_key(name) {
            return Err(SqlError::new("42P03", format!("cursor \"{name}\" already exists")));
        }
        if self.open.len() >= CURSORS_MAX {
            return Err(SqlError::new("53400", format!("a session can have {CURSORS_MAX} open cursors")));
        }
        Ok(())
    }

    pub(super) fn declare(&mut self, name: &str, rows: Rows, is_held: bool) -> SqlResult<()> {
        self.check_free(name)?;
        self.open.insert(name.to_owned(), Cursor { rows, is_held });
        Ok(())
    }

    /// The next rows; `None` as count: all that are left.
    pub(super) async fn fetch(&mut self, name: &str, count: Option<u64>, timeout_ms: Option<u64>) -> SqlResult<Rows> {
        let rows = &mut self.open.get_mut(name).ok_or_else(|| unknown(name))?.rows;
        let schema = rows.schema.clone();
        if count.is_none() && !rows.is_live {
            // All the rest: handed over, not gathered.
            return Ok(std::mem::replace(rows, Rows::ready(schema, Vec::new())));
        }
        let wanted = count.map_or(usize::MAX, |count| usize::try_from(count).unwrap_or(usize::MAX));
        let mut batches = Vec::new();
        let mut missing = wanted;
        while missing > 0 {
            let next = if batches.is_empty() || !rows.is_live {
                match timeout_ms {
                    Some(timeout_ms) if rows.is_live => {
                        let timeout = Duration::from_millis(timeout_ms);
                        tokio::time::timeout(timeout, rows.next(missing)).await.unwrap_or(Ok(None))?
                    }
                    _ => rows.next(missing).await?,
                }
            } else {
                rows.next_now(missing)?
            };
            let Some(batch) = next else { break };
            missing -= batch.num_rows();
            batches.push(batch);
        }
        Ok(Rows::ready(schema, batches))
    }

    /// Closes one cursor, or all.
    pub(super) fn close(&mut self, name: Option<&str>) -> SqlResult<()> {
        match name {
            Some(name) => self.open.remove(name).map(drop).ok_or_else(|| unknown(name)),
            None => {
                self.open.clear();
                Ok(())
            }
        }
    }

    /// What is not held goes.
    pub(super) fn end_transaction(&mut self) {
        self.open.retain(|_, cursor| cursor.is_held);
    }
}

fn unknown(name: &str) -> SqlError {
    SqlError::new("34000", format!("cursor \"{name}\" does not exist"))
}
