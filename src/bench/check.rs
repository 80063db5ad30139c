//! Every view against the batch engine: the same input in the same tables, the views put in where they are named.

use std::cmp::Ordering;
use std::collections::BTreeSet;
use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, RecordBatch};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, Float64Type, Int64Type};
use arrow::row::{RowConverter, SortField};

use super::BenchError;
use super::load::Load;
use crate::engine::{Engine, EngineConfig, Prepared};
use crate::ingest::simulator::truth;
use crate::model::{Clock, InputBatch, SqlError, SqlResult};

/// How far floating-point numbers may be apart, relative to the greater.
const FLOAT_TOLERANCE: f64 = 1e-9;

/// The number of views, all of which hold what they should; or the first that does not.
pub(super) async fn compare(engine: &Engine, prepared: &Prepared, load: &Load) -> Result<usize, BenchError> {
    let plain = prepared.plain()?;
    let clock = Clock::manual(0);
    let config = EngineConfig { idle_tick: None, clock: clock.clone(), ..EngineConfig::default() };
    let batch = Engine::start(config)?;
    batch.build(&plain, &plain.relations().into_iter().collect::<BTreeSet<_>>()).await?;
    for table in &load.tables {
        let id = batch.relation(&table.name)?;
        for rows in &table.batches {
            batch.send(InputBatch { table: id, ..rows.clone() })?;
        }
    }
    let mut views = 0;
    for name in prepared.relations() {
        let quoted = name.replace('"', "\"\"");
        let sql = format!("SELECT trueup_tick() AS trueup_tick, * FROM \"{quoted}\"");
        let found = engine.query(&sql).await?;
        // What now() says is the tick's: the batch engine answers for the same one.
        let tick = match found.num_rows() {
            0 => engine.published(),
            _ => cast(found.column(0), &DataType::UInt64)
                .map_err(internal)?
                .as_primitive::<arrow::datatypes::UInt64Type>()
                .value(0),
        };
        if tick > batch.published() {
            clock.set(tick);
            batch.tick().await?;
        }
        let expected = batch.query(&sql).await?;
        if let Some(difference) = difference(&without_tick(&found)?, &without_tick(&expected)?)? {
            return Err(BenchError::WrongAnswers(format!("{name}: {difference}")));
        }
        views += usize::from(prepared.columns(&name)?.table.is_none());
    }
    batch.stop().await;
    Ok(views)
}

fn internal(error: arrow::error::ArrowError) -> SqlError {
    SqlError::internal(error.to_string())
}

fn without_tick(rows: &RecordBatch) -> SqlResult<RecordBatch> {
    rows.project(&(1..rows.num_columns()).collect::<Vec<_>>()).map_err(internal)
}

/// Compares `order_state`, where it has the columns for it, with what the simulator knows; the number of orders.
pub(super) async fn compare_truth(
    engine: &Engine,
    prepared: &Prepared,
    load: &Load,
) -> Result<Option<usize>, BenchError> {
    let Some(world) = &load.world else { return Ok(None) };
    let known = |name: &str| prepared.columns("order_state").is_ok_and(|c| c.schema.index_of(name).is_ok());
    if !["order_id", "status", "paid", "net"].into_iter().all(known) {
        return Ok(None);
    }
    let truth = truth(world);
    let sql = "SELECT order_id, status, CAST(paid * 100 AS BIGINT), CAST(net * 100 AS BIGINT) FROM order_state";
    let rows = engine.query(sql).await?;
    let text = |column: usize| cast(rows.column(column), &DataType::Utf8).map_err(internal);
    let (ids, statuses) = (text(0)?, text(1)?);
    let (ids, statuses) = (ids.as_string::<i32>(), statuses.as_string::<i32>());
    let (paid, net) = (rows.column(2).as_primitive::<Int64Type>(), rows.column(3).as_primitive::<Int64Type>());
    for row in 0..rows.num_rows() {
        let found = (statuses.value(row), paid.value(row), net.value(row));
        let expected = truth.orders.get(ids.value(row)).map(|o| (o.status, o.paid_minor, o.net_minor));
        if expected != Some(found) {
            let text =
                format!("order_state has {found:?} for {}, the simulator's truth is {expected:?}", ids.value(row));
            return Err(BenchError::WrongAnswers(text));
        }
    }
    // A folder may have fewer channels than the world.
    let channels: BTreeSet<&str> = ids.iter().flatten().filter_map(|id| id.split(':').next()).collect();
    let expected = truth.orders.values().filter(|order| channels.contains(order.channel)).count();
    if rows.num_rows() != expected {
        let text = format!("order_state has {} orders, the simulator's truth {expected}", rows.num_rows());
        return Err(BenchError::WrongAnswers(text));
    }
    Ok(Some(expected))
}

