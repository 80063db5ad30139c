//! Row bytes back into columns, a block of rows at a time.

use std::sync::Arc;

use arrow::array::{AsArray, BooleanArray, RecordBatch};
use arrow::compute::{FilterBuilder, or};
use arrow::datatypes::SchemaRef;
use datafusion::error::Result;
use datafusion::physical_expr::utils::collect_columns;

use super::map::{guarded, true_mask};
use super::wanted::Conditions;
use super::{batch, fail};
use crate::dataflow::operator::Out;
use crate::model::codec::RowCodec;
use crate::model::{Changes, Diff, RowBuf, SqlError, SqlResult};

/// Rows between encodings: the size containers aim at.
pub(crate) const BLOCK_ROWS: usize = 8192;

/// Rows in a codec's order as columns in the row's own order.
pub(crate) struct BlockDecoder {
    codec: RowCodec,
    /// Where each column of the schema is in the codec's order.
    positions: Vec<usize>,
    schema: SchemaRef,
    /// By the codec's order: whether anybody reads the column.
    wanted: Vec<bool>,
}

impl BlockDecoder {
    /// `wanted` is by the schema's order.
    pub(crate) fn new(codec: RowCodec, positions: Vec<usize>, schema: &SchemaRef, wanted: &[bool]) -> Self {
        let mut by_codec = vec![false; codec.columns().len()];
        positions.iter().zip(wanted.iter()).for_each(|(position, wanted)| by_codec[*position] |= wanted);
        BlockDecoder { codec, positions, schema: Arc::clone(schema), wanted: by_codec }
    }

    /// All columns of rows whose columns lie in the schema's order.
    pub(crate) fn whole(codec: RowCodec, schema: &SchemaRef) -> Self {
        let columns = codec.columns().len();
        BlockDecoder::new(codec, (0..columns).collect(), schema, &vec![true; columns])
    }

    /// Columns that are wanted, all others NULL.
    pub(crate) fn decode<'a>(
        &self,
        rows: impl ExactSizeIterator<Item = &'a [u8]> + Clone,
        diffs: Vec<i64>,
    ) -> SqlResult<Changes> {
        let count = rows.len();
        let columns = self.codec.decode_wanted(rows, |column| self.wanted[column])?;
        let columns = self.positions.iter().map(|p| Arc::clone(&columns[*p])).collect();
        Ok(Changes { batch: batch(&self.schema, columns, count)?, diffs })
    }
}

/// Rows before it is told whether conditions leave out enough to be worth their while.
const TRIAL_ROWS: usize = 1 << 13;

/// Decodes the rows that meet one of several conditions: first the columns these read, then the others, of the rows that are left. Where
/// most rows are left, all are decoded at once and handed on.
pub(crate) struct Sieve {
    whole: BlockDecoder,
    conditions: Conditions,
    tested: BlockDecoder,
    others: BlockDecoder,
    /// By the schema's order: whether a condition reads the column.
    is_tested: Vec<bool>,
    seen: usize,
    kept: usize,
}

impl Sieve {
    /// `wanted` is by the schema's order.
    pub(crate) fn new(
        codec: RowCodec,
        positions: Vec<usize>,
        schema: &SchemaRef,
        wanted: &[bool],
        conditions: Conditions,
    ) -> Self {
        let mut is_tested = vec![false; wanted.len()];
        conditions.iter().flat_map(collect_columns).for_each(|column| is_tested[column.index()] = true);
        let others: Vec<bool> = wanted.iter().zip(&is_tested).map(|(wanted, tested)| *wanted && !tested).collect();
        let decoder = |wanted: &[bool]| BlockDecoder::new(codec.clone(), positions.clone(), schema, wanted);
        Sieve {
            whole: decoder(wanted),
            tested: decoder(&is_tested),
            others: decoder(&others),
            conditions,
            is_tested,
            seen: 0,
            kept: 0,
        }
    }

    /// Wanted columns of the rows that are left, all others NULL.
    pub(crate) fn decode<'a>(
        &mut self,
        rows: impl ExactSizeIterator<Item = &'a [u8]> + Clone,
        diffs: Vec<Diff>,
    ) -> SqlResult<Changes> {
        let passes_most = self.seen >= TRIAL_ROWS && self.kept * 2 > self.seen;
        if self.conditions.is_empty() || passes_most {
            return self.whole.decode(rows, diffs);
        }
        let tested = self.tested.decode(rows.clone(), vec![])?.batch;
        // What cannot be told is left for its readers, who know what to do with an error.
        let Ok(left) = guarded(|| any(&self.conditions, &tested)) else { return self.whole.decode(rows, diffs) };
        self.seen += left.len();
        self.kept += left.true_count();
        let rows: Vec<&[u8]> = rows.zip(left.values()).filter_map(|(row, left)| left.then_some(row)).collect();
        let diffs: Vec<Diff> = diffs.into_iter().zip(left.values()).filter_map(|(d, left)| left.then_some(d)).collect();
        let others = self.others.decode(rows.into_iter(), vec![])?.batch;
        let filter = FilterBuilder::new(&left).optimize().build();
        let columns = self.is_tested.iter().enumerate().map(|(at, is_tested)| match is_tested {
            true => filter.filter(tested.column(at)).map_err(|e| SqlError::internal(e.to_string())),
            false => Ok(Arc::clone(others.column(at))),
        });
        let columns = columns.collect::<SqlResult<Vec<_>>>()?;
        Ok(Changes { batch: batch(&self.whole.schema, columns, diffs.len())?, diffs })
    }
}

/// The rows that meet a condition.
fn any(conditions: &Conditions, rows: &RecordBatch) -> Result<BooleanArray> {
    let mut any = BooleanArray::from(vec![false; rows.num_rows()]);
    for condition in conditions {
        let met = condition.evaluate(rows)?.into_array(rows.num_rows())?;
        any = or(&any, &true_mask(met.as_boolean()))?;
    }
    Ok(any)
}

/// Assembles rows in a codec's bytes and hands them on decoded, in blocks.
pub(crate) struct BlockWriter {
    decoder: BlockDecoder,
    rows: RowBuf,
}

impl BlockWriter {
    pub(crate) fn new(decoder: BlockDecoder) -> Self {
        BlockWriter { decoder, rows: RowBuf::default() }
    }

    /// Adds a row whose bytes `write` appends.
    #[inline]
    pub(crate) fn push(&mut self, diff: Diff, out: &mut Out, write: impl FnOnce(&mut Vec<u8>)) {
        write(&mut self.rows.bytes);
        self.rows.seal(0, diff);
        if self.rows.len() >= BLOCK_ROWS {
            self.flush(out);
        }
    }

    /// Hands on what has been written.
    pub(crate) fn flush(&mut self, out: &mut Out) {
        if self.rows.is_empty() {
            return;
        }
        let rows = &self.rows;
        let bytes = (0..rows.len()).map(|at| rows.row(at));
        out.rows.push(self.decoder.decode(bytes, rows.diffs.clone()).unwrap_or_else(fail));
        self.rows.clear();
    }
}
