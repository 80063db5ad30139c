//! The live relations, as `datafusion-pg-catalog` and DataFusion's planner want to see them.

use std::fmt;
use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use async_trait::async_trait;
use datafusion::catalog::{CatalogProvider, SchemaProvider};
use datafusion::datasource::TableType;
use datafusion::error::{DataFusionError, Result};
use datafusion_pg_catalog::pg_catalog::catalog_info::CatalogInfo;
use datafusion_pg_catalog::pg_catalog::context::EmptyContextProvider;
use datafusion_pg_catalog::pg_catalog::{PgCatalogSchemaProvider, PgCatalogStaticTables};

use crate::engine::Database;
use crate::plan::context::CATALOG;

/// The schema `pg_catalog` over whatever relations there are at each query.
pub(super) fn pg_catalog(database: Arc<dyn Database>) -> Result<Arc<dyn SchemaProvider>> {
    let tables = Arc::new(PgCatalogStaticTables::try_new()?);
    Ok(Arc::new(PgCatalogSchemaProvider::try_new(LiveCatalog { database }, tables, EmptyContextProvider)?))
}

/// The database's relations, read anew each time.
#[derive(Clone)]
pub(super) struct LiveCatalog {
    database: Arc<dyn Database>,
}

impl LiveCatalog {
    fn schema(&self, name: &str) -> Option<Arc<dyn SchemaProvider>> {
        self.database.context().catalog(CATALOG)?.schema(name)
    }
}

impl fmt::Debug for LiveCatalog {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("LiveCatalog")
    }
}

#[async_trait]
impl CatalogInfo for LiveCatalog {
    async fn catalog_names(&self) -> Result<Vec<String>> {
        Ok(vec![CATALOG.to_owned()])
    }

    async fn schema_names(&self, _catalog: &str) -> Result<Option<Vec<String>>> {
        let live = self.database.context().catalog(CATALOG).map(|catalog| catalog.schema_names());
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
