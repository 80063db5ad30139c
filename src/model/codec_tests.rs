//! The codec's properties: round trips of every type, order within a key, the join's concatenation.

use std::sync::Arc;

use arrow::array::*;
use arrow::buffer::NullBuffer;
use arrow::compute::SortOptions;
use arrow::datatypes::*;

use super::*;
use crate::model::bytes::compare_bytes;

fn ascending(columns: &[ArrayRef]) -> Vec<(DataType, SortOptions)> {
    columns.iter().map(|column| (column.data_type().clone(), SortOptions::default())).collect()
}

fn encode(codec: &RowCodec, columns: &[ArrayRef]) -> RowBuf {
    let mut rows = RowBuf::default();
    rows.push(u64::MAX, b"already there", 9);
    let diffs: Vec<Diff> = (0..columns[0].len() as Diff).map(|index| index - 1).collect();
    codec.encode(columns, &diffs, &mut rows).unwrap();
    assert_eq!(rows.diffs[1..], diffs);
    let mut only = RowBuf::default();
    rows.iter().skip(1).for_each(|(word, row, diff)| only.push(word, row, diff));
    only
}

fn all_rows(rows: &RowBuf) -> impl Iterator<Item = &[u8]> + Clone {
    (0..rows.len()).map(|index| rows.row(index))
}

/// Three rows of every type that can be stored, the middle one NULL.
fn every_type() -> Vec<ArrayRef> {
    let nulls = NullBuffer::from(vec![true, false, true]);
    let text = [Some("naïve"), None, Some("a text that is longer than thirty-two bytes, so in two blocks")];
    let bytes: Vec<Option<&[u8]>> = vec![Some(&[0, 255, 2]), None, Some(&[])];
    let mut columns: Vec<ArrayRef> = vec![
        Arc::new(Int8Array::from(vec![Some(-1), None, Some(i8::MAX)])),
        Arc::new(Int16Array::from(vec![Some(-1), None, Some(i16::MIN)])),
        Arc::new(Int32Array::from(vec![Some(-1), None, Some(7)])),
        Arc::new(Int64Array::from(vec![Some(i64::MIN), None, Some(7)])),
        Arc::new(UInt8Array::from(vec![Some(0), None, Some(255)])),
        Arc::new(UInt16Array::from(vec![Some(0), None, Some(255)])),
        Arc::new(UInt32Array::from(vec![Some(0), None, Some(255)])),
        Arc::new(UInt64Array::from(vec![Some(0), None, Some(u64::MAX)])),
        Arc::new(Float32Array::from(vec![Some(1.5), None, Some(f32::NEG_INFINITY)])),
        Arc::new(Float64Array::from(vec![Some(-1.5), None, Some(f64::MAX)])),
        Arc::new(BooleanArray::from(vec![Some(true), None, Some(false)])),
        Arc::new(Decimal128Array::from(vec![Some(-5), None, Some(123_456)]).with_precision_and_scale(20, 3).unwrap()),
        Arc::new(
            Decimal256Array::from(vec![Some(i256::from(-5)), None, Some(i256::from(9))])
                .with_precision_and_scale(50, 3)
                .unwrap(),
        ),
        Arc::new(Date32Array::from(vec![Some(-1), None, Some(20_000)])),
        Arc::new(Date64Array::from(vec![Some(-1), None, Some(20_000)])),
        Arc::new(Time64MicrosecondArray::from(vec![Some(1), None, Some(20_000)])),
        Arc::new(TimestampMicrosecondArray::from(vec![Some(1), None, Some(-20_000)])),
        Arc::new(TimestampNanosecondArray::from(vec![Some(1), None, Some(2)]).with_timezone("+00:00")),
        Arc::new(DurationMillisecondArray::from(vec![Some(1), None, Some(2)])),
        Arc::new(IntervalYearMonthArray::from(vec![Some(1), None, Some(2)])),
        Arc::new(IntervalMonthDayNanoArray::from(vec![
            Some(IntervalMonthDayNano::new(1, -2, 3)),
            None,
            Some(IntervalMonthDayNano::new(0, 0, -1)),
        ])),
        Arc::new(StringArray::from(text.to_vec())),
        Arc::new(LargeStringArray::from(text.to_vec())),
        Arc::new(StringViewArray::from(text.to_vec())),
        Arc::new(BinaryArray::from(bytes.clone())),
        Arc::new(LargeBinaryArray::from(bytes.clone())),
        Arc::new(BinaryViewArray::from(bytes)),
        Arc::new(
            FixedSizeBinaryArray::try_from_sparse_iter_with_size(
                vec![Some([1u8, 2, 3]), None, Some([0, 0, 0])].into_iter(),
                3,
            )
            .unwrap(),
        ),
        Arc::new(NullArray::new(3)),
        Arc::new(text.iter().copied().collect::<DictionaryArray<Int32Type>>()),
        Arc::new(ListArray::from_iter_primitive::<Int64Type, _, _>(vec![
            Some(vec![Some(1), None, Some(3)]),
            None,
            Some(vec![]),
        ])),
    ];
    let pair = |name: &str, array: ArrayRef| (Arc::new(Field::new(name, array.data_type().clone(), true)), array);
    let (texts, numbers) = (Arc::clone(&columns[21]), Arc::clone(&columns[3]));
    let parts = vec![pair("text", texts), pair("number", numbers), pair("list", columns[30].clone())];
    let (fields, arrays): (Vec<_>, Vec<_>) = parts.into_iter().unzip();
    let structs = StructArray::new(Fields::from(fields), arrays, Some(nulls.clone()));
    let item = Arc::new(Field::new("item", structs.data_type().clone(), true));
    let offsets = arrow::buffer::OffsetBuffer::from_lengths([2, 0, 1]);
    columns.push(Arc::new(ListArray::new(item, offsets, Arc::new(structs.clone()), Some(nulls))));
    columns.push(Arc::new(structs));
    columns
}

