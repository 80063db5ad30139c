//! A sink's `WITH (…)`, checked: known connector, known options, values of the right kind. No IO.
//!
//! | option | means | default |
//! |---|---|---|
//! | `url` | `http://…` or `https://…` | required |
//! | `key` | columns that name an alert, separated by commas | the view's own key, else the whole row |
//! | `header.NAME` | a header of every request, such as `header.Authorization` | – |
//! | `snapshot` | `false`: what stands when the sink is made does not fire | `true` |
//! | `timeout_ms` | how long one delivery may take | 10000 |
//! | `retry_initial_ms`, `retry_max_ms` | pause after the first failure, and the longest | 500, 60000 |
//! | `ca_file` | PEM certificates to trust instead of the system's | – |
//!
//! What is declared can be read by whoever may query. Secrets stay out of it: in `url` and headers `${TRUEUP_SECRET_NAME}` stands for the
//! environment variable of that name, read when the sink starts. Others than `TRUEUP_SECRET_…` are not read.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use hyper::Uri;
use hyper::header::{HeaderName, HeaderValue};

use crate::model::error::code;
use crate::model::{SqlError, SqlResult};

/// The one connector there is.
pub(super) const WEBHOOK: &str = "webhook";
const HEADER_PREFIX: &str = "header.";
const SECRET_PREFIX: &str = "TRUEUP_SECRET_";
const MILLISECONDS_MAX: u64 = 3_600_000;

/// A sink as declared.
#[derive(Clone, Debug)]
pub struct SinkDef {
    declared: BTreeMap<String, String>,
    pub(super) url: Uri,
    pub(super) key: Option<Vec<String>>,
    pub(super) headers: Vec<(HeaderName, HeaderValue)>,
    pub(super) snapshot: bool,
    pub(super) timeout: Duration,
    pub(super) retry_initial: Duration,
    pub(super) retry_max: Duration,
    pub(super) ca_file: Option<PathBuf>,
}

impl SinkDef {
    /// Reads a sink's options; secrets are not looked up.
    ///
    /// # Errors
    /// Another connector than `webhook`, unknown options, values of the wrong kind.
    pub fn new(name: &str, options: &BTreeMap<String, String>) -> SqlResult<SinkDef> {
        SinkDef::read(name, options, &|_| Some("secret".to_string()))
    }

    /// The sink with its secrets, `variable` being the environment.
    pub(super) fn revealed(&self, name: &str, variable: &dyn Fn(&str) -> Option<String>) -> SqlResult<SinkDef> {
        SinkDef::read(name, &self.declared, variable)
    }

    fn read(
        name: &str,
        options: &BTreeMap<String, String>,
        variable: &dyn Fn(&str) -> Option<String>,
    ) -> SqlResult<SinkDef> {
        match options.get("connector").map(String::as_str) {
            Some(WEBHOOK) => {}
            Some(other) => {
                return Err(SqlError::unsupported(format!("connector \"{other}\" is not available for sinks"))
                    .hint("use connector = 'webhook', or read changes with COPY (SUBSCRIBE TO view) TO STDOUT"));
            }
            None => {
                let message = format!("sink \"{name}\" needs a connector");
                return Err(SqlError::new(code::INVALID_DEFINITION, message)
                    .hint("WITH (connector = 'webhook', url = 'https://…')"));
            }
        }
        let options = Options { sink: name, values: options, variable };
        options.refuse_unknown()?;
        let retry_initial = options.milliseconds("retry_initial_ms", 500)?;
        let retry_max = options.milliseconds("retry_max_ms", 60_000)?;
        if retry_initial > retry_max {
            return Err(options.invalid("retry_initial_ms", "it is above retry_max_ms"));
        }
        Ok(SinkDef {
            declared: options.values.clone(),
            url: options.url()?,
            key: options.get("key").map(|names| names.split(',').map(|n| n.trim().to_string()).collect()),
            headers: options.headers()?,
            snapshot: options.flag("snapshot", true)?,
            timeout: options.milliseconds("timeout_ms", 10_000)?,
            retry_initial,
            retry_max,
            ca_file: options.get("ca_file").map(PathBuf::from),
        })
    }
}

