//! PostgreSQL's date and time templates (`YYYY-MM-DD HH24:MI:SS.MS`) as chrono's formats (`%Y-%m-%d %H:%M:%S.%3f`).
//!
//! Done: the patterns of the table below, text in double quotes, punctuation. Not done, and refused by name: ordinals (`TH`),
//! roman months, centuries, Julian days, patterns in other cases than those of the table. `FM` changes nothing: names of months
//! and days are never padded here.

use crate::model::{SqlError, SqlResult};

/// Longer patterns before their own beginnings.
const PATTERNS: [(&str, &str); 44] = [
    ("YYYY", "%Y"),
    ("yyyy", "%Y"),
    ("IYYY", "%G"),
    ("iyyy", "%G"),
    ("YY", "%y"),
    ("yy", "%y"),
    ("Month", "%B"),
    ("Mon", "%b"),
    ("MM", "%m"),
    ("mm", "%m"),
    ("HH24", "%H"),
    ("hh24", "%H"),
    ("HH12", "%I"),
    ("hh12", "%I"),
    ("HH", "%I"),
    ("hh", "%I"),
    ("MI", "%M"),
    ("mi", "%M"),
    ("SS", "%S"),
    ("ss", "%S"),
    ("MS", "%3f"),
    ("ms", "%3f"),
    ("US", "%6f"),
    ("us", "%6f"),
    ("AM", "%p"),
    ("PM", "%p"),
    ("am", "%P"),
    ("pm", "%P"),
    ("DDD", "%j"),
    ("ddd", "%j"),
    ("DD", "%d"),
    ("dd", "%d"),
    ("Day", "%A"),
    ("Dy", "%a"),
    ("ID", "%u"),
    ("id", "%u"),
    ("IW", "%V"),
    ("iw", "%V"),
    ("OF", "%:z"),
    ("TZH:TZM", "%:z"),
    ("TZ", "%Z"),
    ("T", "T"),
    ("FM", ""),
    ("fm", ""),
];

/// The chrono format of a template; one with a `%` in it is taken for a chrono format already.
pub(super) fn to_chrono(template: &str) -> SqlResult<String> {
    if template.contains('%') {
        return Ok(template.to_string());
    }
    let mut format = String::with_capacity(template.len());
    let mut rest = template;
    while let Some(first) = rest.chars().next() {
        if let Some(quoted) = rest.strip_prefix('"') {
            let end = quoted.find('"').unwrap_or(quoted.len());
            format.push_str(&quoted[..end]);
            rest = quoted.get(end + 1..).unwrap_or_default();
        } else if let Some((pattern, chrono)) = PATTERNS.iter().find(|(pattern, _)| rest.starts_with(pattern)) {
            format.push_str(chrono);
            rest = &rest[pattern.len()..];
        } else if first.is_ascii_alphabetic() {
            let message = format!("date/time template pattern at \"{rest}\" is not supported");
            return Err(
                SqlError::unsupported(message).hint("use a chrono format such as '%Y-%m-%d', or quote literal text")
            );
        } else {
            format.push(first);
            rest = &rest[first.len_utf8()..];
        }
    }
    Ok(format)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn templates_become_formats() {
        let cases = [
            ("YYYY-MM-DD HH24:MI:SS.US", "%Y-%m-%d %H:%M:%S.%6f"),
            ("yyyy/mm/dd hh12:mi am", "%Y/%m/%d %I:%M %P"),
            ("FMMonth DD, YYYY", "%B %d, %Y"),
            ("YYYY-MM-DD\"T\"HH24:MI:SSOF", "%Y-%m-%dT%H:%M:%S%:z"),
            ("YYYY年MM月", "%Y年%m月"),
            ("IYYY-\"W\"IW-ID DDD", "%G-W%V-%u %j"),
            ("%H:%M YYYY", "%H:%M YYYY"),
            ("\"open", "open"),
        ];
        for (template, expected) in cases {
            assert_eq!(to_chrono(template).as_deref(), Ok(expected), "of {template}");
        }
    }

    #[test]
    fn unknown_patterns_are_refused_rather_than_printed() {
        let error = to_chrono("YYYY-RM").expect_err("roman months");
        assert_eq!(error.message, "date/time template pattern at \"RM\" is not supported");
    }
}
