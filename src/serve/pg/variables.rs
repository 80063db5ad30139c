//! Run-time parameters: `SET`, `SHOW`, `RESET`.
//!
//! Guarantees: a parameter that would change how values look or statements are read is honoured or refused, never ignored.
//! Parameters that tune PostgreSQL's insides are accepted and kept, without effect. Sets inside a transaction are undone by its
//! ROLLBACK, `SET LOCAL` at its end.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use arrow::array::timezone::Tz;

use super::encode::Style;
use crate::model::{SqlError, SqlResult, error::code};

/// The PostgreSQL release whose manners we follow.
pub(crate) const SERVER_VERSION: &str = "16.6";

/// Known parameters with their defaults; `true`: the client is told of every change.
const KNOWN: &[(&str, &str, bool)] = &[
    ("application_name", "", true),
    ("backslash_quote", "safe_encoding", false),
    ("bytea_output", "hex", false),
    ("check_function_bodies", "on", false),
    ("client_encoding", "UTF8", true),
    ("client_min_messages", "notice", false),
    ("constraint_exclusion", "partition", false),
    ("cursor_tuple_fraction", "0.1", false),
    ("datestyle", "ISO, MDY", true),
    ("default_table_access_method", "heap", false),
    ("default_tablespace", "", false),
    ("default_transaction_deferrable", "off", false),
    ("default_transaction_isolation", "serializable", false),
    ("default_transaction_read_only", "off", true),
    ("enable_hashjoin", "on", false),
    ("enable_indexscan", "on", false),
    ("enable_mergejoin", "on", false),
    ("enable_nestloop", "on", false),
    ("enable_seqscan", "on", false),
    ("escape_string_warning", "on", false),
    ("extra_float_digits", "1", false),
    ("force_parallel_mode", "off", false),
    ("geqo", "on", false),
    ("idle_in_transaction_session_timeout", "0", false),
    ("idle_session_timeout", "0", false),
    ("in_hot_standby", "off", true),
    ("integer_datetimes", "on", true),
    ("intervalstyle", "postgres", true),
    ("is_superuser", "on", true),
    ("jit", "off", false),
    ("lc_collate", "C.UTF-8", false),
    ("lc_ctype", "C.UTF-8", false),
    ("lc_messages", "C", false),
    ("lc_monetary", "C", false),
    ("lc_numeric", "C", false),
    ("lc_time", "C", false),
    ("lock_timeout", "0", false),
    ("log_statement", "none", false),
    ("maintenance_work_mem", "64MB", false),
    ("max_identifier_length", "63", false),
    ("max_index_keys", "32", false),
    ("max_parallel_workers_per_gather", "0", false),
    ("password_encryption", "scram-sha-256", false),
    ("plan_cache_mode", "auto", false),
    ("role", "none", false),
    ("row_security", "on", false),
    ("scram_iterations", "4096", true),
    ("search_path", "\"$user\", public", false),
    ("server_encoding", "UTF8", true),
    ("server_version", SERVER_VERSION, true),
    ("server_version_num", "160006", false),
    ("session_authorization", "", true),
    ("session_replication_role", "origin", false),
    ("ssl", "off", false),
    ("standard_conforming_strings", "on", true),
    ("statement_timeout", "0", false),
    ("synchronize_seqscans", "on", false),
    ("synchronous_commit", "on", false),
    ("tcp_keepalives_idle", "0", false),
    ("temp_buffers", "8MB", false),
    ("timezone", "UTC", true),
    ("transaction_deferrable", "off", false),
    ("transaction_isolation", "serializable", false),
    ("transaction_read_only", "off", false),
    ("wal_level", "replica", false),
    ("work_mem", "4MB", false),
    ("xmloption", "content", false),
];

/// Parameters that cannot be set.
const FIXED: &[&str] = &[
    "in_hot_standby",
    "integer_datetimes",
    "is_superuser",
    "max_identifier_length",
    "max_index_keys",
    "server_encoding",
    "server_version",
    "server_version_num",
    "ssl",
    "wal_level",
];

/// Parameters with the one value that this server can do.
const ONLY: &[(&str, &[&str])] = &[
    ("bytea_output", &["hex"]),
    ("client_encoding", &["utf8", "utf-8", "unicode", "sql_ascii"]),
    ("datestyle", &["iso", "iso, mdy", "iso, dmy", "iso, ymd"]),
    ("intervalstyle", &["postgres"]),
    ("standard_conforming_strings", &["on", "true", "yes", "1"]),
];

/// One session's parameters.
#[derive(Clone, Debug)]
pub(crate) struct Variables {
    values: BTreeMap<String, String>,
    /// What RESET goes back to: the defaults, and what the client chose at start-up.
    initial: BTreeMap<String, String>,
    before_transaction: Option<BTreeMap<String, String>>,
    local: BTreeSet<String>,
    style: Style,
    statement_timeout: Option<Duration>,
    is_changed: bool,
    version: u64,
}

