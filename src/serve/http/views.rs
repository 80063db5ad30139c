//! `GET /api/views` and `GET /api/views/{view}`: what there is, and its rows at one tick.
//!
//! Parameters of the rows: `limit` (1000, at most 100,000), `offset`, `order=amount.desc,sku` (`.asc`, `.desc`, and then
//! `.nullsfirst` or `.nullslast`; by default as PostgreSQL sorts), and any column as a filter:
//! `column=value` (equal), or `column=op.value` with `eq`, `ne`, `lt`, `le`, `gt`, `ge`, `like`, `in` (values separated by commas),
//! `is` (`null` or `notnull`). Filters are ANDed; a column may occur more than once. Where a value begins with such a word and a
//! point, write `eq.` before it. Columns called `limit`, `offset` or `order` can't be filtered by.

use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::{DataType, Schema};
use axum::extract::{Path, Query, State};
use axum::http::Uri;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use datafusion::common::{Column, TableReference};
use datafusion::logical_expr::{Expr, LogicalPlan, SortExpr, lit};
use futures::StreamExt;
use serde_json::json;

use super::error::ApiError;
use super::sql::{typed, within};
use super::{HttpState, Shared};
use crate::engine::{Answer, RelationSummary};
use crate::model::error::code;
use crate::model::{SqlError, SqlResult};
use crate::plan::error::from_datafusion;
use crate::plan::types::postgres_name;
use crate::views::json::{self, RowWriter, tick_time};

const LIMIT_DEFAULT: usize = 1000;
const LIMIT_MAX: usize = 100_000;

/// The query part of an address, decoded.
pub(super) fn parameters(uri: &Uri) -> Result<Vec<(String, String)>, ApiError> {
    let Query(pairs) = Query::try_from_uri(uri).map_err(|e| ApiError::parameter(e.body_text()))?;
    Ok(pairs)
}

pub(super) fn flag(name: &str, value: &str) -> Result<bool, ApiError> {
    match value {
        "true" | "1" | "" => Ok(true),
        "false" | "0" => Ok(false),
        _ => Err(ApiError::parameter(format!("parameter \"{name}\": \"{value}\" is neither true nor false"))),
    }
}

fn number(name: &str, value: &str, most: usize) -> Result<usize, ApiError> {
    match value.parse() {
        Ok(number) if number <= most => Ok(number),
        _ => Err(ApiError::parameter(format!("parameter \"{name}\": \"{value}\" is not a number up to {most}"))),
    }
}

pub(super) async fn list(State(state): State<HttpState>) -> Result<Response, ApiError> {
    let tick = state.0.database.status(false).await?.tick;
    let view = |relation: &RelationSummary| {
        let columns = relation.schema.fields().iter().map(|field| {
            json!({"name": field.name(), "type": postgres_name(field.data_type()), "nullable": field.is_nullable()})
        });
        json!({
            "name": relation.name,
            "kind": relation.kind,
            "columns": columns.collect::<Vec<_>>(),
            "key": key_names(&relation.schema, &relation.key),
            "depends_on": relation.depends_on,
            "followable": relation.is_kept || relation.kind == "system",
        })
    };
    let views: Vec<_> = state.0.database.relations().iter().map(view).collect();
    Ok(axum::Json(json!({"tick": tick, "as_of": tick_time(tick), "views": views})).into_response())
}

pub(super) fn key_names<'a>(schema: &'a Schema, key: &[usize]) -> Vec<&'a str> {
    key.iter().map(|column| schema.field(*column).name().as_str()).collect()
}

pub(super) async fn rows(
    State(state): State<HttpState>,
    Path(view): Path<String>,
    uri: Uri,
) -> Result<Response, ApiError> {
    let shared = &state.0;
    within(shared.options.query_timeout, read(shared, &view, &uri)).await
}

async fn read(shared: &Shared, view: &str, uri: &Uri) -> Result<Response, ApiError> {
    let request = ReadRequest::new(parameters(uri)?)?;
    let (limit, plan) = (request.limit, request.plan(shared, view).await?);
    let (answer, status) = tokio::join!(shared.database.read(plan), shared.database.status(false));
    let (answer, status) = (answer?, status?);
    let mut text = vec![b'{'];
    text.extend_from_slice(b"\"view\":");
    json::string(&mut text, view);
    let head =
        json!({"tick": answer.tick, "as_of": tick_time(answer.tick), "complete": status.completeness()}).to_string();
    text.push(b',');
    text.extend_from_slice(&head.as_bytes()[1..head.len() - 1]);
    text.extend_from_slice(b",\"columns\":");
    let names = answer.schema.fields().iter().map(|field| field.name().clone());
    text.append(&mut columns_json(&answer.schema, names));
    text.extend_from_slice(b",\"rows\":");
    let writer = RowWriter::new(&answer.schema);
    let more = encoded_rows(&mut text, answer, limit, "", |out, batch, row| writer.object(out, batch, row)).await?;
    text.extend_from_slice(format!(",\"more\":{more}}}").as_bytes());
    Ok(([(CONTENT_TYPE, "application/json")], text).into_response())
}

/// Columns as `[{"name":…,"type":…}]`.
pub(super) fn columns_json(schema: &Schema, names: impl Iterator<Item = String>) -> Vec<u8> {
    let column = |(name, data_type): (String, &DataType)| json!({"name": name, "type": postgres_name(data_type)});
    let types = schema.fields().iter().map(|field| field.data_type());
    let columns: Vec<_> = names.zip(types).map(column).collect();
    serde_json::Value::Array(columns).to_string().into_bytes()
}

