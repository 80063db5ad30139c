//! That what PostgreSQL's users write runs, and means what it means there. Results are shown with PostgreSQL's type names.

use datafusion::logical_expr::LogicalPlan;
use expect_test::{Expect, expect};

use crate::plan::now::{bind_now, contains_now, volatile_function};
use crate::plan::testing::{TICK_MS, context, execute, plan, shown};

fn check(queries: &[&str], expected: Expect) {
    let context = context();
    let shown = queries.iter().map(|sql| format!("> {sql}\n{}", shown(&context, sql)));
    expected.assert_eq(&shown.collect::<String>());
}

/// Conditions that must be true.
fn check_true(conditions: &[&str]) {
    let context = context();
    for condition in conditions {
        let answer = shown(&context, &format!("select {condition}"));
        assert_eq!(answer, "boolean\ntrue\n", "{condition}");
    }
}

#[test]
fn intervals_compare_by_length() {
    check_true(&[
        "timestamp '2026-03-19 00:00:00' - timestamp '2026-03-01 00:00:00' > interval '10 days'",
        "interval '24 hours' = interval '1 day'",
        "interval '1 month' = interval '30 days'",
        "interval '1 month -1 day' < interval '30 days'",
        "interval '25 hours' between interval '1 day' and interval '2 days'",
        "interval '48 hours' in (interval '1 day', interval '2 days')",
        "interval '1 hour' is distinct from null",
        "now() - timestamptz '2026-02-20 00:00:00+00' > interval '1 day'",
        "3 * interval '1 day' = interval '72 hours' and interval '1 day' / 2 = interval '12 hours'",
    ]);
}

#[test]
fn is_distinct_from_binds_before_and() {
    check_true(&[
        "not (1 is distinct from 2 and false)",
        "(false and 1 is distinct from 2 or true)",
        "(false and 1 is not distinct from 2 or true and not 3 is distinct from 3 or false)",
        "1 is distinct from 2 and 'a' is not distinct from 'a' and 2 > 1",
        "not ('a' is distinct from 'b' and not 'a' is distinct from 'b' or false)",
        "true is distinct from (true and false)",
    ]);
}

