//! Columns to row bytes and back.
//!
//! A row is its columns' encodings in Arrow's row format, one after the other, the key's columns first. Where the key's
//! columns are not all of fixed width, the key's byte length (`u32`, little endian) stands before it, so that the key,
//! prefix included, is a slice found in constant time. Within one key rows sort by the other columns, as their
//! [`SortOptions`] say.
//!
//! Guarantees: equal values give equal bytes (floats: one NaN, no negative zero, at the top level of a column); decoding
//! gives back the declared types, dictionaries and views included. Not guaranteed: any meaningful order between keys,
//! nor that bytes stay the same from one Arrow release to the next.
//!
//! For codecs `L` (key, left columns) and `R` (key, right columns) of one key, the rows of `L.join(R)` are exactly
//! `left row ++ R.value(right row)`: joins concatenate bytes and decode nothing.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, ArrowPrimitiveType, AsArray, PrimitiveArray, downcast_primitive_array, new_null_array,
};
use arrow::buffer::NullBuffer;
use arrow::compute::{CastOptions, SortOptions, cast_with_options};
use arrow::datatypes::{DataType, Float16Type, Float32Type, Float64Type};
use arrow::error::ArrowError;
use arrow::row::{RowConverter, Rows, SortField};

use super::bytes::{hash_bytes, leading_word};
use super::fixed::FixedLayout;
use super::mixed::MixedLayout;
use super::rows::{RowBuf, offset};
use super::{Diff, SqlError, SqlResult};

/// Bytes of the key's length where it is stored.
const PREFIX: usize = 4;
/// Rows in a blank column; longer ones are made when needed.
const BLANK_ROWS: usize = 8192;

/// Encodes and decodes the rows of one layout. Cheap to clone; shared between threads.
#[derive(Clone, Debug)]
pub struct RowCodec {
    layout: Arc<Layout>,
}

#[derive(Debug)]
struct Layout {
    columns: Vec<(DataType, SortOptions)>,
    key_columns: usize,
    /// Byte width of every key; `None`: it varies and rows carry a prefix.
    key_width: Option<usize>,
    word: OrderWord,
    keys: RowConverter,
    values: RowConverter,
    whole: RowConverter,
    /// Where every column has a known place, rows are written and read without the converters.
    fixed: Option<FixedLayout>,
    fixed_keys: Option<FixedLayout>,
    /// Where every column is of fixed width or text, rows are read a column at a time.
    mixed: Option<MixedLayout>,
    /// Columns of NULLs, to stand for columns nobody asked for.
    blank: Vec<ArrayRef>,
    null_value: Vec<u8>,
}

/// How the order word is made from a key's bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum OrderWord {
    /// No key: all rows are one group.
    Zero,
    /// The value's own order-preserving bytes, this many, left-aligned; NULL: 0.
    Value(usize),
    /// A hash of the key's bytes.
    Hash,
}

impl RowCodec {
    /// A codec for rows of these columns, of which the first `key_columns` are the key.
    ///
    /// Errors: a column's type cannot be stored (`0A000`, naming it).
    pub fn new(columns: &[(DataType, SortOptions)], key_columns: usize) -> SqlResult<RowCodec> {
        assert!(key_columns <= columns.len(), "a key of {key_columns} of {} columns", columns.len());
        let (key, value) = columns.split_at(key_columns);
        let key_width = key.iter().map(|(data_type, _)| fixed_width(data_type)).sum();
        let values = converter(value)?;
        let nulls: Vec<ArrayRef> = value.iter().map(|(data_type, _)| new_null_array(data_type, 1)).collect();
        let null_value = match value {
            [] => Vec::new(),
            _ => values.convert_columns(&nulls).map_err(internal)?.row(0).data().to_vec(),
        };
        let layout = Layout {
            columns: columns.to_vec(),
            key_columns,
            key_width,
            word: order_word(key),
            keys: converter(key)?,
            values,
            whole: converter(columns)?,
            fixed: FixedLayout::new(columns),
            fixed_keys: FixedLayout::new(key),
            mixed: MixedLayout::new(columns),
            blank: columns.iter().map(|(data_type, _)| new_null_array(data_type, BLANK_ROWS)).collect(),
            null_value,
        };
        Ok(RowCodec { layout: Arc::new(layout) })
    }

