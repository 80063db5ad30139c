//! PostgreSQL's functions about the session and the schema.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::{Arc, Mutex, PoisonError};

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, Int32Array, StringArray, new_null_array};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field};
use datafusion::error::{DataFusionError, Result};
use datafusion::logical_expr::{ColumnarValue, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility};

use super::{Asker, Assignment};
use crate::model::SqlError;
use crate::serve::pg::variables::SERVER_VERSION;

/// Functions whose answer depends on the session or on PostgreSQL's catalog.
const SESSION_FUNCTIONS: &[&str] = &[
    "col_description",
    "current_catalog",
    "current_database",
    "current_schema",
    "current_schemas",
    "current_setting",
    "format_type",
    "has_any_column_privilege",
    "has_database_privilege",
    "has_schema_privilege",
    "has_table_privilege",
    "inet_client_addr",
    "inet_server_addr",
    "inet_server_port",
    "obj_description",
    "quote_ident",
    "set_config",
    "shobj_description",
    "to_regclass",
    "to_regtype",
    "txid_current",
    "version",
];

/// Names that are functions without parentheses.
const REGISTERS: &[&str] = &["current_catalog", "current_role", "current_schema", "current_user", "session_user"];

/// Whether a called function belongs here.
pub(super) fn is_about_the_session(name: &str) -> bool {
    SESSION_FUNCTIONS.contains(&name) || REGISTERS.contains(&name) || name.starts_with("pg_")
}

/// Whether a bare word is a function.
pub(super) fn is_register(name: &str) -> bool {
    REGISTERS.contains(&name)
}

/// What we say of `version()`.
pub(super) fn version() -> String {
    format!("PostgreSQL {SERVER_VERSION} (Trueup {})", env!("CARGO_PKG_VERSION"))
}

/// Functions that say nothing here, or the same to everyone.
pub(super) fn general() -> Vec<ScalarUDF> {
    let nothing = |name: &'static str| function(name, DataType::Utf8, |_| Ok(None));
    let constant = |name: &'static str, data_type: DataType, value: &'static str| {
        function(name, data_type, move |_| Ok(Some(value.to_owned())))
    };
    vec![
        function("version", DataType::Utf8, |_| Ok(Some(version()))),
        function("format", DataType::Utf8, |arguments| Ok(format_text(arguments))),
        constant("pg_is_in_recovery", DataType::Boolean, "false"),
        constant("pg_is_wal_replay_paused", DataType::Boolean, "false"),
        constant("pg_function_is_visible", DataType::Boolean, "true"),
        constant("pg_collation_is_visible", DataType::Boolean, "true"),
        constant("pg_type_is_visible", DataType::Boolean, "true"),
        constant("pg_ts_config_is_visible", DataType::Boolean, "true"),
        constant("pg_operator_is_visible", DataType::Boolean, "true"),
        constant("pg_get_function_arguments", DataType::Utf8, ""),
        constant("pg_get_function_identity_arguments", DataType::Utf8, ""),
        nothing("pg_get_function_result"),
        nothing("pg_get_functiondef"),
        nothing("pg_get_viewdef"),
        nothing("pg_get_indexdef"),
        nothing("pg_get_ruledef"),
        nothing("pg_get_triggerdef"),
        nothing("pg_get_serial_sequence"),
        nothing("pg_tablespace_location"),
        nothing("pg_encoding_max_length"),
        nothing("obj_description"),
        nothing("col_description"),
        nothing("shobj_description"),
        nothing("inet_client_addr"),
        nothing("inet_server_addr"),
        nothing("pg_size_pretty"),
        nothing("json_build_object"),
        nothing("pg_get_partition_constraintdef"),
        nothing("pg_advisory_unlock_all"),
        function("generate_subscripts", DataType::Int32, |_| Ok(None)),
        nothing("pg_stat_get_last_analyze_time"),
        constant("pg_database_size", DataType::Int32, "0"),
        constant("pg_table_size", DataType::Int32, "0"),
        constant("pg_indexes_size", DataType::Int32, "0"),
        constant("pg_relation_is_updatable", DataType::Int32, "0"),
        constant("pg_my_temp_schema", DataType::Int32, "0"),
        constant("pg_is_other_temp_schema", DataType::Boolean, "false"),
        // Over the columns of keys and indexes, of which `pg_index` lists none.
        function("_pg_expandarray", numbered_column(), |_| Ok(None)),
    ]
}

/// PostgreSQL's `format` with `%s`, `%I`, `%L` and `%%`; NULL without a template.
fn format_text(arguments: &[Option<String>]) -> Option<String> {
    let (template, values) = arguments.split_first()?;
    let mut values = values.iter();
    let mut text = String::new();
    let mut letters = template.as_deref()?.chars();
    while let Some(letter) = letters.next() {
        if letter != '%' {
            text.push(letter);
            continue;
        }
        match letters.next() {
            Some('s') => text.push_str(values.next()?.as_deref().unwrap_or_default()),
            Some('I') => text.push_str(&quoted(values.next()?.as_deref()?)),
            Some('L') => match values.next()? {
                Some(value) => text.push_str(&format!("'{}'", value.replace('\'', "''"))),
                None => text.push_str("NULL"),
            },
            other => text.extend(other),
        }
    }
    Some(text)
}

