//! PostgreSQL's types and Arrow's: the one mapping for column definitions and for casts in queries.
//!
//! | PostgreSQL | Arrow |
//! |---|---|
//! | SMALLINT, INTEGER, BIGINT | Int16, Int32, Int64 |
//! | REAL, DOUBLE PRECISION | Float32, Float64 |
//! | NUMERIC(p, s), p ≤ 38 | Decimal128(p, s); a bare NUMERIC is (38, 10) |
//! | BOOLEAN | Boolean |
//! | TEXT, VARCHAR, CHAR, UUID, JSON, JSONB | Utf8 |
//! | BYTEA | Binary |
//! | DATE, TIME | Date32, Time64 (µs) |
//! | TIMESTAMP, TIMESTAMPTZ | Timestamp (µs), the latter "UTC" |
//! | INTERVAL | Interval (month, day, nanosecond) |
//! | T\[\] | List |
//! | STRUCT<a T, …> | Struct |
//!
//! Not guaranteed: the length of VARCHAR(n) and CHAR(n), the digits of TIMESTAMP(p), and that a UUID or JSON column holds one,
//! are not enforced; CHAR is not padded; a fixed array size is ignored, as PostgreSQL ignores it.

use std::sync::Arc;

use arrow::datatypes::{DECIMAL128_MAX_PRECISION, DataType, Field, IntervalUnit, TimeUnit};
use datafusion::sql::sqlparser::ast::{
    ArrayElemTypeDef, DataType as SqlType, ExactNumberInfo, ObjectName, TimezoneInfo,
};

use crate::model::error::code;
use crate::model::{SqlError, SqlResult};

/// Precision and scale of a NUMERIC without them.
pub const NUMERIC_DEFAULT: (u8, i8) = (DECIMAL128_MAX_PRECISION, 10);

/// The Arrow type of a PostgreSQL type. Errors have no position: the caller knows where the type stands.
pub fn arrow_type(sql_type: &SqlType) -> SqlResult<DataType> {
    Ok(match sql_type {
        SqlType::SmallInt(None) | SqlType::Int2(None) => DataType::Int16,
        SqlType::Int(None) | SqlType::Integer(None) | SqlType::Int4(None) => DataType::Int32,
        SqlType::BigInt(None) | SqlType::Int8(None) => DataType::Int64,
        SqlType::Real | SqlType::Float4 => DataType::Float32,
        SqlType::DoublePrecision | SqlType::Float8 => DataType::Float64,
        SqlType::Float(precision) => float(precision)?,
        SqlType::Numeric(digits) | SqlType::Decimal(digits) | SqlType::Dec(digits) => decimal(digits)?,
        SqlType::Boolean | SqlType::Bool => DataType::Boolean,
        SqlType::Text | SqlType::Uuid | SqlType::JSON | SqlType::JSONB => DataType::Utf8,
        SqlType::Varchar(_) | SqlType::CharacterVarying(_) | SqlType::CharVarying(_) => DataType::Utf8,
        SqlType::Character(_) | SqlType::Char(_) => DataType::Utf8,
        SqlType::Bytea => DataType::Binary,
        SqlType::Date => DataType::Date32,
        SqlType::Time(_, TimezoneInfo::None | TimezoneInfo::WithoutTimeZone) => DataType::Time64(TimeUnit::Microsecond),
        SqlType::Time(..) => {
            return Err(
                SqlError::unsupported("type time with time zone is not supported").hint("use TIME or TIMESTAMPTZ")
            );
        }
        SqlType::Timestamp(_, TimezoneInfo::None | TimezoneInfo::WithoutTimeZone) => {
            DataType::Timestamp(TimeUnit::Microsecond, None)
        }
        SqlType::Timestamp(..) => timestamptz(),
        SqlType::Interval { .. } => DataType::Interval(IntervalUnit::MonthDayNano),
        SqlType::Array(ArrayElemTypeDef::SquareBracket(element, _) | ArrayElemTypeDef::AngleBracket(element)) => {
            DataType::List(Arc::new(Field::new_list_field(arrow_type(element)?, true)))
        }
        SqlType::Struct(fields, _) => {
            let fields = fields.iter().enumerate().map(|(position, field)| {
                let name =
                    field.field_name.as_ref().map_or_else(|| format!("f{}", position + 1), |name| name.value.clone());
                Ok(Field::new(name, arrow_type(&field.field_type)?, true))
            });
            DataType::Struct(fields.collect::<SqlResult<_>>()?)
        }
        SqlType::Custom(name, modifiers) if modifiers.is_empty() => named(name)?,
        other => return Err(undefined(&other.to_string())),
    })
}

