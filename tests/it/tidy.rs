//! The tree's shape: which module may name which, and that files say what they are.

use std::fs;
use std::path::{Path, PathBuf};

/// Modules in the order of the data's way, each with those it may name. What is not listed is refused.
const MAY_NAME: [(&str, &[&str]); 13] = [
    ("model", &[]),
    ("connect", &["model"]),
    ("ingest", &["model", "connect"]),
    ("plan", &["model"]),
    ("views", &["model"]),
    // Sinks are handed their feeds; they know nothing of the engine.
    ("sink", &["model", "views"]),
    ("dataflow", &["model", "plan", "views"]),
    ("engine", &["model", "connect", "ingest", "plan", "views", "sink", "dataflow"]),
    ("testing", &["model", "ingest", "plan", "engine"]),
    ("bench", &["model", "ingest", "engine"]),
    // The servers parse statements and ask the engine; what a statement means is not theirs.
    ("serve", &["model", "views", "plan", "engine"]),
    ("config", &["model"]),
    (
        "app",
        &["model", "connect", "ingest", "plan", "views", "dataflow", "engine", "testing", "bench", "serve", "config"],
    ),
];

/// Files longer than this want splitting.
const LINES_MAX: usize = 700;

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("the tree is readable") {
        let path = entry.expect("the tree is readable").path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|e| e == "rs") {
            found.push(path);
        }
    }
}

fn all_sources() -> Vec<(PathBuf, String)> {
    let mut found = vec![];
    sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut found);
    found.sort();
    found.into_iter().map(|p| (p.clone(), fs::read_to_string(&p).expect("sources are text"))).collect()
}

/// The top-level module a file belongs to.
fn module_of(path: &Path) -> String {
    let inside = path.strip_prefix(Path::new(env!("CARGO_MANIFEST_DIR")).join("src")).expect("below src");
    let first = inside.components().next().expect("a file has a name").as_os_str().to_string_lossy().into_owned();
    first.trim_end_matches(".rs").to_string()
}

#[test]
fn modules_name_only_earlier_ones() {
    let mut wrong = vec![];
    for (path, text) in all_sources() {
        let module = module_of(&path);
        if ["main", "lib"].contains(&module.as_str()) {
            continue;
        }
        let (_, may) =
            MAY_NAME.iter().find(|(name, _)| *name == module).unwrap_or_else(|| panic!("{module} is not listed"));
        for (line, code) in text.lines().enumerate().filter(|(_, l)| !l.trim_start().starts_with("//")) {
            for rest in code.split("crate::").skip(1) {
                let named: String = rest.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
                let is_module = MAY_NAME.iter().any(|(name, _)| *name == named);
                if is_module && named != module && !may.contains(&named.as_str()) {
                    wrong.push(format!("{}:{}: {module} names {named}", path.display(), line + 1));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn only_dataflow_names_timely_and_differential() {
    let wrong: Vec<String> = all_sources()
        .into_iter()
        .filter(|(path, text)| {
            module_of(path) != "dataflow" && (text.contains("timely::") || text.contains("differential_dataflow::"))
        })
        .map(|(path, _)| path.display().to_string())
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn files_say_what_they_are_and_stay_short() {
    let mut wrong = vec![];
    for (path, text) in all_sources() {
        if !text.starts_with("//!") {
            wrong.push(format!("{}: no module documentation", path.display()));
        }
        if text.lines().count() > LINES_MAX {
            wrong.push(format!("{}: more than {LINES_MAX} lines", path.display()));
        }
        for leftover in ["todo!(", "unimplemented!(", "dbg!("] {
            if text.contains(leftover) {
                wrong.push(format!("{}: {leftover}…)", path.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
