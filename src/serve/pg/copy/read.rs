//! `COPY … FROM STDIN`: bytes as they come, to one batch in the table's columns.
//!
//! Guarantees: an error names line, column and value, and then nothing of the COPY is taken. The whole COPY is kept in memory
//! until its end, because it becomes visible at one tick; it is refused beyond [`COPY_BYTES_MAX`].

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, RecordBatch, StringArray, StringBuilder};
use arrow::compute::{CastOptions, cast_with_options, concat, concat_batches};
use arrow::datatypes::{DataType, Field, SchemaRef};
use datafusion::scalar::ScalarValue;

use super::super::decode::{text, utf8};
use super::lines::{Scan, fields, without_line_end};
use crate::model::{SqlError, SqlResult, error::code};
use crate::plan::statement::CopyOptions;

/// What one COPY may hold.
const COPY_BYTES_MAX: usize = 1 << 30;
/// Rows decoded at a time.
const CHUNK_ROWS: usize = 8 * 1024;

/// A COPY in progress.
pub(crate) struct CopyRead {
    table: String,
    schema: SchemaRef,
    options: CopyOptions,
    buffer: Vec<u8>,
    scan: Scan,
    bytes: usize,
    /// The line on which the next record starts, from 1.
    line: u64,
    header_pending: bool,
    /// `\.` was seen: what follows is ignored.
    is_finished: bool,
    columns: Vec<StringBuilder>,
    /// The first line of each record in `columns`.
    lines: Vec<u64>,
    batches: Vec<RecordBatch>,
}

impl CopyRead {
    /// A COPY into the columns `schema` of a table.
    pub(crate) fn new(table: &str, schema: SchemaRef, options: CopyOptions) -> Self {
        CopyRead {
            table: table.to_owned(),
            buffer: Vec::new(),
            scan: Scan::default(),
            bytes: 0,
            line: 1,
            header_pending: options.header,
            is_finished: false,
            columns: schema.fields().iter().map(|_| StringBuilder::new()).collect(),
            lines: Vec::new(),
            batches: Vec::new(),
            schema,
            options,
        }
    }

    /// How many columns a record has.
    pub(crate) fn columns(&self) -> usize {
        self.schema.fields().len()
    }

    /// Takes more input.
    pub(crate) fn push(&mut self, bytes: &[u8]) -> SqlResult<()> {
        self.bytes += bytes.len();
        if self.bytes > COPY_BYTES_MAX {
            return Err(SqlError::new(code::PROGRAM_LIMIT_EXCEEDED, "COPY holds more than 1 GiB")
                .hint("send it in several COPY statements"));
        }
        self.buffer.extend_from_slice(bytes);
        let buffer = std::mem::take(&mut self.buffer);
        let mut start = 0;
        while let Some((length, lines)) = self.scan.record(&buffer[start..], self.options.format) {
            self.record(&buffer[start..start + length])?;
            self.line += lines;
            start += length;
        }
        self.buffer = buffer;
        self.buffer.drain(..start);
        Ok(())
    }

    /// The rows, after the last input.
    pub(crate) fn finish(mut self) -> SqlResult<RecordBatch> {
        if self.scan.is_open() && !self.is_finished {
            let error = SqlError::new(code::BAD_COPY_FILE_FORMAT, "unterminated CSV quoted field");
            return Err(self.at_line(error, self.line));
        }
        let rest = std::mem::take(&mut self.buffer);
        if !rest.is_empty() {
            self.record(&rest)?;
        }
        self.decode_chunk()?;
        concat_batches(&self.schema, &self.batches).map_err(|error| SqlError::internal(error.to_string()))
    }

    fn record(&mut self, record: &[u8]) -> SqlResult<()> {
        let record = without_line_end(record);
        if self.is_finished {
            return Ok(());
        }
        if record == b"\\." {
            self.is_finished = true;
            return Ok(());
        }
        if std::mem::take(&mut self.header_pending) {
            return Ok(());
        }
        let at_line = |error| self.at_line(error, self.line);
        let fields = fields(record, &self.options).map_err(at_line)?;
        let wanted = self.schema.fields();
        if fields.len() > wanted.len() {
            return Err(at_line(SqlError::new(code::BAD_COPY_FILE_FORMAT, "extra data after last expected column")));
        }
        if let Some(missing) = wanted.get(fields.len()) {
            // A table without columns takes empty lines.
            let message = format!("missing data for column \"{}\"", missing.name());
            return Err(at_line(SqlError::new(code::BAD_COPY_FILE_FORMAT, message)));
        }
        let mut texts = Vec::with_capacity(fields.len());
        for field in &fields {
            texts.push(field.as_deref().map(utf8).transpose().map_err(at_line)?);
        }
        for (builder, text) in self.columns.iter_mut().zip(texts) {
            builder.append_option(text);
        }
        self.lines.push(self.line);
        if self.lines.len() == CHUNK_ROWS { self.decode_chunk() } else { Ok(()) }
    }

