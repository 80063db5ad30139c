//! What graphical tools ask of a PostgreSQL server before anybody sees a row: Grafana, Metabase, DBeaver.
//!
//! They cannot be installed here. Which relations, columns and functions of the catalog their introspection reads was taken
//! from their public sources (Grafana's `postgresMetaQuery`, Metabase's `driver/postgres`, DBeaver's PostgreSQL `model`); the
//! queries are written anew with the same constructs, so that what those tools need is what is tested.

use super::server::{Server, rows};

const RELATIONS: &str = "CREATE TABLE orders (order_id TEXT NOT NULL, amount NUMERIC(18,2), placed_at TIMESTAMPTZ, \
                         PRIMARY KEY (order_id)); \
                         CREATE MATERIALIZED VIEW totals AS SELECT count(*) AS n, sum(amount) AS amount FROM orders";

/// The parts of `search_path`, as Grafana writes them to learn which tables need no schema.
const SEARCH_PATH: &str = "SELECT CASE WHEN trim(part[n]) = '\"$user\"' THEN user ELSE trim(part[n]) END \
     FROM generate_series(array_lower(string_to_array(current_setting('search_path'), ','), 1), \
                          array_upper(string_to_array(current_setting('search_path'), ','), 1)) AS n, \
          string_to_array(current_setting('search_path'), ',') part";

