//! A column's value in a simulated row, and how it is written as text.

use std::fmt::{self, Write as _};

use chrono::{DateTime, NaiveDate, SecondsFormat, TimeDelta};

/// What a column of a stream holds; decides which SQL types can take it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// INT.
    Int,
    /// BIGINT.
    Long,
    /// DECIMAL(18,2).
    Money,
    /// DECIMAL(18,8).
    Rate,
    /// BOOLEAN.
    Flag,
    /// TEXT.
    Text,
    /// JSON, an object or array.
    Json,
    /// TIMESTAMPTZ.
    Time,
    /// TIMESTAMP: a wall clock without a zone.
    Wall,
    /// DATE.
    Date,
}

impl Kind {
    /// The type as one would declare it.
    pub(super) fn sql_type(self) -> &'static str {
        match self {
            Kind::Int => "INT",
            Kind::Long => "BIGINT",
            Kind::Money => "DECIMAL(18,2)",
            Kind::Rate => "DECIMAL(18,8)",
            Kind::Flag => "BOOLEAN",
            Kind::Text => "TEXT",
            Kind::Json => "JSON",
            Kind::Time => "TIMESTAMPTZ",
            Kind::Wall => "TIMESTAMP",
            Kind::Date => "DATE",
        }
    }
}

/// A value. Money is in hundredths, times are in milliseconds since the epoch, dates in days since it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Value {
    /// Nothing.
    Null,
    /// INT or BIGINT.
    Number(i64),
    /// DECIMAL(18,2), in hundredths.
    Money(i64),
    /// DECIMAL(18,8), in hundred-millionths.
    Rate(i64),
    /// BOOLEAN.
    Flag(bool),
    /// TEXT, one of a few words.
    Word(&'static str),
    /// TEXT: a prefix and a number.
    Code(&'static str, u64),
    /// TEXT.
    Text(Box<str>),
    /// JSON, as compact text.
    Json(Box<str>),
    /// TIMESTAMPTZ, or TIMESTAMP for a wall clock.
    Time(i64),
    /// DATE.
    Date(i32),
}

impl Value {
    /// Text from a string.
    pub(super) fn text(text: impl Into<Box<str>>) -> Value {
        Value::Text(text.into())
    }

    /// A product's number everywhere in the world.
    pub(super) fn product(product: u32) -> Value {
        Value::Code("P", u64::from(product))
    }

    /// `Null` for none.
    pub(super) fn time(at_ms: Option<i64>) -> Value {
        at_ms.map_or(Value::Null, Value::Time)
    }

    /// Writes the value as JSON.
    pub(super) fn push_json(&self, kind: Kind, text: &mut String) {
        match self {
            Value::Null => text.push_str("null"),
            Value::Json(json) => text.push_str(json),
            Value::Number(_) | Value::Money(_) | Value::Rate(_) | Value::Flag(_) => self.push_plain(kind, text),
            Value::Text(words) => text.push_str(&serde_json::Value::from(&**words).to_string()),
            Value::Word(_) | Value::Code(..) | Value::Time(_) | Value::Date(_) => {
                text.push('"');
                self.push_plain(kind, text);
                text.push('"');
            }
        }
    }

    /// Writes the value as a CSV field; nothing for NULL.
    pub(super) fn push_csv(&self, kind: Kind, text: &mut String) {
        let start = text.len();
        self.push_plain(kind, text);
        if text[start..].contains([',', '"', '\n', '\r']) {
            let quoted = format!("\"{}\"", text[start..].replace('"', "\"\""));
            text.replace_range(start.., &quoted);
        }
    }

    /// Writes the value without quotes.
    pub(super) fn push_plain(&self, kind: Kind, text: &mut String) {
        let written = match self {
            Value::Null => Ok(()),
            Value::Number(number) => write!(text, "{number}"),
            Value::Money(minor) => write!(text, "{}", Major(*minor)),
            Value::Rate(scaled) => write!(text, "{}.{:08}", scaled / 100_000_000, scaled % 100_000_000),
            Value::Flag(flag) => write!(text, "{flag}"),
            Value::Word(word) => text.write_str(word),
            Value::Code(prefix, number) => write!(text, "{prefix}{number}"),
            Value::Text(words) | Value::Json(words) => text.write_str(words),
            Value::Time(at_ms) if kind == Kind::Wall => text.write_str(&wall_clock(*at_ms, 0)),
            Value::Time(at_ms) => text.write_str(&rfc3339(*at_ms)),
            Value::Date(days) => write!(text, "{}", date(*days)),
        };
        written.expect("writing to a string can't fail");
    }
}

/// Money in major units: `12.34`, `-0.05`.
pub(super) struct Major(pub(super) i64);

impl fmt::Display for Major {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.0 < 0 { "-" } else { "" };
        write!(f, "{sign}{}.{:02}", self.0.unsigned_abs() / 100, self.0.unsigned_abs() % 100)
    }
}

fn moment(at_ms: i64) -> DateTime<chrono::Utc> {
    DateTime::from_timestamp_millis(at_ms).unwrap_or_default()
}

/// `2026-11-11T00:00:00.123Z`.
pub(super) fn rfc3339(at_ms: i64) -> String {
    moment(at_ms).to_rfc3339_opts(SecondsFormat::Millis, true)
}

/// `2026-11-10T19:00:00-05:00`: seconds, with an offset.
pub(super) fn with_offset(at_ms: i64, offset_hours: i32) -> String {
    format!("{}{offset_hours:+03}:00", moment(at_ms + i64::from(offset_hours) * 3_600_000).format("%Y-%m-%dT%H:%M:%S"))
}

/// `2026-11-11 08:00:00`: what a wall clock so many hours ahead of UTC shows.
pub(super) fn wall_clock(at_ms: i64, offset_hours: i64) -> String {
    moment(at_ms + offset_hours * 3_600_000).format("%Y-%m-%d %H:%M:%S").to_string()
}

/// The day of a time, in days since the epoch, UTC.
pub(super) fn day_of(at_ms: i64) -> i32 {
    at_ms.div_euclid(86_400_000) as i32
}

fn date(days: i32) -> NaiveDate {
    NaiveDate::default() + TimeDelta::days(i64::from(days))
}