    fn decode_chunk(&mut self) -> SqlResult<()> {
        let texts: Vec<StringArray> = self.columns.iter_mut().map(StringBuilder::finish).collect();
        let lines = std::mem::take(&mut self.lines);
        let mut columns: Vec<ArrayRef> = Vec::with_capacity(texts.len());
        for (texts, field) in texts.iter().zip(self.schema.fields()) {
            let column = decode_column(texts, field).map_err(|(row, error)| {
                let mut error = self.at_line(error, lines.get(row).copied().unwrap_or(self.line));
                let value = if texts.is_null(row) {
                    "null input".to_owned()
                } else {
                    format!("\"{}\"", text::shortened(texts.value(row)))
                };
                error.detail = error.detail.map(|detail| format!("{detail}, column {}: {value}", field.name()));
                if error.code == code::NOT_NULL_VIOLATION {
                    error.message = format!(
                        "null value in column \"{}\" of relation \"{}\" violates not-null constraint",
                        field.name(),
                        self.table
                    );
                }
                error
            })?;
            columns.push(column);
        }
        let batch = RecordBatch::try_new(self.schema.clone(), columns)
            .map_err(|error| SqlError::internal(error.to_string()))?;
        self.batches.push(batch);
        Ok(())
    }

    fn at_line(&self, error: SqlError, line: u64) -> SqlError {
        error.detail(format!("COPY {}, line {line}", self.table))
    }
}

/// A column from its texts; an error comes with its row.
fn decode_column(texts: &StringArray, field: &Field) -> Result<ArrayRef, (usize, SqlError)> {
    if !field.is_nullable()
        && let Some(row) = (0..texts.len()).find(|row| texts.is_null(*row))
    {
        return Err((row, SqlError::new(code::NOT_NULL_VIOLATION, "null value violates not-null constraint")));
    }
    if let Some(column) = decode_at_once(texts, field.data_type()) {
        return Ok(column);
    }
    let mut values = Vec::with_capacity(texts.len());
    for row in 0..texts.len() {
        let value = if texts.is_null(row) {
            ScalarValue::try_new_null(field.data_type()).map_err(|error| SqlError::unsupported(error.to_string()))
        } else {
            text::value(texts.value(row), field.data_type())
        };
        values.push(value.map_err(|error| (row, error))?);
    }
    let arrays = values
        .iter()
        .map(|value| value.to_array().map_err(|error| (0, SqlError::internal(error.to_string()))))
        .collect::<Result<Vec<ArrayRef>, _>>()?;
    let parts: Vec<&dyn Array> = arrays.iter().map(AsRef::as_ref).collect();
    concat(&parts).map_err(|error| (0, SqlError::internal(error.to_string())))
}

/// Arrow's vectorised cast, where it reads every text as PostgreSQL would; `None`: value by value instead.
fn decode_at_once(texts: &StringArray, data_type: &DataType) -> Option<ArrayRef> {
    match data_type {
        DataType::Utf8 => return Some(Arc::new(texts.clone())),
        _ if texts.is_empty() => {}
        DataType::Utf8View | DataType::LargeUtf8 => {}
        _ if data_type.is_integer() || data_type.is_floating() || matches!(data_type, DataType::Date32) => {}
        DataType::Timestamp(_, _) if texts.iter().flatten().all(is_plain_timestamp) => {}
        _ => return None,
    }
    let options = CastOptions { safe: true, ..CastOptions::default() };
    let column = cast_with_options(texts, data_type, &options).ok()?;
    (column.null_count() == texts.null_count()).then_some(column)
}

/// `YYYY-MM-DD HH:MM:SS[.f…]`: no zone that a `timestamp` would have to ignore.
fn is_plain_timestamp(text: &str) -> bool {
    let bytes = text.as_bytes();
    bytes.len() >= 19 && bytes[11..].iter().all(|byte| byte.is_ascii_digit() || matches!(byte, b':' | b'.'))
}
