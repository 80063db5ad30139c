//! COPY's formats, read and written.

use std::sync::Arc;

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::{DataType, Field, Int32Type, Schema, SchemaRef};
use bytes::BytesMut;

use super::super::encode::Style;
use super::read::CopyRead;
use super::write;
use crate::model::{SqlError, SqlResult};
use crate::plan::statement::{CopyFormat, CopyOptions};

fn schema() -> SchemaRef {
    Arc::new(Schema::new(vec![Field::new("id", DataType::Int32, false), Field::new("name", DataType::Utf8, true)]))
}

/// Reads `input` in pieces of `piece` bytes.
fn read(input: &str, options: &CopyOptions, piece: usize) -> SqlResult<RecordBatch> {
    let mut copy = CopyRead::new("t", schema(), options.clone());
    for bytes in input.as_bytes().chunks(piece) {
        copy.push(bytes)?;
    }
    copy.finish()
}

fn rows(input: &str, options: &CopyOptions) -> Vec<(i32, Option<String>)> {
    let whole = read(input, options, usize::MAX).unwrap();
    for piece in 1..5 {
        assert_eq!(read(input, options, piece).unwrap(), whole, "in pieces of {piece}");
    }
    let ids = whole.column(0).as_primitive::<Int32Type>();
    let names = whole.column(1).as_string::<i32>();
    (0..whole.num_rows())
        .map(|row| (ids.value(row), names.is_valid(row).then(|| names.value(row).to_owned())))
        .collect()
}

fn failure(input: &str, format: CopyFormat) -> SqlError {
    read(input, &CopyOptions::of(format), 3).unwrap_err()
}

#[test]
fn text_with_every_escape() {
    let input = "1\ta\\tb\\\\\\x41\\101\\n\\q\n2\t\\N\r\n3\tline\\\nbreak\n4\t\n\\.\nrubbish";
    let wanted = [(1, Some("a\tb\\AA\nq")), (2, None), (3, Some("line\nbreak")), (4, Some(""))];
    let wanted: Vec<_> = wanted.into_iter().map(|(id, name)| (id, name.map(str::to_owned))).collect();
    assert_eq!(rows(input, &CopyOptions::of(CopyFormat::Text)), wanted);
}

#[test]
fn csv_with_quotes_header_and_both_kinds_of_empty() {
    let options = CopyOptions { header: true, ..CopyOptions::of(CopyFormat::Csv) };
    let input = "id,name\n1,\"a,\"\"b\"\"\nc\"\r\n2,\n3,\"\"\n4,x\"y,\"z";
    let wanted = [(1, Some("a,\"b\"\nc")), (2, None), (3, Some("")), (4, Some("xy,z"))];
    let wanted: Vec<_> = wanted.into_iter().map(|(id, name)| (id, name.map(str::to_owned))).collect();
    assert_eq!(rows(input, &options), wanted);
}

#[test]
fn errors_name_line_and_column() {
    let error = failure("1\ta\nx\tb\n", CopyFormat::Text);
    assert_eq!(error.code, "22P02");
    assert_eq!(error.detail.as_deref(), Some("COPY t, line 2, column id: \"x\""));
    let error = failure("1,\"a\nb\"\n\\N,b\n", CopyFormat::Csv);
    assert_eq!(error.detail.as_deref(), Some("COPY t, line 3, column id: \"\\N\""));
    let error = failure("1\n", CopyFormat::Text);
    assert_eq!((error.code, error.message.as_str()), ("22P04", "missing data for column \"name\""));
    assert_eq!(failure("1\ta\tb\n", CopyFormat::Text).message, "extra data after last expected column");
    let error = failure("\\N\ta\n", CopyFormat::Text);
    assert_eq!((error.code, error.detail.as_deref()), ("23502", Some("COPY t, line 1, column id: null input")));
    assert_eq!(failure("1,\"a\n", CopyFormat::Csv).code, "22P04");
}

#[test]
fn what_is_written_reads_back() {
    for format in [CopyFormat::Text, CopyFormat::Csv] {
        let options = CopyOptions::of(format);
        let input = if format == CopyFormat::Text {
            "1\ta\\tb\\\\\n2\t\\N\n3\t\n4\tq\"r,s\\n\n"
        } else {
            "1,\"a\tb\\\"\n2,\n3,\"\"\n4,\"q\"\"r,s\n\"\n"
        };
        let batch = read(input, &options, 100).unwrap();
        let mut out = BytesMut::new();
        let mut text = Vec::new();
        for row in 0..batch.num_rows() {
            write::row(&mut out, &batch, row, &options, &Style::default()).unwrap();
            let message = out.split();
            assert_eq!(message[0], b'd');
            assert_eq!(i32::from_be_bytes(message[1..5].try_into().unwrap()) as usize, message.len() - 1);
            text.extend_from_slice(&message[5..]);
        }
        assert_eq!(read(std::str::from_utf8(&text).unwrap(), &options, 7).unwrap(), batch);
    }
}
