//! `information_schema`: schemata, tables, views and columns of the live relations, as the SQL standard names them.
//!
//! Only the columns that clients read are there. Constraints and privileges are empty tables.

use std::sync::Arc;

use arrow::array::{ArrayRef, Int32Array, RecordBatch, StringArray};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use async_trait::async_trait;
use datafusion::catalog::{SchemaProvider, TableProvider};
use datafusion::datasource::{MemTable, TableType};
use datafusion::error::{DataFusionError, Result};
use datafusion::prelude::SessionContext;
use pgwire::api::Type;

use crate::plan::context::CATALOG;
use crate::plan::types::postgres_name;
use crate::serve::pg::encode::fields::pg_type;

const NAMES: &[&str] = &[
    "columns",
    "key_column_usage",
    "referential_constraints",
    "routines",
    "schemata",
    "table_constraints",
    "tables",
    "views",
];

/// The schema over the relations of a context.
pub(super) fn schema(live: SessionContext) -> Arc<dyn SchemaProvider> {
    Arc::new(InformationSchema { live })
}

struct InformationSchema {
    live: SessionContext,
}

impl std::fmt::Debug for InformationSchema {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("InformationSchema")
    }
}

/// A relation as its schema lists it.
struct Relation {
    schema: String,
    name: String,
    is_view: bool,
    columns: SchemaRef,
}

#[async_trait]
impl SchemaProvider for InformationSchema {
    fn table_names(&self) -> Vec<String> {
        NAMES.iter().map(|name| (*name).to_owned()).collect()
    }

    fn table_exist(&self, name: &str) -> bool {
        NAMES.contains(&name)
    }

    async fn table(&self, name: &str) -> Result<Option<Arc<dyn TableProvider>>, DataFusionError> {
        let batch = match name {
            "schemata" => self.schemata()?,
            "tables" => tables(&self.relations().await?)?,
            "views" => views(&self.relations().await?)?,
            "columns" => columns(&self.relations().await?)?,
            "table_constraints" => texts(
                &[
                    "constraint_catalog",
                    "constraint_schema",
                    "constraint_name",
                    "table_catalog",
                    "table_schema",
                    "table_name",
                    "constraint_type",
                ],
                Vec::new(),
            )?,
            "key_column_usage" => texts(
                &[
                    "constraint_catalog",
                    "constraint_schema",
                    "constraint_name",
                    "table_catalog",
                    "table_schema",
                    "table_name",
                    "column_name",
                ],
                Vec::new(),
            )?,
            "referential_constraints" => texts(
                &["constraint_catalog", "constraint_schema", "constraint_name", "unique_constraint_name"],
                Vec::new(),
            )?,
            "routines" => texts(
                &[
                    "specific_catalog",
                    "specific_schema",
                    "specific_name",
                    "routine_catalog",
                    "routine_schema",
                    "routine_name",
                    "routine_type",
                    "data_type",
                ],
                Vec::new(),
            )?,
            _ => return Ok(None),
        };
        Ok(Some(Arc::new(MemTable::try_new(batch.schema(), vec![vec![batch]])?)))
    }
}

impl InformationSchema {
    fn schemata(&self) -> Result<RecordBatch> {
        let mut names = self.live.catalog(CATALOG).map(|catalog| catalog.schema_names()).unwrap_or_default();
        names.extend(["pg_catalog", "information_schema"].map(str::to_owned));
        let rows = names.into_iter().map(|name| vec![some(CATALOG), Some(name), some("trueup")]).collect();
        texts(&["catalog_name", "schema_name", "schema_owner"], rows)
    }

    async fn relations(&self) -> Result<Vec<Relation>> {
        let mut relations = Vec::new();
        let Some(catalog) = self.live.catalog(CATALOG) else { return Ok(relations) };
        for schema_name in catalog.schema_names() {
            let Some(schema) = catalog.schema(&schema_name) else { continue };
            let mut names = schema.table_names();
            names.sort();
            for name in names {
                // A relation may be dropped while we look.
                let Some(table) = schema.table(&name).await? else { continue };
                let is_view = table.table_type() == TableType::View;
                relations.push(Relation { schema: schema_name.clone(), name, is_view, columns: table.schema() });
            }
        }
        Ok(relations)
    }
}

fn some(text: &str) -> Option<String> {
    Some(text.to_owned())
}

fn yes_or_no(yes: bool) -> Option<String> {
    some(if yes { "YES" } else { "NO" })
}

