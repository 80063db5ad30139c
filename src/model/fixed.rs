//! Rows whose every column has a fixed width, encoded and decoded column by column at known places.
//!
//! Byte for byte what Arrow's row format gives for the same columns and sort options (`codec_tests` compares them): a validity
//! byte, then the value big-endian, its sign bit flipped, all bits inverted where the column descends. Knowing each column's place
//! saves the general format's bookkeeping per row, and a reader decodes the columns it needs only.

use std::sync::Arc;

use arrow::array::{Array, ArrayData, ArrayRef, AsArray, BooleanArray, make_array};
use arrow::buffer::{Buffer, NullBuffer};
use arrow::compute::SortOptions;
use arrow::datatypes::{ArrowNativeType, DataType};

/// A column's place in a row.
#[derive(Clone, Debug)]
struct Place {
    data_type: DataType,
    /// Where its validity byte stands.
    at: usize,
    options: SortOptions,
}

/// The layout of rows of fixed width.
#[derive(Clone, Debug)]
pub(super) struct FixedLayout {
    places: Vec<Place>,
    width: usize,
}

/// A value as bytes that sort like it.
trait Ordered: Copy + Default {
    const WIDTH: usize;
    fn put(self, invert: bool, out: &mut [u8]);
    fn take(bytes: &[u8], invert: bool) -> Self;
}

macro_rules! ordered {
    ($($native:ty, $bits:ty, $to:expr, $from:expr;)*) => {$(
        impl Ordered for $native {
            const WIDTH: usize = size_of::<$native>();
            #[inline(always)]
            fn put(self, invert: bool, out: &mut [u8]) {
                let to: fn($native) -> $bits = $to;
                let bits = to(self);
                out[..Self::WIDTH].copy_from_slice(&(if invert { !bits } else { bits }).to_be_bytes());
            }
            #[inline(always)]
            fn take(bytes: &[u8], invert: bool) -> Self {
                let mut array = [0; size_of::<$native>()];
                array.copy_from_slice(&bytes[..Self::WIDTH]);
                let bits = <$bits>::from_be_bytes(array);
                let from: fn($bits) -> $native = $from;
                from(if invert { !bits } else { bits })
            }
        }
    )*};
}

ordered! {
    i8, u8, |v| v as u8 ^ (1 << 7), |b| (b ^ (1 << 7)) as i8;
    i16, u16, |v| v as u16 ^ (1 << 15), |b| (b ^ (1 << 15)) as i16;
    i32, u32, |v| v as u32 ^ (1 << 31), |b| (b ^ (1 << 31)) as i32;
    i64, u64, |v| v as u64 ^ (1 << 63), |b| (b ^ (1 << 63)) as i64;
    i128, u128, |v| v as u128 ^ (1 << 127), |b| (b ^ (1 << 127)) as i128;
    u8, u8, |v| v, |b| b;
    u16, u16, |v| v, |b| b;
    u32, u32, |v| v, |b| b;
    u64, u64, |v| v, |b| b;
    // Negative numbers have their other bits flipped too, so that the greater sorts last.
    f32, u32,
        |v| { let b = v.to_bits() as i32; ((b ^ ((b >> 31) as u32 >> 1) as i32) as u32) ^ (1 << 31) },
        |b| { let s = (b ^ (1 << 31)) as i32; f32::from_bits((s ^ ((s >> 31) as u32 >> 1) as i32) as u32) };
    f64, u64,
        |v| { let b = v.to_bits() as i64; ((b ^ ((b >> 63) as u64 >> 1) as i64) as u64) ^ (1 << 63) },
        |b| { let s = (b ^ (1 << 63)) as i64; f64::from_bits((s ^ ((s >> 63) as u64 >> 1) as i64) as u64) };
}

/// Calls a generic function with the native type that values of a data type are held as; `None` for types not known here.
macro_rules! with_native {
    ($data_type:expr, $function:ident($($argument:expr),*)) => {{
        use DataType::*;
        match $data_type {
            Int8 => Some($function::<i8>($($argument),*)),
            Int16 => Some($function::<i16>($($argument),*)),
            Int32 | Date32 | Time32(_) => Some($function::<i32>($($argument),*)),
            Int64 | Date64 | Time64(_) | Timestamp(..) | Duration(_) => Some($function::<i64>($($argument),*)),
            Decimal128(..) => Some($function::<i128>($($argument),*)),
            UInt8 => Some($function::<u8>($($argument),*)),
            UInt16 => Some($function::<u16>($($argument),*)),
            UInt32 => Some($function::<u32>($($argument),*)),
            UInt64 => Some($function::<u64>($($argument),*)),
            Float32 => Some($function::<f32>($($argument),*)),
            Float64 => Some($function::<f64>($($argument),*)),
            _ => None,
        }
    }};
}