struct Options<'a> {
    sink: &'a str,
    values: &'a BTreeMap<String, String>,
    variable: &'a dyn Fn(&str) -> Option<String>,
}

impl Options<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        self.values.get(key).map(String::as_str)
    }

    fn invalid(&self, key: &str, reason: &str) -> SqlError {
        let value = self.get(key).unwrap_or_default();
        let message = format!("option \"{key}\" of sink \"{}\": \"{value}\" can't be used: {reason}", self.sink);
        SqlError::new(code::INVALID_PARAMETER_VALUE, message)
    }

    fn refuse_unknown(&self) -> SqlResult<()> {
        const KNOWN: [&str; 8] =
            ["connector", "url", "key", "snapshot", "timeout_ms", "retry_initial_ms", "retry_max_ms", "ca_file"];
        let unknown = |key: &&String| !KNOWN.contains(&key.as_str()) && !key.starts_with(HEADER_PREFIX);
        match self.values.keys().find(unknown) {
            None => Ok(()),
            Some(key) => {
                let message = format!("sink \"{}\" has no option \"{key}\"", self.sink);
                let hint = format!("options of webhook sinks: {}, {HEADER_PREFIX}NAME", KNOWN.join(", "));
                Err(SqlError::new(code::INVALID_PARAMETER_VALUE, message).hint(hint))
            }
        }
    }

    /// A value with the environment's secrets in their places.
    fn revealed(&self, key: &str, value: &str) -> SqlResult<String> {
        let (mut revealed, mut rest) = (String::new(), value);
        while let Some((before, behind)) = rest.split_once("${") {
            let Some((name, after)) = behind.split_once('}').filter(|(name, _)| name.starts_with(SECRET_PREFIX)) else {
                return Err(self.invalid(key, &format!("expected ${{{SECRET_PREFIX}…}}, no other variable is read")));
            };
            let Some(secret) = (self.variable)(name) else {
                return Err(self.invalid(key, &format!("the environment variable {name} is not set")));
            };
            revealed.extend([before, &secret]);
            rest = after;
        }
        Ok(revealed + rest)
    }

    fn url(&self) -> SqlResult<Uri> {
        let Some(text) = self.get("url") else {
            return Err(SqlError::new(
                code::INVALID_DEFINITION,
                format!("sink \"{}\" needs the option \"url\"", self.sink),
            )
            .hint("url = 'https://alerts.example.com/hook'"));
        };
        let url: Uri = self
            .revealed("url", text)?
            .parse()
            .map_err(|e: hyper::http::uri::InvalidUri| self.invalid("url", &e.to_string()))?;
        match url.scheme_str() {
            Some("http" | "https") if url.host().is_some_and(|host| !host.is_empty()) => Ok(url),
            _ => Err(self.invalid("url", "expected http://host… or https://host…")),
        }
    }

    fn headers(&self) -> SqlResult<Vec<(HeaderName, HeaderValue)>> {
        let named = self.values.iter().filter_map(|(key, value)| Some((key, key.strip_prefix(HEADER_PREFIX)?, value)));
        named
            .map(|(key, name, value)| {
                let name = HeaderName::try_from(name).map_err(|e| self.invalid(key, &e.to_string()))?;
                let mut value =
                    HeaderValue::try_from(self.revealed(key, value)?).map_err(|e| self.invalid(key, &e.to_string()))?;
                value.set_sensitive(true);
                Ok((name, value))
            })
            .collect()
    }

    fn flag(&self, key: &str, default: bool) -> SqlResult<bool> {
        match self.get(key).map(str::to_ascii_lowercase).as_deref() {
            None => Ok(default),
            Some("true" | "t" | "on" | "yes" | "1") => Ok(true),
            Some("false" | "f" | "off" | "no" | "0") => Ok(false),
            Some(_) => Err(self.invalid(key, "expected 'true' or 'false'")),
        }
    }

    fn milliseconds(&self, key: &str, default: u64) -> SqlResult<Duration> {
        let value = match self.get(key) {
            None => default,
            Some(text) => match text.trim().parse() {
                Ok(value) if (1..=MILLISECONDS_MAX).contains(&value) => value,
                _ => return Err(self.invalid(key, &format!("expected 1 to {MILLISECONDS_MAX} milliseconds"))),
            },
        };
        Ok(Duration::from_millis(value))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(options: &[(&str, &str)]) -> Result<SinkDef, String> {
        let options = options.iter().map(|(key, value)| (key.to_string(), value.to_string())).collect();
        SinkDef::new("s", &options).map_err(|e| format!("{}: {e}", e.code))
    }

    #[test]
    fn what_is_wrong_is_named() {
        let url = ("url", "http://localhost/x");
        for (options, expected) in [
            (vec![], "42P16: sink \"s\" needs a connector"),
            (vec![("connector", "kafka")], "0A000: connector \"kafka\" is not available for sinks"),
            (vec![("connector", "webhook")], "42P16: sink \"s\" needs the option \"url\""),
            (vec![("connector", "webhook"), ("url", "ftp://x")], "expected http://host"),
            (vec![("connector", "webhook"), ("url", "/x")], "expected http://host"),
            (vec![("connector", "webhook"), url, ("topic", "x")], "sink \"s\" has no option \"topic\""),
            (vec![("connector", "webhook"), url, ("timeout_ms", "0")], "expected 1 to 3600000"),
            (vec![("connector", "webhook"), url, ("retry_max_ms", "10")], "above retry_max_ms"),
            (vec![("connector", "webhook"), url, ("header.a b", "x")], "invalid HTTP header name"),
            (vec![("connector", "webhook"), url, ("snapshot", "maybe")], "expected 'true' or 'false'"),
            (vec![("connector", "webhook"), url, ("header.x", "${HOME}")], "expected ${TRUEUP_SECRET_…}"),
            (vec![("connector", "webhook"), ("url", "http://x/${TRUEUP_SECRET_X")], "expected ${TRUEUP_SECRET_…}"),
        ] {
            let error = read(&options).expect_err("refused");
            assert!(error.contains(expected), "{options:?}: {error}");
        }
    }

    #[test]
    fn options_are_taken() {
        let def = read(&[
            ("connector", "webhook"),
            ("url", "https://alerts.example.com:8443/hook?x=1"),
            ("key", "sku, day"),
            ("header.authorization", "Bearer x"),
            ("retry_max_ms", "2000"),
        ])
        .unwrap();
        assert_eq!(def.key, Some(vec!["sku".to_string(), "day".to_string()]));
        assert_eq!((def.headers.len(), def.retry_max, def.snapshot), (1, Duration::from_secs(2), true));
    }

    #[test]
    fn secrets_come_from_the_environment() {
        let declared = read(&[
            ("connector", "webhook"),
            ("url", "https://alerts.example.com/${TRUEUP_SECRET_PATH}?${TRUEUP_SECRET_PATH}"),
            ("header.authorization", "Bearer ${TRUEUP_SECRET_TOKEN}"),
        ])
        .unwrap();
        let variable = |name: &str| match name {
            "TRUEUP_SECRET_PATH" => Some("a/b".to_string()),
            "TRUEUP_SECRET_TOKEN" => Some("t".to_string()),
            _ => None,
        };
        let def = declared.revealed("s", &variable).unwrap();
        assert_eq!(
            (def.url.to_string().as_str(), &def.headers[0].1),
            ("https://alerts.example.com/a/b?a/b", &HeaderValue::from_static("Bearer t"))
        );
        let error = declared.revealed("s", &|_| None).unwrap_err();
        assert!(error.to_string().contains("the environment variable TRUEUP_SECRET_PATH is not set"), "{error}");
        // A secret that breaks its place is not repeated in the error.
        let error = declared.revealed("s", &|_| Some("a\nb".to_string())).unwrap_err();
        assert!(!error.to_string().contains("a\nb"), "{error}");
    }
}
