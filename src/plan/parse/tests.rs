//! What each statement becomes, and where and why wrong ones are refused.

use datafusion::sql::sqlparser::ast::Spanned;
use expect_test::{Expect, expect};

use super::*;
use crate::model::TableDef;
use crate::plan::statement::{CursorOf, ExplainOf};
use crate::plan::types::postgres_name;

/// One line per statement; a refusal as `line:column code message`, then its detail and hint.
fn check(sql: &str, expected: Expect) {
    let shown = match parse(sql) {
        Ok(statements) => statements.iter().map(|statement| show(&statement.kind) + "\n").collect(),
        Err(error) => refusal(sql, &error),
    };
    expected.assert_eq(&shown);
}

/// Several texts, one after the other.
fn check_all(texts: &[&str], expected: Expect) {
    let shown = texts.iter().map(|sql| match parse(sql) {
        Ok(statements) => statements.iter().map(|statement| show(&statement.kind) + "\n").collect(),
        Err(error) => format!("{sql}\n  {}", refusal(sql, &error).trim_end().replace('\n', "\n  ") + "\n"),
    });
    expected.assert_eq(&shown.collect::<String>());
}

fn refusal(sql: &str, error: &SqlError) -> String {
    let (line, column) = line_column(sql, error.position.expect("a position"));
    format!("{line}:{column} {} {error}\n", error.code)
}

fn show(kind: &StatementKind) -> String {
    match kind {
        StatementKind::CreateTable { def, if_not_exists } => format!("{} if_not_exists={if_not_exists}", table(def)),
        StatementKind::CreateView { name, columns, query, materialized, or_replace, if_not_exists } => format!(
            "view {name} {columns:?} materialized={materialized} or_replace={or_replace} if_not_exists={if_not_exists} as {query}"
        ),
        StatementKind::Query(query) => format!("query {query}"),
        StatementKind::Insert(statement) => format!("insert: {statement}"),
        StatementKind::Update(statement) => format!("update: {statement}"),
        StatementKind::Delete(statement) => format!("delete: {statement}"),
        StatementKind::Other(statement) => format!("other: {statement}"),
        StatementKind::CopyTo { query, options } => format!("copy to, {query}, {options:?}"),
        StatementKind::Declare { name, of: CursorOf::Query(query), hold } => {
            format!("declare {name} hold={hold} {query}")
        }
        StatementKind::Explain { of: ExplainOf::Query(query), verbose } => format!("explain verbose={verbose} {query}"),
        other => format!("{other:?}"),
    }
}

fn table(def: &TableDef) -> String {
    let columns = def.schema.fields().iter().map(|field| {
        let not_null = if field.is_nullable() { "" } else { " not null" };
        format!("{} {}{not_null}", field.name(), postgres_name(field.data_type()))
    });
    format!(
        "{} ({}) key={:?} version={:?} {:?} append_only={} {:?}",
        def.name,
        columns.collect::<Vec<_>>().join(", "),
        def.primary_key,
        def.version,
        def.on_conflict,
        def.append_only,
        def.connector,
    )
}

