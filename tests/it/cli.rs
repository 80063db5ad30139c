//! The program from outside: exit codes, help, and the simulator's files.

use std::path::Path;
use std::process::{Command, Output};

/// Runs the program in a folder.
pub fn trueup(arguments: &[&str], folder: &Path) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_trueup"));
    command.args(arguments).current_dir(folder).env_remove("TRUEUP_CONFIG").output().expect("running trueup")
}

pub fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn exit_codes_tell_refused_input_from_wrong_usage() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    std::fs::write(folder.path().join("bad.toml"), "worker = 1\n").expect("writing a file");
    let cases: [(&[&str], i32, &str); 6] = [
        (&["--help"], 0, ""),
        (&["check", "no/such.sql"], 1, "error: can't read no/such.sql: "),
        (&["run", "--config", "bad.toml"], 1, "error: bad.toml: TOML parse error at line 1"),
        (&["run", "--log", "a=b=c"], 1, "error: log filter \"a=b=c\""),
        (&["run", "--workers", "many"], 2, "error: invalid value 'many'"),
        (&["frobnicate"], 2, "error: unrecognized subcommand 'frobnicate'"),
    ];
    for (arguments, code, message) in cases {
        let output = trueup(arguments, folder.path());
        let errors = text(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {errors}");
        assert!(errors.starts_with(message), "{arguments:?}: {errors}");
    }
}

#[test]
fn every_command_helps_with_an_example() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    for command in [
        &["--help"][..],
        &["run", "--help"],
        &["check", "--help"],
        &["test", "--help"],
        &["bench", "--help"],
        &["explain", "--help"],
        &["sim", "--help"],
    ] {
        let output = trueup(command, folder.path());
        assert_eq!(output.status.code(), Some(0), "{command:?}");
        assert!(text(&output.stdout).contains("Example"), "{command:?}");
    }
}

#[test]
fn sim_writes_the_same_files_for_the_same_seed() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    for (out, seed) in [("a", "7"), ("b", "7"), ("c", "8")] {
        let arguments =
            ["sim", "--orders", "100", "--seed", seed, "--set", "history=20", "--out", out, "--truth", "truth"];
        let output = trueup(&arguments, folder.path());
        assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
        assert!(text(&output.stdout).starts_with("raw_web_orders="), "{}", text(&output.stdout));
    }
    let read = |name: &str| std::fs::read(folder.path().join(name)).expect("a file");
    for file in ["raw_web_orders.ndjson", "raw_shopify_orders.ndjson", "raw_pos_lines.csv", "touchpoints.ndjson"] {
        assert!(read(&format!("a/{file}")) == read(&format!("b/{file}")), "{file}");
        assert!(read(&format!("a/{file}")) != read(&format!("c/{file}")), "{file}");
    }
    let truth = text(&read("truth"));
    assert_eq!(truth.lines().count(), 101, "a line per order and the totals");
    assert!(truth.lines().last().is_some_and(|line| line.starts_with("{\"totals\":{\"count\":100,")), "{truth}");
}

#[test]
fn sim_names_what_it_does_not_know() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let cases: [(&[&str], &str); 3] = [
        (&["sim", "--set", "weather=1"], "weather: no such setting; there are seed, orders, "),
        (&["sim", "--set", "late=2"], "late: expected a number between 0 and 1"),
        (&["sim", "--orders", "0", "--truth", "-"], "an endless world has no truth to tell"),
    ];
    for (arguments, message) in cases {
        let output = trueup(arguments, folder.path());
        assert!(matches!(output.status.code(), Some(1 | 2)), "{arguments:?}");
        assert!(text(&output.stderr).contains(message), "{arguments:?}: {}", text(&output.stderr));
    }
}