/// TIMESTAMP WITH TIME ZONE.
pub fn timestamptz() -> DataType {
    DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()))
}

/// Names that are no keywords to sqlparser, with or without `pg_catalog.`.
fn named(name: &ObjectName) -> SqlResult<DataType> {
    let written = name.to_string().to_ascii_lowercase();
    Ok(match written.strip_prefix("pg_catalog.").unwrap_or(&written) {
        "int2" => DataType::Int16,
        "int4" => DataType::Int32,
        "int8" => DataType::Int64,
        "float4" => DataType::Float32,
        "float8" => DataType::Float64,
        "numeric" => DataType::Decimal128(NUMERIC_DEFAULT.0, NUMERIC_DEFAULT.1),
        "bool" => DataType::Boolean,
        "text" | "varchar" | "bpchar" | "name" | "uuid" | "json" | "jsonb" | "\"char\"" => DataType::Utf8,
        "bytea" => DataType::Binary,
        "date" => DataType::Date32,
        "time" => DataType::Time64(TimeUnit::Microsecond),
        "timestamp" => DataType::Timestamp(TimeUnit::Microsecond, None),
        "timestamptz" => timestamptz(),
        "interval" => DataType::Interval(IntervalUnit::MonthDayNano),
        _ => return Err(undefined(&written)),
    })
}

/// PostgreSQL's FLOAT(p): up to 24 binary digits are REAL.
fn float(precision: &ExactNumberInfo) -> SqlResult<DataType> {
    match precision {
        ExactNumberInfo::None | ExactNumberInfo::Precision(25..=53) => Ok(DataType::Float64),
        ExactNumberInfo::Precision(1..=24) => Ok(DataType::Float32),
        _ => Err(SqlError::new(code::INVALID_PARAMETER_VALUE, "precision for type float must be between 1 and 53")),
    }
}

fn decimal(digits: &ExactNumberInfo) -> SqlResult<DataType> {
    let (precision, scale) = match digits {
        ExactNumberInfo::None => return Ok(DataType::Decimal128(NUMERIC_DEFAULT.0, NUMERIC_DEFAULT.1)),
        ExactNumberInfo::Precision(precision) => (*precision, 0),
        ExactNumberInfo::PrecisionAndScale(precision, scale) => (*precision, *scale),
    };
    let Some(precision) = u8::try_from(precision).ok().filter(|digits| (1..=DECIMAL128_MAX_PRECISION).contains(digits))
    else {
        let message = format!("NUMERIC precision {precision} must be between 1 and {DECIMAL128_MAX_PRECISION}");
        return Err(SqlError::new(code::INVALID_PARAMETER_VALUE, message));
    };
    match i8::try_from(scale) {
        Ok(scale) if (0..=precision as i8).contains(&scale) => Ok(DataType::Decimal128(precision, scale)),
        _ => {
            let message = format!("NUMERIC scale {scale} must be between 0 and precision {precision}");
            Err(SqlError::new(code::INVALID_PARAMETER_VALUE, message))
        }
    }
}

