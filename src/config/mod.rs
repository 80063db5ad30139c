//! Settings: defaults, under a TOML file, under the environment, under flags.
//!
//! Every key is optional everywhere. In the file keys are as in [`Settings`], unknown ones are refused; in the environment they
//! are upper-cased behind `TRUEUP_` (`TRUEUP_TICK_MS_MAX`). `TRUEUP_CONFIG` names the file where no flag does. Errors say which
//! key of which place is wrong.
//!
//! Environment variables that begin with `TRUEUP_` and are no key are not refused: container platforms make up names from those
//! of services. They are listed in [`Settings::ignored`] for the log.
//!
//! ```toml
//! workers = 4
//! pg = "127.0.0.1:5433"
//! data_dir = "state"
//! tick_ms_max = 250
//! ```

use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use serde::Deserialize;

const PREFIX: &str = "TRUEUP_";
/// Names the settings file in the environment; no key itself.
const CONFIG_VARIABLE: &str = "TRUEUP_CONFIG";
const WORKERS_MAX: usize = 256;
const TICK_MS_LIMIT: u64 = 60_000;

/// What the program runs with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Timely worker threads.
    pub workers: usize,
    /// Where the PostgreSQL protocol is served; port 0 picks a free one.
    pub pg: SocketAddr,
    /// Where HTTP is served; port 0 picks a free one.
    pub http: SocketAddr,
    /// Whether `POST /api/sql` takes statements that write.
    pub http_write: bool,
    /// Origins other than the server's own whose pages may use HTTP, such as `https://shop.example.com`; `*`: all.
    pub cors_origins: Vec<String>,
    /// Folder for state that survives; `None`: in memory.
    pub data_dir: Option<PathBuf>,
    /// Folder with a file per table, read instead of the tables' connectors; tables without a file stay empty.
    pub input: Option<PathBuf>,
    /// Whether these files are read on as they grow.
    pub follow: bool,
    /// Shortest time between two ticks, in milliseconds.
    pub tick_ms_min: u64,
    /// Time between ticks when nothing happens, in milliseconds.
    pub tick_ms_idle: u64,
    /// Much input at once is taken in portions that keep ticks about this long at most, in milliseconds.
    pub tick_ms_max: u64,
    /// Log filter, e.g. `info` or `trueup=debug`.
    pub log: String,
    /// Environment variables that looked like keys and are none.
    pub ignored: Vec<String>,
}

/// One place's say on every key.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Layer {
    /// See [`Settings::workers`].
    pub workers: Option<usize>,
    /// See [`Settings::pg`].
    pub pg: Option<SocketAddr>,
    /// See [`Settings::http`].
    pub http: Option<SocketAddr>,
    /// See [`Settings::http_write`].
    pub http_write: Option<bool>,
    /// See [`Settings::cors_origins`]; in the environment separated by commas.
    pub cors_origins: Option<Vec<String>>,
    /// See [`Settings::data_dir`].
    pub data_dir: Option<PathBuf>,
    /// See [`Settings::input`].
    pub input: Option<PathBuf>,
    /// See [`Settings::follow`].
    pub follow: Option<bool>,
    /// See [`Settings::tick_ms_min`].
    pub tick_ms_min: Option<u64>,
    /// See [`Settings::tick_ms_idle`].
    pub tick_ms_idle: Option<u64>,
    /// See [`Settings::tick_ms_max`].
    pub tick_ms_max: Option<u64>,
    /// See [`Settings::log`].
    pub log: Option<String>,
}

/// Settings that can't be used, and where they stand.
#[derive(Debug, PartialEq, Eq)]
pub struct ConfigError {
    place: String,
    reason: String,
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place, self.reason)
    }
}

impl std::error::Error for ConfigError {}