#[test]
fn columns_of_outer_joins_using_are_one() {
    check(
        &[
            "select * from (values (1, 'a')) a(k, x) full join (values (1, 'b'), (2, 'c')) b(k, y) using (k) order by k",
            "select k, a.k, b.k as of_b, x, y from (values (1, 'a')) a(k, x) right join (values (1, 'b'), (2, 'c')) b(k, y) using (k) order by k",
            "select k, count(*), sum(x) as s from (values (1, 5), (3, 6)) a(k, x) full join (values (1), (2), (3)) b(k) using (k) where k > 1 group by k having k < 9 order by k",
            "select * from (values (1, 'a')) a(k, x) full join (values (2, 'b')) b(k, y) using (k) full join (values (2, 'c'), (4, 'd')) c(k, z) using (k) order by 1",
            "select k + 1 as next, (select max(k) from (values (7)) z(k)) as inner_k from (values (1)) a(k) full join (values (2)) b(k) using (k) order by 1",
            "select * from (values (1)) a(k) natural full join (values (2)) b(k)",
            "select * from (values (1)) a(k) cross join (values (2)) b(n) full join (values (2)) c(k) using (k)",
        ],
        expect![[r#"
            > select * from (values (1, 'a')) a(k, x) full join (values (1, 'b'), (2, 'c')) b(k, y) using (k) order by k
            bigint | text | text
            1      | a    | b
            2      |      | c
            > select k, a.k, b.k as of_b, x, y from (values (1, 'a')) a(k, x) right join (values (1, 'b'), (2, 'c')) b(k, y) using (k) order by k
            bigint | bigint | bigint | text | text
            1      | 1      | 1      | a    | b
            2      |        | 2      |      | c
            > select k, count(*), sum(x) as s from (values (1, 5), (3, 6)) a(k, x) full join (values (1), (2), (3)) b(k) using (k) where k > 1 group by k having k < 9 order by k
            bigint | bigint | bigint
            2      | 1      |
            3      | 1      | 6
            > select * from (values (1, 'a')) a(k, x) full join (values (2, 'b')) b(k, y) using (k) full join (values (2, 'c'), (4, 'd')) c(k, z) using (k) order by 1
            bigint | text | text | text
            1      | a    |      |
            2      |      | b    | c
            4      |      |      | d
            > select k + 1 as next, (select max(k) from (values (7)) z(k)) as inner_k from (values (1)) a(k) full join (values (2)) b(k) using (k) order by 1
            bigint | bigint
            2      | 7
            3      | 7
            > select * from (values (1)) a(k) natural full join (values (2)) b(k)
            0A000 FULL and RIGHT JOIN with USING or NATURAL is not supported here
            HINT: write ON a.k = b.k, and COALESCE(a.k, b.k) for the column of both at Some(0)
            > select * from (values (1)) a(k) cross join (values (2)) b(n) full join (values (2)) c(k) using (k)
            0A000 FULL and RIGHT JOIN with USING or NATURAL is not supported here
            HINT: write ON a.k = b.k, and COALESCE(a.k, b.k) for the column of both at Some(0)
        "#]],
    );
}

#[test]
fn timestamps_may_leave_out_the_seconds() {
    check_true(&[
        "timestamp '2026-11-11 20:00:00' = '2026-11-11 20:00'",
        "timestamp '2026-11-11 20:00' = '2026-11-11T20:00:00'",
        "timestamptz '2026-11-11 20:00+08' = '2026-11-11 12:00Z'",
        "timestamp '2026-11-11 20:30:00' between '2026-11-11 20:00' and '2026-11-11 21:00'",
        "timestamp '2026-11-11 20:00' in ('2026-11-11 19:00', '2026-11-11 20:00')",
        "'2026-11-11 20:00' = '2026-11-11 20:00'::text",
        "(select count(*) from t where at >= '2026-03-01 10:00' and seen < '2026-03-01 12:00+00') = 1",
    ]);
}

#[test]
fn parts_of_times_have_fractions() {
    check_true(&[
        "extract(second from timestamp '2026-03-01 12:00:01.5') = 1.5",
        "date_part('seconds', timestamptz '2026-03-01 12:00:59.000001+00') = 59.000001",
        "extract(epoch from timestamp '2026-03-01 12:01:00.25' - timestamp '2026-03-01 12:00:00') = 60.25",
        "extract(epoch from interval '1 day 0.5 seconds') = 86400.5",
        "extract(minute from timestamp '2026-03-01 12:34:01.5') = 34",
        "(select avg(extract(epoch from seen - at)) is not null from t)",
    ]);
}

#[test]
fn frames_that_move_do_not_drift() {
    check(
        &[
            "select n, sum(f) over w, avg(f) over w, stddev(f) over w, count(f) over w, sum(f) filter (where n <> 3) over w as s from
             (values (1, 1e17::double precision), (2, 1), (3, 1), (4, null), (5, 3)) v(n, f) window w as (order by n rows 1 preceding) order by n",
            "select n, bool_and(n > 1) over w, string_agg(n::text, '+') over w, count(distinct n % 2) over w, sum(n) over w from
             (values (1), (2), (3), (4)) v(n) window w as (order by n rows between 1 following and 2 following) order by n",
            "select n, sum(f) over (order by n range between 1 preceding and current row) as s from
             (values (1, 1e17::double precision), (2, 1), (5, 1), (6, 2)) v(n, f) order by n",
        ],
        expect![[r#"
            > select n, sum(f) over w, avg(f) over w, stddev(f) over w, count(f) over w, sum(f) filter (where n <> 3) over w as s from
                         (values (1, 1e17::double precision), (2, 1), (3, 1), (4, null), (5, 3)) v(n, f) window w as (order by n rows 1 preceding) order by n
            bigint | double precision | double precision | double precision     | bigint | double precision
            1      | 1e17             | 1e17             |                      | 1      | 1e17
            2      | 1e17             | 5e16             | 7.071067811865475e16 | 2      | 1e17
            3      | 2.0              | 1.0              | 0.0                  | 2      | 1.0
            4      | 1.0              | 1.0              |                      | 1      |
            5      | 3.0              | 3.0              |                      | 1      | 3.0
            > select n, bool_and(n > 1) over w, string_agg(n::text, '+') over w, count(distinct n % 2) over w, sum(n) over w from
                         (values (1), (2), (3), (4)) v(n) window w as (order by n rows between 1 following and 2 following) order by n
            bigint | boolean | text | bigint | bigint
            1      | true    | 2+3  | 2      | 5
            2      | true    | 3+4  | 2      | 7
            3      | true    | 4    | 1      | 4
            4      |         |      | 0      |
            > select n, sum(f) over (order by n range between 1 preceding and current row) as s from
                         (values (1, 1e17::double precision), (2, 1), (5, 1), (6, 2)) v(n, f) order by n
            bigint | double precision
            1      | 1e17
            2      | 1e17
            5      | 1.0
            6      | 3.0
        "#]],
    );
}

#[test]
fn casts_to_integers_round() {
    check_true(&[
        "2.5::int = 3 and 1.4::bigint = 1 and (-2.5)::int = -3 and 9.99::numeric(3,2)::int = 10",
        "2.5::double precision::int = 2 and 1.5::double precision::bigint = 2 and (-0.6)::real::smallint = -1",
        "cast('1.5'::numeric(4,1) as int) = 2 and try_cast(1e10::double precision as int) is null",
        "(null::double precision)::int is null",
        "'at ' || timestamp '2026-03-01 12:00:01' = 'at 2026-03-01 12:00:01'",
        "99999999999999999999999999999999999999::numeric(38,0)::numeric(38,0) = 99999999999999999999999999999999999999",
    ]);
    check_true(&["(select sum(qty * 1.3)::int from t) = 3", "(select max(price)::int from t) = 2"]);
}

#[test]
fn dates_and_intervals_make_timestamps() {
    check_true(&[
        "date '2026-01-31' + interval '12 hours' = timestamp '2026-01-31 12:00:00'",
        "interval '1 month' + date '2026-01-31' = timestamp '2026-02-28 00:00:00'",
        "date '2026-01-31' - interval '1 hour' = timestamp '2026-01-30 23:00:00'",
        "pg_typeof(date '2026-01-31' + interval '1 day') = 'timestamp without time zone'",
        "date '2026-01-31' + 1 = date '2026-02-01'",
    ]);
}

#[test]
fn json_operators() {
    check(
        &[
            "select id, doc->'a', doc->'a'->'b', doc->'a'->>'b', doc->'a'->'n', doc->'a'->>'n', doc->>'qty' from j",
            "select id, doc->'lines'->0, doc->'lines'->>0, doc->'lines'-> -1->>'sku', doc ? 'qty', doc->>id from j",
            "select id, doc #> '{a,b}', doc #>> '{lines,0,sku}', doc #>> '{lines}', doc #>> array['a','b'] from j",
            "select (doc->>'qty')::int + 1, (doc->'qty')::numeric(5,1), cast(doc->>'ok' as boolean), doc->'a' = '7' from j where id < 3",
            "select json_get_int(doc, 'qty'), json_get_str(doc, 'a', 'b'), json_get_float(doc, 'lines', 1, 'n'), json_get_bool(doc, 'ok') from j",
            "select jsonb_extract_path_text(doc, 'a', 'b'), json_array_length(doc->'lines'), json_keys(doc), json_get(doc, 'a') from j",
            "select doc->'a' as a, count(*) from j group by doc->'a' order by 1",
        ],
        expect![[r#"
            > select id, doc->'a', doc->'a'->'b', doc->'a'->>'b', doc->'a'->'n', doc->'a'->>'n', doc->>'qty' from j
            bigint | text                  | text | text | text | text | text
            1      | {"b": "x", "n": null} | "x"  | x    | null |      | 3
            2      | 7                     |      |      |      |      |
            3      |                       |      |      |      |      |
            4      |                       |      |      |      |      |
            > select id, doc->'lines'->0, doc->'lines'->>0, doc->'lines'-> -1->>'sku', doc ? 'qty', doc->>id from j
            bigint | text                 | text                 | text | boolean | text
            1      | {"sku": "k", "n": 1} | {"sku": "k", "n": 1} | l    | true    |
            2      |                      |                      |      | false   |
            3      |                      |                      |      | false   |
            4      |                      |                      |      |         |
            > select id, doc #> '{a,b}', doc #>> '{lines,0,sku}', doc #>> '{lines}', doc #>> array['a','b'] from j
            bigint | text | text | text                                           | text
            1      | "x"  | k    | [{"sku": "k", "n": 1}, {"sku": "l", "n": 2.5}] | x
            2      |      |      | []                                             |
            3      |      |      |                                                |
            4      |      |      |                                                |
            > select (doc->>'qty')::int + 1, (doc->'qty')::numeric(5,1), cast(doc->>'ok' as boolean), doc->'a' = '7' from j where id < 3
            bigint | numeric(5,1) | boolean | boolean
            4      | 3.0          | true    | false
            |              |         | true
            > select json_get_int(doc, 'qty'), json_get_str(doc, 'a', 'b'), json_get_float(doc, 'lines', 1, 'n'), json_get_bool(doc, 'ok') from j
            bigint | text | double precision | boolean
            3      | x    | 2.5              | true
            |      |                  |
            |      |                  |
            |      |                  |
            > select jsonb_extract_path_text(doc, 'a', 'b'), json_array_length(doc->'lines'), json_keys(doc), json_get(doc, 'a') from j
            text | numeric | text[]              | text
            x    | 2       | [a, qty, lines, ok] | {"b": "x", "n": null}
            | 0       | [a, lines]          | 7
            |         |                     |
            |         |                     |
            > select doc->'a' as a, count(*) from j group by doc->'a' order by 1
            text                  | bigint
            7                     | 1
            {"b": "x", "n": null} | 1
            | 2
        "#]],
    );
}

#[test]
fn unnest_in_every_place() {
    check(
        &[
            "select id, unnest(json_get_array(doc, 'lines'))->>'sku' as sku from j",
            "select id, l->>'sku', (l->>'n')::numeric(10,2) from (select id, unnest(json_get_array(doc, 'lines')) as l from j) x",
            "select j.id, l->>'sku' from j, unnest(json_get_array(doc, 'lines')) as l",
            "select j.id, l.value->>'sku' from j cross join jsonb_array_elements(doc->'lines') as l where j.id > 0",
            "select j.id, x->>'sku' from j, lateral jsonb_array_elements(doc->'lines') as l(x)",
            "select j.id, x->>'sku' from j left join lateral jsonb_array_elements(doc->'lines') as l(x) on true",
            "select id, jsonb_array_elements(doc->'lines')->>'sku' from j",
            "select t.id, tag, tag2 from t, unnest(tags) as tag, unnest(t.tags) as tag2 where tag <> tag2",
            "select t.id, tag.tag, u.qty from t join u on t.id = u.id join unnest(t.tags) as tag on tag.tag = 'x'",
            "select id.id, t.qty from t, unnest(tags) as id",
            "select unnest(array[1, 2]), unnest from unnest(array[3]) limit 1",
            "select g, generate_series from generate_series(1, 2) as g, generate_series(3, 3)",
            "table u",
        ],
        expect![[r#"
            > select id, unnest(json_get_array(doc, 'lines'))->>'sku' as sku from j
            bigint | text
            1      | k
            1      | l
            > select id, l->>'sku', (l->>'n')::numeric(10,2) from (select id, unnest(json_get_array(doc, 'lines')) as l from j) x
            bigint | text | numeric(10,2)
            1      | k    | 1.00
            1      | l    | 2.50
            > select j.id, l->>'sku' from j, unnest(json_get_array(doc, 'lines')) as l
            bigint | text
            1      | k
            1      | l
            > select j.id, l.value->>'sku' from j cross join jsonb_array_elements(doc->'lines') as l where j.id > 0
            bigint | text
            1      | k
            1      | l
            > select j.id, x->>'sku' from j, lateral jsonb_array_elements(doc->'lines') as l(x)
            bigint | text
            1      | k
            1      | l
            > select j.id, x->>'sku' from j left join lateral jsonb_array_elements(doc->'lines') as l(x) on true
            bigint | text
            1      | k
            1      | l
            2      |
            3      |
            4      |
            > select id, jsonb_array_elements(doc->'lines')->>'sku' from j
            bigint | text
            1      | k
            1      | l
            > select t.id, tag, tag2 from t, unnest(tags) as tag, unnest(t.tags) as tag2 where tag <> tag2
            bigint | text | text
            1      | x    | y
            1      | y    | x
            > select t.id, tag.tag, u.qty from t join u on t.id = u.id join unnest(t.tags) as tag on tag.tag = 'x'
            bigint | text | integer
            1      | x    | 10
            > select id.id, t.qty from t, unnest(tags) as id
            text | integer
            x    | 2
            y    | 2
            > select unnest(array[1, 2]), unnest from unnest(array[3]) limit 1
            bigint | bigint
            1      | 3
            > select g, generate_series from generate_series(1, 2) as g, generate_series(3, 3)
            bigint | bigint
            1      | 3
            2      | 3
            > table u
            bigint | text | integer
            1      | a    | 10
            4      | z    | 40
        "#]],
    );
}

#[test]
fn now_is_the_tick() {
    check(
        &[
            "select now(), current_timestamp, transaction_timestamp(), localtimestamp, current_date, current_time",
            "select id, at < now(), seen < now(), at < localtimestamp, day = current_date from t",
            "select id from t where seen > now() - interval '30 minutes'",
            "select id from t where id in (select t.id from t where t.seen <= now())",
            "select now()::date, date_trunc('day', now()), extract(epoch from now()), now() at time zone 'Asia/Shanghai'",
        ],
        expect![[r#"
            > select now(), current_timestamp, transaction_timestamp(), localtimestamp, current_date, current_time
            timestamp with time zone | timestamp with time zone | timestamp with time zone | timestamp without time zone | date       | time without time zone
            2026-03-01T12:00:01.500Z | 2026-03-01T12:00:01.500Z | 2026-03-01T12:00:01.500Z | 2026-03-01T12:00:01.500     | 2026-03-01 | 12:00:01.500
            > select id, at < now(), seen < now(), at < localtimestamp, day = current_date from t
            bigint | boolean | boolean | boolean | boolean
            1      | true    | true    | true    | true
            2      | false   | false   | false   | false
            3      |         |         |         |
            > select id from t where seen > now() - interval '30 minutes'
            bigint
            1
            2
            > select id from t where id in (select t.id from t where t.seen <= now())
            bigint
            1
            > select now()::date, date_trunc('day', now()), extract(epoch from now()), now() at time zone 'Asia/Shanghai'
            date       | timestamp with time zone | double precision | timestamp without time zone
            2026-03-01 | 2026-03-01T00:00:00Z     | 1772366401.5     | 2026-03-01T20:00:01.500
        "#]],
    );
}

fn optimized(sql: &str) -> LogicalPlan {
    let context = context();
    let plan = plan(&context, sql).expect("a plan");
    context.state().optimize(&plan).expect("an optimised plan")
}

#[test]
fn now_survives_the_optimizer_and_binding_keeps_the_schema() {
    let queries = [
        "select now(), now() - interval '1 hour' as since from t where seen > now() - interval '1 hour'",
        "select id from t where exists (select 1 from u where u.id = t.id and t.seen < current_timestamp)",
        "select count(*) filter (where seen < now()) from t group by date_trunc('hour', now()), current_date",
        "select id from t where day = current_date or at < localtimestamp",
    ];
    for sql in queries {
        let plan = optimized(sql);
        assert!(contains_now(&plan), "folded away: {sql}\n{}", plan.display_indent());
        let bound = bind_now(plan.clone(), TICK_MS).expect("bound");
        assert!(!contains_now(&bound), "left: {sql}\n{}", bound.display_indent());
        assert_eq!(bound.schema(), plan.schema(), "of {sql}");
    }
    assert!(!contains_now(&optimized("select id, 'now()' from t")));
}

#[test]
fn now_without_a_tick_is_an_error() {
    let context = context();
    let plan = plan(&context, "select now()").expect("a plan");
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    let error =
        runtime.block_on(async { context.execute_logical_plan(plan).await?.collect().await }).expect_err("unbound");
    assert!(error.to_string().contains("now() is not bound to a tick"), "{error}");
}

#[test]
fn volatile_functions_are_named() {
    let context = context();
    let name = |sql: &str| volatile_function(&plan(&context, sql).expect("a plan"));
    assert_eq!(name("select random() from t").as_deref(), Some("random"));
    assert_eq!(name("select id from t where id in (select id from u where random() > 0.5)").as_deref(), Some("random"));
    assert_eq!(name("select sum(qty) from t group by gen_random_uuid()").as_deref(), Some("uuid"));
    assert_eq!(name("select now(), sum(qty), row_number() over () from t"), None);
}

#[test]
fn time_zones_and_templates() {
    check(
        &[
            "select seen at time zone 'Asia/Shanghai', (seen at time zone 'Asia/Shanghai')::date, at at time zone 'Asia/Shanghai' from t",
            "select timestamp '2026-07-01 12:00:00' at time zone 'America/New_York', timezone('+08:00', seen) from t where id = 1",
            "select to_char(at, 'YYYY-MM-DD HH24:MI:SS'), to_char(day, 'DD/MM/YY'), to_char(seen, 'HH12:MI PM OF'), to_char(at, '%H') from t",
            "select to_date('02.01.2026', 'DD.MM.YYYY'), to_timestamp('02.01.2026 03:04:05', 'DD.MM.YYYY HH24:MI:SS'), to_timestamp(1.5)",
            "select timestamp '2026-01-31 00:00:00' + interval '1 month', date '2026-03-01' - date '2026-02-01', date '2026-01-01' + 1",
            "select at::text, seen::text || '!', cast(day as text), (at + interval '1 millisecond')::varchar from t",
            "select date_bin(interval '5 minutes', at, timestamp '2000-01-01 00:00:00'), date_trunc('hour', seen), extract(dow from at) from t",
        ],
        expect![[r#"
            > select seen at time zone 'Asia/Shanghai', (seen at time zone 'Asia/Shanghai')::date, at at time zone 'Asia/Shanghai' from t
            timestamp without time zone | date       | timestamp with time zone
            2026-03-01T19:59:00         | 2026-03-01 | 2026-03-01T02:00:00Z
            2026-03-01T20:30:00         | 2026-03-01 | 2026-03-01T04:30:00Z
            |            |
            > select timestamp '2026-07-01 12:00:00' at time zone 'America/New_York', timezone('+08:00', seen) from t where id = 1
            timestamp with time zone | timestamp without time zone
            2026-07-01T16:00:00Z     | 2026-03-01T19:59:00
            > select to_char(at, 'YYYY-MM-DD HH24:MI:SS'), to_char(day, 'DD/MM/YY'), to_char(seen, 'HH12:MI PM OF'), to_char(at, '%H') from t
            text                | text     | text            | text
            2026-03-01 10:00:00 | 01/03/26 | 11:59 AM +00:00 | 10
            2026-03-01 12:30:00 | 02/03/26 | 12:30 PM +00:00 | 12
            |          |                 |
            > select to_date('02.01.2026', 'DD.MM.YYYY'), to_timestamp('02.01.2026 03:04:05', 'DD.MM.YYYY HH24:MI:SS'), to_timestamp(1.5)
            date       | timestamp with time zone | timestamp with time zone
            2026-01-02 | 2026-01-02T03:04:05Z     | 1970-01-01T00:00:01.500Z
            > select timestamp '2026-01-31 00:00:00' + interval '1 month', date '2026-03-01' - date '2026-02-01', date '2026-01-01' + 1
            timestamp without time zone | bigint | date
            2026-02-28T00:00:00         | 28     | 2026-01-02
            > select at::text, seen::text || '!', cast(day as text), (at + interval '1 millisecond')::varchar from t
            text                | text                    | text       | text
            2026-03-01 10:00:00 | 2026-03-01 11:59:00+00! | 2026-03-01 | 2026-03-01 10:00:00.001
            2026-03-01 12:30:00 | 2026-03-01 12:30:00+00! | 2026-03-02 | 2026-03-01 12:30:00.001
            |                         |            |
            > select date_bin(interval '5 minutes', at, timestamp '2000-01-01 00:00:00'), date_trunc('hour', seen), extract(dow from at) from t
            timestamp without time zone | timestamp with time zone | integer
            2026-03-01T10:00:00         | 2026-03-01T11:00:00Z     | 0
            2026-03-01T12:30:00         | 2026-03-01T12:00:00Z     | 0
            |                          |
        "#]],
    );
}

#[test]
fn numbers() {
    check(
        &[
            "select 1.5, 0.1 + 0.2 = 0.3, 7 / 2, -7 / 2, 7.0 / 2, 7 % 3, mod(7, 3), 2 ^ 3, 1e2",
            "select sum(amount), avg(amount), sum(qty), avg(qty), sum(price), amount * 1.1 from t group by amount",
            "select ceil(1.2), ceiling(1.2), floor(-1.2), round(1.25, 1), trunc(1.29, 1), abs(-1), sign(-2), power(2, 3), sqrt(4), ln(1), gcd(4, 6)",
            "select greatest(1, 2, null), least(1, 2), coalesce(null, 3), nullif(1, 1), 1::int2, 1::int8, 1::real, 1::numeric(5,2), 'NaN'::float8",
            "select stddev(price), variance(price), var_pop(price), corr(price, qty), median(price), percentile_cont(0.5) within group (order by price) from t",
        ],
        expect![[r#"
            > select 1.5, 0.1 + 0.2 = 0.3, 7 / 2, -7 / 2, 7.0 / 2, 7 % 3, mod(7, 3), 2 ^ 3, 1e2
            numeric(2,1) | boolean | bigint | bigint | numeric(6,5) | bigint | bigint | double precision | numeric(1,-2)
            1.5          | true    | 3      | -3     | 3.50000      | 1      | 1      | 8.0              | 100
            > select sum(amount), avg(amount), sum(qty), avg(qty), sum(price), amount * 1.1 from t group by amount
            numeric(22,2) | numeric(16,6) | bigint | double precision | double precision | numeric(15,3)
            9.99          | 9.990000      | 2      | 2.0              | 0.5              | 10.989
            -1.50         | -1.500000     | 0      | 0.0              | 2.25             | -1.650
            |               |        |                  |                  |
            > select ceil(1.2), ceiling(1.2), floor(-1.2), round(1.25, 1), trunc(1.29, 1), abs(-1), sign(-2), power(2, 3), sqrt(4), ln(1), gcd(4, 6)
            numeric(2,1) | numeric(2,1) | numeric(2,1) | numeric(3,1) | numeric(3,2) | bigint | double precision | double precision | double precision | double precision | bigint
            2.0          | 2.0          | -2.0         | 1.3          | 1.20         | 1      | -1.0             | 8.0              | 2.0              | 0.0              | 2
            > select greatest(1, 2, null), least(1, 2), coalesce(null, 3), nullif(1, 1), 1::int2, 1::int8, 1::real, 1::numeric(5,2), 'NaN'::float8
            bigint | bigint | bigint | bigint | smallint | bigint | real | numeric(5,2) | double precision
            2      | 1      | 3      |        | 1        | 1      | 1.0  | 1.00         | NaN
            > select stddev(price), variance(price), var_pop(price), corr(price, qty), median(price), percentile_cont(0.5) within group (order by price) from t
            double precision   | double precision | double precision | double precision | double precision | double precision
            1.2374368670764582 | 1.53125          | 0.765625         | -1.0             | 1.375            | 1.375
        "#]],
    );
}

#[test]
fn text_and_bytes() {
    check_true(&[
        "left('abc', 2) = 'ab' and left('abc', -1) = 'ab' and right('abc', 2) = 'bc'",
        "split_part('a-b-c', '-', 2) = 'b' and split_part('a-b-c', '-', -1) = 'c'",
        "regexp_replace('abab', 'b', 'X') = 'aXab' and regexp_replace('abab', 'b', 'X', 'g') = 'aXaX'",
        "md5('a') = '0cc175b9c0f1b6a831c399e269772661' and encode(sha256('a'::bytea), 'hex') like 'ca978112%'",
        "encode('abc'::bytea, 'hex') = '616263' and decode('616263', 'hex') = 'abc'::bytea",
        "concat('a', null, 1) = 'a1' and concat_ws('-', 'a', null, 'b') = 'a-b' and 'a' || 1 = 'a1' and ('x' || null) is null",
        "position('b' in 'abc') = 2 and strpos('abc', 'c') = 3 and substring('abcdef' from 2 for 3) = 'bcd'",
        "overlay('abcdef' placing 'X' from 2 for 3) = 'aXef' and trim(both 'x' from 'xax') = 'a' and btrim(' a ') = 'a'",
        "lower('A') = 'a' and initcap('ab cd') = 'Ab Cd' and length('单a') = 2 and octet_length('单') = 3",
        "reverse('abc') = 'cba' and repeat('a', 3) = 'aaa' and lpad('a', 3, '*') = '**a' and translate('abc', 'ab', 'xy') = 'xyc'",
        "'abc' ~ 'b' and 'abc' ~* 'B' and 'abc' !~ 'x' and 'abc' ilike 'A%' and starts_with('abc', 'a')",
        "regexp_like('abc', 'b') and regexp_count('abcb', 'b') = 2 and array_to_string(regexp_match('abc', '(b)(c)'), '') = 'bc'",
        "string_to_array('a,b', ',') = array['a', 'b'] and array_to_string(array['a', 'b'], ',') = 'a,b'",
        "'x' = any(array['x', 'y']) and array['x', 'y'] @> array['y'] and (array[1, 2])[2] = 2 and cardinality(array[1, 2]) = 2",
        "gen_random_uuid() is not null and pg_typeof(1) = 'bigint' and pg_typeof(now()) = 'timestamp with time zone'",
    ]);
}

#[test]
fn aggregates_and_windows() {
    check(
        &[
            "select bool_and(ok), bool_or(ok), every(ok), count(*) filter (where ok), count(distinct sku), min(at), max(seen) from t",
            "select string_agg(sku, ',' order by sku desc), array_agg(qty order by id), first_value(id order by id desc) from t",
            "select id, row_number() over (order by id), rank() over (order by ok), lag(id) over (order by id), sum(qty) over (order by id) from t",
            "select sku, sum(qty) from t group by rollup (sku) order by 1, 2",
            "select distinct on (ok) ok, id from t order by ok, id desc",
            "select distinct upper(sku), qty + 1 from t order by upper(sku) desc, qty + 1",
            "select date_trunc('hour', at), count(*) from t group by date_trunc('hour', at) order by count(*), date_trunc",
            "select sku::text, count(*), count(id) from t group by sku having count(*) > 0 order by sku",
            "select count from (select count(*) from t) x",
            "with recursive r as (select 1 as n union all select n + 1 from r where n < 3) select n, n * 2 from r",
            "select id, id, t.id, id as id from t where id = 1",
        ],
        expect![[r#"
            > select bool_and(ok), bool_or(ok), every(ok), count(*) filter (where ok), count(distinct sku), min(at), max(seen) from t
            boolean | boolean | boolean | bigint | bigint | timestamp without time zone | timestamp with time zone
            false   | true    | false   | 1      | 2      | 2026-03-01T10:00:00         | 2026-03-01T12:30:00Z
            > select string_agg(sku, ',' order by sku desc), array_agg(qty order by id), first_value(id order by id desc) from t
            text | integer[] | bigint
            b,a  | [2, 0, ]  | 3
            > select id, row_number() over (order by id), rank() over (order by ok), lag(id) over (order by id), sum(qty) over (order by id) from t
            bigint | numeric | numeric | bigint | bigint
            2      | 2       | 1       | 1      | 2
            1      | 1       | 2       |        | 2
            3      | 3       | 3       | 2      | 2
            > select sku, sum(qty) from t group by rollup (sku) order by 1, 2
            text | bigint
            a    | 2
            b    | 0
            | 2
            |
            > select distinct on (ok) ok, id from t order by ok, id desc
            boolean | bigint
            false   | 2
            true    | 1
            | 3
            > select distinct upper(sku), qty + 1 from t order by upper(sku) desc, qty + 1
            text | bigint
            |
            B    | 1
            A    | 3
            > select date_trunc('hour', at), count(*) from t group by date_trunc('hour', at) order by count(*), date_trunc
            timestamp without time zone | bigint
            2026-03-01T10:00:00         | 1
            2026-03-01T12:00:00         | 1
            | 1
            > select sku::text, count(*), count(id) from t group by sku having count(*) > 0 order by sku
            text | bigint | bigint
            a    | 1      | 1
            b    | 1      | 1
            | 1      | 1
            > select count from (select count(*) from t) x
            bigint
            3
            > with recursive r as (select 1 as n union all select n + 1 from r where n < 3) select n, n * 2 from r
            bigint | bigint
            1      | 2
            2      | 4
            3      | 6
            > select id, id, t.id, id as id from t where id = 1
            bigint | bigint | bigint | bigint
            1      | 1      | 1      | 1
        "#]],
    );
}

#[test]
fn arithmetic_fails_rather_than_wraps() {
    let context = context();
    for sql in [
        "select 2147483647::int + qty from t",
        "select id from t where qty * 2000000000::int > 0",
        "select id - 9223372036854775807 - 10 from t",
    ] {
        let error = execute(&context, sql).expect_err(sql);
        assert_eq!(error.code, crate::model::error::code::NUMERIC_VALUE_OUT_OF_RANGE, "{sql}: {error}");
    }
}
