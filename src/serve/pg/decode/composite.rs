//! Array and row constants: `{1,"two",NULL,{3}}` and `(1,"two",)`.

use crate::model::{SqlError, SqlResult, error::code};

/// An element of an array or a field of a row as written; `None` is NULL.
pub(super) type Item = Option<String>;

/// The elements of `{…}`; nested arrays come as their own text.
pub(super) fn array_items(text: &str) -> SqlResult<Vec<Item>> {
    let malformed = |detail: &str| {
        SqlError::new(code::INVALID_TEXT_REPRESENTATION, format!("malformed array literal: \"{text}\"")).detail(detail)
    };
    let trimmed = text.trim();
    let body = trimmed
        .strip_prefix('{')
        .and_then(|rest| rest.strip_suffix('}'))
        .ok_or_else(|| malformed("an array begins with { and ends with }"))?;
    if body.trim().is_empty() {
        return Ok(Vec::new());
    }
    let mut items = Vec::new();
    let mut characters = body.chars().peekable();
    loop {
        while characters.next_if(|character| character.is_whitespace()).is_some() {}
        if characters.peek() == Some(&'{') {
            items.push(Some(nested(&mut characters).ok_or_else(|| malformed("unexpected end of input"))?));
        } else if characters.next_if_eq(&'"').is_some() {
            items.push(Some(quoted(&mut characters, false).ok_or_else(|| malformed("unexpected end of input"))?));
        } else {
            let item = bare(&mut characters, ',').ok_or_else(|| malformed("unexpected end of input"))?;
            let item = item.trim_end().to_owned();
            if item.is_empty() || item.contains(['{', '}', '"']) {
                return Err(malformed("unexpected array element"));
            }
            items.push((!item.eq_ignore_ascii_case("null")).then_some(item));
        }
        while characters.next_if(|character| character.is_whitespace()).is_some() {}
        match characters.next() {
            None => return Ok(items),
            Some(',') => {}
            Some(_) => return Err(malformed("unexpected array element")),
        }
    }
}

/// The fields of `(…)`; an empty field is NULL.
pub(super) fn record_items(text: &str) -> SqlResult<Vec<Item>> {
    let malformed =
        || SqlError::new(code::INVALID_TEXT_REPRESENTATION, format!("malformed record literal: \"{text}\""));
    let body = text.trim().strip_prefix('(').and_then(|rest| rest.strip_suffix(')')).ok_or_else(malformed)?;
    let mut items = Vec::new();
    let mut characters = body.chars().peekable();
    loop {
        if characters.next_if_eq(&'"').is_some() {
            items.push(Some(quoted(&mut characters, true).ok_or_else(malformed)?));
        } else {
            let item = bare(&mut characters, ',').ok_or_else(malformed)?;
            items.push((!item.is_empty()).then_some(item));
        }
        match characters.next() {
            None => return Ok(items),
            Some(',') => {}
            Some(_) => return Err(malformed()),
        }
    }
}

type Characters<'a> = std::iter::Peekable<std::str::Chars<'a>>;

/// After the opening quote, up to the closing one.
fn quoted(characters: &mut Characters<'_>, doubled_quotes: bool) -> Option<String> {
    let mut item = String::new();
    loop {
        match characters.next()? {
            '\\' => item.push(characters.next()?),
            '"' if doubled_quotes && characters.next_if_eq(&'"').is_some() => item.push('"'),
            '"' => return Some(item),
            character => item.push(character),
        }
    }
}

fn bare(characters: &mut Characters<'_>, until: char) -> Option<String> {
    let mut item = String::new();
    while let Some(character) = characters.next_if(|character| *character != until) {
        item.push(if character == '\\' { characters.next()? } else { character });
    }
    Some(item)
}

/// A nested `{…}` with its braces.
fn nested(characters: &mut Characters<'_>) -> Option<String> {
    let mut item = String::new();
    let mut depth = 0_usize;
    let mut in_quotes = false;
    loop {
        let character = characters.next()?;
        item.push(character);
        match character {
            '\\' => item.push(characters.next()?),
            '"' => in_quotes = !in_quotes,
            '{' if !in_quotes => depth += 1,
            '}' if !in_quotes => {
                depth -= 1;
                if depth == 0 {
                    return Some(item);
                }
            }
            _ => {}
        }
    }
}