    /// The codec of rows made by appending `right`'s values to rows of `self`. Both keys must be of the same columns.
    pub fn join(&self, right: &RowCodec) -> SqlResult<RowCodec> {
        let (left, right) = (&self.layout, &right.layout);
        assert_eq!(left.key_columns, right.key_columns, "joined rows have one key");
        assert_eq!(left.columns[..left.key_columns], right.columns[..right.key_columns], "joined rows have one key");
        RowCodec::new(&[&left.columns[..], &right.columns[right.key_columns..]].concat(), left.key_columns)
    }

    /// The columns' types and sort options.
    pub fn columns(&self) -> &[(DataType, SortOptions)] {
        &self.layout.columns
    }

    /// How many of the first columns are the key.
    pub fn key_columns(&self) -> usize {
        self.layout.key_columns
    }

    /// The byte length of every key; none if it varies.
    pub fn key_width(&self) -> Option<usize> {
        self.layout.key_width
    }

    /// The key's bytes, length prefix included: the identity of the row's group. Also takes the key's bytes alone.
    #[inline]
    pub fn key<'a>(&self, row: &'a [u8]) -> &'a [u8] {
        &row[..self.key_end(row)]
    }

    /// What follows the key.
    #[inline]
    pub fn value<'a>(&self, row: &'a [u8]) -> &'a [u8] {
        &row[self.key_end(row)..]
    }

    /// The order word of a key's bytes, as [`Self::key`] gives them.
    #[inline]
    pub fn word(&self, key: &[u8]) -> u64 {
        match self.layout.word {
            OrderWord::Zero => 0,
            OrderWord::Value(width) => leading_word(key, width),
            OrderWord::Hash => hash_bytes(key),
        }
    }

    /// The value bytes of a row whose columns outside the key are all NULL.
    pub fn null_value(&self) -> Vec<u8> {
        self.layout.null_value.clone()
    }

    /// Appends the rows of `columns`, one count each, to `out`.
    ///
    /// Errors: columns that are not of the codec's types, or not of one length (`XX000`).
    pub fn encode(&self, columns: &[ArrayRef], diffs: &[Diff], out: &mut RowBuf) -> SqlResult<()> {
        let layout = &*self.layout;
        check_shape(columns, layout.columns.len(), diffs.len())?;
        let normal;
        let columns = if layout.columns.iter().any(|(data_type, _)| data_type.is_floating()) {
            normal = columns.iter().map(normalise).collect::<Vec<_>>();
            &normal
        } else {
            columns
        };
        if let Some(fixed) = layout.fixed.as_ref().filter(|_| self.has_types(columns)) {
            self.append_fixed(fixed, columns, diffs, out);
            Ok(())
        } else if layout.key_width.is_some() {
            let rows = layout.whole.convert_columns(columns).map_err(internal)?;
            self.append_bulk(rows, diffs, out)
        } else {
            let (key, value) = columns.split_at(layout.key_columns);
            let keys = layout.keys.convert_columns(key).map_err(internal)?;
            let values = layout.values.convert_columns(value).map_err(internal)?;
            for (index, diff) in diffs.iter().enumerate() {
                let value = if value.is_empty() { &[][..] } else { values.row(index).data() };
                let word = push_prefixed(keys.row(index).data(), out);
                out.bytes.extend_from_slice(value);
                out.seal(word, *diff);
            }
            Ok(())
        }
    }

    /// Appends the keys of `columns` (the key columns only), `rows` of them, with count 1 each, to `out`: for look-ups.
    pub fn encode_keys(&self, columns: &[ArrayRef], rows: usize, out: &mut RowBuf) -> SqlResult<()> {
        let layout = &*self.layout;
        check_shape(columns, layout.key_columns, rows)?;
        let columns: Vec<ArrayRef> = columns.iter().map(normalise).collect();
        if let Some(fixed) = layout.fixed_keys.as_ref().filter(|_| self.has_types(&columns)) {
            self.append_fixed(fixed, &columns, &vec![1; rows], out);
            return Ok(());
        }
        let keys = layout.keys.convert_columns(&columns).map_err(internal)?;
        let diffs = vec![1; rows];
        if layout.key_width.is_some() {
            return self.append_bulk(keys, &diffs, out);
        }
        for key in &keys {
            let word = push_prefixed(key.data(), out);
            out.seal(word, 1);
        }
        Ok(())
    }

    /// All columns of `rows`; no arrays where the codec has no columns.
    ///
    /// The rows must be of this layout: bytes of another panic or decode to nonsense.
    pub fn decode<'a, I>(&self, rows: I) -> SqlResult<Vec<ArrayRef>>
    where
        I: IntoIterator<Item = &'a [u8], IntoIter: Clone>,
    {
        self.decode_wanted(rows, |_| true)
    }

    /// [`Self::decode`] for a reader that looks at the `wanted` columns only: the others may be NULL throughout.
    pub fn decode_wanted<'a, I>(&self, rows: I, wanted: impl Fn(usize) -> bool) -> SqlResult<Vec<ArrayRef>>
    where
        I: IntoIterator<Item = &'a [u8], IntoIter: Clone>,
    {
        let layout = &*self.layout;
        let rows = rows.into_iter();
        let skip = if layout.key_width.is_some() { 0 } else { PREFIX };
        let blank = |column: usize, count: usize| match count <= BLANK_ROWS {
            true => layout.blank[column].slice(0, count),
            false => new_null_array(&layout.columns[column].0, count),
        };
        let columns = 0..layout.columns.len();
        if let Some(fixed) = &layout.fixed {
            let count = rows.clone().count();
            let column = |column: usize| match wanted(column) {
                true => fixed.decode(column, rows.clone(), count),
                false => blank(column, count),
            };
            Ok(columns.map(column).collect())
        } else if let Some(mixed) = &layout.mixed {
            let count = rows.clone().count();
            let arrays = mixed.decode(rows.map(|row| &row[skip..]), wanted).map_err(internal)?;
            Ok(arrays.into_iter().zip(columns).map(|(array, at)| array.unwrap_or_else(|| blank(at, count))).collect())
        } else {
            decode_with(&layout.whole, &layout.columns, rows.map(|row| &row[skip..]))
        }
    }

    /// The key columns of `rows`, which may be whole rows or keys alone.
    pub fn decode_keys<'a, I>(&self, rows: I) -> SqlResult<Vec<ArrayRef>>
    where
        I: IntoIterator<Item = &'a [u8], IntoIter: Clone>,
    {
        let layout = &*self.layout;
        let rows = rows.into_iter();
        if let Some(fixed) = &layout.fixed_keys {
            let count = rows.clone().count();
            return Ok((0..layout.key_columns).map(|column| fixed.decode(column, rows.clone(), count)).collect());
        }
        let skip = if layout.key_width.is_some() { 0 } else { PREFIX };
        let keys = rows.map(|row| &self.key(row)[skip..]);
        decode_with(&layout.keys, &layout.columns[..layout.key_columns], keys)
    }

    #[inline]
    fn key_end(&self, row: &[u8]) -> usize {
        match self.layout.key_width {
            Some(width) => width,
            None => {
                let prefix = row.first_chunk::<PREFIX>().expect("a row begins with its key's length");
                PREFIX + u32::from_le_bytes(*prefix) as usize
            }
        }
    }

    /// Appends rows that need no prefix: one copy of all bytes.
    fn append_bulk(&self, rows: Rows, diffs: &[Diff], out: &mut RowBuf) -> SqlResult<()> {
        if rows.num_rows() != diffs.len() {
            // No columns: Arrow cannot count the rows.
            diffs.iter().for_each(|diff| out.push(0, &[], *diff));
            return Ok(());
        }
        let base = out.bytes.len();
        let added = rows.lengths().sum::<usize>();
        assert!(u32::try_from(base + added).is_ok(), "a buffer of rows holds at most 4 GiB");
        if let Ok(binary) = rows.try_into_binary() {
            out.bytes.extend_from_slice(binary.value_data());
            out.ends.extend(binary.value_offsets()[1..].iter().map(|end| base as u32 + *end as u32));
        } else {
            return Err(SqlError::new(
                super::error::code::PROGRAM_LIMIT_EXCEEDED,
                "a batch of rows is larger than 2 GiB",
            ));
        }
        self.seal_bulk(base, diffs, out);
        Ok(())
    }

    fn append_fixed(&self, fixed: &FixedLayout, columns: &[ArrayRef], diffs: &[Diff], out: &mut RowBuf) {
        let base = out.bytes.len();
        fixed.encode(columns, &mut out.bytes);
        let end = offset(out.bytes.len());
        out.ends.extend((base as u32 + fixed.width() as u32..=end).step_by(fixed.width()));
        self.seal_bulk(base, diffs, out);
    }

    /// Words and counts of rows without a prefix, whose bytes were appended from `base` on.
    fn seal_bulk(&self, base: usize, diffs: &[Diff], out: &mut RowBuf) {
        let first = out.words.len();
        match self.layout.word {
            OrderWord::Zero => out.words.resize(first + diffs.len(), 0),
            _ => {
                let width = self.layout.key_width.unwrap_or_default();
                let mut start = base;
                out.words.reserve(diffs.len());
                for end in &out.ends[first..] {
                    out.words.push(self.word(&out.bytes[start..start + width]));
                    start = *end as usize;
                }
            }
        }
        out.diffs.extend_from_slice(diffs);
    }

    /// Whether columns are of the codec's own types.
    fn has_types(&self, columns: &[ArrayRef]) -> bool {
        self.layout.columns.iter().zip(columns).all(|((data_type, _), column)| column.data_type() == data_type)
    }
}

