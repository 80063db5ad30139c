//! The text of a test file to cases and steps, each with its place. What names mean is [`super::bind`]'s business.

use std::ops::Range;

use crate::model::error::code;
use crate::model::{SqlError, SqlResult};

/// A test file's cases.
#[derive(Debug, Default)]
pub(super) struct TestFile {
    /// What begins every case.
    pub setup: Vec<Step>,
    pub cases: Vec<Case>,
}

/// A case as written.
#[derive(Debug)]
pub(super) struct Case {
    pub name: String,
    /// Where its line begins.
    pub offset: usize,
    pub steps: Vec<Step>,
}

/// One thing a case says.
#[derive(Debug)]
pub(super) enum Step {
    Given(Given),
    Tick,
    /// The time's text, without quotes.
    Now(Range<usize>),
    /// `INSERT`, `UPDATE` or `DELETE`, without the semicolon.
    Statement(Range<usize>),
    Expect(Expect),
}

/// Rows for a relation.
#[derive(Debug)]
pub(super) struct Given {
    pub relation: Name,
    /// Bad rows and unknown fields are taken as a connector takes them.
    pub as_received: bool,
    pub rows: Vec<Range<usize>>,
}

/// Rows that must be there.
#[derive(Debug)]
pub(super) struct Expect {
    pub offset: usize,
    pub what: What,
    pub rows: Vec<Range<usize>>,
}

/// What an `EXPECT` looks at.
#[derive(Debug)]
pub(super) enum What {
    /// A relation; no columns: all of them.
    Relation(Name, Vec<Name>),
    /// A query, without the semicolon.
    Query(Range<usize>),
}

/// An identifier and where it stands.
#[derive(Clone, Debug)]
pub(super) struct Name {
    pub text: String,
    pub offset: usize,
}

const HINT: &str = "expected GIVEN, TICK, NOW, EXPECT, INSERT, UPDATE, DELETE, a row, a comment or \"-- test: name\"";

/// Reads a test file. An error's position is a byte offset in `text`.
pub(super) fn parse(text: &str) -> SqlResult<TestFile> {
    let mut reader = Reader { text, at: 0 };
    let mut file = TestFile::default();
    while reader.skip_to_content() {
        let start = reader.at;
        if let Some(name) = reader.rest_of_line().strip_prefix("-- test:") {
            let name = name.trim();
            if name.is_empty() {
                return Err(SqlError::syntax("a test needs a name").at(start).hint("-- test: what is shown"));
            }
            if file.cases.iter().any(|case| case.name == name) {
                return Err(SqlError::syntax(format!("a second test is named \"{name}\"")).at(start));
            }
            finished(file.cases.last())?;
            file.cases.push(Case { name: name.to_string(), offset: start, steps: vec![] });
            reader.next_line();
            continue;
        }
        let step = reader.step()?;
        match file.cases.last_mut() {
            Some(case) => case.steps.push(step),
            None if matches!(step, Step::Given(_) | Step::Now(_)) => file.setup.push(step),
            None => {
                let error = SqlError::syntax("before the first test only GIVEN and NOW can stand").at(start);
                return Err(error.hint("begin a case with \"-- test: name\""));
            }
        }
    }
    finished(file.cases.last())?;
    if file.cases.is_empty() {
        return Err(SqlError::syntax("no test in this file").at(0).hint("begin a case with \"-- test: name\""));
    }
    Ok(file)
}

/// A case whose last words are not `EXPECT` tests less than it seems to.
fn finished(case: Option<&Case>) -> SqlResult<()> {
    match case {
        Some(case) if !matches!(case.steps.last(), Some(Step::Expect(_))) => {
            Err(SqlError::syntax(format!("test \"{}\" does not end with EXPECT", case.name)).at(case.offset))
        }
        _ => Ok(()),
    }
}

struct Reader<'t> {
    text: &'t str,
    /// Between steps at the beginning of a line's content.
    at: usize,
}