fn texts(names: &[&str], rows: Vec<Vec<Option<String>>>) -> Result<RecordBatch> {
    let fields: Vec<Field> = names.iter().map(|name| Field::new(*name, DataType::Utf8, true)).collect();
    let columns = (0..names.len())
        .map(|column| Arc::new(rows.iter().map(|row| row[column].as_deref()).collect::<StringArray>()) as ArrayRef)
        .collect();
    Ok(RecordBatch::try_new(Arc::new(Schema::new(fields)), columns)?)
}

fn tables(relations: &[Relation]) -> Result<RecordBatch> {
    let names = ["table_catalog", "table_schema", "table_name", "table_type", "is_insertable_into", "is_typed"];
    let rows = relations
        .iter()
        .map(|relation| {
            vec![
                some(CATALOG),
                some(&relation.schema),
                some(&relation.name),
                some(if relation.is_view { "VIEW" } else { "BASE TABLE" }),
                yes_or_no(!relation.is_view && relation.schema == "public"),
                yes_or_no(false),
            ]
        })
        .collect();
    texts(&names, rows)
}

fn views(relations: &[Relation]) -> Result<RecordBatch> {
    let names = ["table_catalog", "table_schema", "table_name", "view_definition", "check_option", "is_updatable"];
    let rows = relations
        .iter()
        .filter(|relation| relation.is_view)
        .map(|relation| {
            vec![some(CATALOG), some(&relation.schema), some(&relation.name), None, some("NONE"), yes_or_no(false)]
        })
        .collect();
    texts(&names, rows)
}

fn columns(relations: &[Relation]) -> Result<RecordBatch> {
    let names = [
        "table_catalog",
        "table_schema",
        "table_name",
        "column_name",
        "column_default",
        "is_nullable",
        "data_type",
        "udt_catalog",
        "udt_schema",
        "udt_name",
        "is_identity",
        "is_generated",
        "is_updatable",
    ];
    let numbers =
        ["ordinal_position", "numeric_precision", "numeric_scale", "datetime_precision", "character_maximum_length"];
    let mut rows = Vec::new();
    let mut measures: [Vec<Option<i32>>; 5] = Default::default();
    for relation in relations {
        for (index, field) in relation.columns.fields().iter().enumerate() {
            let udt = pg_type(field);
            rows.push(vec![
                some(CATALOG),
                some(&relation.schema),
                some(&relation.name),
                some(field.name()),
                None,
                yes_or_no(field.is_nullable()),
                Some(standard_name(field, &udt)),
                some(CATALOG),
                some("pg_catalog"),
                some(udt.name()),
                yes_or_no(false),
                some("NEVER"),
                yes_or_no(!relation.is_view),
            ]);
            let (precision, scale) = numeric_digits(field.data_type());
            let clock =
                matches!(field.data_type(), DataType::Timestamp(_, _) | DataType::Time64(_) | DataType::Interval(_));
            let values = [Some(index as i32 + 1), precision, scale, clock.then_some(6), None];
            for (column, value) in measures.iter_mut().zip(values) {
                column.push(value);
            }
        }
    }
    let base = texts(&names, rows)?;
    let mut fields: Vec<Field> = base.schema().fields().iter().map(|field| field.as_ref().clone()).collect();
    let mut arrays = base.columns().to_vec();
    for (name, values) in numbers.iter().zip(measures) {
        fields.push(Field::new(*name, DataType::Int32, true));
        arrays.push(Arc::new(Int32Array::from(values)));
    }
    Ok(RecordBatch::try_new(Arc::new(Schema::new(fields)), arrays)?)
}

fn standard_name(field: &Field, udt: &Type) -> String {
    if udt.name().starts_with('_') {
        return "ARRAY".to_owned();
    }
    match field.data_type() {
        DataType::Decimal128(_, _) | DataType::Decimal256(_, _) => "numeric".to_owned(),
        other => postgres_name(other),
    }
}

fn numeric_digits(data_type: &DataType) -> (Option<i32>, Option<i32>) {
    match data_type {
        DataType::Int16 => (Some(16), Some(0)),
        DataType::Int32 => (Some(32), Some(0)),
        DataType::Int64 => (Some(64), Some(0)),
        DataType::Float32 => (Some(24), None),
        DataType::Float64 => (Some(53), None),
        DataType::Decimal128(precision, scale) | DataType::Decimal256(precision, scale) => {
            (Some(i32::from(*precision)), Some(i32::from(*scale)))
        }
        _ => (None, None),
    }
}