impl ConfigError {
    fn new(place: impl Into<String>, reason: impl fmt::Display) -> ConfigError {
        ConfigError { place: place.into(), reason: reason.to_string().trim_end().to_string() }
    }
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            workers: std::thread::available_parallelism().map_or(1, |cores| cores.get().min(WORKERS_MAX)),
            pg: SocketAddr::from(([127, 0, 0, 1], 5433)),
            http: SocketAddr::from(([127, 0, 0, 1], 8080)),
            http_write: false,
            cors_origins: Vec::new(),
            data_dir: None,
            input: None,
            follow: false,
            tick_ms_min: 1,
            tick_ms_idle: 50,
            tick_ms_max: 250,
            log: "info".to_string(),
            ignored: Vec::new(),
        }
    }
}

impl Settings {
    /// Puts the layers together: `flags` over `environment` over the file over the defaults.
    ///
    /// `file` is what a flag named; without one `TRUEUP_CONFIG` is looked at.
    ///
    /// # Errors
    /// A file that can't be read or parsed, an unknown key, a value of the wrong kind or out of its bounds.
    pub fn load(
        file: Option<&Path>,
        environment: impl IntoIterator<Item = (String, String)>,
        flags: Layer,
    ) -> Result<Settings, ConfigError> {
        let mut variables: BTreeMap<String, String> =
            environment.into_iter().filter(|(name, _)| name.starts_with(PREFIX)).collect();
        let named_file = variables.remove(CONFIG_VARIABLE).map(PathBuf::from);
        let file_layer = match file.map(Path::to_path_buf).or(named_file) {
            Some(path) => Layer::from_file(&path)?,
            None => Layer::default(),
        };
        let environment_layer = Layer::from_environment(&mut variables)?;
        let mut settings = Settings { ignored: variables.into_keys().collect(), ..Settings::default() };
        for layer in [file_layer, environment_layer, flags] {
            layer.apply(&mut settings);
        }
        settings.check()?;
        Ok(settings)
    }

    fn check(&self) -> Result<(), ConfigError> {
        let refuse = |key: &str, reason: String| Err(ConfigError::new(format!("setting \"{key}\""), reason));
        if self.workers == 0 || self.workers > WORKERS_MAX {
            return refuse("workers", format!("{} is not between 1 and {WORKERS_MAX}", self.workers));
        }
        let ticks =
            [("tick_ms_min", self.tick_ms_min), ("tick_ms_idle", self.tick_ms_idle), ("tick_ms_max", self.tick_ms_max)];
        for (key, milliseconds) in ticks {
            if milliseconds == 0 || milliseconds > TICK_MS_LIMIT {
                return refuse(key, format!("{milliseconds} is not between 1 and {TICK_MS_LIMIT}"));
            }
        }
        if self.follow && self.input.is_none() {
            return refuse("follow", "there is no input folder to follow".to_string());
        }
        let is_origin = |origin: &&String| *origin == "*" || origin.contains("://") && !origin.ends_with('/');
        if let Some(origin) = self.cors_origins.iter().find(|origin| !is_origin(origin)) {
            return refuse("cors_origins", format!("\"{origin}\" is no origin such as https://shop.example.com"));
        }
        if self.tick_ms_min > self.tick_ms_max {
            return refuse("tick_ms_min", format!("{} is above tick_ms_max, {}", self.tick_ms_min, self.tick_ms_max));
        }
        Ok(())
    }
}

impl Layer {
    /// Reads a TOML file.
    ///
    /// # Errors
    /// Names the file, and the line and key where it can.
    pub fn from_file(path: &Path) -> Result<Layer, ConfigError> {
        let place = path.display().to_string();
        let text = std::fs::read_to_string(path).map_err(|error| ConfigError::new(&place, error))?;
        toml::from_str(&text).map_err(|error| ConfigError::new(place, error))
    }