/// Appends a key's length and bytes; its order word.
#[inline]
fn push_prefixed(key: &[u8], out: &mut RowBuf) -> u64 {
    let start = out.bytes.len();
    let length = u32::try_from(key.len()).expect("a key is shorter than 4 GiB");
    out.bytes.extend_from_slice(&length.to_le_bytes());
    out.bytes.extend_from_slice(key);
    hash_bytes(&out.bytes[start..])
}

fn order_word(key: &[(DataType, SortOptions)]) -> OrderWord {
    match key {
        [] => OrderWord::Zero,
        [(data_type, options)] if !options.descending => match data_type.primitive_width() {
            Some(width) if width <= 8 => OrderWord::Value(width),
            _ if *data_type == DataType::Boolean => OrderWord::Value(1),
            _ => OrderWord::Hash,
        },
        _ => OrderWord::Hash,
    }
}

/// The encoded width of a column whose every value, NULL too, takes the same number of bytes.
fn fixed_width(data_type: &DataType) -> Option<usize> {
    match data_type {
        DataType::Null | DataType::Boolean => Some(2),
        DataType::FixedSizeBinary(width) => usize::try_from(*width).ok().map(|width| 1 + width),
        DataType::Struct(fields) => {
            fields.iter().map(|field| fixed_width(field.data_type())).sum::<Option<usize>>().map(|width| 1 + width)
        }
        DataType::Dictionary(_, values) => fixed_width(values),
        _ => data_type.primitive_width().map(|width| 1 + width),
    }
}

