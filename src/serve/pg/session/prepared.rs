//! `PREPARE` and `EXECUTE` as statements; the extended protocol's prepared statements are the same ones.

use std::sync::Arc;

use arrow::datatypes::DataType;
use datafusion::scalar::ScalarValue;
use datafusion::sql::sqlparser::ast::{
    CastKind, DataType as SqlType, Expr, Statement as SqlStatement, UnaryOperator, Value,
};

use super::{Answer, Session};
use crate::model::{SqlError, SqlResult};
use crate::plan::types::arrow_type;
use crate::serve::pg::decode::text;
use crate::serve::pg::encode::fields;

impl Session {
    /// `PREPARE name [(types)] AS statement`.
    pub(super) async fn prepare_by_name(
        &mut self,
        name: &str,
        types: &[SqlType],
        statement: &SqlStatement,
    ) -> SqlResult<Answer> {
        let oids = types
            .iter()
            .map(|sql_type| {
                let data_type = arrow_type(sql_type)?;
                Ok(fields::pg_type(&arrow::datatypes::Field::new("", data_type, true)).oid())
            })
            .collect::<SqlResult<Vec<u32>>>()?;
        // Describing a statement may describe another one inside it.
        Box::pin(self.parse(name, statement.to_string(), &oids)).await?;
        Ok(Answer::Done("PREPARE".to_owned()))
    }

    /// `EXECUTE name [(values)]`.
    pub(super) async fn execute_by_name(&mut self, name: &str, arguments: &[Expr]) -> SqlResult<Answer> {
        let prepared = self.prepared(name)?;
        let wanted = &prepared.description.parameters;
        if arguments.len() != wanted.len() {
            let error = format!("wrong number of parameters for prepared statement \"{name}\"");
            return Err(SqlError::syntax(error).detail(format!(
                "expected {} parameters but got {}",
                wanted.len(),
                arguments.len()
            )));
        }
        let parameters = arguments
            .iter()
            .zip(wanted)
            .map(|(argument, wanted)| constant(argument, wanted))
            .collect::<SqlResult<Vec<ScalarValue>>>()?;
        let prepared = Arc::clone(&prepared);
        match &prepared.statement {
            Some(statement) => Box::pin(self.run(statement, &parameters)).await,
            None => Ok(Answer::Done("EXECUTE".to_owned())),
        }
    }
}

/// A constant as a value of the type wanted.
fn constant(argument: &Expr, wanted: &DataType) -> SqlResult<ScalarValue> {
    let text = match argument {
        Expr::Cast { kind: CastKind::DoubleColon | CastKind::Cast, expr, .. } => return constant(expr, wanted),
        Expr::Nested(inner) => return constant(inner, wanted),
        Expr::Value(value) => match &value.value {
            Value::Null => {
                return ScalarValue::try_new_null(wanted).map_err(|error| SqlError::unsupported(error.to_string()));
            }
            Value::Number(number, _) => number.clone(),
            Value::Boolean(value) => value.to_string(),
            other => other.clone().into_string().ok_or_else(|| not_constant(argument))?,
        },
        Expr::UnaryOp { op: UnaryOperator::Minus, expr } => match expr.as_ref() {
            Expr::Value(value) => match &value.value {
                Value::Number(number, _) => format!("-{number}"),
                _ => return Err(not_constant(argument)),
            },
            _ => return Err(not_constant(argument)),
        },
        _ => return Err(not_constant(argument)),
    };
    text::value(&text, wanted)
}

fn not_constant(argument: &Expr) -> SqlError {
    SqlError::unsupported(format!("EXECUTE with \"{argument}\" is not supported")).hint("write a constant")
}
