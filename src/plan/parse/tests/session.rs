//! Session statements, and what drivers send.

use expect_test::expect;

use super::{check_all, refusal};
use crate::plan::parse::parse;
use crate::plan::statement::StatementKind;

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
