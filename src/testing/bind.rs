//! Names to relations and rows to Arrow: what a case says, checked against the planned dataflows.

use std::collections::BTreeSet;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::compute::kernels::cast_utils::string_to_timestamp_nanos;
use arrow::datatypes::{Field, Schema, SchemaRef};

use super::START_MS;
use super::parse::{Case, Expect, Given, Name, Step, What, parse};
use crate::engine::{Columns, Diagnostic, Prepared, Reading, Script};
use crate::ingest::decode::{Decoder, Layout, Position};
use crate::model::error::code;
use crate::model::{BadRow, InputBatch, OnConflict, Op, RelationId, SqlError, SqlResult, TableDef};
use crate::plan::parse::line_column;

/// A case ready to run.
pub(super) struct BoundCase {
    pub path: PathBuf,
    /// 1-based.
    pub line: usize,
    pub name: String,
    /// Views that stand as bags.
    pub replaced: BTreeSet<String>,
    /// Relations to build.
    pub wanted: BTreeSet<String>,
    pub steps: Vec<BoundStep>,
}

/// A step ready to run.
pub(super) enum BoundStep {
    Given(BoundGiven),
    Tick,
    /// Milliseconds since the epoch.
    Now(u64),
    /// SQL, with its line.
    Statement(String, usize),
    Expect(BoundExpect),
}

/// Rows for a relation.
pub(super) struct BoundGiven {
    pub relation: String,
    pub input: InputBatch,
    /// The line each row begins on, bad ones left out.
    pub lines: Vec<usize>,
    /// The table's history.
    pub history: Option<String>,
    pub freedom: Freedom,
}

/// What dealing may do with rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Freedom {
    /// Any order, and twice: key and version decide.
    Versioned,
    /// Any order, each once.
    Bag,
    /// As given.
    Ordered,
}

/// Rows that must be there.
pub(super) struct BoundExpect {
    pub line: usize,
    /// What is shown when it fails.
    pub title: String,
    pub sql: String,
    pub ordered: bool,
    /// The expected rows.
    pub rows: RecordBatch,
    /// The line each begins on.
    pub lines: Vec<usize>,
}

/// All cases of some files, or all that is wrong with them.
pub(super) fn bind_all(prepared: &Prepared, files: &[Script]) -> Result<Vec<BoundCase>, Vec<Diagnostic>> {
    let (mut cases, mut errors) = (vec![], vec![]);
    for file in files {
        let refused = |error| Diagnostic::new(file, 0, error);
        match parse(&file.text) {
            Err(error) => errors.push(refused(error)),
            Ok(parsed) => {
                let binder = Binder { prepared, file };
                for case in &parsed.cases {
                    match binder.case(&parsed.setup, case) {
                        Ok(case) => cases.push(case),
                        Err(error) => errors.push(refused(error)),
                    }
                }
            }
        }
    }
    // A mistake in what begins every case is one mistake.
    errors.dedup_by(|a, b| (a.line, a.column, &a.path) == (b.line, b.column, &b.path));
    if errors.is_empty() { Ok(cases) } else { Err(errors) }
}

struct Binder<'f> {
    prepared: &'f Prepared,
    file: &'f Script,
}

/// Rows decoded from a piece of the file.
struct Decoded {
    batch: Option<InputBatch>,
    lines: Vec<usize>,
}

