//! The last projection of a plan: PostgreSQL's names, and types out of a small closed set.
//!
//! DataFusion's functions return whatever Arrow type suits them (`row_number()` is unsigned, `to_timestamp` counts nanoseconds).
//! What is stored, compared and sent has one of the types of [`super::types`]' table, which everything behind the plan relies on.

use std::collections::HashSet;
use std::sync::Arc;

use arrow::datatypes::{DECIMAL128_MAX_PRECISION, DataType, Field, FieldRef, Fields, IntervalUnit, TimeUnit};
use datafusion::common::{Column, TableReference};
use datafusion::logical_expr::{Expr, LogicalPlan, LogicalPlanBuilder, cast};

use super::error::from_datafusion;
use super::parse::{SYSTEM_COLUMNS, output_name};
use super::types::timestamptz;
use crate::model::error::code;
use crate::model::{SqlError, SqlResult};

/// A view's plan: columns named as `columns` says, the rest as the query says, each name once. Errors have no position.
pub fn view_output(plan: LogicalPlan, columns: &[String]) -> SqlResult<LogicalPlan> {
    let count = plan.schema().fields().len();
    if columns.len() > count {
        return Err(SqlError::syntax("CREATE VIEW specifies more column names than columns"));
    }
    let names = (0..count).map(|position| match columns.get(position) {
        Some(name) => name.clone(),
        None => output_name(plan.schema().field(position).name()).to_string(),
    });
    let names = names.collect::<Vec<_>>();
    let mut seen = HashSet::new();
    for name in &names {
        if SYSTEM_COLUMNS.contains(&name.as_str()) {
            let message = format!("column name \"{name}\" conflicts with a system column name");
            return Err(SqlError::new(code::DUPLICATE_COLUMN, message).hint("give it another name with AS"));
        }
        if !seen.insert(name) {
            let message = format!("column \"{name}\" specified more than once");
            return Err(SqlError::new(code::DUPLICATE_COLUMN, message).hint("give each column its own name with AS"));
        }
    }
    project(plan, |position, expr| expr.alias(names[position].clone()))
}

/// An ad-hoc query's plan: types as a view's, names (and their qualifiers) as they are. [`output_name`] of each is what to send.
pub fn query_output(plan: LogicalPlan) -> SqlResult<LogicalPlan> {
    let is_stored = |field: &FieldRef| stored_type(field.data_type()).as_ref() == Some(field.data_type());
    if plan.schema().fields().iter().all(is_stored) {
        return Ok(plan);
    }
    let names = plan.schema().iter().map(|(qualifier, field)| (qualifier.cloned(), field.name().clone()));
    let names = names.collect::<Vec<(Option<TableReference>, String)>>();
    project(plan, |position, expr| {
        let (qualifier, name) = &names[position];
        if matches!(expr, Expr::Column(_)) { expr } else { expr.alias_qualified(qualifier.clone(), name.clone()) }
    })
}

/// Every column, cast to its stored type, then named.
fn project(plan: LogicalPlan, name: impl Fn(usize, Expr) -> Expr) -> SqlResult<LogicalPlan> {
    let mut columns = Vec::new();
    for (position, (qualifier, field)) in plan.schema().iter().enumerate() {
        let Some(stored) = stored_type(field.data_type()) else {
            let message = format!("column \"{}\" has type {}", output_name(field.name()), field.data_type());
            return Err(SqlError::unsupported(message).hint("cast it to TEXT"));
        };
        let column = Expr::Column(Column::new(qualifier.cloned(), field.name()));
        let column = if stored == *field.data_type() { column } else { cast(column, stored) };
        columns.push(name(position, column));
    }
    let projected = LogicalPlanBuilder::from(plan).project(columns).and_then(LogicalPlanBuilder::build);
    projected.map_err(|error| from_datafusion(error, ""))
}

/// The type of the closed set that holds all values of `data_type`; `None` if there is none. UInt64 becomes Int64: DataFusion
/// uses it for counts and positions.
pub fn stored_type(data_type: &DataType) -> Option<DataType> {
    Some(match data_type {
        DataType::Boolean
        | DataType::Int16
        | DataType::Int32
        | DataType::Int64
        | DataType::Float32
        | DataType::Float64
        | DataType::Utf8
        | DataType::Binary
        | DataType::Date32 => data_type.clone(),
        DataType::Int8 | DataType::UInt8 => DataType::Int16,
        DataType::UInt16 => DataType::Int32,
        DataType::UInt32 | DataType::UInt64 => DataType::Int64,
        DataType::Float16 => DataType::Float32,
        DataType::Null | DataType::LargeUtf8 | DataType::Utf8View => DataType::Utf8,
        DataType::LargeBinary | DataType::BinaryView | DataType::FixedSizeBinary(_) => DataType::Binary,
        DataType::Date64 | DataType::Timestamp(_, None) => DataType::Timestamp(TimeUnit::Microsecond, None),
        DataType::Timestamp(_, Some(_)) => timestamptz(),
        DataType::Time32(_) | DataType::Time64(_) => DataType::Time64(TimeUnit::Microsecond),
        DataType::Interval(_) | DataType::Duration(_) => DataType::Interval(IntervalUnit::MonthDayNano),
        DataType::Decimal32(precision, scale)
        | DataType::Decimal64(precision, scale)
        | DataType::Decimal128(precision, scale)
        | DataType::Decimal256(precision, scale) => decimal(*precision, *scale),
        DataType::List(item)
        | DataType::LargeList(item)
        | DataType::ListView(item)
        | DataType::LargeListView(item)
        | DataType::FixedSizeList(item, _) => {
            DataType::List(Arc::new(Field::new_list_field(stored_type(item.data_type())?, true)))
        }
        DataType::Struct(fields) => {
            let fields =
                fields.iter().map(|field| Some(Field::new(field.name(), stored_type(field.data_type())?, true)));
            DataType::Struct(fields.collect::<Option<Fields>>()?)
        }
        DataType::Dictionary(_, value) => stored_type(value)?,
        DataType::RunEndEncoded(_, value) => stored_type(value.data_type())?,
        DataType::Map(..) | DataType::Union(..) => return None,
    })
}

