//! `COPY … TO STDOUT`: rows to CopyData messages, one line each.

use arrow::array::RecordBatch;
use arrow::datatypes::Schema;
use bytes::{BufMut, BytesMut};

use super::super::encode::{Style, is_null, value_text};
use crate::model::SqlResult;
use crate::plan::parse::output_name;
use crate::plan::statement::{CopyFormat, CopyOptions};

/// Appends the header line, as a CopyData message.
pub(crate) fn header(out: &mut BytesMut, schema: &Schema, options: &CopyOptions) {
    message(out, |out| {
        for (index, field) in schema.fields().iter().enumerate() {
            if index > 0 {
                out.put_u8(options.delimiter);
            }
            escaped(out, output_name(field.name()).as_bytes(), options, false);
        }
        out.put_u8(b'\n');
        Ok(())
    })
    .unwrap_or_else(|_| unreachable!("names can be written"));
}

/// Appends one row, as a CopyData message.
pub(crate) fn row(
    out: &mut BytesMut,
    batch: &RecordBatch,
    row: usize,
    options: &CopyOptions,
    style: &Style,
) -> SqlResult<()> {
    let is_alone = batch.num_columns() == 1;
    message(out, |out| {
        for (index, column) in batch.columns().iter().enumerate() {
            if index > 0 {
                out.put_u8(options.delimiter);
            }
            if is_null(column.as_ref(), row) {
                out.put_slice(options.null.as_bytes());
                continue;
            }
            let start = out.len();
            value_text(out, column.as_ref(), row, style)?;
            let value = out.split_off(start);
            escaped(out, &value, options, is_alone);
        }
        out.put_u8(b'\n');
        Ok(())
    })
}

fn message(out: &mut BytesMut, body: impl FnOnce(&mut BytesMut) -> SqlResult<()>) -> SqlResult<()> {
    let start = out.len();
    out.put_u8(b'd');
    out.put_i32(0);
    if let Err(error) = body(out) {
        out.truncate(start);
        return Err(error);
    }
    let length = (out.len() - start - 1) as i32;
    out[start + 1..start + 5].copy_from_slice(&length.to_be_bytes());
    Ok(())
}

fn escaped(out: &mut BytesMut, value: &[u8], options: &CopyOptions, is_alone: bool) {
    match options.format {
        CopyFormat::Text => {
            for byte in value {
                let letter = match byte {
                    0x08 => b'b',
                    0x0c => b'f',
                    b'\n' => b'n',
                    b'\r' => b'r',
                    b'\t' => b't',
                    0x0b => b'v',
                    b'\\' => b'\\',
                    byte if *byte == options.delimiter => *byte,
                    byte => {
                        out.put_u8(*byte);
                        continue;
                    }
                };
                out.put_slice(&[b'\\', letter]);
            }
        }
        CopyFormat::Csv => {
            let special = |byte: &u8| *byte == options.delimiter || matches!(byte, b'"' | b'\n' | b'\r');
            // A quoted value is never NULL, nor the end of data.
            if value != options.null.as_bytes() && !value.iter().any(special) && !(is_alone && value == b"\\.") {
                out.put_slice(value);
                return;
            }
            out.put_u8(b'"');
            for byte in value {
                if *byte == b'"' {
                    out.put_u8(b'"');
                }
                out.put_u8(*byte);
            }
            out.put_u8(b'"');
        }
    }
}
