//! Places in a text: sqlparser's locations (line and column, both 1-based, columns in characters) to byte offsets and back.
//!
//! A line ends at `\n` only, as in sqlparser's tokenizer. Guarantee: every offset returned is a character boundary of the text.

use datafusion::sql::sqlparser::tokenizer::Location;

/// Line and column of a byte offset, both 1-based, the column in characters. An offset past the end is the end; one inside a
/// character is that character's start.
pub fn line_column(text: &str, byte_offset: usize) -> (usize, usize) {
    let mut offset = byte_offset.min(text.len());
    while !text.is_char_boundary(offset) {
        offset -= 1;
    }
    let before = &text[..offset];
    let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
    (before.matches('\n').count() + 1, before[line_start..].chars().count() + 1)
}

/// Byte offset of a location; `None` for sqlparser's empty location (line 0). A column past the line's end is the line's end.
pub fn offset_of(text: &str, location: Location) -> Option<usize> {
    if location.line == 0 {
        return None;
    }
    let line_start = match location.line {
        1 => 0,
        line => text.match_indices('\n').nth(usize::try_from(line).ok()? - 2)?.0 + 1,
    };
    let line = text[line_start..].split('\n').next().unwrap_or_default();
    let column = usize::try_from(location.column).ok()?.saturating_sub(1);
    let in_line = line.char_indices().nth(column).map_or(line.len(), |(at, _)| at);
    Some(line_start + in_line)
}

/// Byte offset of the first whole occurrence of an identifier in SQL text, outside strings and comments; compares as PostgreSQL
/// does (unquoted words folded to lower case). Guesses the place of an error whose own place is lost.
pub fn find_identifier(text: &str, identifier: &str) -> Option<usize> {
    use datafusion::sql::sqlparser::tokenizer::{Token, Tokenizer};
    let tokens = Tokenizer::new(&super::parse::DIALECT, text).tokenize_with_location().ok()?;
    let found = tokens.into_iter().find(|token| match &token.token {
        Token::Word(word) if word.quote_style.is_none() => word.value.eq_ignore_ascii_case(identifier),
        Token::Word(word) => word.value == identifier,
        _ => false,
    })?;
    offset_of(text, found.span.start)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_count_characters_and_offsets_count_bytes() {
        let text = "select '订单'\r\n  from 表 x";
        for (offset, place) in [(0, (1, 1)), (8, (1, 9)), (11, (1, 10)), (17, (2, 1)), (24, (2, 8)), (28, (2, 10))] {
            assert_eq!(line_column(text, offset), place, "of offset {offset}");
            let location = Location { line: place.0 as u64, column: place.1 as u64 };
            assert_eq!(offset_of(text, location), Some(offset), "of {place:?}");
        }
    }

    #[test]
    fn offsets_outside_the_text_or_inside_a_character_are_moved_onto_it() {
        assert_eq!(line_column("单", 1), (1, 1));
        assert_eq!(line_column("a\nb", 99), (2, 2));
        assert_eq!(offset_of("ab\ncd", Location { line: 1, column: 99 }), Some(2));
        assert_eq!(offset_of("ab\ncd", Location { line: 9, column: 1 }), None);
        assert_eq!(offset_of("ab", Location { line: 0, column: 0 }), None);
    }

    #[test]
    fn identifiers_are_found_outside_strings_and_comments() {
        let text = "select 'sku' /* sku */ -- sku\n, skus, SKU";
        assert_eq!(find_identifier(text, "sku"), Some(text.rfind("SKU").expect("there")));
        assert_eq!(find_identifier("select \"Sku\"", "sku"), None);
    }
}
