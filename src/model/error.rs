//! The error a user sees: PostgreSQL's parts (SQLSTATE, message, detail, hint) and the place in the statement.

use std::fmt;

/// Result of anything a statement can be refused for.
pub type SqlResult<T> = Result<T, SqlError>;

/// A statement refused, or an evaluation failed, in PostgreSQL's terms.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SqlError {
    /// Five-character SQLSTATE, e.g. `42P01`.
    pub code: &'static str,
    /// One sentence, lower case, no full stop, as PostgreSQL writes them.
    pub message: String,
    /// More about this instance, if there is more.
    pub detail: Option<String>,
    /// What to write instead.
    pub hint: Option<String>,
    /// Byte offset into the statement's text, 0-based, where known.
    pub position: Option<usize>,
}

/// SQLSTATEs in use.
pub mod code {
    /// Grammar.
    pub const SYNTAX_ERROR: &str = "42601";
    /// No such relation.
    pub const UNDEFINED_TABLE: &str = "42P01";
    /// No such column.
    pub const UNDEFINED_COLUMN: &str = "42703";
    /// No such function.
    pub const UNDEFINED_FUNCTION: &str = "42883";
    /// No such object of another kind.
    pub const UNDEFINED_OBJECT: &str = "42704";
    /// A relation of that name exists.
    pub const DUPLICATE_TABLE: &str = "42P07";
    /// Two columns of one name.
    pub const DUPLICATE_COLUMN: &str = "42701";
    /// A name that could mean two columns.
    pub const AMBIGUOUS_COLUMN: &str = "42702";
    /// No such schema.
    pub const INVALID_SCHEMA_NAME: &str = "3F000";
    /// Not this user's to change.
    pub const INSUFFICIENT_PRIVILEGE: &str = "42501";
    /// A parameter outside its range.
    pub const INVALID_PARAMETER_VALUE: &str = "22023";
    /// Types do not fit.
    pub const DATATYPE_MISMATCH: &str = "42804";
    /// The object is of the wrong kind for this.
    pub const WRONG_OBJECT_TYPE: &str = "42809";
    /// A definition that contradicts itself.
    pub const INVALID_DEFINITION: &str = "42P16";
    /// Column must appear in GROUP BY.
    pub const GROUPING_ERROR: &str = "42803";
    /// Valid SQL that this server does not do.
    pub const FEATURE_NOT_SUPPORTED: &str = "0A000";
    /// Others depend on the object.
    pub const DEPENDENT_OBJECTS_STILL_EXIST: &str = "2BP01";
    /// NULL where NOT NULL was declared.
    pub const NOT_NULL_VIOLATION: &str = "23502";
    /// Two different contents for one key and version.
    pub const CONFLICT: &str = "23505";
    /// Text that is no value of its type.
    pub const INVALID_TEXT_REPRESENTATION: &str = "22P02";
    /// Out of the type's range.
    pub const NUMERIC_VALUE_OUT_OF_RANGE: &str = "22003";
    /// Division by zero.
    pub const DIVISION_BY_ZERO: &str = "22012";
    /// A time or interval out of its range.
    pub const DATETIME_FIELD_OVERFLOW: &str = "22008";
    /// Any other evaluation error.
    pub const DATA_EXCEPTION: &str = "22000";
    /// COPY data or an input line that cannot be read.
    pub const BAD_COPY_FILE_FORMAT: &str = "22P04";
    /// A limit of this server was reached.
    pub const PROGRAM_LIMIT_EXCEEDED: &str = "54000";
    /// Cancelled by the client.
    pub const QUERY_CANCELED: &str = "57014";
    /// The server is stopping.
    pub const ADMIN_SHUTDOWN: &str = "57P01";
    /// The outside world failed (files, network).
    pub const IO_ERROR: &str = "58030";
    /// Our own bug.
    pub const INTERNAL_ERROR: &str = "XX000";
}

impl SqlError {
    /// An error with a code and a message.
    pub fn new(code: &'static str, message: impl Into<String>) -> Self {
        SqlError { code, message: message.into(), detail: None, hint: None, position: None }
    }

    /// Grammar the parser could not follow.
    pub fn syntax(message: impl Into<String>) -> Self {
        Self::new(code::SYNTAX_ERROR, message)
    }

    /// Valid SQL this server refuses by name.
    pub fn unsupported(message: impl Into<String>) -> Self {
        Self::new(code::FEATURE_NOT_SUPPORTED, message)
    }

    /// A broken invariant of our own.
    pub fn internal(message: impl Into<String>) -> Self {
        Self::new(code::INTERNAL_ERROR, message)
    }

    /// Adds what to write instead.
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Adds more about this instance.
    pub fn detail(mut self, detail: impl Into<String>) -> Self {
        self.detail = Some(detail.into());
        self
    }

    /// Adds the place: a byte offset into the statement's text.
    pub fn at(mut self, position: usize) -> Self {
        self.position = Some(position);
        self
    }
}

impl fmt::Display for SqlError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        if let Some(detail) = &self.detail {
            write!(f, "\nDETAIL: {detail}")?;
        }
        if let Some(hint) = &self.hint {
            write!(f, "\nHINT: {hint}")?;
        }
        Ok(())
    }
}

impl std::error::Error for SqlError {}