fn converter(columns: &[(DataType, SortOptions)]) -> SqlResult<RowConverter> {
    let field = |(data_type, options): &(DataType, SortOptions)| {
        let field = SortField::new_with_options(data_type.clone(), *options);
        match RowConverter::supports_fields(std::slice::from_ref(&field)) {
            true => Ok(field),
            false => Err(SqlError::unsupported(format!("columns of type {data_type} cannot be stored"))),
        }
    };
    let fields = columns.iter().map(field).collect::<SqlResult<Vec<_>>>()?;
    RowConverter::new(fields).map_err(|error| SqlError::unsupported(error.to_string()))
}

fn check_shape(columns: &[ArrayRef], expected: usize, rows: usize) -> SqlResult<()> {
    if columns.len() != expected || columns.iter().any(|column| column.len() != rows) {
        let lengths: Vec<usize> = columns.iter().map(|column| column.len()).collect();
        return Err(SqlError::internal(format!("{expected} columns of {rows} rows expected, got {lengths:?}")));
    }
    Ok(())
}

fn decode_with<'a>(
    converter: &RowConverter,
    columns: &[(DataType, SortOptions)],
    rows: impl Iterator<Item = &'a [u8]>,
) -> SqlResult<Vec<ArrayRef>> {
    let parser = converter.parser();
    let arrays = converter.convert_rows(rows.map(|row| parser.parse(row))).map_err(internal)?;
    let restore = |(array, (data_type, _)): (ArrayRef, &(DataType, SortOptions))| {
        let array = cleared(array);
        if array.data_type() == data_type {
            return Ok(array);
        }
        // Arrow's row format gives dictionaries back as their values.
        cast_with_options(&array, data_type, &CastOptions { safe: false, ..Default::default() }).map_err(internal)
    };
    arrays.into_iter().zip(columns).map(restore).collect()
}

