//! What `datafusion-pg-catalog` leaves to do in `pg_catalog`.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use arrow::array::{
    ArrayRef, AsArray, Int16Array, Int32Array, PrimitiveArray, RecordBatch, StringArray, new_null_array,
};
use arrow::datatypes::{ArrowPrimitiveType, DataType, Field, Int16Type, Int32Type, Schema, SchemaRef};
use async_trait::async_trait;
use datafusion::catalog::{SchemaProvider, TableProvider};
use datafusion::common::DFSchema;
use datafusion::datasource::MemTable;
use datafusion::error::{DataFusionError, Result};
use datafusion::logical_expr::{Expr, ExprSchemable, ident, lit};
use datafusion::prelude::SessionContext;
use datafusion::scalar::ScalarValue;

use super::live::LiveRelations;
use crate::serve::pg::encode::fields;

/// `pg_catalog` with what psql and drivers ask for and `datafusion-pg-catalog` leaves out: array columns (all NULL, for
/// there are no privileges, options and keys to list), types of columns to the digit, and the session's parameters.
pub(super) fn completed(
    inner: Arc<dyn SchemaProvider>,
    relations: LiveRelations,
    settings: &BTreeMap<String, String>,
) -> Arc<dyn SchemaProvider> {
    Arc::new(Completed { inner, relations, settings: settings.clone() })
}

#[derive(Debug)]
struct Completed {
    inner: Arc<dyn SchemaProvider>,
    relations: LiveRelations,
    settings: BTreeMap<String, String>,
}

impl Completed {
    fn settings(&self) -> Result<Arc<dyn TableProvider>> {
        let names = ["name", "setting", "unit", "category", "short_desc", "context", "vartype", "source", "boot_val"];
        let fields: Vec<Field> = names.iter().map(|name| Field::new(*name, DataType::Utf8, true)).collect();
        let schema = Arc::new(Schema::new(fields));
        let rows = self.settings.len();
        let constant = |text: &str| Arc::new(StringArray::from(vec![text; rows])) as ArrayRef;
        let setting = Arc::new(self.settings.values().map(Some).collect::<StringArray>()) as ArrayRef;
        let columns = vec![
            Arc::new(self.settings.keys().map(Some).collect::<StringArray>()) as ArrayRef,
            setting.clone(),
            new_null_array(&DataType::Utf8, rows),
            constant(""),
            constant(""),
            constant("user"),
            constant("string"),
            constant("session"),
            setting,
        ];
        let batch = RecordBatch::try_new(schema.clone(), columns)?;
        Ok(Arc::new(MemTable::try_new(schema, vec![vec![batch]])?))
    }
}

impl Completed {
    /// `pg_attribute` with our own types, and their precision and scale.
    async fn attributes(&self, table: Arc<dyn TableProvider>) -> Result<Arc<dyn TableProvider>> {
        let schema = table.schema();
        let columns = self.relation_columns().await?;
        let mut batches = Vec::new();
        for batch in SessionContext::new().read_table(table)?.collect().await? {
            let relations = integers::<Int32Type>(&batch, "attrelid")?.clone();
            let numbers = integers::<Int16Type>(&batch, "attnum")?.clone();
            let (mut types, mut modifiers, mut sizes) = (Vec::new(), Vec::new(), Vec::new());
            for (relation, number) in relations.values().iter().zip(numbers.values()) {
                let index = usize::try_from(i32::from(*number) - 1).ok();
                let column = columns.get(relation).and_then(|schema| schema.fields().get(index?));
                let column = column.cloned().unwrap_or_else(|| Arc::new(Field::new("", DataType::Utf8, true)));
                let described = fields::describe(&column);
                types.push(described.type_id as i32);
                modifiers.push(described.type_modifier);
                sizes.push(described.type_size);
            }
            let mut arrays = batch.columns().to_vec();
            arrays[schema.index_of("atttypid")?] = Arc::new(Int32Array::from(types));
            arrays[schema.index_of("atttypmod")?] = Arc::new(Int32Array::from(modifiers));
            arrays[schema.index_of("attlen")?] = Arc::new(Int16Array::from(sizes));
            batches.push(RecordBatch::try_new(schema.clone(), arrays)?);
        }
        Ok(Arc::new(MemTable::try_new(schema, vec![batches])?))
    }