/// No such type, with what to write for names other systems use.
fn undefined(name: &str) -> SqlError {
    let name = name.to_ascii_lowercase();
    let bare = name.split(['(', ' ']).next().unwrap_or(&name);
    let instead = match bare {
        "tinyint" | "int1" => Some("SMALLINT"),
        "string" | "clob" | "nvarchar" | "longtext" | "mediumtext" => Some("TEXT"),
        "double" | "float64" => Some("DOUBLE PRECISION"),
        "datetime" => Some("TIMESTAMP"),
        "blob" | "binary" | "varbinary" | "bytes" => Some("BYTEA"),
        "serial" | "bigserial" => Some("BIGINT; numbers come from the data"),
        "money" => Some("NUMERIC(38, 2), or BIGINT in minor units"),
        "map" => Some("JSONB"),
        _ => None,
    };
    let error = SqlError::new(code::UNDEFINED_OBJECT, format!("type \"{bare}\" does not exist"));
    match instead {
        Some(instead) => error.hint(format!("use {instead}")),
        None => error,
    }
}

/// PostgreSQL's name of an Arrow type, for messages and `DESCRIBE`.
pub fn postgres_name(data_type: &DataType) -> String {
    let name = match data_type {
        DataType::Null => "unknown",
        DataType::Boolean => "boolean",
        DataType::Int8 | DataType::Int16 | DataType::UInt8 => "smallint",
        DataType::Int32 | DataType::UInt16 => "integer",
        DataType::Int64 | DataType::UInt32 => "bigint",
        DataType::UInt64 => "numeric",
        DataType::Float16 | DataType::Float32 => "real",
        DataType::Float64 => "double precision",
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => "text",
        DataType::Binary | DataType::LargeBinary | DataType::BinaryView | DataType::FixedSizeBinary(_) => "bytea",
        DataType::Date32 | DataType::Date64 => "date",
        DataType::Time32(_) | DataType::Time64(_) => "time without time zone",
        DataType::Timestamp(_, None) => "timestamp without time zone",
        DataType::Timestamp(_, Some(_)) => "timestamp with time zone",
        DataType::Interval(_) | DataType::Duration(_) => "interval",
        DataType::Decimal32(precision, scale)
        | DataType::Decimal64(precision, scale)
        | DataType::Decimal128(precision, scale)
        | DataType::Decimal256(precision, scale) => return format!("numeric({precision},{scale})"),
        DataType::List(element)
        | DataType::LargeList(element)
        | DataType::ListView(element)
        | DataType::LargeListView(element)
        | DataType::FixedSizeList(element, _) => return format!("{}[]", postgres_name(element.data_type())),
        DataType::Struct(fields) => {
            let fields = fields.iter().map(|field| format!("{} {}", field.name(), postgres_name(field.data_type())));
            return format!("struct<{}>", fields.collect::<Vec<_>>().join(", "));
        }
        DataType::Dictionary(_, value) => return postgres_name(value),
        DataType::RunEndEncoded(_, value) => return postgres_name(value.data_type()),
        DataType::Map(..) | DataType::Union(..) => "record",
    };
    name.to_string()
}

/// PostgreSQL's internal name of a type, which unnamed columns of casts are called by.
pub(crate) fn short_name(data_type: &DataType) -> &'static str {
    match data_type {
        DataType::Boolean => "bool",
        DataType::Int16 => "int2",
        DataType::Int32 => "int4",
        DataType::Int64 => "int8",
        DataType::Float32 => "float4",
        DataType::Float64 => "float8",
        DataType::Decimal128(..) => "numeric",
        DataType::Binary => "bytea",
        DataType::Date32 => "date",
        DataType::Time64(_) => "time",
        DataType::Timestamp(_, None) => "timestamp",
        DataType::Timestamp(_, Some(_)) => "timestamptz",
        DataType::Interval(_) => "interval",
        DataType::List(element) => short_name(element.data_type()),
        _ => "text",
    }
}

/// Whether a version column may have this type: one value is always newer than the other or equal.
pub(crate) fn is_version_type(data_type: &DataType) -> bool {
    data_type.is_numeric()
        || matches!(
            data_type,
            DataType::Date32 | DataType::Time64(_) | DataType::Timestamp(..) | DataType::Utf8 | DataType::Binary
        )
}