impl Binder<'_> {
    fn case(&self, setup: &[Step], case: &Case) -> SqlResult<BoundCase> {
        let mut bound = BoundCase {
            path: self.file.path.clone(),
            line: self.line(case.offset),
            name: case.name.clone(),
            replaced: BTreeSet::new(),
            wanted: BTreeSet::new(),
            steps: vec![],
        };
        // The time of the last tick so far.
        let mut ticked: Option<u64> = None;
        let mut now = START_MS;
        for step in setup.iter().chain(&case.steps) {
            let step = match step {
                Step::Given(given) => BoundStep::Given(self.given(given, &mut bound)?),
                Step::Tick => BoundStep::Tick,
                Step::Now(range) => {
                    let time = self.time(range)?;
                    if ticked.is_some_and(|last| time < last) {
                        return Err(SqlError::syntax("the clock does not go back").at(range.start));
                    }
                    now = time;
                    BoundStep::Now(time)
                }
                Step::Statement(range) => {
                    let reading = self.reading(range)?;
                    bound.wanted.extend(reading.relations);
                    BoundStep::Statement(self.file.text[range.clone()].to_string(), self.line(range.start))
                }
                Step::Expect(expect) => BoundStep::Expect(self.expect(expect, &mut bound)?),
            };
            if matches!(step, BoundStep::Tick | BoundStep::Statement(..) | BoundStep::Expect(_)) {
                ticked = Some(now);
            }
            bound.steps.push(step);
        }
        let read = self.prepared.made_of(&bound.wanted, &bound.replaced)?;
        for step in &mut bound.steps {
            if let BoundStep::Given(given) = step
                && given.history.as_ref().is_some_and(|history| read.contains(history))
            {
                given.freedom = Freedom::Ordered;
            }
        }
        Ok(bound)
    }

    fn line(&self, offset: usize) -> usize {
        line_column(&self.file.text, offset).0
    }

    fn time(&self, range: &Range<usize>) -> SqlResult<u64> {
        let nanos = string_to_timestamp_nanos(&self.file.text[range.clone()]);
        nanos.ok().and_then(|nanos| u64::try_from(nanos / 1_000_000).ok()).ok_or_else(|| {
            SqlError::new(code::INVALID_TEXT_REPRESENTATION, "expected a time such as 2026-11-11 00:00:00+00")
                .at(range.start)
        })
    }

    fn columns(&self, relation: &Name) -> SqlResult<Columns> {
        self.prepared.columns(&relation.text).map_err(|e| e.at(relation.offset))
    }

    fn reading(&self, range: &Range<usize>) -> SqlResult<Reading> {
        self.prepared.read(&self.file.text[range.clone()]).map_err(|e| {
            let position = range.start + e.position.unwrap_or(0);
            e.at(position)
        })
    }

    fn given(&self, given: &Given, case: &mut BoundCase) -> SqlResult<BoundGiven> {
        let columns = self.columns(&given.relation)?;
        let name = given.relation.text.clone();
        if columns.kind == "history" {
            let error = SqlError::new(code::WRONG_OBJECT_TYPE, format!("\"{name}\" is a history"));
            return Err(error.hint("give the rows to the table it is of").at(given.relation.offset));
        }
        case.wanted.insert(name.clone());
        let def = match &columns.table {
            Some(def) => TableDef::clone(def),
            None => {
                case.replaced.insert(name.clone());
                bag(&name, &columns.schema)
            }
        };
        let Decoded { batch, lines } = self.decode(&def, &given.rows, given.as_received)?;
        let none = || InputBatch::of_rows(RelationId(0), RecordBatch::new_empty(Arc::clone(&def.schema)), None);
        let input = batch.unwrap_or_else(none);
        let freedom = freedom(&def, &input);
        Ok(BoundGiven { relation: name, input, lines, history: def.history, freedom })
    }

    fn expect(&self, expect: &Expect, case: &mut BoundCase) -> SqlResult<BoundExpect> {
        let (title, sql, ordered, schema) = match &expect.what {
            What::Relation(relation, names) => {
                let schema = self.columns(relation)?.schema;
                case.wanted.insert(relation.text.clone());
                let at = names.iter().map(|name| self.column(&schema, &relation.text, name));
                let at = at.collect::<SqlResult<Vec<usize>>>()?;
                let schema = if at.is_empty() { schema } else { Arc::new(projected(&schema, &at)) };
                let list: Vec<String> = schema.fields().iter().map(|f| quoted(f.name())).collect();
                let sql = format!("SELECT {} FROM {}", list.join(", "), quoted(&relation.text));
                (format!("EXPECT {}", relation.text), sql, false, schema)
            }
            What::Query(range) => {
                let reading = self.reading(range)?;
                case.wanted.extend(reading.relations);
                let Some(columns) = reading.columns else {
                    return Err(SqlError::syntax("EXPECT needs a query").at(range.start));
                };
                let sql = self.file.text[range.clone()].to_string();
                (format!("EXPECT {}", sql.lines().next().unwrap_or_default()), sql, reading.ordered, columns)
            }
        };
        let Decoded { batch, lines } = self.decode(&bag("", &schema), &expect.rows, false)?;
        let rows = batch.map_or_else(|| RecordBatch::new_empty(nullable(&schema)), |batch| batch.rows);
        Ok(BoundExpect { line: self.line(expect.offset), title, sql, ordered, rows, lines })
    }

    fn column(&self, schema: &SchemaRef, relation: &str, name: &Name) -> SqlResult<usize> {
        schema.index_of(&name.text).map_err(|_| no_column(&name.text, relation, schema).at(name.offset))
    }

    /// Decodes rows. Unless `as_received`, a bad row or a field that is no column is an error.
    fn decode(&self, def: &TableDef, rows: &[Range<usize>], as_received: bool) -> SqlResult<Decoded> {
        let mut decoder = Decoder::json(def)?;
        let (source, mut layout) = (self.file.path.display().to_string(), Layout::default());
        let mut lines = vec![];
        for range in rows {
            let (record, line) = (&self.file.text[range.clone()], self.line(range.start));
            decoder.push(record.as_bytes(), Position { source: &source, line: line as u64 }, &mut layout);
            if !as_received && let Some(name) = decoder.unknown_fields().names.first() {
                let at = range.start + record.find(&format!("\"{name}\"")).unwrap_or(0);
                return Err(no_column(name, &def.name, &def.schema).at(at));
            }
            lines.push(line);
        }
        let batch = decoder.take(RelationId(0))?;
        let bad: &[BadRow] = batch.as_ref().map_or(&[], |batch| &batch.bad);
        let is_bad = |line: &usize| bad.iter().any(|b| b.position.ends_with(&format!(":{line}")));
        if let (false, Some(first)) = (as_received, bad.first()) {
            let row = lines.iter().position(is_bad).unwrap_or(0);
            let column = first.message.strip_prefix("column \"").and_then(|rest| rest.split_once('"'));
            let record = &self.file.text[rows[row].clone()];
            let at = column.and_then(|(name, _)| record.find(&format!("\"{name}\""))).unwrap_or(0);
            let error = SqlError::new(code::INVALID_TEXT_REPRESENTATION, first.message.clone());
            return Err(error.at(rows[row].start + at));
        }
        lines.retain(|line| !is_bad(line));
        Ok(Decoded { batch, lines })
    }
}

fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

fn no_column(name: &str, relation: &str, schema: &SchemaRef) -> SqlError {
    let message = match relation {
        "" => format!("column \"{name}\" does not exist"),
        _ => format!("column \"{name}\" of relation \"{relation}\" does not exist"),
    };
    let names: Vec<&str> = schema.fields().iter().map(|f| f.name().as_str()).collect();
    SqlError::new(code::UNDEFINED_COLUMN, message).hint(format!("there are: {}", names.join(", ")))
}

fn nullable(schema: &SchemaRef) -> SchemaRef {
    Arc::new(Schema::new(schema.fields().iter().map(|f| f.as_ref().clone().with_nullable(true)).collect::<Vec<_>>()))
}

fn projected(schema: &SchemaRef, at: &[usize]) -> Schema {
    Schema::new(at.iter().map(|i| schema.field(*i).clone()).collect::<Vec<Field>>())
}

/// A table without a key of these columns, all nullable.
fn bag(name: &str, schema: &SchemaRef) -> TableDef {
    TableDef {
        name: name.to_string(),
        schema: nullable(schema),
        primary_key: vec![],
        version: None,
        on_conflict: OnConflict::Overwrite,
        append_only: false,
        history: None,
        connector: None,
    }
}

fn freedom(def: &TableDef, input: &InputBatch) -> Freedom {
    let deletes = input.ops.as_ref().is_some_and(|ops| ops.contains(&Op::Delete));
    if !input.bad.is_empty() {
        Freedom::Ordered
    } else if def.primary_key.is_empty() {
        if deletes { Freedom::Ordered } else { Freedom::Bag }
    } else if def.version.is_some() && def.on_conflict == OnConflict::Overwrite {
        Freedom::Versioned
    } else {
        Freedom::Ordered
    }
}