#[test]
fn every_type_comes_back_as_key_and_as_value() {
    for column in every_type() {
        let other: ArrayRef = Arc::new(Int32Array::from(vec![1, 2, 3]));
        for columns in [vec![Arc::clone(&column), Arc::clone(&other)], vec![other, column]] {
            for key_columns in 0..=2 {
                let codec = RowCodec::new(&ascending(&columns), key_columns).unwrap();
                let rows = encode(&codec, &columns);
                let back = codec.decode(all_rows(&rows)).unwrap();
                assert_eq!(back, columns, "{:?}, {key_columns} key columns", columns[0].data_type());
                let keys = codec.decode_keys(all_rows(&rows)).unwrap();
                assert_eq!(keys, columns[..key_columns]);
                let mut looked_up = RowBuf::default();
                codec.encode_keys(&columns[..key_columns], 3, &mut looked_up).unwrap();
                for (index, (word, row, _)) in rows.iter().enumerate() {
                    assert_eq!((looked_up.words[index], looked_up.row(index)), (word, codec.key(row)));
                    assert_eq!(codec.word(codec.key(row)), word);
                    assert_eq!([codec.key(row), codec.value(row)].concat(), row);
                }
            }
        }
    }
}

#[test]
fn all_types_at_once_and_descending() {
    let columns = every_type();
    let options = SortOptions { descending: true, nulls_first: false };
    let described: Vec<_> = columns.iter().map(|column| (column.data_type().clone(), options)).collect();
    let codec = RowCodec::new(&described, 5).unwrap();
    let rows = encode(&codec, &columns);
    assert_eq!(codec.decode(all_rows(&rows)).unwrap(), columns);
}

#[test]
fn types_that_cannot_be_stored_are_named() {
    let structs = DataType::Struct(Fields::from(vec![Field::new("v", DataType::Int32, true)]));
    let dictionary = DataType::Dictionary(Box::new(DataType::Int32), Box::new(structs));
    let nested = DataType::List(Arc::new(Field::new("item", dictionary.clone(), true)));
    for data_type in [dictionary, nested] {
        let error = RowCodec::new(&[(data_type.clone(), SortOptions::default())], 0).unwrap_err();
        assert_eq!(error.code, "0A000");
        assert!(error.message.contains(&data_type.to_string()), "{error}");
    }
}

