//! What DataFusion refuses, as a user reads it.

use expect_test::{Expect, expect};

use crate::plan::parse::line_column;
use crate::plan::testing::{context, execute};

/// Each query's refusal: `line:column code message`, then detail and hint.
fn check(queries: &[&str], expected: Expect) {
    let context = context();
    let shown = queries.iter().map(|sql| {
        let Err(error) = execute(&context, sql) else { return format!("{sql}\n  is fine\n") };
        let place = error.position.map(|position| line_column(sql, position));
        let place = place.map_or("-".to_string(), |(line, column)| format!("{line}:{column}"));
        format!("{sql}\n  {place} {} {}\n", error.code, error.to_string().replace('\n', "\n  "))
    });
    expected.assert_eq(&shown.collect::<String>());
}

#[test]
fn names_that_do_not_exist() {
    check(
        &[
            "select '订单', skuu from t",
            "select '订单',\n  id\nfrom t\nwhere 价格 > 1 and Qtty = 2",
            "select x.id from t",
            "select t.idd from t",
            "select \"SKU\" from t",
            "select id from t, u",
            "select id from t join u on t.id = u.id",
            "select * from orders",
            "select * from public.orders o join trueup.nothing n on true",
            "select * from nowhere.t",
            "select uper(sku) from t",
            "select * from generate_serie(1, 2)",
            "with a as (select 1 as x) select y from a",
            "select id from t group by sku",
            "select sku, id + 1 from t group by sku having max(qty) > 1 order by qty",
            "select a from (select id as b from t) x",
        ],
        expect![[r#"
            select '订单', skuu from t
              1:14 42703 column "skuu" does not exist
              HINT: did you mean t.sku?
            select '订单',
              id
            from t
            where 价格 > 1 and Qtty = 2
              4:7 42703 column "价格" does not exist
              HINT: there are id, sku, qty, amount, price, ok, at, seen, day, tags, raw
            select x.id from t
              1:8 42P01 missing FROM-clause entry for table "x"
            select t.idd from t
              1:8 42703 column t.idd does not exist
              HINT: did you mean t.id?
            select "SKU" from t
              1:8 42703 column "SKU" does not exist
              HINT: did you mean t.sku?
            select id from t, u
              1:8 42702 column reference "id" is ambiguous
              HINT: write the relation before it: relation.column
            select id from t join u on t.id = u.id
              1:8 42702 column reference "id" is ambiguous
              HINT: write the relation before it: relation.column
            select * from orders
              1:15 42P01 relation "orders" does not exist
            select * from public.orders o join trueup.nothing n on true
              1:15 42P01 relation "orders" does not exist
            select * from nowhere.t
              1:15 42P01 relation "nowhere.t" does not exist
            select uper(sku) from t
              1:8 42883 function uper does not exist
              HINT: did you mean upper?
            select * from generate_serie(1, 2)
              1:15 42883 function generate_serie does not exist
            with a as (select 1 as x) select y from a
              1:34 42703 column "y" does not exist
              HINT: did you mean a.x?
            select id from t group by sku
              1:8 42803 column "t.id" must appear in the GROUP BY clause or be used in an aggregate function
            select sku, id + 1 from t group by sku having max(qty) > 1 order by qty
              1:13 42803 column "t.id" must appear in the GROUP BY clause or be used in an aggregate function
            select a from (select id as b from t) x
              1:8 42703 column "a" does not exist
              HINT: did you mean x.b?
        "#]],
    );
}

#[test]
fn types_that_do_not_fit() {
    check(
        &[
            "select id + sku from t where sku = 'x'",
            "select id from t where tags = 1",
            "select ok + 1 from t",
            "select id from t where id and true",
            "select upper(id, 1) from t",
            "select sum(sku) from t",
            "select abs(sku) from t",
            "select 1::nothing",
            "select 1::numeric(99)",
            "select id from t union select id, sku from t",
            "select (select id, sku from t)",
            "select id from t where id in (select id, sku from u)",
            "select map(['a'], [1]) -> 'a' as m",
        ],
        expect![[r#"
            select id + sku from t where sku = 'x'
              1:8 42883 operator does not exist: bigint + text
              HINT: you might need to add explicit type casts
            select id from t where tags = 1
              - 42883 operator does not exist: text[] = bigint
              HINT: you might need to add explicit type casts
            select ok + 1 from t
              1:8 42883 operator does not exist: boolean + bigint
              HINT: you might need to add explicit type casts
            select id from t where id and true
              - 42804 argument of AND, OR and NOT must be type boolean
            select upper(id, 1) from t
              1:8 42883 function upper(bigint, bigint) does not exist
              HINT: no function matches the given name and argument types; you might need to add explicit type casts
            select sum(sku) from t
              1:8 42883 function sum does not take these arguments
              HINT: no function matches the given name and argument types; you might need to add explicit type casts
            select abs(sku) from t
              1:8 42883 function abs(text) does not exist
              HINT: no function matches the given name and argument types; you might need to add explicit type casts
            select 1::nothing
              1:11 42704 type "nothing" does not exist
            select 1::numeric(99)
              - 22023 NUMERIC precision 99 must be between 1 and 38
            select id from t union select id, sku from t
              1:1 42601 each UNION query must have the same number of columns
            select (select id, sku from t)
              - 42601 subquery must return only one column
            select id from t where id in (select id, sku from u)
              1:38 42601 subquery must return only one column
            select map(['a'], [1]) -> 'a' as m
              - 42601 unexpected argument type to 'json_get_json' at position 1, expected a string, got Map(Field { name: "entries", data_type: Struct([Field { name: "key", data_type: Utf8 }, Field { name: "value", data_type: Int64, nullable: true }]) }, false).
        "#]],
    );
}

#[test]
fn constructs_that_contradict_themselves() {
    check(
        &[
            "select sum(sum(qty)) from t",
            "select id from t where sum(qty) > 1",
            "with a as (select 1), a as (select 2) select * from a",
            "select distinct sku from t order by id",
            "select distinct on (sku) sku from t order by id",
            "select id in (select id from u) from t",
            "select * from t for json auto",
            "select $1",
            "select * from t t1 join u t1 on true",
            "select id from t limit 'x'",
            "select id from t order by 5",
        ],
        expect![[r#"
            select sum(sum(qty)) from t
              1:16 42803 aggregate function calls cannot be nested
            select id from t where sum(qty) > 1
              - 42803 aggregate functions are not allowed in WHERE
            with a as (select 1), a as (select 2) select * from a
              - 42712 WITH query name "a" specified more than once
            select distinct sku from t order by id
              - 42P10 for SELECT DISTINCT, ORDER BY expressions must appear in select list
            select distinct on (sku) sku from t order by id
              - 42P10 SELECT DISTINCT ON expressions must match initial ORDER BY expressions
            select id in (select id from u) from t
              - 0A000 a subquery of this form is not supported here
              HINT: write it as a join, or move EXISTS and IN into WHERE
            select * from t for json auto
              is fine
            select $1
              - 42P02 there is no parameter $1
            select * from t t1 join u t1 on true
              1:17 42712 table name "t1" specified more than once
              HINT: give each table its own alias
            select id from t limit 'x'
              - 42601 expected LIMIT to be an integer or null, but got Utf8
            select id from t order by 5
              - 42P10 ORDER BY position is not in select list
        "#]],
    );
}

#[test]
fn values_that_cannot_be_computed() {
    check(
        &[
            "select 1 / 0",
            "select id / qty from t",
            "select 10 % qty from t where id = 2",
            "select 'abc'::int",
            "select sku::int from t",
            "select '订单', '2026-13-01'::date",
            "select 'soon'::timestamp",
            "select 'maybe'::boolean",
            "select 'x'::numeric(5,2)",
            "select 99999::numeric(4,1)",
            "select 3000000000::int",
            "select 300000::smallint from t",
            "select 9223372036854775807 + id from t",
            "select id from t where (qty - 1)::int * 2147483647 > 1",
            "select (select id from t)",
            "select regexp_replace(sku, '(', '') from t",
            "select to_char(at, 'YYYY-RM') from t",
            "select at at time zone 'Mars/Olympus' from t",
            "select 1e400::double precision, '1e400'::numeric",
        ],
        expect![[r#"
            select 1 / 0
              - 22012 division by zero
            select id / qty from t
              - 22012 division by zero
            select 10 % qty from t where id = 2
              - 22012 division by zero
            select 'abc'::int
              1:8 22P02 invalid input syntax for type integer: "abc"
            select sku::int from t
              - 22P02 invalid input syntax for type integer: "a"
            select '订单', '2026-13-01'::date
              1:14 22P02 invalid input syntax for type date: "2026-13-01"
            select 'soon'::timestamp
              1:8 22P02 invalid input syntax for type timestamp: "soon"
              DETAIL: timestamp must contain at least 10 characters
            select 'maybe'::boolean
              1:8 22P02 invalid input syntax for type boolean: "maybe"
            select 'x'::numeric(5,2)
              1:8 22P02 invalid input syntax for type numeric: "x"
            select 99999::numeric(4,1)
              - 22003 numeric field overflow
              DETAIL: 99999.0 is too large to store in a Decimal128 of precision 4. Max is 999.9
            select 3000000000::int
              - 22003 integer out of range
              DETAIL: the value is 3000000000
            select 300000::smallint from t
              - 22003 smallint out of range
              DETAIL: the value is 300000
            select 9223372036854775807 + id from t
              - 22003 value out of range: 9223372036854775807 + 1
            select id from t where (qty - 1)::int * 2147483647 > 1
              is fine
            select (select id from t)
              - 21000 more than one row returned by a subquery used as an expression
            select regexp_replace(sku, '(', '') from t
              - 2201B invalid regular expression: unclosed group
            select to_char(at, 'YYYY-RM') from t
              - 0A000 date/time template pattern at "RM" is not supported
              HINT: use a chrono format such as '%Y-%m-%d', or quote literal text
            select at at time zone 'Mars/Olympus' from t
              - 22023 time zone "Mars/Olympus" not recognized
            select 1e400::double precision, '1e400'::numeric
              - 0A000 decimal scale -400 exceeds the minimum supported scale: -128
        "#]],
    );
}
