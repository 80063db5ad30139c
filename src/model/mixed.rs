//! Rows with text among their columns, read a column at a time.
//!
//! Arrow's converter decodes all of a row; most readers want a few columns of a wide one. The rows are Arrow's: a column of fixed width
//! is as in [`super::fixed`], text is a byte that says NULL, empty or not, then blocks (four of 8 bytes, the rest of 32), each
//! followed by 0xFF if another comes, else by how many of its bytes count. Ascending text only.

use std::sync::Arc;

use arrow::array::{ArrayRef, BinaryArray, StringArray};
use arrow::buffer::{Buffer, NullBuffer, OffsetBuffer, ScalarBuffer};
use arrow::compute::SortOptions;
use arrow::datatypes::DataType;
use arrow::error::ArrowError;

use super::fixed::FixedLayout;

const EMPTY: u8 = 1;
const NOT_EMPTY: u8 = 2;
const CONTINUED: u8 = 0xFF;
const SMALL_BLOCKS: usize = 4;
const SMALL_BLOCK: usize = 8;
const BLOCK: usize = 32;

/// The layout of rows whose columns are each of fixed width or text.
#[derive(Clone, Debug)]
pub(super) struct MixedLayout {
    columns: Vec<Column>,
}

#[derive(Clone, Debug)]
enum Column {
    Fixed(FixedLayout),
    Text,
    Binary,
}

impl MixedLayout {
    /// The layout of these columns, if each is of a kind known here.
    pub fn new(columns: &[(DataType, SortOptions)]) -> Option<MixedLayout> {
        let column = |column: &(DataType, SortOptions)| match column {
            (DataType::Utf8, options) if !options.descending => Some(Column::Text),
            (DataType::Binary, options) if !options.descending => Some(Column::Binary),
            _ => FixedLayout::new(std::slice::from_ref(column)).map(Column::Fixed),
        };
        Some(MixedLayout { columns: columns.iter().map(column).collect::<Option<_>>()? })
    }

    /// The `wanted` columns of rows; `None` for the others.
    pub fn decode<'a>(
        &self,
        rows: impl Iterator<Item = &'a [u8]>,
        wanted: impl Fn(usize) -> bool,
    ) -> Result<Vec<Option<ArrayRef>>, ArrowError> {
        let mut rests: Vec<&[u8]> = rows.collect();
        let end = (0..self.columns.len()).rev().find(|column| wanted(*column)).map_or(0, |last| last + 1);
        let mut arrays = vec![None; self.columns.len()];
        // Bytes of fixed width that nobody has passed over yet.
        let mut ahead = 0;
        for (at, column) in self.columns[..end].iter().enumerate() {
            match column {
                Column::Fixed(layout) => {
                    if wanted(at) {
                        arrays[at] = Some(layout.decode(0, rests.iter().map(|rest| &rest[ahead..]), rests.len()));
                    }
                    ahead += layout.width();
                }
                Column::Text | Column::Binary => {
                    let skipped = std::mem::take(&mut ahead);
                    if !wanted(at) {
                        for rest in &mut rests {
                            *rest = &rest[skipped..];
                            take(rest, |_| ());
                        }
                        continue;
                    }
                    let (offsets, bytes, nulls) = values(&mut rests, skipped);
                    arrays[at] = Some(match column {
                        Column::Text => Arc::new(StringArray::try_new(offsets, bytes, nulls)?) as ArrayRef,
                        _ => Arc::new(BinaryArray::try_new(offsets, bytes, nulls)?),
                    });
                }
            }
        }
        Ok(arrays)
    }
}

/// The values that stand `skipped` bytes into the rows, which then go on behind them.
fn values(rests: &mut [&[u8]], skipped: usize) -> (OffsetBuffer<i32>, Buffer, Option<NullBuffer>) {
    let mut bytes: Vec<u8> = Vec::with_capacity(rests.len() * SMALL_BLOCK);
    let mut ends: Vec<i32> = Vec::with_capacity(rests.len() + 1);
    let mut valid: Vec<bool> = Vec::with_capacity(rests.len());
    ends.push(0);
    for rest in rests {
        *rest = &rest[skipped..];
        valid.push(take(rest, |block| bytes.extend_from_slice(block)));
        ends.push(i32::try_from(bytes.len()).expect("a block of rows holds less than 2 GiB of text"));
    }
    let nulls = Some(NullBuffer::from(valid)).filter(|nulls| nulls.null_count() > 0);
    (OffsetBuffer::new(ScalarBuffer::from(ends)), Buffer::from_vec(bytes), nulls)
}

/// Calls `block` with the parts of the text that `row` begins with, and moves on behind it; false for NULL.
#[inline(always)]
fn take(row: &mut &[u8], mut block: impl FnMut(&[u8])) -> bool {
    let first = row[0];
    let mut rest = &row[1..];
    if first == NOT_EMPTY {
        for size in std::iter::repeat_n(SMALL_BLOCK, SMALL_BLOCKS).chain(std::iter::repeat(BLOCK)) {
            let (part, behind) = rest.split_at(size + 1);
            rest = behind;
            if part[size] == CONTINUED {
                block(&part[..size]);
            } else {
                block(&part[..usize::from(part[size])]);
                break;
            }
        }
    }
    *row = rest;
    first == NOT_EMPTY || first == EMPTY
}