#[test]
fn tables_with_every_clause() {
    check(
        "CREATE TABLE orders (
           order_id BIGINT, tenant TEXT, version BIGINT, amount NUMERIC(12,2) NOT NULL, \"Note\" VARCHAR(20) NULL,
           lines STRUCT<sku TEXT, tags TEXT[], at STRUCT<x INT, y INT>>[], PRIMARY KEY (tenant, order_id)
         ) ON CONFLICT OVERWRITE WITH VERSION COLUMN (version)
           WITH (connector = 'file', path = '/in/*.csv', MODE = 'follow') FORMAT PLAIN ENCODE CSV (header = true, delimiter = '|')",
        expect![[r#"
            orders (order_id bigint not null, tenant text not null, version bigint not null, amount numeric(12,2) not null, Note text, lines struct<sku text, tags text[], at struct<x integer, y integer>>[]) key=[1, 0] version=Some(2) Overwrite append_only=false Some(ConnectorDef { name: "file", options: {"delimiter": "|", "header": "true", "mode": "follow", "path": "/in/*.csv"}, encode: Some(Csv) }) if_not_exists=false
        "#]],
    );
    check_all(
        &[
            "create table if not exists public.bag (a int, b timestamptz)",
            "create table t (id uuid primary key, v int) on conflict do nothing",
            "create table t (id int, v int, constraint pk primary key (id)) on conflict do update if not null",
            "create table t (id int constraint pk primary key, v timestamp not null) with version column (v)",
            "create table t (id int, v int) with (connector = 'file', path = 'x') append only format plain encode json",
            "create table t (id int primary key, v int) append only",
            "create source s (a int, b text) with (connector = 'file', path = 'x') format plain encode json",
            "create table t (primary text, key int, primary key (key))",
        ],
        expect![[r#"
            bag (a integer, b timestamp with time zone) key=[] version=None Overwrite append_only=false None if_not_exists=true
            t (id text not null, v integer) key=[0] version=None DoNothing append_only=false None if_not_exists=false
            t (id integer not null, v integer) key=[0] version=None UpdateIfNotNull append_only=false None if_not_exists=false
            t (id integer not null, v timestamp without time zone not null) key=[0] version=Some(1) Overwrite append_only=false None if_not_exists=false
            t (id integer, v integer) key=[] version=None Overwrite append_only=true Some(ConnectorDef { name: "file", options: {"path": "x"}, encode: Some(Json) }) if_not_exists=false
            t (id integer not null, v integer) key=[0] version=None DoNothing append_only=true None if_not_exists=false
            s (a integer, b text) key=[] version=None Overwrite append_only=true Some(ConnectorDef { name: "file", options: {"path": "x"}, encode: Some(Json) }) if_not_exists=false
            t (primary text, key integer not null) key=[1] version=None Overwrite append_only=false None if_not_exists=false
        "#]],
    );
}

#[test]
fn tables_that_contradict_themselves() {
    check_all(
        &[
            "create table t ()",
            "create table t (primary key (a))",
            "create table t (a int, A text)",
            "create table t (a int, 单 text, \"单\" int)",
            "create table t (a int, trueup_tick int)",
            "create table t (a int, primary key (b))",
            "create table t (a int, primary key (a, a))",
            "create table t (a int primary key, primary key (a))",
            "create table t (a int null primary key)",
            "create table t (a int null not null)",
            "create table t (a int primary key, v int) with version column (w)",
            "create table t (a int, v int) with version column (v)",
            "create table t (a int primary key, v int) with version column (a)",
            "create table t (a int primary key, v int[]) with version column (v)",
            "create table t (a int primary key, v boolean) with version column (v)",
            "create table t (a int primary key, v int null) with version column (v)",
            "create table t (a int primary key, v int) on conflict do nothing with version column (v)",
            "create table t (a int) on conflict overwrite",
            "create table t (a int primary key) on conflict do something",
            "create table t (a int primary key) on conflict overwrite on conflict do nothing",
            "create table t (a int primary key) append only on conflict overwrite",
            "create source s (a int primary key, v int) with version column (v) with (connector = 'file')",
            "create source s (a int)",
            "create table t (a int) with (path = 'x')",
            "create table t (a int) with (connector = 'file', path = 'x', PATH = 'y')",
            "create table t (a int) format plain encode json",
            "create table t (a int) with (connector = 'file') format debezium encode json",
            "create table t (a int) with (connector = 'file') format plain encode avro",
            "create table t (a int default 1)",
            "create table t (a int unique)",
            "create table t (a int, unique (a))",
            "create table t (a int references u)",
            "create table t (a int, foreign key (a) references u)",
            "create table t (a int check (a > 0))",
            "create table t (a int generated always as identity)",
            "create table t (a timestamp, watermark for a as a - interval '5 s')",
            "create table t (a tinyint)",
            "create table t (a int, b numeric(40,2))",
            "create table t (a int, b struct<x int, x int>)",
            "create table t (a int, b struct<x int>>)",
            "create table t (a)",
            "create table t (a int,)",
            "create table t (a int",
            "create table t a int",
            "create table (a int)",
            "create table t (a int) engine = memory",
            "create table t as select 1",
            "create temp table t (a int)",
            "create table trueup.t (a int)",
            "create table sales.t (a int)",
            "create table a.b.c.d (a int)",
            "create table \"\" (a int)",
        ],
        expect![[r#"
            create table t ()
              1:16 42P16 a table needs at least one column
            create table t (primary key (a))
              1:16 42P16 a table needs at least one column
            create table t (a int, A text)
              1:24 42701 column "a" specified more than once
            create table t (a int, 单 text, "单" int)
              1:32 42701 column "单" specified more than once
            create table t (a int, trueup_tick int)
              1:24 42701 column name "trueup_tick" conflicts with a system column name
            create table t (a int, primary key (b))
              1:37 42703 column "b" named in key does not exist
              HINT: the columns are a
            create table t (a int, primary key (a, a))
              1:40 42701 column "a" appears twice in primary key constraint
            create table t (a int primary key, primary key (a))
              1:36 42P16 multiple primary keys for table "t" are not allowed
            create table t (a int null primary key)
              1:17 42601 conflicting NULL/NOT NULL declarations for column "a" of table "t"
            create table t (a int null not null)
              1:28 42601 conflicting NULL/NOT NULL declarations for column "a" of table "t"
            create table t (a int primary key, v int) with version column (w)
              1:64 42703 version column "w" does not exist
              HINT: the columns are a, v
            create table t (a int, v int) with version column (v)
              1:52 42P16 WITH VERSION COLUMN needs a PRIMARY KEY
              DETAIL: versions order the rows of one key
              HINT: add PRIMARY KEY (…)
            create table t (a int primary key, v int) with version column (a)
              1:64 42P16 version column "a" cannot be part of the primary key
              DETAIL: rows of other versions would be rows of other keys, and none would replace another
            create table t (a int primary key, v int[]) with version column (v)
              1:66 42804 version column "v" has type integer[]
              HINT: use a number, a date or time, TEXT or BYTEA: a type whose values have an order
            create table t (a int primary key, v boolean) with version column (v)
              1:68 42804 version column "v" has type boolean
              HINT: use a number, a date or time, TEXT or BYTEA: a type whose values have an order
            create table t (a int primary key, v int null) with version column (v)
              1:69 42P16 version column "v" cannot be NULL
              HINT: declare it NOT NULL
            create table t (a int primary key, v int) on conflict do nothing with version column (v)
              1:87 42P16 ON CONFLICT DO NOTHING contradicts WITH VERSION COLUMN
              DETAIL: one keeps the first row of a key, the other the newest
            create table t (a int) on conflict overwrite
              1:24 42P16 ON CONFLICT needs a PRIMARY KEY
              HINT: add PRIMARY KEY (…)
            create table t (a int primary key) on conflict do something
              1:48 42601 syntax error at or near "do"
              DETAIL: expected OVERWRITE, DO NOTHING or DO UPDATE IF NOT NULL
            create table t (a int primary key) on conflict overwrite on conflict do nothing
              1:58 42601 conflicting or redundant options
            create table t (a int primary key) append only on conflict overwrite
              1:48 42P16 an append-only table cannot replace rows
              HINT: use CREATE TABLE without APPEND ONLY, or ON CONFLICT DO NOTHING
            create source s (a int primary key, v int) with version column (v) with (connector = 'file')
              1:65 42P16 an append-only table cannot replace rows
              HINT: use CREATE TABLE without APPEND ONLY, or ON CONFLICT DO NOTHING
            create source s (a int)
              1:24 42P16 option "connector" is missing
              HINT: write WITH (connector = '…', …)
            create table t (a int) with (path = 'x')
              1:24 42P16 option "connector" is missing
              HINT: write WITH (connector = '…', …)
            create table t (a int) with (connector = 'file', path = 'x', PATH = 'y')
              1:62 42601 option "path" is given twice
            create table t (a int) format plain encode json
              1:24 42P16 option "connector" is missing
              HINT: write WITH (connector = '…', …)
            create table t (a int) with (connector = 'file') format debezium encode json
              1:57 0A000 FORMAT DEBEZIUM is not supported
              HINT: use FORMAT PLAIN; keys, versions and deletes are declared on the table
            create table t (a int) with (connector = 'file') format plain encode avro
              1:70 0A000 ENCODE AVRO is not supported
              HINT: use ENCODE JSON or ENCODE CSV
            create table t (a int default 1)
              1:23 0A000 DEFAULT is not supported in CREATE TABLE
              HINT: write the value in the INSERT, or COALESCE(column, value) in a view
            create table t (a int unique)
              1:23 0A000 UNIQUE is not supported in CREATE TABLE
              HINT: declare the key with PRIMARY KEY
            create table t (a int, unique (a))
              1:24 0A000 UNIQUE is not supported in CREATE TABLE
              HINT: declare the key with PRIMARY KEY
            create table t (a int references u)
              1:23 0A000 REFERENCES is not supported in CREATE TABLE
              HINT: leave it out: events may arrive before what they refer to
            create table t (a int, foreign key (a) references u)
              1:24 0A000 FOREIGN KEY is not supported in CREATE TABLE
              HINT: leave it out: events may arrive before what they refer to
            create table t (a int check (a > 0))
              1:23 0A000 CHECK is not supported in CREATE TABLE
              HINT: filter in a view
            create table t (a int generated always as identity)
              1:23 0A000 GENERATED is not supported in CREATE TABLE
              HINT: compute the column in a view
            create table t (a timestamp, watermark for a as a - interval '5 s')
              1:30 0A000 WATERMARK is not supported in CREATE TABLE
              HINT: leave it out: nothing is dropped for being late
            create table t (a tinyint)
              1:19 42704 type "tinyint" does not exist
              HINT: use SMALLINT
            create table t (a int, b numeric(40,2))
              1:26 22023 NUMERIC precision 40 must be between 1 and 38
            create table t (a int, b struct<x int, x int>)
              1:40 42701 field "x" specified more than once
            create table t (a int, b struct<x int>>)
              1:26 42601 unmatched ">" after a type
            create table t (a)
              1:18 42601 syntax error at or near ")"
              DETAIL: expected a type
            create table t (a int,)
              1:23 42601 syntax error at or near ")"
              DETAIL: expected a column name
            create table t (a int
              1:22 42601 syntax error at end of input
              DETAIL: expected NOT NULL, PRIMARY KEY, "," or ")"
            create table t a int
              1:16 42601 syntax error at or near "a"
              DETAIL: expected "("
            create table (a int)
              1:14 42601 syntax error at or near "("
              DETAIL: expected a table's name
            create table t (a int) engine = memory
              1:24 42601 syntax error at or near "engine"
              DETAIL: expected ON CONFLICT, WITH VERSION COLUMN, APPEND ONLY, WITH (…), FORMAT or the end of the statement
            create table t as select 1
              1:16 0A000 CREATE TABLE … AS is not supported
              HINT: use CREATE MATERIALIZED VIEW … AS
            create temp table t (a int)
              1:8 0A000 temporary relations are not supported
            create table trueup.t (a int)
              1:14 42501 permission denied to create "trueup.t"
              DETAIL: system catalog modifications are currently disallowed
            create table sales.t (a int)
              1:14 3F000 schema "sales" does not exist
              HINT: everything of yours is in the schema "public"
            create table a.b.c.d (a int)
              1:14 42601 improper qualified name (too many dotted names): a.b.c.d
            create table "" (a int)
              1:14 42601 zero-length delimited identifier
        "#]],
    );
}

#[test]
fn views_indexes_sinks_and_drops() {
    check_all(
        &[
            "create view v as select 1",
            "create or replace view public.\"V\" (a, B) as select x, y from t where x > $1",
            "create materialized view if not exists mv as with q as (select 1 as a) select * from q union all select 2",
            "create index on t (a)",
            "create index concurrently if not exists i on public.t using btree (a desc nulls last, \"B\")",
            "create sink s from v with (connector = 'kafka', \"properties.bootstrap.servers\" = 'k:9092', topic = 't', n = -3)
               format upsert encode json (schema = 'x')",
            "drop table t",
            "drop materialized view if exists a, public.b cascade",
            "drop source s restrict; drop sink k; drop index i; drop view v",
            "drop function f",
        ],
        expect![[r#"
            view v [] materialized=false or_replace=false if_not_exists=false as SELECT 1 AS "?column?"
            view V ["a", "b"] materialized=false or_replace=true if_not_exists=false as SELECT x, y FROM t WHERE x > $1
            view mv [] materialized=true or_replace=false if_not_exists=true as WITH q AS (SELECT 1 AS a) SELECT * FROM q UNION ALL SELECT 2 AS "?column?"
            CreateIndex { name: None, relation: "t", columns: ["a"], if_not_exists: false }
            CreateIndex { name: Some("i"), relation: "t", columns: ["a", "B"], if_not_exists: true }
            CreateSink { name: "s", from: "v", options: {"connector": "kafka", "encode": "json", "format": "upsert", "n": "-3", "properties.bootstrap.servers": "k:9092", "schema": "x", "topic": "t"}, if_not_exists: false }
            Drop { kind: Table, names: ["t"], if_exists: false, cascade: false }
            Drop { kind: MaterializedView, names: ["a", "b"], if_exists: true, cascade: true }
            Drop { kind: Source, names: ["s"], if_exists: false, cascade: false }
            Drop { kind: Sink, names: ["k"], if_exists: false, cascade: false }
            Drop { kind: Index, names: ["i"], if_exists: false, cascade: false }
            Drop { kind: View, names: ["v"], if_exists: false, cascade: false }
            other: DROP FUNCTION f
        "#]],
    );
    check_all(
        &[
            "create view v (a, a) as select 1, 2",
            "create view trueup.v as select 1",
            "create view v as insert into t values (1)",
            "create view v as selec 1",
            "create materialized view v as select 1 from",
            "create materialized view v with (x = 1) as select 1",
            "create unique index i on t (a)",
            "create index i on t (lower(a))",
            "create index i on t (a) where a > 1",
            "create index i on t ()",
            "create sink s as select 1",
            "create sink s from v",
            "create sink s from v with (topic = 't')",
            "drop table",
            "drop table t,",
            "drop it",
        ],
        expect![[r#"
            create view v (a, a) as select 1, 2
              1:19 42701 column "a" specified more than once
            create view trueup.v as select 1
              1:13 42501 permission denied to create "trueup.v"
              DETAIL: system catalog modifications are currently disallowed
            create view v as insert into t values (1)
              1:8 0A000 a data-modifying statement is not supported in CREATE VIEW
            create view v as selec 1
              1:18 42601 syntax error at or near "selec"
              DETAIL: expected SELECT, VALUES, or a subquery in the query body
            create materialized view v as select 1 from
              1:44 42601 syntax error at end of input
              DETAIL: expected identifier
            create materialized view v with (x = 1) as select 1
              1:8 0A000 WITH is not supported in CREATE VIEW
            create unique index i on t (a)
              1:8 0A000 unique indexes are not supported
              HINT: declare the key with PRIMARY KEY in CREATE TABLE
            create index i on t (lower(a))
              1:22 0A000 indexes on expressions are not supported
              HINT: compute the expression in a view and index its column
            create index i on t (a) where a > 1
              1:25 0A000 an index has columns only
              HINT: index a view that filters
            create index i on t ()
              1:22 0A000 indexes on expressions are not supported
              HINT: compute the expression in a view and index its column
            create sink s as select 1
              1:15 0A000 CREATE SINK … AS is not supported
              HINT: create a materialized view of the query, then CREATE SINK … FROM it
            create sink s from v
              1:21 42601 syntax error at end of input
              DETAIL: expected WITH
            create sink s from v with (topic = 't')
              1:27 42P16 option "connector" is missing
              HINT: write WITH (connector = '…', …)
            drop table
              1:11 42601 syntax error at end of input
              DETAIL: expected a name
            drop table t,
              1:14 42601 syntax error at end of input
              DETAIL: expected a name
            drop it
              1:6 42601 syntax error at or near "it"
              DETAIL: expected COLLATION, CONNECTOR, DATABASE, EXTENSION, FUNCTION, INDEX, OPERATOR, POLICY, PROCEDURE, ROLE, SCHEMA, SECRET, SEQUENCE, STAGE, TABLE, TRIGGER, TYPE, VIEW, MATERIALIZED VIEW or USER after DROP
        "#]],
    );
}

#[test]
fn queries_and_writes() {
    check_all(
        &[
            "select 1; select $1::int as x, 'a;b', $$a;b$$, $q$x$$y$q$ -- ; no\n /* ; */ ; table t",
            "values (1, 'x'), (2, 'y')",
            "(select 1) union (select 2) order by 1 limit 3",
            "with recursive r as (select 1 as n union all select n + 1 from r where n < 5) select * from r",
            "insert into t (a, b) values (1, 'x') on conflict do nothing returning a",
            "update t set a = a + 1 where b = 'x'",
            "delete from t where a in (select a from u)",
            "truncate t; alter table t add column x int; merge into t using u on t.a = u.a when matched then delete",
            "select j->'a'->>'b', (j->>'x')::int, j ? 'k' from t where ts > now() - interval '1 hour'",
            "select",
        ],
        expect![[r#"
            query SELECT 1 AS "?column?"
            query SELECT $1::INT AS x, 'a;b' AS "?column?", $$a;b$$ AS "?column?1", $q$x$$y$q$ AS "?column?2"
            query SELECT * FROM "t"
            query VALUES (1, 'x'), (2, 'y')
            query (SELECT 1 AS "?column?") UNION (SELECT 2 AS "?column?") ORDER BY 1 LIMIT 3
            query WITH RECURSIVE r AS (SELECT 1 AS n UNION ALL SELECT n + 1 AS "?column?" FROM r WHERE n < 5) SELECT * FROM r
            insert: INSERT INTO t (a, b) VALUES (1, 'x') ON CONFLICT DO NOTHING RETURNING a
            update: UPDATE t SET a = a + 1 WHERE b = 'x'
            delete: DELETE FROM t WHERE a IN (SELECT a FROM u)
            other: TRUNCATE t
            other: ALTER TABLE t ADD COLUMN x INT
            other: MERGE INTO t USING u ON t.a = u.a WHEN MATCHED THEN DELETE
            query SELECT j -> 'a' ->> 'b' AS "?column?", (j ->> 'x')::INT AS "int4", j ? 'k' AS "?column?1" FROM t WHERE ts > now() - INTERVAL '1 hour'
            select
              1:7 42601 syntax error at end of input
              DETAIL: expected an expression
        "#]],
    );
    check_all(
        &[
            "with q as (select 1) insert into t select * from q",
            "select * from t where",
            "select * frm t",
            "select 'abc",
            "select 1 +",
            "select (1",
            "selec 1",
            "select 1; select '单' 价 from t; select 订 from",
            "select 1\n  from t\n where a = = 2",
            "select $$abc",
            "select \"abc",
            "/* open",
        ],
        expect![[r#"
            with q as (select 1) insert into t select * from q
              1:1 0A000 data-modifying statements inside a query are not supported
              HINT: write INSERT INTO t WITH … SELECT …
            select * from t where
              1:22 42601 syntax error at end of input
              DETAIL: expected an expression
            select * frm t
              1:14 42601 syntax error at or near "t"
              DETAIL: expected the end of the statement
            select 'abc
              1:8 42601 unterminated string literal
            select 1 +
              1:11 42601 syntax error at end of input
              DETAIL: expected an expression
            select (1
              1:10 42601 syntax error at end of input
              DETAIL: expected )
            selec 1
              1:1 42601 syntax error at or near "selec"
              DETAIL: expected an SQL statement
            select 1; select '单' 价 from t; select 订 from
              1:45 42601 syntax error at end of input
              DETAIL: expected identifier
            select 1
              from t
             where a = = 2
              3:12 42601 syntax error at or near "="
              DETAIL: expected an expression
            select $$abc
              1:13 42601 unterminated dollar-quoted string
            select "abc
              1:8 42601 unterminated quoted identifier
            /* open
              1:8 42601 unterminated /* comment
        "#]],
    );
}

#[test]
fn text_and_offset_are_the_statement_alone() {
    let sql = " -- 订单\n select '单;' ;;\n\t/* x */ create table t (a int) -- end\n; \n";
    let found = parse(sql).expect("statements");
    let texts = found.iter().map(|statement| (statement.offset, statement.text.as_str())).collect::<Vec<_>>();
    assert_eq!(
        texts,
        [(sql.find("select").unwrap(), "select '单;'"), (sql.find("create").unwrap(), "create table t (a int)")]
    );
    for statement in &found {
        assert_eq!(&sql[statement.offset..][..statement.text.len()], statement.text);
    }
    assert!(parse(" ; -- nothing\n ;").expect("nothing").is_empty());
}

#[test]
fn spans_in_trees_are_relative_to_the_statement() {
    let found = parse("select 1;\n\n   select\n 单 from t").expect("statements");
    let StatementKind::Query(query) = &found[1].kind else { panic!("not a query") };
    let span = query.body.span();
    assert_eq!((span.start.line, span.start.column, span.end.line, span.end.column), (1, 1, 2, 10));
}

#[test]
fn copies() {
    check_all(
        &[
            "copy t from stdin",
            "copy public.t (a, \"B\") from stdin with (format csv, header, delimiter '|', null 'NULL', quote '\"', encoding 'utf8')",
            "copy t from stdin csv header delimiter as ';' null as ''",
            "COPY t FROM STDIN WITH CSV",
            "copy t from stdin (format text, header false)",
            "copy (select a, 'x)' from t) to stdout with (format csv, header true)",
            "copy t (a, \"B\"\"\") to stdout",
            "copy trueup.errors to stdout",
            "copy (subscribe to v with (snapshot = false, progress)) to stdout",
            "copy (subscribe v) to stdout with (format csv)",
        ],
        expect![[r#"
            CopyFrom { table: "t", columns: [], options: CopyOptions { format: Text, header: false, delimiter: 9, null: "\\N" } }
            CopyFrom { table: "t", columns: ["a", "B"], options: CopyOptions { format: Csv, header: true, delimiter: 124, null: "NULL" } }
            CopyFrom { table: "t", columns: [], options: CopyOptions { format: Csv, header: true, delimiter: 59, null: "" } }
            CopyFrom { table: "t", columns: [], options: CopyOptions { format: Csv, header: false, delimiter: 44, null: "" } }
            CopyFrom { table: "t", columns: [], options: CopyOptions { format: Text, header: false, delimiter: 9, null: "\\N" } }
            copy to, SELECT a, 'x)' AS "?column?" FROM t, CopyOptions { format: Csv, header: true, delimiter: 44, null: "" }
            copy to, SELECT "a", "B""" FROM "t", CopyOptions { format: Text, header: false, delimiter: 9, null: "\\N" }
            copy to, SELECT * FROM "trueup"."errors", CopyOptions { format: Text, header: false, delimiter: 9, null: "\\N" }
            CopySubscribe { subscribe: Subscribe { relation: "v", snapshot: false, progress: true }, options: CopyOptions { format: Text, header: false, delimiter: 9, null: "\\N" } }
            CopySubscribe { subscribe: Subscribe { relation: "v", snapshot: true, progress: false }, options: CopyOptions { format: Csv, header: false, delimiter: 44, null: "" } }
        "#]],
    );
    check_all(
        &[
            "copy t from '/etc/passwd'",
            "copy t to program 'rm'",
            "copy t from stdin binary",
            "copy t from stdin (format json)",
            "copy t from stdin (format csv, format csv)",
            "copy t from stdin (delimiter 'ab')",
            "copy t from stdin (delimiter 'a')",
            "copy t from stdin (header maybe)",
            "copy t from stdin (force_null (a))",
            "copy t (a, a) from stdin",
            "copy (select 1) from stdin",
            "copy (insert into t values (1) returning a) to stdout",
            "copy t",
        ],
        expect![[r#"
            copy t from '/etc/passwd'
              1:13 0A000 COPY with files or programs of the server is not supported
              HINT: use \copy … FROM 'file' in psql, or CREATE TABLE … WITH (connector = 'file')
            copy t to program 'rm'
              1:11 0A000 COPY with files or programs of the server is not supported
              HINT: use \copy … TO 'file' in psql
            copy t from stdin binary
              1:19 0A000 COPY in binary format is not supported
              HINT: use FORMAT text or FORMAT csv
            copy t from stdin (format json)
              1:20 22023 COPY format "json" not recognized
            copy t from stdin (format csv, format csv)
              1:32 42601 conflicting or redundant options
            copy t from stdin (delimiter 'ab')
              1:20 22023 COPY delimiter must be a single one-byte character
            copy t from stdin (delimiter 'a')
              1:20 22023 COPY delimiter cannot be "a"
            copy t from stdin (header maybe)
              1:20 22023 header requires a Boolean value
              HINT: write header = true or false
            copy t from stdin (force_null (a))
              1:31 42601 syntax error at or near "("
              DETAIL: expected an option's value
            copy t (a, a) from stdin
              1:12 42701 column "a" specified more than once
            copy (select 1) from stdin
              1:17 42601 syntax error at or near "from"
              DETAIL: expected TO
            copy (insert into t values (1) returning a) to stdout
              1:7 0A000 data-modifying statements inside a query are not supported
              HINT: write INSERT INTO t WITH … SELECT …
            copy t
              1:7 42601 syntax error at end of input
              DETAIL: expected FROM or TO
        "#]],
    );
}

#[test]
fn subscriptions_and_cursors() {
    check_all(
        &[
            "subscribe to v",
            "subscribe v with (snapshot = false)",
            "subscribe to trueup.errors with (progress = true)",
            "declare c cursor for select 1",
            "declare \"C 1\" no scroll cursor with hold for table t",
            "declare c insensitive cursor without hold for subscribe to v with (progress)",
            "fetch c; fetch next from c; fetch 10 in c; fetch forward 5 from c; fetch all c; fetch forward all from \"C 1\"",
            "fetch 100 from c with (timeout = '1s'); fetch all c with (timeout = '250 ms'); fetch c with (timeout = 5)",
            "close c; close all",
        ],
        expect![[r#"
            Subscribe(Subscribe { relation: "v", snapshot: true, progress: false })
            Subscribe(Subscribe { relation: "v", snapshot: false, progress: false })
            Subscribe(Subscribe { relation: "trueup.errors", snapshot: true, progress: true })
            declare c hold=false SELECT 1 AS "?column?"
            declare C 1 hold=true SELECT * FROM "t"
            Declare { name: "c", of: Subscribe(Subscribe { relation: "v", snapshot: true, progress: true }), hold: false }
            Fetch { name: "c", count: Some(1), timeout_ms: None }
            Fetch { name: "c", count: Some(1), timeout_ms: None }
            Fetch { name: "c", count: Some(10), timeout_ms: None }
            Fetch { name: "c", count: Some(5), timeout_ms: None }
            Fetch { name: "c", count: None, timeout_ms: None }
            Fetch { name: "C 1", count: None, timeout_ms: None }
            Fetch { name: "c", count: Some(100), timeout_ms: Some(1000) }
            Fetch { name: "c", count: None, timeout_ms: Some(250) }
            Fetch { name: "c", count: Some(1), timeout_ms: Some(5) }
            Close(Some("c"))
            Close(None)
        "#]],
    );
    check_all(
        &[
            "subscribe to (select 1)",
            "subscribe to v as of 3",
            "subscribe to v with (snapshots = true)",
            "subscribe to v with (snapshot = perhaps)",
            "subscribe",
            "declare c scroll cursor for select 1",
            "declare c cursor for delete from t",
            "declare c for select 1",
            "fetch backward 1 from c",
            "fetch -1 from c",
            "fetch c with (timeout = 'soon')",
            "fetch c with (time = '1s')",
            "fetch",
        ],
        expect![[r#"
            subscribe to (select 1)
              1:14 0A000 SUBSCRIBE to a query is not supported
              HINT: create a materialized view of the query and subscribe to it
            subscribe to v as of 3
              1:16 0A000 SUBSCRIBE at a given time is not supported
            subscribe to v with (snapshots = true)
              1:22 42601 unrecognized SUBSCRIBE option "snapshots"
              HINT: the options are snapshot and progress
            subscribe to v with (snapshot = perhaps)
              1:22 22023 snapshot requires a Boolean value
              HINT: write snapshot = true or false
            subscribe
              1:10 42601 syntax error at end of input
              DETAIL: expected a relation's name
            declare c scroll cursor for select 1
              1:11 0A000 only forward cursors with text or requested formats are supported
              HINT: leave out BINARY and SCROLL
            declare c cursor for delete from t
              1:22 42601 syntax error at or near "delete"
              DETAIL: expected a query or SUBSCRIBE
            declare c for select 1
              1:11 42601 syntax error at or near "for"
              DETAIL: expected CURSOR
            fetch backward 1 from c
              1:7 55000 cursor can only scan forward
            fetch -1 from c
              1:7 55000 cursor can only scan forward
            fetch c with (timeout = 'soon')
              1:14 22023 invalid value for option timeout: "soon"
              HINT: write '500ms', '1s' or '2min'
            fetch c with (time = '1s')
              1:14 42601 unrecognized FETCH option "time"
              HINT: the only option is timeout
            fetch
              1:6 42601 syntax error at end of input
              DETAIL: expected a cursor's name
        "#]],
    );
}

#[test]
fn explain_describe_and_show() {
    check_all(
        &[
            "explain select 1",
            "explain verbose (select 1)",
            "explain (verbose, format text) select 1",
            "explain (select 1)",
            "explain create materialized view v as select 1",
            "explain materialized view v; explain view v; explain public.v; explain verbose v",
            "describe t; desc public.t",
            "show tables; show views; show materialized views; show sources; show sinks; show indexes; show indexes from t",
            "show columns from t; show create table t; show create materialized view public.v; show all",
            "show server_version; show transaction isolation level; show TimeZone; show time zone; show search_path; show a.b",
            "flush",
        ],
        expect![[r#"
            explain verbose=false SELECT 1 AS "?column?"
            explain verbose=true (SELECT 1 AS "?column?")
            explain verbose=true SELECT 1 AS "?column?"
            explain verbose=false (SELECT 1 AS "?column?")
            explain verbose=false SELECT 1 AS "?column?"
            Explain { of: View("v"), verbose: false }
            Explain { of: View("v"), verbose: false }
            Explain { of: View("v"), verbose: false }
            Explain { of: View("v"), verbose: true }
            Describe { relation: "t" }
            Describe { relation: "t" }
            Show(Tables)
            Show(Views)
            Show(MaterializedViews)
            Show(Sources)
            Show(Sinks)
            Show(Indexes(None))
            Show(Indexes(Some("t")))
            Show(Columns("t"))
            Show(Create(Table, "t"))
            Show(Create(MaterializedView, "v"))
            Show(All)
            Show(Variable("server_version"))
            Show(Variable("transaction_isolation"))
            Show(Variable("timezone"))
            Show(Variable("timezone"))
            Show(Variable("search_path"))
            Show(Variable("a.b"))
            Flush
        "#]],
    );
    check_all(
        &[
            "explain analyze select 1",
            "explain (buffers) select 1",
            "explain (format json) select 1",
            "explain insert into t values (1)",
            "explain create table t (a int)",
            "explain",
            "describe",
            "show",
            "show create function f",
            "show columns t",
            "flush tables",
        ],
        expect![[r#"
            explain analyze select 1
              1:9 0A000 EXPLAIN ANALYZE is not supported
              HINT: a running view's rows and bytes are in trueup.operators
            explain (buffers) select 1
              1:9 0A000 EXPLAIN option "buffers" is not supported
            explain (format json) select 1
              1:9 0A000 EXPLAIN format "json" is not supported
            explain insert into t values (1)
              1:9 0A000 only queries and views can be explained
            explain create table t (a int)
              1:9 0A000 only queries and views can be explained
            explain
              1:8 42601 syntax error at end of input
              DETAIL: expected a query or a view's name
            describe
              1:9 42601 syntax error at end of input
              DETAIL: expected a relation's name
            show
              1:5 42601 syntax error at end of input
              DETAIL: expected a parameter's name
            show create function f
              1:13 42601 syntax error at or near "function"
              DETAIL: expected TABLE, SOURCE, VIEW, INDEX or SINK
            show columns t
              1:14 42601 syntax error at or near "t"
              DETAIL: expected FROM
            flush tables
              1:7 42601 syntax error at or near "tables"
              DETAIL: expected the end of the statement
        "#]],
    );
}

#[test]
fn what_drivers_send() {
    check_all(
        &[
            // pgjdbc
            "SET extra_float_digits = 3; SET application_name = 'PostgreSQL JDBC Driver'",
            "SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY; SHOW TRANSACTION ISOLATION LEVEL",
            "SET SESSION CHARACTERISTICS AS TRANSACTION ISOLATION LEVEL READ COMMITTED",
            "BEGIN READ ONLY",
            // psycopg
            "BEGIN ISOLATION LEVEL REPEATABLE READ READ WRITE DEFERRABLE; SAVEPOINT \"_pg3_1\"; RELEASE \"_pg3_1\"",
            "ROLLBACK TO \"_pg3_1\"; ROLLBACK TO SAVEPOINT a; RELEASE SAVEPOINT a; DEALLOCATE ALL; DEALLOCATE PREPARE \"_pg3_0\"",
            "START TRANSACTION ISOLATION LEVEL SERIALIZABLE, READ ONLY; COMMIT; END TRANSACTION; ROLLBACK WORK; ABORT",
            "COMMIT AND NO CHAIN",
            // psql, Grafana, SQLAlchemy, libpq
            "SET client_encoding TO 'UTF8'; set names 'utf8'; SET DateStyle = ISO, MDY; SET search_path TO \"$user\", public",
            "SET TIME ZONE 'Asia/Shanghai'; set timezone = 'UTC'; SET LOCAL statement_timeout = 1000; SET SESSION x.y TO DEFAULT",
            "SET TIME ZONE INTERVAL '+08:00' HOUR TO MINUTE; SET TRANSACTION READ ONLY; set standard_conforming_strings = on",
            "RESET ALL; RESET statement_timeout; RESET TIME ZONE; DISCARD ALL; DISCARD PLANS; DISCARD TEMP",
            "SET geqo = -1; SET SESSION AUTHORIZATION DEFAULT; SET ROLE NONE",
            "LISTEN c; UNLISTEN *; NOTIFY c; PREPARE p AS SELECT 1; EXECUTE p; GRANT SELECT ON t TO PUBLIC",
        ],
        expect![[r#"
            Set { name: "extra_float_digits", value: Some("3"), local: false }
            Set { name: "application_name", value: Some("PostgreSQL JDBC Driver"), local: false }
            Transaction(SetModes)
            Show(Variable("transaction_isolation"))
            Transaction(SetModes)
            Transaction(Begin)
            Transaction(Begin)
            Transaction(Savepoint("_pg3_1"))
            Transaction(Release("_pg3_1"))
            Transaction(RollbackTo("_pg3_1"))
            Transaction(RollbackTo("a"))
            Transaction(Release("a"))
            Deallocate(None)
            Deallocate(Some("_pg3_0"))
            Transaction(Begin)
            Transaction(Commit)
            Transaction(Commit)
            Transaction(Rollback)
            Transaction(Rollback)
            Transaction(Commit)
            Set { name: "client_encoding", value: Some("UTF8"), local: false }
            Set { name: "client_encoding", value: Some("utf8"), local: false }
            Set { name: "datestyle", value: Some("ISO, MDY"), local: false }
            Set { name: "search_path", value: Some("$user, public"), local: false }
            Set { name: "timezone", value: Some("Asia/Shanghai"), local: false }
            Set { name: "timezone", value: Some("UTC"), local: false }
            Set { name: "statement_timeout", value: Some("1000"), local: true }
            Set { name: "x.y", value: None, local: false }
            Set { name: "timezone", value: Some("+08:00"), local: false }
            Transaction(SetModes)
            Set { name: "standard_conforming_strings", value: Some("on"), local: false }
            Reset(None)
            Reset(Some("statement_timeout"))
            Reset(Some("timezone"))
            Discard(All)
            Discard(Plans)
            Discard(Temp)
            Set { name: "geqo", value: Some("-1"), local: false }
            Set { name: "session_authorization", value: None, local: false }
            Set { name: "role", value: Some("NONE"), local: false }
            other: LISTEN c
            other: UNLISTEN *
            other: NOTIFY c
            other: PREPARE p AS SELECT 1 AS "?column?"
            other: EXECUTE p
            other: GRANT SELECT ON t TO PUBLIC 
        "#]],
    );
    check_all(
        &[
            "set x",
            "set x =",
            "begin quickly",
            "begin read only,",
            "commit and chain",
            "discard it",
            "reset",
            "savepoint",
        ],
        expect![[r#"
            set x
              1:6 42601 syntax error at end of input
              DETAIL: expected "=" or TO
            set x =
              1:8 42601 syntax error at end of input
              DETAIL: expected a value
            begin quickly
              1:7 42601 syntax error at or near "quickly"
              DETAIL: expected a transaction mode
            begin read only,
              1:17 42601 syntax error at end of input
              DETAIL: expected a transaction mode
            commit and chain
              1:8 0A000 AND CHAIN is not supported
              HINT: write BEGIN afterwards
            discard it
              1:9 42601 syntax error at or near "it"
              DETAIL: expected ALL, PLANS, SEQUENCES or TEMP
            reset
              1:6 42601 syntax error at end of input
              DETAIL: expected a parameter's name
            savepoint
              1:10 42601 syntax error at end of input
              DETAIL: expected a savepoint's name
        "#]],
    );
}

/// The queries behind psql's backslash commands must reach DataFusion, whatever becomes of them there.
#[test]
fn what_psql_sends_for_its_commands() {
    let list = r#"SELECT n.nspname as "Schema", c.relname as "Name",
        CASE c.relkind WHEN 'r' THEN 'table' WHEN 'v' THEN 'view' END as "Type", pg_catalog.pg_get_userbyid(c.relowner) as "Owner"
      FROM pg_catalog.pg_class c LEFT JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
           LEFT JOIN pg_catalog.pg_am am ON am.oid = c.relam
      WHERE c.relkind IN ('r','p','v','m','S','f','') AND n.nspname <> 'pg_catalog' AND n.nspname !~ '^pg_toast'
        AND pg_catalog.pg_table_is_visible(c.oid) ORDER BY 1,2;"#;
    let describe = r#"SELECT c.oid, n.nspname, c.relname FROM pg_catalog.pg_class c
           LEFT JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
      WHERE c.relname OPERATOR(pg_catalog.~) '^(orders)$' COLLATE pg_catalog.default
        AND pg_catalog.pg_table_is_visible(c.oid) ORDER BY 2, 3;"#;
    let columns = r#"SELECT a.attname, pg_catalog.format_type(a.atttypid, a.atttypmod),
        (SELECT pg_catalog.pg_get_expr(d.adbin, d.adrelid, true) FROM pg_catalog.pg_attrdef d
         WHERE d.adrelid = a.attrelid AND d.adnum = a.attnum AND a.atthasdef),
        a.attnotnull, (SELECT c.collname FROM pg_catalog.pg_collation c, pg_catalog.pg_type t
         WHERE c.oid = a.attcollation AND t.oid = a.atttypid AND a.attcollation <> t.typcollation) AS attcollation, a.attidentity
      FROM pg_catalog.pg_attribute a WHERE a.attrelid = '16384' AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum;"#;
    let partition = r#"SELECT c.oid::pg_catalog.regclass, c.relkind, false AS inhdetachpending,
        pg_catalog.pg_get_expr(c.relpartbound, c.oid) FROM pg_catalog.pg_class c, pg_catalog.pg_inherits i
      WHERE c.oid = i.inhrelid AND i.inhparent = '16384'
      ORDER BY pg_catalog.pg_get_expr(c.relpartbound, c.oid) = 'DEFAULT', c.oid::pg_catalog.regclass::pg_catalog.text;"#;
    let jdbc = "SELECT typinput='pg_catalog.array_in'::regproc as is_array, typtype, typname, pg_type.oid FROM pg_catalog.pg_type
      LEFT JOIN (select ns.oid as nspoid, ns.nspname, r.r from pg_namespace as ns
        join ( select s.r, (current_schemas(false))[s.r] as nspname from generate_series(1, array_upper(current_schemas(false), 1)) as s(r) )
        as r using ( nspname )) as sp ON sp.nspoid = typnamespace WHERE pg_type.oid = $1 ORDER BY sp.r, pg_type.oid DESC";
    for sql in [list, describe, columns, partition, jdbc] {
        let parsed = parse(sql).unwrap_or_else(|error| panic!("{}", refusal(sql, &error)));
        assert!(matches!(parsed[0].kind, StatementKind::Query(_)));
    }
}

#[test]
fn nesting_has_a_limit_and_length_has_none() {
    let deep = format!("select {}1{}", "(".repeat(1000), ")".repeat(1000));
    assert_eq!(parse(&deep).expect_err("too deep").code, crate::model::error::code::PROGRAM_LIMIT_EXCEEDED);
    let long = format!("select 1 where {}", vec!["a = 1"; 5000].join(" or "));
    assert_eq!(parse(&long).expect("long, not deep").len(), 1);
}