impl Variables {
    /// The defaults, for a user.
    pub(crate) fn new(user: &str) -> Self {
        let mut values: BTreeMap<String, String> =
            KNOWN.iter().map(|(name, value, _)| ((*name).to_owned(), (*value).to_owned())).collect();
        values.insert("session_authorization".to_owned(), user.to_owned());
        Variables {
            initial: values.clone(),
            values,
            before_transaction: None,
            local: BTreeSet::new(),
            style: Style::default(),
            statement_timeout: None,
            is_changed: false,
            version: 0,
        }
    }

    /// A choice made at start-up: what RESET returns to.
    pub(crate) fn set_initial(&mut self, name: &str, value: &str) -> SqlResult<()> {
        self.set(name, Some(value), false)?;
        let name = name.to_lowercase();
        if let Some(value) = self.values.get(&name) {
            self.initial.insert(name, value.clone());
        }
        Ok(())
    }

    /// `SET`; `None` is DEFAULT.
    pub(crate) fn set(&mut self, name: &str, value: Option<&str>, local: bool) -> SqlResult<()> {
        let name = name.to_lowercase();
        let known = KNOWN.iter().any(|(known, _, _)| *known == name);
        if !known && !name.contains('.') {
            return Err(unknown(&name));
        }
        if FIXED.contains(&name.as_str()) {
            return Err(SqlError::new("55P02", format!("parameter \"{name}\" cannot be changed")));
        }
        let value = match value {
            Some(value) => checked(&name, value)?,
            None => match self.initial.get(&name) {
                Some(value) => value.clone(),
                None => {
                    self.values.remove(&name);
                    self.refresh();
                    return Ok(());
                }
            },
        };
        if local {
            if self.before_transaction.is_none() {
                return Ok(());
            }
            self.local.insert(name.clone());
        } else {
            self.local.remove(&name);
        }
        self.values.insert(name, value);
        self.refresh();
        Ok(())
    }

    /// `RESET ALL`.
    pub(crate) fn reset_all(&mut self) {
        self.values = self.initial.clone();
        self.refresh();
    }

    /// A parameter's value.
    pub(crate) fn get(&self, name: &str) -> SqlResult<&str> {
        self.values.get(&name.to_lowercase()).map(String::as_str).ok_or_else(|| unknown(name))
    }

    /// All parameters by name.
    pub(crate) fn all(&self) -> &BTreeMap<String, String> {
        &self.values
    }

    /// A transaction block begins.
    pub(crate) fn begin(&mut self) {
        self.before_transaction = Some(self.values.clone());
        self.local.clear();
    }

    /// The transaction block ends.
    pub(crate) fn finish(&mut self, committed: bool) {
        let Some(before) = self.before_transaction.take() else { return };
        if committed {
            for name in std::mem::take(&mut self.local) {
                match before.get(&name) {
                    Some(value) => self.values.insert(name, value.clone()),
                    None => self.values.remove(&name),
                };
            }
        } else {
            self.values = before;
        }
        self.refresh();
    }

    /// Names (as PostgreSQL spells them) and values of the parameters a client is told.
    pub(crate) fn reported(&self) -> Vec<(&'static str, String)> {
        KNOWN
            .iter()
            .filter(|(_, _, reported)| *reported)
            .map(|(name, default, _)| {
                let value = self.values.get(*name).map_or_else(|| (*default).to_owned(), String::clone);
                (spelling(name), value)
            })
            .collect()
    }

    /// How values are shown.
    pub(crate) fn style(&self) -> &Style {
        &self.style
    }

    /// `statement_timeout`; `None` for never.
    pub(crate) fn statement_timeout(&self) -> Option<Duration> {
        self.statement_timeout
    }

    /// Grows with every change.
    pub(crate) fn version(&self) -> u64 {
        self.version
    }

    /// Whether anything was set since the last call.
    pub(crate) fn take_changed(&mut self) -> bool {
        std::mem::take(&mut self.is_changed)
    }

    fn refresh(&mut self) {
        self.is_changed = true;
        self.version += 1;
        if let Some(zone) = self.values.get("timezone").and_then(|zone| zone.parse().ok()) {
            self.style.zone = zone;
        }
        self.statement_timeout = self
            .values
            .get("statement_timeout")
            .and_then(|value| duration(value).ok())
            .filter(|duration| !duration.is_zero());
    }
}

fn unknown(name: &str) -> SqlError {
    SqlError::new(code::UNDEFINED_OBJECT, format!("unrecognized configuration parameter \"{name}\""))
}