/// Appends at most `limit` rows as an array; whether there were more.
pub(super) async fn encoded_rows(
    out: &mut Vec<u8>,
    answer: Answer,
    limit: usize,
    sql: &str,
    write: impl Fn(&mut Vec<u8>, &RecordBatch, usize) -> SqlResult<()>,
) -> Result<bool, ApiError> {
    let mut stream = answer.stream;
    let mut count = 0;
    out.push(b'[');
    while let Some(batch) = stream.next().await {
        let batch = batch.map_err(|e| from_datafusion(e, sql))?;
        for row in 0..batch.num_rows() {
            if count == limit {
                out.push(b']');
                return Ok(true);
            }
            if count > 0 {
                out.push(b',');
            }
            write(out, &batch, row)?;
            count += 1;
        }
    }
    out.push(b']');
    Ok(false)
}

/// What rows of a view are asked for.
struct ReadRequest {
    limit: usize,
    offset: usize,
    order: Vec<String>,
    filters: Vec<(String, String)>,
}

impl ReadRequest {
    fn new(parameters: Vec<(String, String)>) -> Result<ReadRequest, ApiError> {
        let mut request = ReadRequest { limit: LIMIT_DEFAULT, offset: 0, order: vec![], filters: vec![] };
        for (name, value) in parameters {
            match name.as_str() {
                "limit" => request.limit = number(&name, &value, LIMIT_MAX)?,
                "offset" => request.offset = number(&name, &value, usize::MAX)?,
                "order" => request.order = value.split(',').map(str::to_string).collect(),
                _ => request.filters.push((name, value)),
            }
        }
        Ok(request)
    }

    async fn plan(self, shared: &Shared, view: &str) -> Result<LogicalPlan, ApiError> {
        let summary = shared.database.relations().into_iter().find(|relation| relation.name == view);
        let Some(RelationSummary { schema, kind, .. }) = summary else {
            // The engine's words, with the nearest name; an index or a sink has no rows of its own.
            shared.database.followed(view)?;
            let message = format!("\"{view}\" has no rows of its own");
            return Err(SqlError::new(code::WRONG_OBJECT_TYPE, message).into());
        };
        let table = match view.strip_prefix("trueup.").filter(|_| kind == "system") {
            Some(name) => TableReference::full("trueup", "trueup", name),
            None => TableReference::full("trueup", "public", view),
        };
        let planned = |e| ApiError::from(from_datafusion(e, ""));
        let mut frame = shared.database.context().table(table.clone()).await.map_err(planned)?;
        for (column, condition) in &self.filters {
            frame = frame.filter(filter(&table, &schema, column, condition)?).map_err(planned)?;
        }
        let order = self.order.iter().map(|item| sort(&table, &schema, item)).collect::<Result<Vec<_>, _>>()?;
        if !order.is_empty() {
            frame = frame.sort(order).map_err(planned)?;
        }
        // One more than asked for tells whether there are more.
        let frame = frame.limit(self.offset, Some(self.limit + 1)).map_err(planned)?;
        Ok(frame.into_unoptimized_plan())
    }
}

fn column(table: &TableReference, schema: &Arc<Schema>, name: &str) -> Result<(Expr, DataType), ApiError> {
    match schema.field_with_name(name) {
        Ok(field) => Ok((Expr::Column(Column::new(Some(table.clone()), name)), field.data_type().clone())),
        Err(_) => {
            let names: Vec<&str> = schema.fields().iter().map(|field| field.name().as_str()).collect();
            let error = SqlError::new(code::UNDEFINED_COLUMN, format!("column \"{name}\" does not exist"));
            Err(error.hint(format!("columns: {}", names.join(", "))).into())
        }
    }
}

fn filter(table: &TableReference, schema: &Arc<Schema>, name: &str, condition: &str) -> Result<Expr, ApiError> {
    const OPERATORS: [&str; 9] = ["eq", "ne", "lt", "le", "gt", "ge", "like", "in", "is"];
    let (column, data_type) = column(table, schema, name)?;
    let (operator, text) = match condition.split_once('.') {
        Some((word, rest)) if OPERATORS.contains(&word) => (word, rest),
        _ => ("eq", condition),
    };
    let value = |text: &str| {
        typed(text, &data_type).map(lit).map_err(|mut error| {
            error.message = format!("filter \"{name}\": {}", error.message);
            ApiError::from(error)
        })
    };
    Ok(match operator {
        "ne" => column.not_eq(value(text)?),
        "lt" => column.lt(value(text)?),
        "le" => column.lt_eq(value(text)?),
        "gt" => column.gt(value(text)?),
        "ge" => column.gt_eq(value(text)?),
        "like" if data_type == DataType::Utf8 => column.like(lit(text)),
        "like" => return Err(ApiError::parameter(format!("filter \"{name}\": like is for text columns"))),
        "in" => column.in_list(text.split(',').map(value).collect::<Result<_, _>>()?, false),
        "is" => match text {
            "null" => column.is_null(),
            "notnull" => column.is_not_null(),
            _ => return Err(ApiError::parameter(format!("filter \"{name}\": is.null or is.notnull"))),
        },
        _ => column.eq(value(text)?),
    })
}

fn sort(table: &TableReference, schema: &Arc<Schema>, item: &str) -> Result<SortExpr, ApiError> {
    let (mut name, mut descending, mut nulls_first) = (item, false, None);
    loop {
        match name.rsplit_once('.') {
            Some((rest, "desc")) => (name, descending) = (rest, true),
            Some((rest, "asc")) => (name, descending) = (rest, false),
            Some((rest, "nullsfirst")) => (name, nulls_first) = (rest, Some(true)),
            Some((rest, "nullslast")) => (name, nulls_first) = (rest, Some(false)),
            _ => break,
        }
    }
    let (column, _) = column(table, schema, name.trim())?;
    Ok(column.sort(!descending, nulls_first.unwrap_or(descending)))
}
