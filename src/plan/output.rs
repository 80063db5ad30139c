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
use super::types::{postgres_name, timestamptz};
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
    use super::*;
    use crate::plan::testing::{context, plan};

    /// Names and types of a view's columns.
    fn columns(sql: &str, names: &[&str]) -> SqlResult<String> {
        let names = names.iter().map(ToString::to_string).collect::<Vec<_>>();
        let plan = view_output(plan(&context(), sql)?, &names)?;
        let fields = plan.schema().fields().iter();
        Ok(fields
            .map(|field| format!("{} {}", field.name(), postgres_name(field.data_type())))
            .collect::<Vec<_>>()
            .join(", "))
    }

    #[test]
    fn names_and_types_are_postgresqls() {
        let cases = [
            ("select count(*), sum(qty), max(sku) as top from t", "count bigint, sum bigint, top text"),
            ("select 1, 'x' as y, null", "?column? bigint, y text"),
            ("select row_number() over (order by id) from t", "row_number bigint"),
            ("select to_timestamp(0), 1e3, array_length(tags, 1) from t", ""),
            ("select * from t join u using (sku)", ""),
        ];
        for (sql, expected) in cases {
            println!("{sql}: {:?} {expected}", columns(sql, &[]));
        }
    }
}