fn spelling(name: &'static str) -> &'static str {
    match name {
        "datestyle" => "DateStyle",
        "intervalstyle" => "IntervalStyle",
        "timezone" => "TimeZone",
        other => other,
    }
}

/// The value as it is kept.
fn checked(name: &str, value: &str) -> SqlResult<String> {
    let invalid = || SqlError::new("22023", format!("invalid value for parameter \"{name}\": \"{value}\""));
    if let Some((_, accepted)) = ONLY.iter().find(|(only, _)| *only == name) {
        let folded = value.split(',').map(str::trim).collect::<Vec<_>>().join(", ").to_lowercase();
        if !accepted.contains(&folded.as_str()) {
            return Err(invalid().hint(format!("this server knows only \"{}\"", accepted[0].to_uppercase())));
        }
        return Ok(match name {
            "client_encoding" => "UTF8".to_owned(),
            "datestyle" => {
                folded.replace("iso", "ISO").replace("dmy", "DMY").replace("ymd", "YMD").replace("mdy", "MDY")
            }
            "standard_conforming_strings" => "on".to_owned(),
            _ => folded,
        });
    }
    match name {
        "timezone" => zone(value).ok_or_else(invalid),
        "statement_timeout" | "lock_timeout" | "idle_session_timeout" | "idle_in_transaction_session_timeout" => {
            duration(value).map_err(|_| invalid())?;
            Ok(value.to_owned())
        }
        _ => Ok(value.to_owned()),
    }
}

fn zone(value: &str) -> Option<String> {
    let name = match value.to_ascii_uppercase().as_str() {
        "UTC" | "Z" | "ZULU" | "GMT" | "ETC/UTC" | "DEFAULT" | "LOCAL" => "UTC",
        _ => value,
    };
    if name.parse::<Tz>().is_ok() {
        return Some(name.to_owned());
    }
    // Whole hours, as in `SET TIME ZONE 2`.
    let hours: i32 = name.parse().ok()?;
    let text = format!("{hours:+03}:00");
    text.parse::<Tz>().is_ok().then_some(text)
}

/// Milliseconds, or a number with a unit: `5s`, `1min`, `100ms`.
pub(crate) fn duration(value: &str) -> SqlResult<Duration> {
    let invalid = || SqlError::new("22023", format!("invalid duration \"{value}\"")).hint("write 500ms, 5s or 1min");
    let value = value.trim();
    let digits = value.find(|character: char| !character.is_ascii_digit() && character != '.').unwrap_or(value.len());
    let (number, unit) = value.split_at(digits);
    let number: f64 = number.parse().map_err(|_| invalid())?;
    let seconds_each = match unit.trim() {
        "us" => 0.000_001,
        "" | "ms" => 0.001,
        "s" => 1.0,
        "min" => 60.0,
        "h" => 3_600.0,
        "d" => 86_400.0,
        _ => return Err(invalid()),
    };
    Duration::try_from_secs_f64(number * seconds_each).map_err(|_| invalid())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_of_parameters_is_sorted_and_unique() {
        assert!(KNOWN.windows(2).all(|pair| pair[0].0 < pair[1].0));
    }

    #[test]
    fn rollback_undoes_sets_and_commit_undoes_local_ones() {
        let mut variables = Variables::new("u");
        variables.begin();
        variables.set("statement_timeout", Some("5s"), false).unwrap();
        variables.set("timezone", Some("Asia/Tokyo"), true).unwrap();
        variables.finish(true);
        assert_eq!(variables.statement_timeout(), Some(Duration::from_secs(5)));
        assert_eq!(variables.get("TimeZone").unwrap(), "UTC");
        variables.begin();
        variables.set("statement_timeout", Some("0"), false).unwrap();
        variables.finish(false);
        assert_eq!(variables.get("statement_timeout").unwrap(), "5s");
        variables.set("statement_timeout", None, false).unwrap();
        assert_eq!(variables.statement_timeout(), None);
    }

    #[test]
    fn what_cannot_be_honoured_is_refused() {
        let mut variables = Variables::new("u");
        assert_eq!(variables.set("client_encoding", Some("LATIN1"), false).unwrap_err().code, "22023");
        assert_eq!(variables.set("datestyle", Some("German"), false).unwrap_err().code, "22023");
        assert_eq!(variables.set("server_version", Some("9"), false).unwrap_err().code, "55P02");
        assert_eq!(variables.set("no_such_thing", Some("1"), false).unwrap_err().code, "42704");
        assert_eq!(variables.set("timezone", Some("Mars/Olympus"), false).unwrap_err().code, "22023");
        variables.set("myapp.user", Some("7"), false).unwrap();
        assert_eq!(variables.get("myapp.user").unwrap(), "7");
    }

    #[test]
    fn durations_have_units() {
        let expected = [("250", 250), ("5s", 5_000), ("1.5 s", 1_500), ("2min", 120_000)];
        for (written, milliseconds) in expected {
            assert_eq!(duration(written).unwrap(), Duration::from_millis(milliseconds));
        }
        assert!(duration("5 parsecs").is_err());
    }
}