/// A question and what its answer must contain, columns joined by `|`.
type Question = (&'static str, String, &'static [&'static str]);

async fn check(questions: Vec<Question>) {
    let server = Server::start().await;
    let client = server.connect().await;
    client.batch_execute(RELATIONS).await.expect("two relations");
    let mut wrong = Vec::new();
    for (what, sql, wanted) in questions {
        // The way a driver asks: prepared first, which needs the types of all columns.
        if let Err(error) = client.prepare(&sql).await {
            wrong
                .push(format!("{what}: {}", error.as_db_error().map_or(error.to_string(), |e| e.message().to_owned())));
            continue;
        }
        let lines: Vec<String> = rows(&client, &sql)
            .await
            .iter()
            .map(|row| row.iter().map(|value| value.as_deref().unwrap_or("")).collect::<Vec<_>>().join("|"))
            .collect();
        for line in wanted.iter().filter(|line| !lines.iter().any(|found| found == *line)) {
            wrong.push(format!("{what}: no row {line}, but\n    {}", lines.join("\n    ")));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    server.stop().await;
}

#[tokio::test]
async fn grafana_finds_tables_and_columns() {
    let qualified = format!(
        "SELECT CASE WHEN quote_ident(t.table_schema) IN ({SEARCH_PATH}) THEN quote_ident(t.table_name) \
         ELSE quote_ident(t.table_schema) || '.' || quote_ident(t.table_name) END AS \"table\" \
         FROM information_schema.tables t \
         WHERE quote_ident(t.table_schema) NOT IN ('information_schema', 'pg_catalog') \
         ORDER BY CASE WHEN quote_ident(t.table_schema) IN ({SEARCH_PATH}) THEN 0 ELSE 1 END, 1"
    );
    let columns = format!(
        "SELECT quote_ident(c.column_name) AS \"column\", c.data_type AS \"type\" FROM information_schema.columns c \
         WHERE CASE WHEN array_length(parse_ident('orders'), 1) = 2 \
           THEN quote_ident(c.table_schema) = (parse_ident('orders'))[1] \
             AND quote_ident(c.table_name) = (parse_ident('orders'))[2] \
           ELSE quote_ident(c.table_name) = 'orders' AND quote_ident(c.table_schema) IN ({SEARCH_PATH}) END"
    );
    check(vec![
        ("version", "SELECT current_setting('server_version_num')::int / 100 AS version".to_owned(), &["1600"]),
        ("timescale", "SELECT extversion FROM pg_extension WHERE extname = 'timescaledb'".to_owned(), &[]),
        (
            "schemas",
            "SELECT s.schema_name AS name FROM information_schema.schemata s \
             WHERE s.schema_name NOT IN ('information_schema', 'pg_catalog', 'pg_toast') ORDER BY s.schema_name"
                .to_owned(),
            &["public", "trueup"],
        ),
        ("tables", qualified, &["orders", "totals", "trueup.errors", "trueup.stale_versions", "trueup.tables"]),
        ("columns", columns, &["order_id|text", "amount|numeric", "placed_at|timestamp with time zone"]),
    ])
    .await;
}

#[tokio::test]
async fn metabase_syncs_tables_and_fields() {
    let fields = "SELECT c.column_name AS name, \
           CASE WHEN c.udt_schema IN ('public', 'pg_catalog') THEN format('%s', c.udt_name) \
                ELSE format('\"%s\".\"%s\"', c.udt_schema, c.udt_name) END AS type, \
           c.ordinal_position - 1 AS place, c.table_name, key.column_name IS NOT NULL AS in_key, \
           col_description(CAST(CAST(format('%I.%I', CAST(c.table_schema AS text), CAST(c.table_name AS text)) \
             AS regclass) AS oid), c.ordinal_position) AS remark, \
           (column_default IS NULL OR lower(column_default) = 'null') AND is_nullable = 'NO' \
             AND NOT ((column_default IS NOT NULL AND column_default LIKE '%nextval(%') OR is_identity <> 'NO') AS required \
         FROM information_schema.columns c LEFT JOIN ( \
           SELECT k.table_schema, k.table_name, u.column_name FROM information_schema.table_constraints k \
           JOIN information_schema.key_column_usage u ON k.constraint_name = u.constraint_name \
             AND k.table_schema = u.table_schema AND k.table_name = u.table_name \
           WHERE k.constraint_type = 'PRIMARY KEY') key \
           ON c.table_schema = key.table_schema AND c.table_name = key.table_name AND c.column_name = key.column_name \
         WHERE c.table_schema !~ '^information_schema|catalog_history|pg_' AND c.table_schema IN ('public') \
         UNION ALL \
         SELECT a.attname, CASE WHEN tn.nspname IN ('public', 'pg_catalog') THEN format('%s', t.typname) \
             ELSE format('\"%s\".\"%s\"', tn.nspname, t.typname) END, \
           a.attnum - 1, r.relname, false, NULL, false \
         FROM pg_catalog.pg_class r JOIN pg_catalog.pg_namespace n ON n.oid = r.relnamespace \
         JOIN pg_catalog.pg_attribute a ON a.attrelid = r.oid JOIN pg_catalog.pg_type t ON t.oid = a.atttypid \
         JOIN pg_catalog.pg_namespace tn ON tn.oid = t.typnamespace \
         WHERE r.relkind = 'm' AND a.attnum >= 1 AND n.nspname IN ('public') \
         ORDER BY 4, 3";
    let tables = "SELECT n.nspname AS schema, r.relname AS name, \
           CASE r.relkind WHEN 'r' THEN 'TABLE' WHEN 'v' THEN 'VIEW' WHEN 'm' THEN 'MATERIALIZED VIEW' END AS type, \
           d.description, s.n_live_tup \
         FROM pg_catalog.pg_class r JOIN pg_catalog.pg_namespace n ON r.relnamespace = n.oid \
         LEFT JOIN pg_catalog.pg_description d ON r.oid = d.objoid AND d.objsubid = 0 \
           AND d.classoid = 'pg_class'::regclass \
         LEFT JOIN pg_stat_user_tables s ON n.nspname = s.schemaname AND r.relname = s.relname \
         WHERE n.nspname !~ '^pg_' AND n.nspname <> 'information_schema' AND r.relkind IN ('r', 'p', 'v', 'f', 'm') \
           AND n.nspname IN ('public') ORDER BY 3, 1, 2";
    let keys = "SELECT cn.nspname, f.relname, fa.attname, pn.nspname, p.relname, pa.attname FROM pg_constraint k \
         JOIN pg_class f ON k.conrelid = f.oid JOIN pg_namespace cn ON k.connamespace = cn.oid \
         JOIN pg_attribute fa ON k.conrelid = fa.attrelid JOIN pg_class p ON k.confrelid = p.oid \
         JOIN pg_namespace pn ON p.relnamespace = pn.oid JOIN pg_attribute pa ON k.confrelid = pa.attrelid \
         WHERE cn.nspname !~ '^pg_' AND k.contype = 'f'::char AND fa.attnum = ANY(k.conkey) AND pa.attnum = ANY(k.confkey)";
    let privileges = "SELECT t.schemaname, t.name, \
           has_any_column_privilege(current_user, '\"' || t.schemaname || '\".\"' || t.name || '\"', 'update'), \
           has_table_privilege(current_user, '\"' || t.schemaname || '\".\"' || t.name || '\"', 'SELECT') \
         FROM (SELECT schemaname, tablename AS name FROM pg_catalog.pg_tables UNION \
               SELECT schemaname, viewname FROM pg_catalog.pg_views UNION \
               SELECT schemaname, matviewname FROM pg_catalog.pg_matviews) t \
         WHERE t.schemaname !~ '^pg_' AND t.schemaname <> 'information_schema'";
    let enums = "SELECT n.nspname, t.typname FROM pg_type t JOIN pg_namespace n ON n.oid = t.typnamespace \
         WHERE t.oid IN (SELECT DISTINCT e.enumtypid FROM pg_enum e)";
    check(vec![
        ("time zone", "SHOW timezone".to_owned(), &["UTC"]),
        ("enums", enums.to_owned(), &[]),
        ("tables", tables.to_owned(), &["public|orders|TABLE||", "public|totals|VIEW||"]),
        (
            "fields",
            fields.to_owned(),
            &["order_id|text|0|orders|f||t", "amount|numeric|1|orders|f||f", "n|int8|0|totals|f||f"],
        ),
        ("foreign keys", keys.to_owned(), &[]),
        ("privileges", privileges.to_owned(), &["public|orders|t|t"]),
        (
            "a question by minute",
            "SELECT date_trunc('minute', o.placed_at) AS minute, sum(o.amount) AS amount FROM public.orders o \
             GROUP BY date_trunc('minute', o.placed_at) ORDER BY date_trunc('minute', o.placed_at) LIMIT 2000"
                .to_owned(),
            &[],
        ),
    ])
    .await;
}

#[tokio::test]
async fn dbeaver_browses_the_schema() {
    let of_public = "(SELECT oid FROM pg_catalog.pg_namespace WHERE nspname = 'public')";
    let tables = format!(
        "SELECT r.oid, r.*, d.description, \
           (SELECT array_agg(i.inhparent) FROM pg_catalog.pg_inherits i WHERE i.inhrelid = r.oid) AS parents \
         FROM pg_catalog.pg_class r LEFT OUTER JOIN pg_catalog.pg_description d ON d.objoid = r.oid AND d.objsubid = 0 \
         WHERE r.relnamespace = {of_public} AND r.relkind NOT IN ('i', 'c')"
    );
    let columns = "SELECT r.relname, a.attname, pg_catalog.format_type(a.atttypid, a.atttypmod), \
           pg_catalog.pg_get_expr(d.adbin, d.adrelid, true) AS def, x.description \
         FROM pg_catalog.pg_attribute a JOIN pg_catalog.pg_class r ON a.attrelid = r.oid \
         LEFT OUTER JOIN pg_catalog.pg_attrdef d ON a.attrelid = d.adrelid AND a.attnum = d.adnum \
         LEFT OUTER JOIN pg_catalog.pg_description x ON r.oid = x.objoid AND a.attnum = x.objsubid \
         WHERE NOT a.attisdropped AND r.relkind NOT IN ('i', 'c') ORDER BY a.attnum";
    let types = "SELECT t.oid, t.*, r.relkind, format_type(nullif(t.typbasetype, 0), t.typtypmod) AS base, d.description \
         FROM pg_catalog.pg_type t LEFT OUTER JOIN pg_catalog.pg_class r ON r.oid = t.typrelid \
         LEFT OUTER JOIN pg_catalog.pg_description d ON t.oid = d.objoid \
         WHERE t.typname IS NOT NULL AND (r.relkind IS NULL OR r.relkind = 'c')";
    let constraints = "SELECT k.oid, k.*, r.relname AS of_table, f.relnamespace AS other FROM pg_catalog.pg_constraint k \
         JOIN pg_catalog.pg_class r ON r.oid = k.conrelid LEFT OUTER JOIN pg_catalog.pg_class f ON f.oid = k.confrelid \
         ORDER BY k.oid";
    let indexes = "SELECT i.*, i.indkey AS keys, r.relname, r.relnamespace, r.relam, t.relname AS of_table, \
           pg_catalog.pg_get_expr(i.indexprs, i.indrelid, true) AS expr \
         FROM pg_catalog.pg_index i JOIN pg_catalog.pg_class r ON r.oid = i.indexrelid \
         JOIN pg_catalog.pg_class t ON t.oid = i.indrelid ORDER BY r.relname";
    let schemas = "SELECT n.nspname, d.description FROM pg_catalog.pg_namespace n \
         LEFT OUTER JOIN pg_catalog.pg_description d ON d.objoid = n.oid AND d.objsubid = 0 \
           AND d.classoid = 'pg_namespace'::regclass ORDER BY n.nspname";
    check(vec![
        ("where it is", "SELECT current_schema(), session_user".to_owned(), &["public|tester"]),
        ("search path", "SHOW search_path".to_owned(), &["\"$user\", public"]),
        (
            "databases",
            "SELECT d.datname FROM pg_catalog.pg_database d WHERE d.datallowconn AND NOT d.datistemplate \
             ORDER BY d.datname"
                .to_owned(),
            &["trueup"],
        ),
        ("schemas", schemas.to_owned(), &["public|", "trueup|"]),
        ("types", types.to_owned(), &[]),
        ("tables", tables, &[]),
        (
            "columns",
            columns.to_owned(),
            &["orders|amount|numeric(18,2)||", "orders|placed_at|timestamp with time zone||", "totals|n|bigint||"],
        ),
        ("constraints", constraints.to_owned(), &[]),
        ("indexes", indexes.to_owned(), &[]),
        ("roles", "SELECT r.oid, r.* FROM pg_catalog.pg_roles r ORDER BY r.rolname".to_owned(), &[]),
        ("settings", "SELECT * FROM pg_catalog.pg_settings".to_owned(), &[]),
        ("rows as a grid shows them", "SELECT x.* FROM public.orders x LIMIT 200".to_owned(), &[]),
    ])
    .await;
}
