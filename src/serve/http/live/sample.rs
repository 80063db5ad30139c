//! System relations, which have no feed: looked at now and then, and compared with what they were.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use datafusion::common::TableReference;

use super::encode::{SnapshotPart, head};
use crate::engine::{Answer, Database};
use crate::model::SqlResult;
use crate::plan::error::from_datafusion;
use crate::views::json::RowWriter;

/// Rows of a system relation looked at.
const SAMPLE_ROWS_MAX: usize = 10_000;

/// A system relation as it was last seen.
pub(super) struct Sampled {
    schema: SchemaRef,
    rows: BTreeMap<Vec<u8>, i64>,
}

impl Sampled {
    /// What has changed since `before`, as the items of a list; empty when nothing has.
    pub(super) fn changes_since(&self, before: &Sampled) -> Vec<u8> {
        let mut out = vec![];
        let gone =
            before.rows.iter().filter(|(row, _)| !self.rows.contains_key(*row)).map(|(row, count)| (row, -count));
        let now = self.rows.iter().map(|(row, count)| (row, count - before.rows.get(row).unwrap_or(&0)));
        for (row, diff) in gone.chain(now).filter(|(_, diff)| *diff != 0) {
            if !out.is_empty() {
                out.push(b',');
            }
            out.extend_from_slice(format!("{{\"diff\":{diff},\"row\":").as_bytes());
            out.extend_from_slice(row);
            out.push(b'}');
        }
        out
    }

    /// All rows, for a snapshot.
    pub(super) fn part(&self) -> SnapshotPart {
        let mut rows = vec![b'['];
        for (row, count) in &self.rows {
            for _ in 0..*count {
                if rows.len() > 1 {
                    rows.push(b',');
                }
                rows.extend_from_slice(row);
            }
        }
        rows.push(b']');
        SnapshotPart { rows, ..head(&self.schema, &[]) }
    }
}

/// Looks at a system relation (`name` without its schema).
pub(super) async fn sample(database: &Arc<dyn Database>, name: &str) -> SqlResult<Sampled> {
    use futures::StreamExt;
    let table = TableReference::full("trueup", "trueup", name);
    let refused = |e| from_datafusion(e, "");
    let frame = database.context().table(table).await.map_err(refused)?;
    let frame = frame.limit(0, Some(SAMPLE_ROWS_MAX)).map_err(refused)?;
    let Answer { schema, mut stream, .. } = database.read(frame.into_unoptimized_plan()).await?;
    let writer = RowWriter::new(&schema);
    let mut rows = BTreeMap::new();
    while let Some(batch) = stream.next().await {
        let batch = batch.map_err(refused)?;
        for at in 0..batch.num_rows() {
            let mut row = vec![];
            writer.object(&mut row, &batch, at)?;
            *rows.entry(row).or_insert(0) += 1;
        }
    }
    Ok(Sampled { schema, rows })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_differ_by_what_came_and_went() {
        let sampled = |rows: &[(&str, i64)]| Sampled {
            schema: Arc::new(arrow::datatypes::Schema::empty()),
            rows: rows.iter().map(|(row, count)| (row.as_bytes().to_vec(), *count)).collect(),
        };
        let (before, after) = (sampled(&[("1", 1), ("2", 2), ("3", 1)]), sampled(&[("2", 1), ("3", 1), ("4", 1)]));
        let changes = String::from_utf8(after.changes_since(&before)).unwrap();
        assert_eq!(changes, r#"{"diff":-1,"row":1},{"diff":-1,"row":2},{"diff":1,"row":4}"#);
        assert!(after.changes_since(&after).is_empty());
    }
}