fn width_of<V: Ordered>() -> usize {
    V::WIDTH
}

/// The bytes of a value, where its type is known here.
fn value_width(data_type: &DataType) -> Option<usize> {
    if *data_type == DataType::Boolean {
        return Some(1);
    }
    with_native!(data_type, width_of())
}

impl FixedLayout {
    /// The layout of these columns, if all are of known fixed widths and there is one.
    pub fn new(columns: &[(DataType, SortOptions)]) -> Option<FixedLayout> {
        let mut width = 0;
        let mut places = Vec::with_capacity(columns.len());
        for (data_type, options) in columns {
            places.push(Place { data_type: data_type.clone(), at: width, options: *options });
            width += 1 + value_width(data_type)?;
        }
        (width > 0).then_some(FixedLayout { places, width })
    }

    /// Bytes of a row.
    pub fn width(&self) -> usize {
        self.width
    }

    /// Appends the rows of `columns`, which are of the layout's types and of one length, to `out`.
    pub fn encode(&self, columns: &[ArrayRef], out: &mut Vec<u8>) {
        let base = out.len();
        out.resize(base + columns.first().map_or(0, |c| c.len()) * self.width, 0);
        for (place, column) in self.places.iter().zip(columns) {
            let rows = out[base..].chunks_exact_mut(self.width);
            if let Some(values) = column.as_boolean_opt() {
                put(place, rows, values.nulls(), |index| u8::from(values.value(index)));
            } else {
                with_native!(&place.data_type, put_native(place, rows, column)).expect("known when laid out");
            }
        }
    }

    /// One column of `count` rows.
    pub fn decode<'a>(&self, column: usize, rows: impl Iterator<Item = &'a [u8]>, count: usize) -> ArrayRef {
        let place = &self.places[column];
        if place.data_type == DataType::Boolean {
            let (values, nulls) = take::<u8>(place, rows, count);
            return Arc::new(BooleanArray::new(values.iter().map(|value| *value != 0).collect(), nulls));
        }
        with_native!(&place.data_type, take_native(place, rows, count)).expect("known when laid out")
    }
}

fn put<'r, V: Ordered>(
    place: &Place,
    rows: impl Iterator<Item = &'r mut [u8]>,
    nulls: Option<&NullBuffer>,
    value: impl Fn(usize) -> V,
) {
    let invert = place.options.descending;
    let absent = if place.options.nulls_first { 0 } else { 0xFF };
    for (index, row) in rows.enumerate() {
        let field = &mut row[place.at..place.at + 1 + V::WIDTH];
        if nulls.is_none_or(|nulls| nulls.is_valid(index)) {
            field[0] = 1;
            value(index).put(invert, &mut field[1..]);
        } else {
            field[0] = absent;
        }
    }
}

fn put_native<'r, V: Ordered + ArrowNativeType>(
    place: &Place,
    rows: impl Iterator<Item = &'r mut [u8]>,
    column: &ArrayRef,
) {
    let data = column.to_data();
    let values = data.buffer::<V>(0);
    put(place, rows, data.nulls(), |index| values[index]);
}

/// The values, zero where NULL, and which are not NULL.
fn take<'a, V: Ordered>(
    place: &Place,
    rows: impl Iterator<Item = &'a [u8]>,
    count: usize,
) -> (Vec<V>, Option<NullBuffer>) {
    let invert = place.options.descending;
    let mut values = Vec::with_capacity(count);
    let mut valid: Option<Vec<bool>> = None;
    for row in rows {
        let field = &row[place.at..place.at + 1 + V::WIDTH];
        if field[0] == 1 {
            values.push(V::take(&field[1..], invert));
            valid.iter_mut().for_each(|valid| valid.push(true));
        } else {
            valid.get_or_insert_with(|| vec![true; values.len()]).push(false);
            values.push(V::default());
        }
    }
    (values, valid.map(NullBuffer::from))
}

fn take_native<'a, V: Ordered + ArrowNativeType>(
    place: &Place,
    rows: impl Iterator<Item = &'a [u8]>,
    count: usize,
) -> ArrayRef {
    let (values, nulls) = take::<V>(place, rows, count);
    let data = ArrayData::builder(place.data_type.clone()).len(values.len()).nulls(nulls);
    make_array(data.add_buffer(Buffer::from_vec(values)).build().expect("one value for every row"))
}
