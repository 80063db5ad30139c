//! Builds the war room's page and puts it into the program, where Node is there.
//!
//! Writes `$OUT_DIR/page.rs` with `pub static FILES: &[(&str, &[u8])]`: path below the page's root and content.
//! Without Node and npm, with `TRUEUP_SKIP_WEB=1`, or when npm fails (no network), `FILES` is empty, a warning says so and `/`
//! says how to get the page: the program is whole without it. Runs again only when the page's sources changed.

use std::env;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// What the page is made of, below `web/`.
const SOURCES: [&str; 7] =
    ["index.html", "package.json", "package-lock.json", "public", "src", "tsconfig.json", "vite.config.ts"];

fn main() {
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets OUT_DIR"));
    let web = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").expect("cargo sets it")).join("web");
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-env-changed=TRUEUP_SKIP_WEB");
    for source in SOURCES {
        println!("cargo::rerun-if-changed={}", web.join(source).display());
    }
    let page = out.join("page");
    let files = match build(&web, &page) {
        Ok(()) => files_below(&page),
        Err(why) => {
            println!("cargo::warning=the program is built without its web page: {why}");
            Vec::new()
        }
    };
    fs::write(out.join("page.rs"), listing(&page, &files)).expect("OUT_DIR is writable");
}

/// Builds the page into a folder; says why not when it can't.
fn build(web: &Path, page: &Path) -> Result<(), String> {
    if env::var_os("TRUEUP_SKIP_WEB").is_some_and(|value| !value.is_empty() && value != "0") {
        return Err("TRUEUP_SKIP_WEB is set".to_string());
    }
    if !web.is_dir() {
        return Err("there is no folder web".to_string());
    }
    for program in ["node", "npm"] {
        run(program, &["--version"], web).map_err(|_| format!("{program} is not installed"))?;
    }
    install(web)?;
    let page = page.to_str().ok_or("OUT_DIR is no UTF-8")?;
    run("npm", &["run", "build", "--", "--outDir", page, "--emptyOutDir"], web)
}

/// `npm ci`, unless the packages that the lock file names are there.
fn install(web: &Path) -> Result<(), String> {
    let lock = fs::read(web.join("package-lock.json")).map_err(|e| format!("web/package-lock.json: {e}"))?;
    let installed = web.join("node_modules/.trueup-lock");
    if fs::read(&installed).is_ok_and(|before| before == lock) {
        return Ok(());
    }
    run("npm", &["ci", "--no-audit", "--no-fund"], web)?;
    fs::write(&installed, lock).map_err(|e| format!("{}: {e}", installed.display()))
}

/// Runs a program quietly; its output is told only when it fails.
fn run(program: &str, arguments: &[&str], folder: &Path) -> Result<(), String> {
    let output = Command::new(program)
        .args(arguments)
        .current_dir(folder)
        .output()
        .map_err(|e| format!("{program} can't be started: {e}"))?;
    if output.status.success() {
        return Ok(());
    }
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said).trim().replace('\n', " | ");
    Err(format!("`{program} {}` failed: {said}", arguments.join(" ")))
}

/// All files below a folder, as paths relative to it with `/` between, in order.
fn files_below(folder: &Path) -> Vec<String> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_path_buf()];
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(&next).expect("what was built is readable") {
            let path = entry.expect("what was built is readable").path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let relative = path.strip_prefix(folder).expect("it is below");
                let parts: Vec<_> = relative.components().map(|c| c.as_os_str().to_string_lossy()).collect();
                found.push(parts.join("/"));
            }
        }
    }
    found.sort();
    found
}

/// The Rust source that embeds the files.
fn listing(page: &Path, files: &[String]) -> String {
    let mut source = String::from("pub static FILES: &[(&str, &[u8])] = &[\n");
    for file in files {
        let path = page.join(file);
        let path = path.to_str().expect("OUT_DIR is UTF-8");
        writeln!(source, "    ({file:?}, include_bytes!({path:?})),").expect("writing to memory");
    }
    source.push_str("];\n");
    source
}
