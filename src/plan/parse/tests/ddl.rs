//! `CREATE` and `DROP`.

use expect_test::expect;

use super::{check, check_all};

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
            "create table t (a int) with (history = 'h')",
            "create table t (a int primary key) with (history = 't')",
            "create table t (a int primary key) with (history = 'trueup.h')",
            "create table t (a int primary key) with (history = 'h', path = 'x')",
            "create table t (a int primary key, trueup_arrival int) with (history = 'h')",
            "create source s (a int primary key) with (history = 'h')",
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
            create table t (a int) with (history = 'h')
              1:24 42P16 option "history" needs a PRIMARY KEY
              DETAIL: a table without a key keeps all its rows
              HINT: add PRIMARY KEY (…), or read "t" itself
            create table t (a int primary key) with (history = 't')
              1:36 42P16 a history needs a name of its own, not "t"
              HINT: write history = 't_history'
            create table t (a int primary key) with (history = 'trueup.h')
              1:36 42501 permission denied to create "trueup.h"
              DETAIL: system catalog modifications are currently disallowed
            create table t (a int primary key) with (history = 'h', path = 'x')
              1:36 42P16 option "connector" is missing
              HINT: write WITH (connector = '…', …)
            create table t (a int primary key, trueup_arrival int) with (history = 'h')
              1:56 42701 column name "trueup_arrival" conflicts with a column of the table's history
              HINT: give it another name
            create source s (a int primary key) with (history = 'h')
              1:57 42P16 option "connector" is missing
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
              1:22 42601 syntax error at or near ")"
              DETAIL: expected a column name
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