impl<'t> Reader<'t> {
    fn rest(&self) -> &'t str {
        &self.text[self.at..]
    }

    fn rest_of_line(&self) -> &'t str {
        self.rest().split('\n').next().unwrap_or_default().trim_end()
    }

    fn next_line(&mut self) {
        self.at = self.rest().find('\n').map_or(self.text.len(), |newline| self.at + newline + 1);
    }

    fn skip_space(&mut self) {
        self.at += self.rest().len() - self.rest().trim_start().len();
    }

    fn skip_blanks(&mut self) {
        self.at += self.rest().len() - self.rest().trim_start_matches([' ', '\t', '\r']).len();
    }

    /// Goes to what is neither space nor comment; a case's head is no comment.
    fn skip_to_content(&mut self) -> bool {
        loop {
            self.skip_space();
            if self.rest().starts_with("--") && !self.rest().starts_with("-- test:") {
                self.next_line();
            } else {
                return !self.rest().is_empty();
            }
        }
    }

    fn error<T>(&self, at: usize, message: impl Into<String>) -> SqlResult<T> {
        Err(SqlError::syntax(message).at(at))
    }

    /// Takes a word if it comes next, whatever its case.
    fn accept(&mut self, word: &str) -> bool {
        let rest = self.rest();
        let found = rest.get(..word.len()).is_some_and(|start| start.eq_ignore_ascii_case(word))
            && !rest[word.len()..].starts_with(|c: char| c.is_alphanumeric() || c == '_');
        if found {
            self.at += word.len();
            self.skip_blanks();
        }
        found
    }

    fn peek(&self, words: &[&str]) -> bool {
        words.iter().any(|word| Reader { text: self.text, at: self.at }.accept(word))
    }

    fn step(&mut self) -> SqlResult<Step> {
        let start = self.at;
        if self.accept("GIVEN") {
            let relation = self.name()?;
            let as_received = self.accept("AS");
            if as_received && !self.accept("RECEIVED") {
                return self.error(self.at, "expected RECEIVED after AS");
            }
            self.end_of_line()?;
            let rows = self.rows()?;
            if rows.is_empty() {
                return self.error(start, format!("GIVEN \"{}\" without rows", relation.text));
            }
            Ok(Step::Given(Given { relation, as_received, rows }))
        } else if self.accept("TICK") {
            self.end_of_line()?;
            Ok(Step::Tick)
        } else if self.accept("NOW") {
            let start = self.at;
            let quoted =
                self.rest().strip_prefix('\'').and_then(|rest| rest.find(['\'', '\n']).map(|end| &rest[..end]));
            let Some(time) = quoted.filter(|time| self.rest()[1 + time.len()..].starts_with('\'')) else {
                return Err(SqlError::syntax("expected a quoted time").at(start).hint("NOW '2026-11-11 00:00:00+00'"));
            };
            self.at += time.len() + 2;
            self.end_of_line()?;
            Ok(Step::Now(start + 1..start + 1 + time.len()))
        } else if self.peek(&["INSERT", "UPDATE", "DELETE"]) {
            Ok(Step::Statement(self.statement()?))
        } else if self.accept("EXPECT") {
            self.expect(start)
        } else if self.rest().starts_with('{') {
            Err(SqlError::syntax("a row needs a GIVEN or EXPECT before it").at(start))
        } else {
            let word: String = self.rest().chars().take_while(|c| !c.is_whitespace()).collect();
            Err(SqlError::syntax(format!("syntax error at or near \"{word}\"")).at(start).hint(HINT))
        }
    }

    fn expect(&mut self, offset: usize) -> SqlResult<Step> {
        let empty = self.accept("EMPTY");
        let what = if self.peek(&["SELECT", "WITH", "VALUES"]) {
            What::Query(self.statement()?)
        } else {
            let relation = self.name()?;
            let columns = if self.rest().starts_with('(') { self.columns()? } else { vec![] };
            self.end_of_line()?;
            What::Relation(relation, columns)
        };
        let rows = self.rows()?;
        match (empty, rows.first()) {
            (true, Some(row)) => self.error(row.start, "EXPECT EMPTY wants no rows"),
            (false, None) => {
                Err(SqlError::syntax("EXPECT without rows").at(offset).hint("write EXPECT EMPTY if there must be none"))
            }
            _ => Ok(Step::Expect(Expect { offset, what, rows })),
        }
    }

    fn columns(&mut self) -> SqlResult<Vec<Name>> {
        let mut names = vec![];
        loop {
            self.at += 1;
            self.skip_blanks();
            names.push(self.name()?);
            match self.rest().chars().next() {
                Some(',') => {}
                Some(')') => break,
                _ => return self.error(self.at, "expected , or ) in the list of columns"),
            }
        }
        self.at += 1;
        self.skip_blanks();
        Ok(names)
    }

    /// An identifier as PostgreSQL reads it: folded to lower case unless quoted.
    fn name(&mut self) -> SqlResult<Name> {
        let (offset, rest) = (self.at, self.rest());
        let (text, length) = match rest.strip_prefix('"') {
            Some(quoted) => match quoted.split('\n').next().unwrap_or_default().find('"') {
                Some(end) => (quoted[..end].to_string(), end + 2),
                None => return self.error(offset, "unterminated quoted identifier"),
            },
            None => {
                let word =
                    rest.split(|c: char| !c.is_alphanumeric() && c != '_' && c != '$').next().unwrap_or_default();
                (word.to_lowercase(), word.len())
            }
        };
        if text.is_empty() {
            return self.error(offset, "expected a name");
        }
        self.at += length;
        self.skip_blanks();
        Ok(Name { text, offset })
    }

    /// Nothing but a comment may follow.
    fn end_of_line(&mut self) -> SqlResult<()> {
        self.skip_blanks();
        let rest = self.rest_of_line();
        if !rest.is_empty() && !rest.starts_with("--") {
            return self.error(self.at, format!("syntax error at or near \"{rest}\""));
        }
        self.next_line();
        Ok(())
    }

    /// SQL up to the semicolon that ends a line.
    fn statement(&mut self) -> SqlResult<Range<usize>> {
        let start = self.at;
        loop {
            let line = self.rest_of_line();
            let code = line.split(" --").next().unwrap_or_default().trim_end();
            if code.ends_with(';') {
                let range = start..self.at + code.len() - 1;
                self.next_line();
                return Ok(range);
            }
            self.next_line();
            if self.rest().is_empty() || self.rest().starts_with("-- test:") {
                return self.error(start, "a statement ends with a semicolon at the end of a line");
            }
        }
    }

    /// The JSON objects that come next.
    fn rows(&mut self) -> SqlResult<Vec<Range<usize>>> {
        let mut rows = vec![];
        while self.skip_to_content() && self.rest().starts_with('{') {
            let mut values = serde_json::Deserializer::from_str(self.rest()).into_iter::<serde::de::IgnoredAny>();
            let read = values.next();
            let start = self.at;
            if let Some(Err(error)) = read {
                let (text, place) = (error.to_string(), offset_of(self.rest(), error.line(), error.column()));
                let reason = text.split(" at line ").next().unwrap_or(&text);
                let error = SqlError::new(code::INVALID_TEXT_REPRESENTATION, format!("invalid JSON: {reason}"));
                return Err(error.at(start + place));
            }
            self.at = start + values.byte_offset();
            rows.push(start..self.at);
            self.end_of_line()?;
        }
        Ok(rows)
    }
}

/// Where `serde_json`'s line and column, both from 1, are; at most the end.
fn offset_of(text: &str, line: usize, column: usize) -> usize {
    let before: usize = text.split_inclusive('\n').take(line.saturating_sub(1)).map(str::len).sum();
    (before + column.saturating_sub(1)).min(text.len())
}
