//! Which PostgreSQL type a column has.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema};
use arrow_pg::datatypes::{PG_OID_ALIAS_KEY, field_into_pg_type};
use pgwire::api::Type;
use pgwire::messages::data::{FieldDescription, RowDescription};
use postgres_types::Kind;

use crate::model::{SqlError, SqlResult, error::code};
use crate::plan::parse::output_name;

/// A result column as the client sees it.
#[derive(Clone, Debug)]
pub(crate) struct PgField {
    pub(crate) name: String,
    pub(crate) pg_type: Type,
    pub(crate) modifier: i32,
    pub(crate) is_binary: bool,
}

/// The PostgreSQL type of a column.
pub(crate) fn pg_type(field: &Field) -> Type {
    if field.extension_type_name() == Some("arrow.json") {
        return Type::JSON;
    }
    match field.data_type() {
        // The type of an untyped NULL, as PostgreSQL resolves it in a result.
        DataType::Null => Type::TEXT,
        DataType::Decimal32(_, _) | DataType::Decimal64(_, _) | DataType::Decimal256(_, _) => Type::NUMERIC,
        DataType::Map(_, _) | DataType::Union(_, _) => Type::JSON,
        DataType::Dictionary(_, value) => pg_type(&Field::new("", value.as_ref().clone(), true)),
        DataType::RunEndEncoded(_, values) => pg_type(values),
        DataType::List(item) | DataType::LargeList(item) | DataType::FixedSizeList(item, _) => {
            array_type(&pg_type(item))
        }
        // Columns of function, class and type names say that they are oids, and hold the names.
        DataType::Utf8 if field.metadata().contains_key(PG_OID_ALIAS_KEY) => Type::TEXT,
        _ => field_into_pg_type(&Arc::new(field.clone())).unwrap_or(Type::TEXT),
    }
}

/// The array over an element type; arrays nest without a type of their own.
fn array_type(element: &Type) -> Type {
    if matches!(element.kind(), Kind::Array(_)) {
        return element.clone();
    }
    match *element {
        Type::BOOL => Type::BOOL_ARRAY,
        Type::CHAR => Type::CHAR_ARRAY,
        Type::INT2 => Type::INT2_ARRAY,
        Type::INT4 => Type::INT4_ARRAY,
        Type::INT8 => Type::INT8_ARRAY,
        Type::OID => Type::OID_ARRAY,
        Type::FLOAT4 => Type::FLOAT4_ARRAY,
        Type::FLOAT8 => Type::FLOAT8_ARRAY,
        Type::NUMERIC => Type::NUMERIC_ARRAY,
        Type::BYTEA => Type::BYTEA_ARRAY,
        Type::DATE => Type::DATE_ARRAY,
        Type::TIME => Type::TIME_ARRAY,
        Type::TIMESTAMP => Type::TIMESTAMP_ARRAY,
        Type::TIMESTAMPTZ => Type::TIMESTAMPTZ_ARRAY,
        Type::INTERVAL => Type::INTERVAL_ARRAY,
        Type::JSON => Type::JSON_ARRAY,
        _ if element.oid() == Type::RECORD.oid() => Type::RECORD_ARRAY,
        _ => Type::TEXT_ARRAY,
    }
}

/// The size PostgreSQL states for a type; -1 when it varies.
fn type_size(pg_type: &Type) -> i16 {
    match *pg_type {
        Type::BOOL | Type::CHAR => 1,
        Type::INT2 => 2,
        Type::INT4 | Type::FLOAT4 | Type::DATE | Type::OID | Type::REGCLASS | Type::REGTYPE => 4,
        Type::INT8 | Type::FLOAT8 | Type::TIME | Type::TIMESTAMP | Type::TIMESTAMPTZ => 8,
        Type::INTERVAL => 16,
        Type::NAME => 64,
        _ => -1,
    }
}

/// Precision and scale of a numeric as PostgreSQL packs them; -1 otherwise.
fn modifier(data_type: &DataType) -> i32 {
    match data_type {
        DataType::Decimal32(precision, scale)
        | DataType::Decimal64(precision, scale)
        | DataType::Decimal128(precision, scale)
        | DataType::Decimal256(precision, scale)
            if *scale >= 0 =>
        {
            ((i32::from(*precision) << 16) | i32::from(*scale)) + 4
        }
        _ => -1,
    }
}

/// The fields of a result. `formats` is what the client asked for: nothing (all text), one code for all, or one each.
pub(crate) fn result_fields(schema: &Schema, formats: &[i16]) -> SqlResult<Vec<PgField>> {
    let columns = schema.fields();
    if formats.len() > 1 && formats.len() != columns.len() {
        return Err(SqlError::new(
            "08P01",
            format!("bind message has {} result formats but query has {} columns", formats.len(), columns.len()),
        ));
    }
    if columns.len() > i16::MAX as usize {
        return Err(SqlError::new(code::PROGRAM_LIMIT_EXCEEDED, "a result can have at most 32767 columns"));
    }
    let format_of = |index: usize| formats.get(if formats.len() == 1 { 0 } else { index }).copied().unwrap_or(0);
    Ok(columns
        .iter()
        .enumerate()
        .map(|(index, field)| PgField {
            name: output_name(field.name()).to_owned(),
            pg_type: pg_type(field),
            modifier: modifier(field.data_type()),
            is_binary: format_of(index) == 1,
        })
        .collect())
}

/// The RowDescription message.
pub(crate) fn row_description(fields: &[PgField]) -> RowDescription {
    let describe = |field: &PgField| {
        FieldDescription::new(
            field.name.clone(),
            0,
            0,
            field.pg_type.oid(),
            type_size(&field.pg_type),
            field.modifier,
            i16::from(field.is_binary),
        )
    };
    RowDescription::new(fields.iter().map(describe).collect())
}

/// The Arrow type of a parameter the client declared by type; `None` for types we leave to inference.
pub(crate) fn arrow_type(pg_type: &Type) -> Option<DataType> {
    use arrow::datatypes::{IntervalUnit, TimeUnit};
    if let Kind::Array(element) = pg_type.kind() {
        return Some(DataType::List(Arc::new(Field::new_list_field(arrow_type(element)?, true))));
    }
    Some(match *pg_type {
        Type::BOOL => DataType::Boolean,
        Type::INT2 => DataType::Int16,
        Type::INT4 => DataType::Int32,
        Type::INT8 | Type::OID => DataType::Int64,
        Type::FLOAT4 => DataType::Float32,
        Type::FLOAT8 => DataType::Float64,
        Type::TEXT | Type::VARCHAR | Type::BPCHAR | Type::NAME | Type::JSON | Type::JSONB | Type::UUID | Type::CHAR => {
            DataType::Utf8
        }
        Type::BYTEA => DataType::Binary,
        Type::DATE => DataType::Date32,
        Type::TIME => DataType::Time64(TimeUnit::Microsecond),
        Type::TIMESTAMP => DataType::Timestamp(TimeUnit::Microsecond, None),
        Type::TIMESTAMPTZ => DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
        Type::INTERVAL => DataType::Interval(IntervalUnit::MonthDayNano),
        // A numeric without precision and scale: what it is compared with says more.
        _ => return None,
    })
}