    /// Takes the variables that are keys out of `variables`.
    fn from_environment(variables: &mut BTreeMap<String, String>) -> Result<Layer, ConfigError> {
        Ok(Layer {
            workers: take(variables, "WORKERS", "a number of threads")?,
            pg: take(variables, "PG", "an address such as 127.0.0.1:5433")?,
            http: take(variables, "HTTP", "an address such as 127.0.0.1:8080")?,
            http_write: take(variables, "HTTP_WRITE", "true or false")?,
            cors_origins: take::<String>(variables, "CORS_ORIGINS", "a list of origins")?.map(|list| {
                list.split(',').map(|origin| origin.trim().to_string()).filter(|o| !o.is_empty()).collect()
            }),
            data_dir: take(variables, "DATA_DIR", "a folder")?,
            input: take(variables, "INPUT", "a folder")?,
            follow: take(variables, "FOLLOW", "true or false")?,
            tick_ms_min: take(variables, "TICK_MS_MIN", "a number of milliseconds")?,
            tick_ms_idle: take(variables, "TICK_MS_IDLE", "a number of milliseconds")?,
            tick_ms_max: take(variables, "TICK_MS_MAX", "a number of milliseconds")?,
            log: take(variables, "LOG", "a log filter")?,
        })
    }

    fn apply(self, settings: &mut Settings) {
        fn set<T>(value: Option<T>, into: &mut T) {
            if let Some(value) = value {
                *into = value;
            }
        }
        set(self.workers, &mut settings.workers);
        set(self.pg, &mut settings.pg);
        set(self.http, &mut settings.http);
        set(self.http_write, &mut settings.http_write);
        set(self.cors_origins, &mut settings.cors_origins);
        set(self.data_dir.map(Some), &mut settings.data_dir);
        set(self.input.map(Some), &mut settings.input);
        set(self.follow, &mut settings.follow);
        set(self.tick_ms_min, &mut settings.tick_ms_min);
        set(self.tick_ms_idle, &mut settings.tick_ms_idle);
        set(self.tick_ms_max, &mut settings.tick_ms_max);
        set(self.log, &mut settings.log);
    }
}