#[test]
fn odd_floats_are_one_value() {
    let odd = f64::from_bits(0xFFF8_0000_0000_1234);
    let columns: Vec<ArrayRef> = vec![Arc::new(Float64Array::from(vec![0.0, -0.0, f64::NAN, odd, 1.0]))];
    let codec = RowCodec::new(&ascending(&columns), 1).unwrap();
    let rows = encode(&codec, &columns);
    assert_eq!(rows.row(0), rows.row(1));
    assert_eq!(rows.row(2), rows.row(3));
    assert_ne!(rows.row(0), rows.row(4));
    assert_eq!(rows.words[0], rows.words[1]);
}

#[test]
fn words_of_single_fixed_keys_keep_the_order() {
    let columns: Vec<ArrayRef> = vec![Arc::new(Int32Array::from(vec![None, Some(i32::MIN), Some(-3), Some(4)]))];
    let codec = RowCodec::new(&ascending(&columns), 1).unwrap();
    let rows = encode(&codec, &columns);
    assert!(rows.words.is_sorted() && rows.words[2] < rows.words[3]);
    assert_eq!(rows.words[0], 0);
    assert_eq!(rows.words[3], 0x8000_0004_u64 << 32);
}

#[test]
fn rows_of_one_key_sort_by_the_values_options() {
    let keys: ArrayRef = Arc::new(StringArray::from(vec!["k"; 5]));
    let values: ArrayRef = Arc::new(Int64Array::from(vec![Some(5), Some(-2), None, Some(40), Some(0)]));
    let options = SortOptions { descending: true, nulls_first: false };
    let codec = RowCodec::new(&[(DataType::Utf8, SortOptions::default()), (DataType::Int64, options)], 1).unwrap();
    let rows = encode(&codec, &[keys, values]);
    let mut sorted: Vec<&[u8]> = all_rows(&rows).collect();
    sorted.sort_by(|left, right| compare_bytes(left, right));
    let back = codec.decode(sorted).unwrap();
    let want: ArrayRef = Arc::new(Int64Array::from(vec![Some(40), Some(5), Some(0), Some(-2), None]));
    assert_eq!(&back[1], &want);
}

#[test]
fn joined_rows_are_concatenations() {
    let keys: [ArrayRef; 3] = [
        Arc::new(Int64Array::from(vec![Some(1), None, Some(3)])),
        Arc::new(StringArray::from(vec![Some("one"), None, Some("a key of more than eight bytes")])),
        Arc::new(BooleanArray::from(vec![Some(true), None, Some(false)])),
    ];
    let lefts: [ArrayRef; 2] = [Arc::new(StringArray::from(vec!["x", "", "z"])), keys[0].clone()];
    let rights: [ArrayRef; 2] = [Arc::new(Float64Array::from(vec![Some(1.0), None, Some(-0.0)])), keys[1].clone()];
    for key_columns in 0..=3 {
        let columns = |values: &[ArrayRef]| [&keys[..key_columns], values].concat();
        let (left_columns, right_columns) = (columns(&lefts), columns(&rights));
        let left = RowCodec::new(&ascending(&left_columns), key_columns).unwrap();
        let right = RowCodec::new(&ascending(&right_columns), key_columns).unwrap();
        let joined = left.join(&right).unwrap();
        let all = columns(&[&lefts[..], &rights[..]].concat());
        let (lefts_rows, rights_rows) = (encode(&left, &left_columns), encode(&right, &right_columns));
        let want = encode(&joined, &all);
        for index in 0..3 {
            let row = [lefts_rows.row(index), right.value(rights_rows.row(index))].concat();
            assert_eq!(row, want.row(index), "{key_columns} key columns");
            assert_eq!(lefts_rows.words[index], want.words[index]);
            assert_eq!(joined.key(&row), left.key(lefts_rows.row(index)));
        }
        let padded: Vec<Vec<u8>> = all_rows(&lefts_rows).map(|row| [row, &right.null_value()].concat()).collect();
        let back = joined.decode(padded.iter().map(Vec::as_slice)).unwrap();
        assert!(back[key_columns + 2..].iter().all(|column| column.null_count() == 3));
    }
}