/// A name as SQL has to write it.
fn quoted(name: &str) -> String {
    let is_plain = name.starts_with(|c: char| c.is_ascii_lowercase() || c == '_')
        && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
    if is_plain { name.to_owned() } else { format!("\"{}\"", name.replace('"', "\"\"")) }
}

fn numbered_column() -> DataType {
    let fields = ["x", "n"].map(|name| Field::new(name, DataType::Int32, true));
    DataType::Struct(fields.to_vec().into())
}

/// Functions of one session.
pub(super) fn of_session(asker: &Asker, assignments: Arc<Mutex<Vec<Assignment>>>) -> Vec<ScalarUDF> {
    let user = asker.user.clone();
    let process = asker.process;
    let variables = asker.variables.clone();
    let checker = asker.variables.clone();
    let same_user = {
        let user = user.clone();
        move |_: &[Option<String>]| Ok(Some(user.clone()))
    };
    vec![
        function("current_user", DataType::Utf8, same_user.clone()),
        function("current_role", DataType::Utf8, same_user.clone()),
        function("session_user", DataType::Utf8, same_user),
        function("pg_get_userbyid", DataType::Utf8, move |_| Ok(Some(user.clone()))),
        function("pg_backend_pid", DataType::Int32, move |_| Ok(Some(process.to_string()))),
        function("current_setting", DataType::Utf8, move |arguments| {
            let Some(Some(name)) = arguments.first() else { return Ok(None) };
            let missing_ok = arguments.get(1).cloned().flatten().is_some_and(|flag| flag.starts_with('t'));
            match variables.get(name) {
                Ok(value) => Ok(Some(value.to_owned())),
                Err(_) if missing_ok => Ok(None),
                Err(error) => Err(error),
            }
        }),
        function("set_config", DataType::Utf8, move |arguments| {
            let [Some(name), Some(value), local, ..] = arguments else { return Ok(None) };
            let local = local.as_deref().is_some_and(|flag| flag.starts_with('t'));
            let mut after = checker.clone();
            after.set(name, Some(value), local)?;
            let mut assignments = assignments.lock().unwrap_or_else(PoisonError::into_inner);
            assignments.push((name.clone(), value.clone(), local));
            Ok(after.get(name).ok().map(str::to_owned))
        }),
    ]
}

type Body = dyn Fn(&[Option<String>]) -> Result<Option<String>, SqlError> + Send + Sync;

/// A function over texts, called row by row; for the few rows of catalog queries.
struct TextFunction {
    name: &'static str,
    signature: Signature,
    returns: DataType,
    body: Box<Body>,
}

fn function(
    name: &'static str,
    returns: DataType,
    body: impl Fn(&[Option<String>]) -> Result<Option<String>, SqlError> + Send + Sync + 'static,
) -> ScalarUDF {
    let signature = Signature::one_of(
        vec![datafusion::logical_expr::TypeSignature::Nullary, datafusion::logical_expr::TypeSignature::VariadicAny],
        Volatility::Volatile,
    );
    ScalarUDF::new_from_impl(TextFunction { name, signature, returns, body: Box::new(body) })
}

impl fmt::Debug for TextFunction {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name)
    }
}

impl PartialEq for TextFunction {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Eq for TextFunction {}

impl Hash for TextFunction {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.name.hash(state);
    }
}

impl ScalarUDFImpl for TextFunction {
    fn name(&self) -> &str {
        self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _arguments: &[DataType]) -> Result<DataType> {
        Ok(self.returns.clone())
    }

    fn invoke_with_args(&self, arguments: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let rows = arguments.number_rows;
        let columns = arguments
            .args
            .into_iter()
            .map(|argument| Ok(cast(&argument.into_array(rows)?, &DataType::Utf8)?))
            .collect::<Result<Vec<ArrayRef>>>()?;
        let mut values = Vec::with_capacity(rows);
        for row in 0..rows {
            let texts: Vec<Option<String>> = columns
                .iter()
                .map(|column| column.is_valid(row).then(|| column.as_string::<i32>().value(row).to_owned()))
                .collect();
            values.push((self.body)(&texts).map_err(|error| DataFusionError::External(Box::new(error)))?);
        }
        let array: ArrayRef = match self.returns {
            DataType::Boolean => {
                Arc::new(values.iter().map(|value| Some(value.as_deref() == Some("true"))).collect::<BooleanArray>())
            }
            DataType::Int32 => Arc::new(
                values.iter().map(|value| value.as_ref().and_then(|text| text.parse().ok())).collect::<Int32Array>(),
            ),
            DataType::Struct(_) => new_null_array(&self.returns, rows),
            _ => Arc::new(StringArray::from(values)),
        };
        Ok(ColumnarValue::Array(array))
    }
}
