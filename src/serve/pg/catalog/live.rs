//! The live relations, as `datafusion-pg-catalog` and DataFusion's planner want to see them.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use arrow::array::{ArrayRef, RecordBatch, StringArray, new_null_array};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use async_trait::async_trait;
use datafusion::catalog::{CatalogProvider, SchemaProvider, TableProvider};
use datafusion::common::DFSchema;
use datafusion::datasource::{MemTable, TableType};
use datafusion::error::{DataFusionError, Result};
use datafusion::logical_expr::{ExprSchemable, lit};
use datafusion::prelude::SessionContext;
use datafusion::scalar::ScalarValue;
use datafusion_pg_catalog::pg_catalog::catalog_info::CatalogInfo;
use datafusion_pg_catalog::pg_catalog::context::EmptyContextProvider;
use datafusion_pg_catalog::pg_catalog::{PgCatalogSchemaProvider, PgCatalogStaticTables};

use crate::plan::context::CATALOG;

/// The schema `pg_catalog` over whatever relations there are at each query.
pub(super) fn pg_catalog(relations: LiveRelations) -> Result<Arc<dyn SchemaProvider>> {
    let tables = Arc::new(PgCatalogStaticTables::try_new()?);
    Ok(Arc::new(PgCatalogSchemaProvider::try_new(relations, tables, EmptyContextProvider)?))
}

/// `pg_catalog` with what psql and drivers ask for and `datafusion-pg-catalog` leaves out: array columns (all
/// NULL, for there are no privileges, options and keys to list), and the session's parameters as `pg_settings`.
pub(super) fn completed(
    inner: Arc<dyn SchemaProvider>,
    settings: &BTreeMap<String, String>,
) -> Arc<dyn SchemaProvider> {
    Arc::new(Completed { inner, settings: settings.clone() })
}

#[derive(Debug)]
struct Completed {
    inner: Arc<dyn SchemaProvider>,
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
        let Some(table) = self.inner.table(name).await? else { return Ok(None) };
        let (columns, element) = match name {
            "pg_class" => (["reloptions", "relacl"], DataType::Utf8),
            "pg_attribute" => (["attacl", "attoptions"], DataType::Utf8),
            "pg_constraint" => (["conkey", "confkey"], DataType::Int16),
            "pg_index" => (["indkey", "indoption"], DataType::Int16),
            _ => return Ok(Some(table)),
        };
        let list = DataType::new_list(element, true);
        let mut frame = SessionContext::new().read_table(table)?;
        for column in columns {
            let null = lit(ScalarValue::Null).cast_to(&list, &DFSchema::empty())?;
            frame = frame.with_column(column, null)?;
        }
        Ok(Some(frame.into_view()))
    }
}

/// The relations as the latest catalog query found them; `pg_catalog` outlives its queries, so that oids stay.
#[derive(Clone, Default)]
pub(super) struct LiveRelations {
    latest: Arc<Mutex<Option<Arc<dyn CatalogProvider>>>>,
}

impl LiveRelations {
    /// A query begins over these.
    pub(super) fn show(&self, catalog: Arc<dyn CatalogProvider>) {
        *self.latest.lock().unwrap_or_else(PoisonError::into_inner) = Some(catalog);
    }

    fn catalog(&self) -> Option<Arc<dyn CatalogProvider>> {
        self.latest.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn schema(&self, name: &str) -> Option<Arc<dyn SchemaProvider>> {
        self.catalog()?.schema(name)
    }
}

impl fmt::Debug for LiveRelations {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("LiveRelations")
    }
}

#[async_trait]
impl CatalogInfo for LiveRelations {
    async fn catalog_names(&self) -> Result<Vec<String>> {
        Ok(vec![CATALOG.to_owned()])
    }

    async fn schema_names(&self, _catalog: &str) -> Result<Option<Vec<String>>> {
        let live = self.catalog().map(|catalog| catalog.schema_names());
        let mut names = live.unwrap_or_default();
        names.extend(["pg_catalog", "information_schema"].map(str::to_owned));
        Ok(Some(names))
    }

    async fn table_names(&self, _catalog: &str, schema: &str) -> Result<Option<Vec<String>>> {
        Ok(self.schema(schema).map(|schema| {
            let mut names = schema.table_names();
            names.sort();
            names
        }))
    }

    async fn table_schema(&self, _catalog: &str, schema: &str, table: &str) -> Result<Option<SchemaRef>> {
        let Some(schema) = self.schema(schema) else { return Ok(None) };
        Ok(schema.table(table).await?.map(|table| table.schema()))
    }

    async fn table_type(
        &self,
        _catalog: &str,
        schema: &str,
        table: &str,
    ) -> Result<Option<TableType>, DataFusionError> {
        let Some(schema) = self.schema(schema) else { return Ok(None) };
        schema.table_type(table).await
    }
}

/// The live catalog with `pg_catalog` and `information_schema` beside its own schemas.
#[derive(Debug)]
pub(super) struct Overlay {
    live: Arc<dyn CatalogProvider>,
    pg_catalog: Arc<dyn SchemaProvider>,
    information_schema: Arc<dyn SchemaProvider>,
}

impl Overlay {
    pub(super) fn new(
        live: Arc<dyn CatalogProvider>,
        pg_catalog: Arc<dyn SchemaProvider>,
        information_schema: Arc<dyn SchemaProvider>,
    ) -> Self {
        Overlay { live, pg_catalog, information_schema }
    }
}

impl CatalogProvider for Overlay {
    fn schema_names(&self) -> Vec<String> {
        let mut names = self.live.schema_names();
        names.extend(["pg_catalog", "information_schema"].map(str::to_owned));
        names
    }

    fn schema(&self, name: &str) -> Option<Arc<dyn SchemaProvider>> {
        match name {
            "pg_catalog" => Some(self.pg_catalog.clone()),
            "information_schema" => Some(self.information_schema.clone()),
            _ => self.live.schema(name),
        }
    }
}