/// No negative scales: PostgreSQL's clients do not know them.
fn decimal(precision: u8, scale: i8) -> DataType {
    let scale_up = if scale < 0 { scale.unsigned_abs() } else { 0 };
    let precision = precision.saturating_add(scale_up).min(DECIMAL128_MAX_PRECISION);
    DataType::Decimal128(precision, scale.max(0))
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};

    use super::*;
    use crate::plan::testing::{context, plan};
    use crate::plan::types::postgres_name;

    /// Names and types of views' columns.
    fn check(views: &[(&str, &[&str])], expected: Expect) {
        let context = context();
        let columns = |sql: &str, names: &[&str]| -> SqlResult<String> {
            let names = names.iter().map(ToString::to_string).collect::<Vec<_>>();
            let plan = view_output(plan(&context, sql)?, &names)?;
            let fields = plan.schema().fields().iter();
            let fields = fields.map(|field| format!("{} {}", field.name(), postgres_name(field.data_type())));
            Ok(fields.collect::<Vec<_>>().join(", "))
        };
        let shown = views.iter().map(|(sql, names)| match columns(sql, names) {
            Ok(columns) => columns + "\n",
            Err(error) => format!("{} {error}\n", error.code),
        });
        expected.assert_eq(&shown.collect::<String>());
    }

    #[test]
    fn views_have_postgresqls_names_and_types() {
        check(
            &[
                (
                    "select count(*), sum(qty), max(sku) as top, 1, qty::text, upper(sku) || 'x' from t group by qty, sku",
                    &[],
                ),
                (
                    "select row_number() over (order by id), array_length(tags, 1), json_length('{}'), approx_distinct(id) over () from t",
                    &[],
                ),
                (
                    "select 1e3, to_timestamp(0), at - at, null, arrow_cast('x', 'Dictionary(Int32, Utf8)') as d from t",
                    &["a", "b", "c", "n"],
                ),
                ("select t.*, u.qty as other from t join u using (id)", &["key"]),
                (
                    "select case when ok then sku else 'x' end, case when ok then 1 end, tags[1], sku::varchar, (qty + 1)::int8 from t",
                    &[],
                ),
                (
                    "select true, date '2026-01-01', interval '1 day', extract(hour from at), (select max(id) from u), array[1] from t",
                    &[],
                ),
            ],
            expect![[r#"
                42701 column "?column?" specified more than once
                HINT: give each column its own name with AS
                row_number bigint, array_length bigint, json_length bigint, approx_distinct bigint
                a numeric(4,0), b timestamp with time zone, c interval, n text, d text
                key bigint, sku text, qty integer, amount numeric(12,2), price double precision, ok boolean, at timestamp without time zone, seen timestamp with time zone, day date, tags text[], raw bytea, other integer
                42701 column "case" specified more than once
                HINT: give each column its own name with AS
                bool boolean, date date, interval interval, extract integer, max bigint, array bigint[]
            "#]],
        );
        check(
            &[
                ("select count(*), count(id) from t", &[]),
                ("select count(*), count(id) from t", &["a", "a"]),
                ("select count(*), count(id) from t", &["a", "b"]),
                ("select t.id, u.id from t, u", &[]),
                ("select id from t", &["a", "b"]),
                ("select id as trueup_diff from t", &[]),
                ("select map(['a'], [1]) as m", &[]),
            ],
            expect![[r#"
                42701 column "count" specified more than once
                HINT: give each column its own name with AS
                42701 column "a" specified more than once
                HINT: give each column its own name with AS
                a bigint, b bigint
                42701 column "id" specified more than once
                HINT: give each column its own name with AS
                42601 CREATE VIEW specifies more column names than columns
                42701 column name "trueup_diff" conflicts with a system column name
                HINT: give it another name with AS
                0A000 column "m" has type Map("entries": non-null Struct("key": non-null Utf8, "value": Int64), unsorted)
                HINT: cast it to TEXT
            "#]],
        );
    }

    #[test]
    fn queries_keep_hidden_marks_only_inside() {
        let plan = query_output(plan(&context(), "select 1, 2, id, row_number() over () from t").expect("a plan"))
            .expect("a plan");
        let names = plan.schema().fields().iter().map(|field| output_name(field.name())).collect::<Vec<_>>();
        assert_eq!(names, ["?column?", "?column?", "id", "row_number"]);
        assert_eq!(plan.schema().field(3).data_type(), &DataType::Int64);
    }
}
