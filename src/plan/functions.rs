//! Functions PostgreSQL has and DataFusion lacks or reads otherwise; each is a few lines over DataFusion's.
pub(super) fn scalar() -> Vec<datafusion::logical_expr::ScalarUDF> {
    vec![]
}
pub(super) fn aggregate() -> Vec<datafusion::logical_expr::AggregateUDF> {
    vec![]
}