#[cfg(test)]
mod tests {
    use datafusion::sql::sqlparser::parser::Parser;

    use super::*;
    use crate::plan::parse::DIALECT;

    fn map(name: &str) -> SqlResult<DataType> {
        let mut parser = Parser::new(&DIALECT).try_with_sql(name).expect("tokens");
        arrow_type(&parser.parse_data_type().expect("a type"))
    }

    #[test]
    fn every_postgresql_name_has_its_arrow_type_and_goes_back() {
        let microsecond = TimeUnit::Microsecond;
        let cases = [
            ("INT2", DataType::Int16, "smallint"),
            ("smallint", DataType::Int16, "smallint"),
            ("INT", DataType::Int32, "integer"),
            ("pg_catalog.int4", DataType::Int32, "integer"),
            ("BIGINT", DataType::Int64, "bigint"),
            ("INT8", DataType::Int64, "bigint"),
            ("real", DataType::Float32, "real"),
            ("float(24)", DataType::Float32, "real"),
            ("float", DataType::Float64, "double precision"),
            ("DOUBLE PRECISION", DataType::Float64, "double precision"),
            ("NUMERIC", DataType::Decimal128(38, 10), "numeric(38,10)"),
            ("DECIMAL(12, 2)", DataType::Decimal128(12, 2), "numeric(12,2)"),
            ("NUMERIC(7)", DataType::Decimal128(7, 0), "numeric(7,0)"),
            ("BOOL", DataType::Boolean, "boolean"),
            ("VARCHAR(20)", DataType::Utf8, "text"),
            ("character varying", DataType::Utf8, "text"),
            ("CHAR(3)", DataType::Utf8, "text"),
            ("UUID", DataType::Utf8, "text"),
            ("JSONB", DataType::Utf8, "text"),
            ("BYTEA", DataType::Binary, "bytea"),
            ("DATE", DataType::Date32, "date"),
            ("TIME", DataType::Time64(microsecond), "time without time zone"),
            ("TIMESTAMP(3)", DataType::Timestamp(microsecond, None), "timestamp without time zone"),
            ("TIMESTAMP WITH TIME ZONE", timestamptz(), "timestamp with time zone"),
            ("TIMESTAMPTZ", timestamptz(), "timestamp with time zone"),
            ("INTERVAL", DataType::Interval(IntervalUnit::MonthDayNano), "interval"),
        ];
        for (name, expected, back) in cases {
            assert_eq!(map(name).as_ref(), Ok(&expected), "of {name}");
            assert_eq!(postgres_name(&expected), back);
        }
        let nested = map("NUMERIC(9,2)[][]").expect("an array");
        assert_eq!(postgres_name(&nested), "numeric(9,2)[][]");
    }

    #[test]
    fn what_postgresql_does_not_have_is_refused_with_what_to_write() {
        let cases = [
            ("TINYINT", "42704 type \"tinyint\" does not exist; use SMALLINT"),
            ("DATETIME", "42704 type \"datetime\" does not exist; use TIMESTAMP"),
            ("NUMERIC(39, 2)", "22023 NUMERIC precision 39 must be between 1 and 38; "),
            ("NUMERIC(5, 6)", "22023 NUMERIC scale 6 must be between 0 and precision 5; "),
            ("NUMERIC(5, -1)", "22023 NUMERIC scale -1 must be between 0 and precision 5; "),
            ("FLOAT(54)", "22023 precision for type float must be between 1 and 53; "),
            ("TIMETZ", "0A000 type time with time zone is not supported; use TIME or TIMESTAMPTZ"),
            ("geometry", "42704 type \"geometry\" does not exist; "),
        ];
        for (name, expected) in cases {
            let error = map(name).expect_err(name);
            assert_eq!(format!("{} {}; {}", error.code, error.message, error.hint.unwrap_or_default()), expected);
        }
    }
}
