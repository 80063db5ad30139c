//! Files that grow, move, shrink and vanish, and what a pass hands out of them.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use super::*;
use crate::connect::PassEnd;

struct Fixture {
    folder: tempfile::TempDir,
    tail: FileTail,
}

impl Fixture {
    fn new(pattern: &str, mode: Mode) -> Fixture {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let pattern = Pattern::new(&format!("{}/{pattern}", folder.path().display())).expect("a pattern");
        Fixture { folder, tail: FileTail::new(pattern, mode) }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.path(name), text).expect("writing a file");
    }

    fn append(&self, name: &str, text: &str) {
        let mut file = OpenOptions::new().append(true).open(self.path(name)).expect("opening a file");
        file.write_all(text.as_bytes()).expect("appending");
    }

    fn rename(&self, from: &str, to: &str) {
        fs::rename(self.path(from), self.path(to)).expect("renaming");
    }

    /// One pass: `name:bytes` for bytes, `name.` for an end, and how it ended.
    fn pass(&mut self) -> (Vec<String>, PassEnd) {
        let mut pieces = Vec::new();
        let end = self.tail.pass(&mut |piece| {
            let name = |name: &str| Path::new(name).file_name().expect("a name").to_string_lossy().into_owned();
            pieces.push(match piece {
                Piece::Bytes { name: path, bytes, .. } => format!("{}:{}", name(path), String::from_utf8_lossy(bytes)),
                Piece::End { name: path, .. } => format!("{}.", name(path)),
            });
            ControlFlow::Continue(())
        });
        (pieces, end.expect("a pass"))
    }

    fn check(&mut self, expected: &[&str], end: PassEnd) {
        let (pieces, ended) = self.pass();
        assert_eq!((pieces.iter().map(String::as_str).collect::<Vec<_>>(), ended), (expected.to_vec(), end));
    }
}

#[test]
fn once_reads_the_files_of_a_folder_in_order() {
    let mut files = Fixture::new("", Mode::Once);
    files.write("b", "2");
    files.write("a", "1");
    files.write(".hidden", "x");
    fs::create_dir(files.path("c")).expect("a folder");
    files.check(&["a:1", "a.", "b:2", "b."], PassEnd::Finished);
    files.append("a", "more");
    files.check(&[], PassEnd::Finished);
}

#[test]
fn once_needs_its_file() {
    let mut files = Fixture::new("missing", Mode::Once);
    let error = files.tail.pass(&mut |_| ControlFlow::Continue(())).expect_err("no file");
    assert_eq!(error.kind(), std::io::ErrorKind::NotFound);
    let mut nothing = Fixture::new("*.none", Mode::Once);
    nothing.check(&[], PassEnd::Finished);
}

#[test]
fn follow_goes_on_where_it_was_and_takes_new_files() {
    let mut files = Fixture::new("*.log", Mode::Follow);
    files.check(&[], PassEnd::Idle);
    files.write("a.log", "1");
    files.check(&["a.log:1"], PassEnd::Idle);
    files.check(&[], PassEnd::Idle);
    files.write("b.log", "x");
    files.write("b.txt", "not this one");
    files.append("a.log", "2");
    files.check(&["a.log:2", "b.log:x"], PassEnd::Idle);
}

#[test]
fn follow_waits_for_a_file_that_is_not_there_yet() {
    let mut files = Fixture::new("late.log", Mode::Follow);
    files.check(&[], PassEnd::Idle);
    files.write("late.log", "1");
    files.check(&["late.log:1"], PassEnd::Idle);
}

#[test]
fn a_replaced_file_is_read_to_its_end_before_the_new_one() {
    let mut files = Fixture::new("a.log", Mode::Follow);
    files.write("a.log", "1");
    files.check(&["a.log:1"], PassEnd::Idle);
    files.append("a.log", "2");
    files.rename("a.log", "a.log.1");
    files.write("a.log", "3");
    files.check(&["a.log:2", "a.log.", "a.log:3"], PassEnd::Idle);
}

#[test]
fn a_renamed_file_that_still_matches_is_the_same_file() {
    let mut files = Fixture::new("*.log*", Mode::Follow);
    files.write("a.log", "1");
    files.check(&["a.log:1"], PassEnd::Idle);
    files.rename("a.log", "a.log.1");
    files.append("a.log.1", "2");
    files.write("a.log", "3");
    files.check(&["a.log:3", "a.log.1:2"], PassEnd::Idle);
}

#[test]
fn a_shrunk_file_is_read_from_its_start() {
    let mut files = Fixture::new("a.log", Mode::Follow);
    files.write("a.log", "long line");
    files.check(&["a.log:long line"], PassEnd::Idle);
    files.write("a.log", "new");
    files.check(&["a.log.", "a.log:new"], PassEnd::Idle);
    files.append("a.log", "er");
    files.check(&["a.log:er"], PassEnd::Idle);
}

#[test]
fn a_removed_file_ends_and_may_come_again() {
    let mut files = Fixture::new("a.log", Mode::Follow);
    files.write("a.log", "1");
    files.check(&["a.log:1"], PassEnd::Idle);
    fs::remove_file(files.path("a.log")).expect("removing");
    files.check(&["a.log."], PassEnd::Idle);
    files.write("a.log", "2");
    files.check(&["a.log:2"], PassEnd::Idle);
}

#[test]
fn large_files_come_in_blocks_with_what_is_still_to_come() {
    let mut files = Fixture::new("*", Mode::Once);
    files.write("a", &"x".repeat((2 << 20) + 5));
    files.write("b", "yy");
    let (mut lengths, mut lags) = (Vec::new(), Vec::new());
    let mut visit = |piece: Piece<'_>| {
        if let Piece::Bytes { bytes, offset, lag_bytes, .. } = piece {
            lengths.push((offset, bytes.len()));
            lags.push(lag_bytes);
        }
        ControlFlow::Continue(())
    };
    files.tail.pass(&mut visit).expect("a pass");
    assert_eq!(lengths, [(0, 1 << 20), (1 << 20, 1 << 20), (2 << 20, 5), (0, 2)]);
    assert_eq!(lags, [(1 << 20) + 7, 7, 2, 0]);
}

#[test]
fn a_visitor_can_stop_a_pass() {
    let mut files = Fixture::new("*", Mode::Follow);
    files.write("a", "1");
    files.write("b", "2");
    let mut seen = 0;
    let mut visit = |_: Piece<'_>| {
        seen += 1;
        ControlFlow::Break(())
    };
    assert_eq!(files.tail.pass(&mut visit).expect("a pass"), PassEnd::Stopped);
    assert_eq!(seen, 1);
}

#[test]
fn more_files_than_are_held_open_are_all_followed() {
    let mut files = Fixture::new("*", Mode::Follow);
    let count = OPEN_FILES_MAX + 20;
    for index in 0..count {
        files.write(&format!("{index:04}"), "1");
    }
    assert_eq!(files.pass().0.len(), count);
    for index in 0..count {
        files.append(&format!("{index:04}"), "2");
    }
    let (pieces, _) = files.pass();
    assert_eq!(pieces.iter().filter(|piece| piece.ends_with(":2")).count(), count);
}

#[test]
fn patterns_are_checked() {
    assert!(Pattern::new("").is_err());
    assert!(Pattern::new("a/[").is_err());
    assert!(Pattern::new("orders.ndjson").expect("a pattern").is_plain());
    assert!(!Pattern::new("no-such-*.ndjson").expect("a pattern").is_plain());
}