    /// The columns of every relation by its oid.
    async fn relation_columns(&self) -> Result<HashMap<i32, SchemaRef>> {
        let mut schemas = HashMap::new();
        for batch in self.rows("pg_namespace", &["oid", "nspname"]).await? {
            let names = batch.column(1).as_string::<i32>();
            let oids = integers::<Int32Type>(&batch, "oid")?.values();
            schemas.extend(oids.iter().zip(names).map(|(oid, name)| (*oid, name.unwrap_or_default().to_owned())));
        }
        let mut columns = HashMap::new();
        for batch in self.rows("pg_class", &["oid", "relnamespace", "relname"]).await? {
            let oids = integers::<Int32Type>(&batch, "oid")?.values();
            let namespaces = integers::<Int32Type>(&batch, "relnamespace")?.values();
            let names = batch.column(2).as_string::<i32>();
            for ((oid, namespace), name) in oids.iter().zip(namespaces).zip(names) {
                let schema = schemas.get(namespace).and_then(|name| self.relations.schema(name));
                if let (Some(schema), Some(name)) = (schema, name)
                    && let Some(relation) = schema.table(name).await?
                {
                    columns.insert(*oid, relation.schema());
                }
            }
        }
        Ok(columns)
    }

    async fn rows(&self, table: &str, columns: &[&str]) -> Result<Vec<RecordBatch>> {
        let Some(table) = self.inner.table(table).await? else { return Ok(Vec::new()) };
        SessionContext::new().read_table(table)?.select_columns(columns)?.collect().await
    }
}

fn integers<'a, T: ArrowPrimitiveType>(batch: &'a RecordBatch, column: &str) -> Result<&'a PrimitiveArray<T>> {
    let column = batch.column_by_name(column).and_then(|column| column.as_primitive_opt::<T>());
    column.ok_or_else(|| DataFusionError::Internal("pg_catalog is not what it was".to_owned()))
}

#[async_trait]
impl SchemaProvider for Completed {
    fn table_names(&self) -> Vec<String> {
        self.inner.table_names()
    }

    fn table_exist(&self, name: &str) -> bool {
        self.inner.table_exist(name)
    }

    async fn table(&self, name: &str) -> Result<Option<Arc<dyn TableProvider>>> {
        if name == "pg_settings" {
            return self.settings().map(Some);
        }
        let Some(mut table) = self.inner.table(name).await? else { return Ok(None) };
        if name == "pg_attribute" {
            table = self.attributes(table).await?;
        }
        let (columns, element): (&[&str], DataType) = match name {
            "pg_class" => (&["reloptions", "relacl"], DataType::Utf8),
            "pg_attribute" => (&["attacl", "attoptions"], DataType::Utf8),
            "pg_constraint" => (&["conkey", "confkey"], DataType::Int16),
            "pg_index" => (&["indkey", "indoption", "indclass", "indcollation"], DataType::Int16),
            _ => return Ok(Some(table)),
        };
        let list = DataType::new_list(element, true);
        let null = lit(ScalarValue::Null).cast_to(&list, &DFSchema::empty())?;
        let kept = table.schema();
        let kept = kept.fields().iter().map(|field| field.name().as_str()).filter(|name| !columns.contains(name));
        let mut shown: Vec<Expr> = kept.map(ident).collect();
        shown.extend(columns.iter().map(|column| null.clone().alias(*column)));
        Ok(Some(SessionContext::new().read_table(table)?.select(shown)?.into_view()))
    }
}