/// A row: its exact columns encoded, and its floating-point ones.
type Row = (Vec<u8>, Vec<f64>);

fn difference(found: &RecordBatch, expected: &RecordBatch) -> SqlResult<Option<String>> {
    if found.num_rows() != expected.num_rows() {
        return Ok(Some(format!("{} rows, the batch engine has {}", found.num_rows(), expected.num_rows())));
    }
    let (found, expected) = (sorted(found)?, sorted(expected)?);
    let close =
        |a: f64, b: f64| a == b || a.is_nan() && b.is_nan() || (a - b).abs() <= FLOAT_TOLERANCE * a.abs().max(b.abs());
    let same = |(a, b): (&Row, &Row)| a.0 == b.0 && a.1.iter().zip(&b.1).all(|(a, b)| close(*a, *b));
    let differing = found.iter().zip(&expected).filter(|pair| !same(*pair)).count();
    Ok((differing > 0).then(|| format!("{differing} of {} rows differ", found.len())))
}

fn sorted(rows: &RecordBatch) -> SqlResult<Vec<Row>> {
    let (mut exact, mut floats): (Vec<ArrayRef>, Vec<ArrayRef>) = (vec![], vec![]);
    for column in rows.columns() {
        if column.data_type().is_floating() {
            let column = cast(column, &DataType::Float64).map_err(internal)?;
            // Whether there is a number at all is exact.
            exact.push(Arc::new(arrow::compute::is_null(&column).map_err(internal)?));
            floats.push(column);
        } else {
            exact.push(column.clone());
        }
    }
    let fields: Vec<Field> = exact.iter().map(|c| Field::new("", c.data_type().clone(), true)).collect();
    let converter = RowConverter::new(fields.iter().map(|f| SortField::new(f.data_type().clone())).collect());
    let encoded = converter.and_then(|c| c.convert_columns(&exact)).map_err(internal)?;
    let number = |column: &ArrayRef, at: usize| {
        let column = column.as_primitive::<Float64Type>();
        if arrow::array::Array::is_null(column, at) { 0.0 } else { column.value(at) }
    };
    let row = |at: usize| {
        let bytes = if exact.is_empty() { vec![] } else { encoded.row(at).as_ref().to_vec() };
        (bytes, floats.iter().map(|column| number(column, at)).collect())
    };
    let mut all: Vec<Row> = (0..rows.num_rows()).map(row).collect();
    let by_floats = |a: &Row, b: &Row| {
        let orders = a.1.iter().zip(&b.1).map(|(a, b)| a.total_cmp(b));
        orders.fold(Ordering::Equal, Ordering::then)
    };
    all.sort_by(|a, b| a.0.cmp(&b.0).then_with(|| by_floats(a, b)));
    Ok(all)
}

#[cfg(test)]
mod tests {
    use arrow::array::{Float64Array, Int64Array};

    use super::*;

    fn rows(ids: &[i64], numbers: &[Option<f64>]) -> RecordBatch {
        let ids: ArrayRef = Arc::new(Int64Array::from(ids.to_vec()));
        let numbers: ArrayRef = Arc::new(Float64Array::from(numbers.to_vec()));
        RecordBatch::try_from_iter_with_nullable([("id", ids, true), ("number", numbers, true)]).expect("a batch")
    }

    #[test]
    fn rows_are_compared_as_multisets_with_room_for_the_last_digits() {
        let expected = rows(&[1, 2, 2, 3], &[Some(0.1), Some(2.0), Some(1.0), None]);
        let same = rows(&[2, 3, 2, 1], &[Some(1.0), None, Some(2.0), Some(0.1 + 1e-12)]);
        assert_eq!(difference(&same, &expected).expect("comparable"), None);
        for (wrong, text) in [
            (rows(&[2, 3, 2, 1], &[Some(1.0), None, Some(2.0), Some(0.1 + 1e-6)]), "1 of 4 rows differ"),
            (rows(&[2, 3, 2, 1], &[Some(1.0), Some(0.0), Some(2.0), Some(0.1)]), "1 of 4 rows differ"),
            (rows(&[1, 2, 3, 4], &[Some(0.1), Some(1.0), None, Some(2.0)]), "2 of 4 rows differ"),
            (rows(&[1], &[Some(0.1)]), "1 rows, the batch engine has 4"),
        ] {
            assert_eq!(difference(&wrong, &expected).expect("comparable").as_deref(), Some(text));
        }
    }
}
