//! The Grafana dashboards' SQL against the shipped dataflows: every panel's query runs and has the columns its panel needs.
//!
//! Grafana's macros and variables are replaced as its PostgreSQL data source does before it sends a query.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;
use trueup::app::sql_files;

use super::harness::start;

/// One query of a dashboard.
struct Query {
    /// Where it stands, for messages.
    place: String,
    sql: String,
    is_time_series: bool,
}

fn dashboards() -> Vec<(PathBuf, Value)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("dashboards/grafana");
    let mut paths: Vec<PathBuf> =
        fs::read_dir(folder).expect("the folder").map(|entry| entry.expect("an entry").path()).collect();
    paths.retain(|path| path.extension().is_some_and(|e| e == "json"));
    paths.sort();
    let read = |path: PathBuf| {
        let text = fs::read_to_string(&path).expect("a text");
        let dashboard = serde_json::from_str(&text).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        (path, dashboard)
    };
    paths.into_iter().map(read).collect()
}

fn texts<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key].as_str().unwrap_or_else(|| panic!("{key} in {value}"))
}

/// `$__timeFilter(x)` and the dashboard's variables, at their current values, as Grafana replaces them.
fn replaced(sql: &str, dashboard: &Value) -> String {
    let mut sql = sql.to_owned();
    while let Some(at) = sql.find("$__timeFilter(") {
        let open = at + "$__timeFilter(".len();
        let mut depth = 1;
        let close = sql[open..]
            .char_indices()
            .find(|(_, letter)| {
                depth += match letter {
                    '(' => 1,
                    ')' => -1,
                    _ => 0,
                };
                depth == 0
            })
            .expect("a closing parenthesis");
        let column = sql[open..open + close.0].to_owned();
        let range = format!("{column} BETWEEN '2020-01-01T00:00:00Z' AND '2040-01-01T00:00:00Z'");
        sql.replace_range(at..=open + close.0, &range);
    }
    for variable in dashboard["templating"]["list"].as_array().expect("variables") {
        sql = sql.replace(&format!("${}", texts(variable, "name")), texts(&variable["current"], "value"));
    }
    sql
}

fn queries(path: &Path, dashboard: &Value) -> Vec<Query> {
    let panels = dashboard["panels"].as_array().expect("panels");
    let of_panel = |panel: &Value| -> Vec<Query> {
        let targets = panel["targets"].as_array().expect("targets");
        let query = |target: &Value| Query {
            place: format!("{}, {:?}", path.file_name().expect("a name").display(), texts(panel, "title")),
            sql: replaced(texts(target, "rawSql"), dashboard),
            is_time_series: texts(target, "format") == "time_series",
        };
        targets.iter().map(query).collect()
    };
    panels.iter().flat_map(of_panel).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn grafana_dashboards_ask_for_what_is_there() {
    let engine = start(2);
    let dataflows = Path::new(env!("CARGO_MANIFEST_DIR")).join("dataflows");
    let scripts = sql_files(&[dataflows]).expect("the shipped dataflows");
    engine.load(&scripts).await.unwrap_or_else(|findings| panic!("{findings:?}"));
    let mut wrong = vec![];
    let mut asked = 0;
    for (path, dashboard) in dashboards() {
        for query in queries(&path, &dashboard) {
            assert!(!query.sql.contains('$'), "{}: a variable is left in {}", query.place, query.sql);
            asked += 1;
            match engine.query(&query.sql).await {
                Err(error) => wrong.push(format!("{}: {error}\n  {}", query.place, query.sql)),
                // Grafana wants a time series' time under the name `time`.
                Ok(batch) if query.is_time_series && batch.schema().index_of("time").is_err() => {
                    wrong.push(format!("{}: no column \"time\"\n  {}", query.place, query.sql));
                }
                Ok(_) => {}
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(asked > 20, "{asked} queries");
    engine.stop().await;
}

#[test]
fn provisioning_names_the_dashboards_data_source() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("dashboards/grafana");
    let source = fs::read_to_string(root.join("provisioning/datasources/trueup.yaml")).expect("the data source");
    assert!(source.contains("uid: trueup"), "{source}");
    for (path, dashboard) in dashboards() {
        for panel in dashboard["panels"].as_array().expect("panels") {
            assert_eq!(panel["datasource"]["uid"], "trueup", "{}", path.display());
        }
    }
}
