//! Queries, writes, `COPY`, subscriptions, cursors; and the text around statements.

use datafusion::sql::sqlparser::ast::Spanned;
use expect_test::expect;

use super::check_all;
use crate::plan::parse::parse;
use crate::plan::statement::StatementKind;

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
            query SELECT $1::INT AS x, 'a;b' AS "?column?", $$a;b$$ AS "?column?#1", $q$x$$y$q$ AS "?column?#2"
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
            query SELECT j -> 'a' ->> 'b' AS "?column?", (j ->> 'x')::INT AS "int4", j ? 'k' AS "?column?#1" FROM t WHERE ts > now() - INTERVAL '1 hour'
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
fn nesting_has_a_limit_and_length_has_none() {
    let deep = format!("select {}1{}", "(".repeat(1000), ")".repeat(1000));
    assert_eq!(parse(&deep).expect_err("too deep").code, crate::model::error::code::PROGRAM_LIMIT_EXCEEDED);
    let long = format!("select 1 where {}", vec!["a = 1"; 5000].join(" or "));
    assert_eq!(parse(&long).expect("long, not deep").len(), 1);
}