#[test]
fn rows_without_columns_are_counted() {
    let codec = RowCodec::new(&[], 0).unwrap();
    let mut rows = RowBuf::default();
    codec.encode(&[], &[], &mut rows).unwrap_or_default();
    assert!(rows.is_empty());
    codec.encode(&[], &[1, 2], &mut rows).unwrap();
    assert_eq!(rows.iter().collect::<Vec<_>>(), [(0, &[][..], 1), (0, &[][..], 2)]);
    assert!(codec.decode(all_rows(&rows)).unwrap().is_empty());
    let mut keys = RowBuf::default();
    codec.encode_keys(&[], 1, &mut keys).unwrap();
    assert_eq!((keys.len(), keys.row(0)), (1, &[][..]));
}

#[test]
fn columns_of_another_shape_are_refused() {
    let codec = RowCodec::new(&[(DataType::Int64, SortOptions::default())], 1).unwrap();
    let (mut rows, column): (RowBuf, ArrayRef) = (RowBuf::default(), Arc::new(Int32Array::from(vec![1])));
    assert_eq!(codec.encode(&[Arc::clone(&column)], &[1], &mut rows).unwrap_err().code, "XX000");
    assert_eq!(codec.encode(&[column], &[1, 1], &mut rows).unwrap_err().code, "XX000");
}

#[test]
fn rows_of_fixed_width_are_the_bytes_arrow_makes() {
    let options = |descending, nulls_first| SortOptions { descending, nulls_first };
    for (descending, nulls_first) in [(false, true), (false, false), (true, true), (true, false)] {
        let columns: Vec<ArrayRef> = every_type()
            .into_iter()
            .filter(|c| FixedLayout::new(&[(c.data_type().clone(), SortOptions::default())]).is_some())
            .collect();
        assert!(columns.len() > 15, "{}", columns.len());
        let types: Vec<_> = columns.iter().map(|c| (c.data_type().clone(), options(descending, nulls_first))).collect();
        let codec = RowCodec::new(&types, 2).unwrap();
        let arrow = codec.layout.whole.convert_columns(&columns).unwrap();
        let rows = encode(&codec, &columns);
        for (ours, theirs) in all_rows(&rows).zip(&arrow) {
            assert_eq!(ours, theirs.data());
        }
        let some = codec.decode_wanted(all_rows(&rows), |column| column % 2 == 0).unwrap();
        for (at, (got, want)) in some.iter().zip(&columns).enumerate() {
            if at % 2 == 0 {
                assert_eq!(got, want);
            } else {
                assert_eq!((got.len(), got.null_count(), got.data_type()), (3, 3, want.data_type()));
            }
        }
    }
}

#[test]
fn text_is_read_a_column_at_a_time() {
    let lengths = [0, 1, 7, 8, 9, 31, 32, 33, 40, 63, 64, 65, 96, 97, 200];
    let text = |shift: usize| -> ArrayRef {
        let value = |at: usize| (at % 5 != shift).then(|| "aé".repeat(lengths[(at + shift) % lengths.len()]));
        Arc::new((0..60).map(value).collect::<StringArray>())
    };
    let bytes: ArrayRef = Arc::new((0..60).map(|at| (at % 7 != 0).then(|| vec![0xFFu8; at])).collect::<BinaryArray>());
    let numbers: ArrayRef = Arc::new((0..60).map(|at| (at % 3 != 0).then_some(at)).collect::<Int64Array>());
    let flags: ArrayRef = Arc::new((0..60).map(|at| (at % 4 != 0).then_some(at % 2 == 0)).collect::<BooleanArray>());
    let columns = [text(0), Arc::clone(&numbers), flags, text(1), bytes, numbers, text(2)];
    for keys in 0..4 {
        let codec = RowCodec::new(&ascending(&columns), keys).unwrap();
        let rows = encode(&codec, &columns);
        for wanted in 0..1 << columns.len() {
            let decoded = codec.decode_wanted(all_rows(&rows), |column| wanted >> column & 1 == 1).unwrap();
            for (at, column) in columns.iter().enumerate() {
                assert_eq!(decoded[at].len(), 60);
                assert!(wanted >> at & 1 == 0 || &decoded[at] == column, "column {at} of {wanted:b}");
            }
        }
    }
}
