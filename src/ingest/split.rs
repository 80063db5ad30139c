//! Bytes of one file → records: complete lines, or CSV records, whose quoted fields may span lines.
//!
//! A record cut by the end of a block is held back until the rest arrives. A record ends at `\n` (a `\r` before it is dropped);
//! in CSV only outside quotes, where, as for the `csv` crate, a quote opens a field only at its first byte. Lines are counted from
//! 1 and a record stands at its first line. Blank lines are passed over.
//!
//! Limit: [`RECORD_BYTES_MAX`]. A longer record is handed out as [`Record::TooLong`] with its beginning, and reading goes on after
//! the next `\n`.

/// The longest record taken.
pub const RECORD_BYTES_MAX: usize = 16 << 20;

/// Bytes kept of a record that is too long.
const HEAD_BYTES: usize = 4 << 10;

/// What ends a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// A line feed.
    Lines,
    /// A line feed outside of quotes.
    Csv {
        /// The byte between fields.
        delimiter: u8,
    },
}

/// A record and the line it begins at.
#[derive(Debug, PartialEq, Eq)]
pub enum Record<'a> {
    /// A complete record without its line end.
    Whole {
        /// Its bytes.
        bytes: &'a [u8],
        /// Its first line.
        line: u64,
    },
    /// A record over the limit.
    TooLong {
        /// Its beginning.
        head: &'a [u8],
        /// Its first line.
        line: u64,
    },
    /// A CSV record still inside quotes when the file ended.
    OpenQuote {
        /// Its bytes.
        bytes: &'a [u8],
        /// Its first line.
        line: u64,
    },
}

/// Where in a CSV record the scan stands.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    FieldStart,
    Bare,
    Quoted,
    /// Behind a quote inside quotes: the end of the field, or half of a doubled quote.
    QuoteSeen,
}

/// Splits the blocks of one file.
pub struct Splitter {
    framing: Framing,
    place: Place,
    carry: Vec<u8>,
    /// The record is over the limit already; only its head is kept.
    too_long: bool,
    line: u64,
    lines_inside: u64,
    at_start: bool,
}

impl Splitter {
    /// A splitter at the start of a file.
    pub fn new(framing: Framing) -> Splitter {
        Splitter {
            framing,
            place: Place::FieldStart,
            carry: Vec::new(),
            too_long: false,
            line: 1,
            lines_inside: 0,
            at_start: true,
        }
    }