/// Zero in the slots of NULLs, where decoding leaves the smallest value: kernels compute on those slots too, and may overflow.
fn cleared(array: ArrayRef) -> ArrayRef {
    fn clear<T: ArrowPrimitiveType>(array: &PrimitiveArray<T>, nulls: &NullBuffer) -> ArrayRef {
        let mut values = array.values().to_vec();
        for (value, valid) in values.iter_mut().zip(nulls) {
            if !valid {
                *value = T::Native::default();
            }
        }
        let nulls = Some(nulls.clone());
        Arc::new(PrimitiveArray::<T>::new(values.into(), nulls).with_data_type(array.data_type().clone()))
    }
    let Some(nulls) = array.nulls().filter(|nulls| nulls.null_count() > 0) else { return array };
    let primitive = array.as_ref();
    downcast_primitive_array! {
        primitive => clear(primitive, nulls),
        _ => Arc::clone(&array),
    }
}

/// One NaN and no negative zero; other columns as they are.
fn normalise(column: &ArrayRef) -> ArrayRef {
    macro_rules! normal {
        ($type:ty, $nan:expr) => {{
            let array = column.as_primitive::<$type>();
            let zero = <$type as arrow::datatypes::ArrowPrimitiveType>::Native::default();
            let odd = |value: &<$type as arrow::datatypes::ArrowPrimitiveType>::Native| {
                value.is_nan() || (*value == zero && value.is_sign_negative())
            };
            if array.values().iter().any(odd) {
                Arc::new(array.unary::<_, $type>(|value| match odd(&value) {
                    true if value.is_nan() => $nan,
                    true => zero,
                    false => value,
                }))
            } else {
                Arc::clone(column)
            }
        }};
    }
    type Half = <Float16Type as arrow::datatypes::ArrowPrimitiveType>::Native;
    match column.data_type() {
        DataType::Float16 => normal!(Float16Type, Half::from_bits(0x7E00)),
        DataType::Float32 => normal!(Float32Type, f32::from_bits(0x7FC0_0000)),
        DataType::Float64 => normal!(Float64Type, f64::from_bits(0x7FF8_0000_0000_0000)),
        _ => Arc::clone(column),
    }
}

fn internal(error: ArrowError) -> SqlError {
    SqlError::internal(format!("row encoding: {error}"))
}

#[cfg(test)]
#[path = "codec_tests.rs"]
mod tests;
