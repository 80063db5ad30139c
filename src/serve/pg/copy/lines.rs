//! One COPY record: where it ends in the bytes that have come, and its fields.

use crate::model::{SqlError, SqlResult, error::code};
use crate::plan::statement::{CopyFormat, CopyOptions};

/// A field as written: `None` is NULL.
pub(super) type Field = Option<Vec<u8>>;

const QUOTE: u8 = b'"';

/// Where a search for the end of a record stands between two pieces of input.
#[derive(Debug, Default)]
pub(super) struct Scan {
    at: usize,
    in_quotes: bool,
    newlines: u64,
}

impl Scan {
    /// The length of the first record in `bytes` with its line end, and the lines it spans. Continues where the last call on
    /// a shorter buffer stopped.
    pub(super) fn record(&mut self, bytes: &[u8], format: CopyFormat) -> Option<(usize, u64)> {
        while let Some(byte) = bytes.get(self.at) {
            match (format, byte) {
                (CopyFormat::Text, b'\\') => {
                    // The next byte belongs to the backslash, even a newline.
                    let next = bytes.get(self.at + 1)?;
                    self.newlines += u64::from(*next == b'\n');
                    self.at += 1;
                }
                (CopyFormat::Csv, &QUOTE) => self.in_quotes = !self.in_quotes,
                (_, b'\n') => {
                    self.newlines += 1;
                    if !self.in_quotes {
                        let found = (self.at + 1, self.newlines);
                        *self = Scan::default();
                        return Some(found);
                    }
                }
                _ => {}
            }
            self.at += 1;
        }
        None
    }

    /// Whether the input ended inside quotes.
    pub(super) fn is_open(&self) -> bool {
        self.in_quotes
    }
}

/// A record without its line end.
pub(super) fn without_line_end(record: &[u8]) -> &[u8] {
    let record = record.strip_suffix(b"\n").unwrap_or(record);
    record.strip_suffix(b"\r").unwrap_or(record)
}

/// The fields of a record.
pub(super) fn fields(record: &[u8], options: &CopyOptions) -> SqlResult<Vec<Field>> {
    match options.format {
        CopyFormat::Text => Ok(text_fields(record, options)),
        CopyFormat::Csv => csv_fields(record, options),
    }
}

fn text_fields(record: &[u8], options: &CopyOptions) -> Vec<Field> {
    let mut fields = Vec::new();
    let mut start = 0;
    let mut at = 0;
    loop {
        let byte = record.get(at);
        if byte.is_none_or(|byte| *byte == options.delimiter) {
            let raw = &record[start..at];
            fields.push((raw != options.null.as_bytes()).then(|| unescape(raw)));
            if byte.is_none() {
                return fields;
            }
            start = at + 1;
        }
        at += if byte == Some(&b'\\') && at + 1 < record.len() { 2 } else { 1 };
    }
}

fn unescape(raw: &[u8]) -> Vec<u8> {
    if !raw.contains(&b'\\') {
        return raw.to_vec();
    }
    let mut value = Vec::with_capacity(raw.len());
    let mut rest = raw;
    while let Some((byte, after)) = rest.split_first() {
        rest = after;
        if *byte != b'\\' {
            value.push(*byte);
            continue;
        }
        let Some((escaped, after)) = rest.split_first() else {
            value.push(b'\\');
            break;
        };
        rest = after;
        let (base, digits_max, first) = match escaped {
            b'0'..=b'7' => (8, 2, Some(u32::from(escaped - b'0'))),
            b'x' if rest.first().is_some_and(u8::is_ascii_hexdigit) => (16, 2, Some(0)),
            _ => (0, 0, None),
        };
        if let Some(mut number) = first {
            for _ in 0..digits_max {
                let Some(digit) = rest.first().and_then(|digit| (*digit as char).to_digit(base)) else { break };
                number = number * base + digit;
                rest = &rest[1..];
            }
            value.push(number as u8);
            continue;
        }
        value.push(match escaped {
            b'b' => 0x08,
            b'f' => 0x0c,
            b'n' => b'\n',
            b'r' => b'\r',
            b't' => b'\t',
            b'v' => 0x0b,
            other => *other,
        });
    }
    value
}

fn csv_fields(record: &[u8], options: &CopyOptions) -> SqlResult<Vec<Field>> {
    let mut fields = Vec::new();
    let mut value = Vec::new();
    let mut was_quoted = false;
    let mut in_quotes = false;
    let mut at = 0;
    loop {
        match record.get(at) {
            Some(&QUOTE) if in_quotes && record.get(at + 1) == Some(&QUOTE) => {
                value.push(QUOTE);
                at += 1;
            }
            Some(&QUOTE) => {
                in_quotes = !in_quotes;
                was_quoted = true;
            }
            Some(byte) if in_quotes || *byte != options.delimiter => value.push(*byte),
            None if in_quotes => {
                return Err(SqlError::new(code::BAD_COPY_FILE_FORMAT, "unterminated CSV quoted field"));
            }
            end => {
                let value = std::mem::take(&mut value);
                let is_null = !was_quoted && value == options.null.as_bytes();
                fields.push((!is_null).then_some(value));
                was_quoted = false;
                if end.is_none() {
                    return Ok(fields);
                }
            }
        }
        at += 1;
    }
}
