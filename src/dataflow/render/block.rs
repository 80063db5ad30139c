//! Row bytes back into columns, a block of rows at a time.

use std::sync::Arc;

use arrow::datatypes::SchemaRef;

use super::{batch, fail};
use crate::dataflow::operator::Out;
use crate::model::codec::RowCodec;
use crate::model::{Changes, Diff, RowBuf, SqlResult};

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