fn take<T: std::str::FromStr>(
    variables: &mut BTreeMap<String, String>,
    key: &str,
    expected: &str,
) -> Result<Option<T>, ConfigError> {
    let name = format!("{PREFIX}{key}");
    let Some(text) = variables.remove(&name) else { return Ok(None) };
    match text.trim().parse() {
        Ok(value) => Ok(Some(value)),
        Err(_) => {
            Err(ConfigError::new(format!("environment variable {name}"), format!("\"{text}\" is not {expected}")))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn environment(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        pairs.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect()
    }

    fn file(text: &str) -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("trueup.toml");
        std::fs::write(&path, text).expect("writing a file");
        (folder, path)
    }

    #[test]
    fn flags_win_over_environment_over_file_over_defaults() {
        let (_folder, path) = file("workers = 3\ntick_ms_max = 300\nlog = \"warn\"\npg = \"127.0.0.1:1\"\n");
        let variables = environment(&[("TRUEUP_TICK_MS_MAX", "400"), ("TRUEUP_LOG", "debug"), ("HOME", "x")]);
        let flags = Layer { log: Some("trace".to_string()), ..Layer::default() };
        let settings = Settings::load(Some(&path), variables, flags).expect("good settings");
        assert_eq!(
            (settings.workers, settings.tick_ms_max, settings.log.as_str(), settings.pg.port(), settings.http.port()),
            (3, 400, "trace", 1, 8080)
        );
        assert!(settings.ignored.is_empty());
    }

    #[test]
    fn every_key_can_come_from_the_environment() {
        let variables = environment(&[
            ("TRUEUP_WORKERS", "2"),
            ("TRUEUP_PG", "0.0.0.0:0"),
            ("TRUEUP_HTTP", "[::1]:81"),
            ("TRUEUP_HTTP_WRITE", "true"),
            ("TRUEUP_CORS_ORIGINS", "https://a.example, http://b.example:81"),
            ("TRUEUP_DATA_DIR", "state"),
            ("TRUEUP_INPUT", "recorded"),
            ("TRUEUP_FOLLOW", "true"),
            ("TRUEUP_TICK_MS_MIN", "2"),
            ("TRUEUP_TICK_MS_IDLE", "3"),
            ("TRUEUP_TICK_MS_MAX", "4"),
            ("TRUEUP_LOG", "off"),
        ]);
        let settings = Settings::load(None, variables, Layer::default()).expect("good settings");
        let expected = Settings {
            workers: 2,
            pg: "0.0.0.0:0".parse().expect("an address"),
            http: "[::1]:81".parse().expect("an address"),
            http_write: true,
            cors_origins: vec!["https://a.example".to_string(), "http://b.example:81".to_string()],
            data_dir: Some("state".into()),
            input: Some("recorded".into()),
            follow: true,
            tick_ms_min: 2,
            tick_ms_idle: 3,
            tick_ms_max: 4,
            log: "off".to_string(),
            ignored: Vec::new(),
        };
        assert_eq!(settings, expected);
    }

    #[test]
    fn the_environment_can_name_the_file_and_a_flag_overrides_it() {
        let (_first, from_variable) = file("workers = 5\n");
        let (_second, from_flag) = file("workers = 6\n");
        let variables = environment(&[("TRUEUP_CONFIG", from_variable.to_str().expect("a path"))]);
        let settings = Settings::load(None, variables.clone(), Layer::default()).expect("good settings");
        assert_eq!(settings.workers, 5);
        let settings = Settings::load(Some(&from_flag), variables, Layer::default()).expect("good settings");
        assert_eq!(settings.workers, 6);
    }

    #[test]
    fn an_unknown_key_is_refused_with_its_file_and_line() {
        let (_folder, path) = file("workers = 1\ntick_max = 5\n");
        let error = Settings::load(Some(&path), [], Layer::default()).expect_err("an unknown key").to_string();
        assert!(error.starts_with(path.to_str().expect("a path")), "{error}");
        assert!(error.contains("line 2") && error.contains("tick_max"), "{error}");
    }

    #[test]
    fn wrong_values_name_their_place() {
        let (_folder, path) = file("pg = 5433\n");
        let error = Settings::load(Some(&path), [], Layer::default()).expect_err("a number").to_string();
        assert!(error.contains("pg = 5433"), "{error}");
        let error = Settings::load(None, environment(&[("TRUEUP_WORKERS", "many")]), Layer::default())
            .expect_err("a word")
            .to_string();
        assert_eq!(error, "environment variable TRUEUP_WORKERS: \"many\" is not a number of threads");
        let error = Settings::load(Some(Path::new("no/such.toml")), [], Layer::default()).expect_err("no file");
        assert!(error.to_string().starts_with("no/such.toml: "), "{error}");
    }

    #[test]
    fn values_out_of_bounds_are_refused() {
        let refused = |layer: Layer| Settings::load(None, [], layer).expect_err("out of bounds").to_string();
        assert_eq!(
            refused(Layer { workers: Some(0), ..Layer::default() }),
            "setting \"workers\": 0 is not between 1 and 256"
        );
        assert_eq!(
            refused(Layer { cors_origins: Some(vec!["shop.example.com".to_string()]), ..Layer::default() }),
            "setting \"cors_origins\": \"shop.example.com\" is no origin such as https://shop.example.com"
        );
        assert_eq!(
            refused(Layer { tick_ms_min: Some(20), tick_ms_max: Some(10), ..Layer::default() }),
            "setting \"tick_ms_min\": 20 is above tick_ms_max, 10"
        );
    }

    #[test]
    fn names_that_are_no_keys_are_listed_not_refused() {
        let variables = environment(&[("TRUEUP_SERVICE_HOST", "10.0.0.1"), ("TRUEUP_LOG", "info")]);
        let settings = Settings::load(None, variables, Layer::default()).expect("good settings");
        assert_eq!(settings.ignored, ["TRUEUP_SERVICE_HOST"]);
    }
}