    /// Takes the next bytes of the file and hands out the records they complete.
    pub fn push(&mut self, block: &[u8], visit: &mut dyn FnMut(Record<'_>)) {
        let mut rest = block;
        while let Some(end) = self.find_end(rest) {
            let (record, after) = (&rest[..end], &rest[end + 1..]);
            if self.carry.is_empty() && !self.too_long {
                self.emit(record, visit);
            } else {
                self.hold(record);
                self.emit_held(visit);
            }
            self.line += self.lines_inside + 1;
            self.lines_inside = 0;
            self.place = Place::FieldStart;
            self.too_long = false;
            rest = after;
        }
        self.hold(rest);
    }

    /// The file is over: what was held back is its last record.
    pub fn finish(&mut self, visit: &mut dyn FnMut(Record<'_>)) {
        if self.place == Place::Quoted && !self.too_long {
            visit(Record::OpenQuote { bytes: &self.carry, line: self.line });
        } else if !self.carry.is_empty() {
            self.emit_held(visit);
        }
        *self = Splitter::new(self.framing);
    }

    fn hold(&mut self, bytes: &[u8]) {
        if self.too_long {
            return;
        }
        if self.carry.len() + bytes.len() > RECORD_BYTES_MAX {
            self.too_long = true;
            let room = HEAD_BYTES.saturating_sub(self.carry.len()).min(bytes.len());
            self.carry.extend_from_slice(&bytes[..room]);
            self.carry.truncate(HEAD_BYTES);
            self.carry.shrink_to_fit();
        } else {
            self.carry.extend_from_slice(bytes);
        }
    }

    fn emit_held(&mut self, visit: &mut dyn FnMut(Record<'_>)) {
        let mut held = std::mem::take(&mut self.carry);
        if self.too_long {
            visit(Record::TooLong { head: &held, line: self.line });
        } else {
            self.emit(&held, visit);
        }
        held.clear();
        self.carry = if held.capacity() > RECORD_BYTES_MAX / 16 { Vec::new() } else { held };
    }

    fn emit(&mut self, record: &[u8], visit: &mut dyn FnMut(Record<'_>)) {
        let mut bytes = record;
        if std::mem::take(&mut self.at_start) {
            bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
        }
        bytes = bytes.strip_suffix(b"\r").unwrap_or(bytes);
        if bytes.len() > RECORD_BYTES_MAX {
            visit(Record::TooLong { head: &bytes[..HEAD_BYTES], line: self.line });
        } else if !self.is_blank(bytes) {
            visit(Record::Whole { bytes, line: self.line });
        }
    }

    fn is_blank(&self, record: &[u8]) -> bool {
        match self.framing {
            Framing::Lines => record.iter().all(u8::is_ascii_whitespace),
            Framing::Csv { .. } => record.is_empty(),
        }
    }

    /// Where in `bytes`, which follow what was scanned before, the record ends.
    fn find_end(&mut self, bytes: &[u8]) -> Option<usize> {
        match self.framing {
            Framing::Csv { delimiter } if !self.too_long => self.find_csv_end(bytes, delimiter),
            _ => memchr::memchr(b'\n', bytes),
        }
    }

    fn find_csv_end(&mut self, bytes: &[u8], delimiter: u8) -> Option<usize> {
        // Nearly all records have no quote at all and end at their first line feed.
        if matches!(self.place, Place::FieldStart | Place::Bare) {
            match memchr::memchr2(b'\n', b'"', bytes) {
                Some(end) if bytes[end] == b'\n' => return Some(end),
                _ => {}
            }
        }
        // A byte order mark stands before the first field, not in it.
        let skip = if self.at_start && self.carry.is_empty() && bytes.starts_with(b"\xef\xbb\xbf") { 3 } else { 0 };
        for (index, &byte) in bytes.iter().enumerate().skip(skip) {
            self.place = match (self.place, byte) {
                (Place::Quoted, b'"') => Place::QuoteSeen,
                (Place::Quoted, b'\n') => {
                    self.lines_inside += 1;
                    Place::Quoted
                }
                (Place::Quoted, _) => Place::Quoted,
                (_, b'\n') => return Some(index),
                (Place::FieldStart | Place::QuoteSeen, b'"') => Place::Quoted,
                (_, byte) if byte == delimiter => Place::FieldStart,
                _ => Place::Bare,
            };
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use rand::{Rng, SeedableRng};

    use super::*;

    const CSV: Framing = Framing::Csv { delimiter: b',' };

    /// Every record as `line:text`, the input being pushed in blocks of `block` bytes.
    fn split(framing: Framing, input: &[u8], block: usize) -> Vec<String> {
        let mut splitter = Splitter::new(framing);
        let mut records = Vec::new();
        let mut visit = |record: Record<'_>| {
            records.push(match record {
                Record::Whole { bytes, line } => format!("{line}:{}", String::from_utf8_lossy(bytes)),
                Record::TooLong { head, line } => format!("{line}: too long, {} kept", head.len()),
                Record::OpenQuote { bytes, line } => format!("{line}: open {}", String::from_utf8_lossy(bytes)),
            });
        };
        for piece in input.chunks(block) {
            splitter.push(piece, &mut visit);
        }
        splitter.finish(&mut visit);
        records
    }

    fn check(framing: Framing, input: &str, expected: &[&str]) {
        for block in 1..=input.len() {
            assert_eq!(split(framing, input.as_bytes(), block), expected, "blocks of {block}");
        }
    }

    #[test]
    fn lines_keep_their_numbers_over_blank_ones_and_any_block_size() {
        check(Framing::Lines, "a\n\n  \nbc\r\nd", &["1:a", "4:bc", "5:d"]);
    }

    #[test]
    fn a_quote_means_nothing_in_lines() {
        check(Framing::Lines, "\"a\nb\"\n", &["1:\"a", "2:b\""]);
    }

    #[test]
    fn csv_records_span_quoted_newlines() {
        check(CSV, "a,\"b\nc\"\nd,e\n", &["1:a,\"b\nc\"", "3:d,e"]);
        check(CSV, "\"a\"\"\n\"\"\",b\nc,d\n", &["1:\"a\"\"\n\"\"\",b", "3:c,d"]);
    }

    #[test]
    fn a_quote_inside_a_bare_field_does_not_open_one() {
        check(CSV, "5\" pipe,1\n6,2\n", &["1:5\" pipe,1", "2:6,2"]);
    }

    #[test]
    fn an_open_quote_at_the_end_is_told() {
        check(CSV, "a,b\nc,\"d\n", &["1:a,b", "2: open c,\"d\n"]);
    }

    #[test]
    fn a_byte_order_mark_is_dropped() {
        assert_eq!(split(Framing::Lines, b"\xef\xbb\xbfa\nb\n", 100), ["1:a", "2:b"]);
        assert_eq!(split(CSV, b"\xef\xbb\xbf\"a\n\"\nb\n", 100), ["1:\"a\n\"", "3:b"]);
    }

    #[test]
    fn a_record_over_the_limit_is_told_and_reading_goes_on() {
        let mut input = b"first\n".to_vec();
        input.resize(input.len() + RECORD_BYTES_MAX + 1, b'x');
        input.extend_from_slice(b"\nlast\n");
        let expected = ["1:first".to_string(), format!("2: too long, {HEAD_BYTES} kept"), "3:last".to_string()];
        for block in [1 << 20, input.len()] {
            assert_eq!(split(Framing::Lines, &input, block), expected, "blocks of {block}");
        }
    }

    #[test]
    fn a_record_of_just_the_limit_is_taken() {
        let mut input = vec![b'x'; RECORD_BYTES_MAX];
        input.extend_from_slice(b"\nlast");
        let records = split(Framing::Lines, &input, 1 << 20);
        assert_eq!((records[0].len(), records[1].as_str()), (RECORD_BYTES_MAX + 2, "2:last"));
    }

    /// Random records over a nasty alphabet: as many, and as long, as the `csv` crate says.
    #[test]
    fn csv_records_end_where_the_csv_crate_ends_them() {
        let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(7);
        for round in 0..2000 {
            let input: Vec<u8> = (0..rng.random_range(1..40)).map(|_| b"ab,\"\n"[rng.random_range(0..5)]).collect();
            let ours = split(CSV, &input, rng.random_range(1..=input.len()));
            let mut reader = csv::ReaderBuilder::new()
                .has_headers(false)
                .flexible(true)
                .terminator(csv::Terminator::Any(b'\n'))
                .from_reader(input.as_slice());
            let theirs: Vec<usize> = reader
                .byte_records()
                .map(|record| record.expect("a record").position().map_or(0, |at| at.line() as usize))
                .collect();
            assert_eq!(ours.len(), theirs.len(), "round {round}: {:?} → {ours:?}", String::from_utf8_lossy(&input));
        }
    }
}
