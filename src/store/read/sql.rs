//! A reader's own SQL: one statement, which can change nothing and reach nothing but the archive.

use std::ops::ControlFlow;
use std::path::Path;

use rusqlite::fallible_iterator::FallibleIterator as _;
use rusqlite::hooks::{AuthAction, AuthContext, Authorization};
use rusqlite::types::ValueRef;
use rusqlite::{Batch, Connection, ErrorCode};

use crate::store::Result;
use crate::store::StoreError;
use crate::store::schema::open;
use crate::store::text_index;

/// Steps of SQLite's machine between two looks at whether to stop: some milliseconds.
const STEPS: i32 = 10_000;

/// Pragmas that only tell something. Full-text search asks for the first one.
const TELLING: &str = "data_version table_info table_xinfo table_list index_list index_info index_xinfo foreign_key_list \
    user_version application_id page_count page_size freelist_count encoding compile_options function_list module_list \
    collation_list database_list journal_mode";

/// An archive that statements are run on.
#[derive(Debug)]
pub struct Sql {
    db: Connection,
}

/// A value of a row.
#[derive(Debug, Clone, PartialEq)]
pub enum SqlValue {
    /// Nothing.
    Null,
    /// A whole number.
    Integer(i64),
    /// Another number.
    Real(f64),
    /// A text.
    Text(String),
    /// Bytes.
    Blob(Vec<u8>),
}

/// Why a statement was not run to its end.
#[derive(Debug, thiserror::Error)]
pub enum SqlError {
    /// The archive.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The statement makes no sense to SQLite.
    #[error("{0}")]
    Refused(String),
    /// It would write, or reach beyond the archive.
    #[error("only what reads the archive is allowed here")]
    NotReading,
    /// There is more or less than one.
    #[error("{0}")]
    NotOne(&'static str),
    /// It took too long.
    #[error("the statement took too long and was stopped")]
    Stopped,
}

impl From<rusqlite::Error> for SqlError {
    fn from(error: rusqlite::Error) -> Self {
        match (error.sqlite_error_code(), &error) {
            (Some(ErrorCode::AuthorizationForStatementDenied | ErrorCode::ReadOnly), _) => Self::NotReading,
            (Some(ErrorCode::OperationInterrupted), _) => Self::Stopped,
            (_, rusqlite::Error::SqliteFailure(_, Some(said))) => Self::Refused(said.clone()),
            (_, rusqlite::Error::SqlInputError { msg, sql, offset, .. }) => {
                let at = usize::try_from(*offset)
                    .ok()
                    .and_then(|at| sql.get(at..))
                    .filter(|rest| !rest.is_empty());
                let near: Option<String> = at.map(|rest| rest.chars().take(30).collect());
                Self::Refused(near.map_or_else(|| msg.clone(), |near| format!("{msg}, at: {near}")))
            }
            _ => Self::Refused(error.to_string()),
        }
    }
}

impl Sql {
    /// Opens an archive for statements. `stop` is asked every few milliseconds whether it is time to give up.
    pub fn open(path: &Path, stop: impl FnMut() -> bool + Send + 'static) -> Result<Self> {
        let mut db = open::open_read_only(path)?;
        db.progress_handler(STEPS, Some(stop))?;
        db.authorizer(Some(judge))?;
        Ok(Self { db })
    }

    /// Runs one statement: `begin` is given the names of its columns, then `row` each row, until it breaks off.
    ///
    /// # Errors
    /// When it is not one statement that reads, or is stopped.
    pub fn run<B>(
        &self,
        statement: &str,
        begin: impl FnOnce(Vec<String>) -> ControlFlow<B>,
        mut row: impl FnMut(Vec<SqlValue>) -> ControlFlow<B>,
    ) -> Result<Option<B>, SqlError> {
        let mut batch = Batch::new(&self.db, statement);
        let Some(mut first) = batch.next()? else { return Err(SqlError::NotOne("there is no statement")) };
        if !first.readonly() {
            return Err(SqlError::NotReading);
        }
        if batch.next()?.is_some() {
            return Err(SqlError::NotOne("there is more than one statement"));
        }
        let names: Vec<String> = first.column_names().map(str::to_owned).collect();
        let columns = names.len();
        if let ControlFlow::Break(value) = begin(names) {
            return Ok(Some(value));
        }
        let mut rows = first.raw_query();
        while let Some(found) = rows.next()? {
            let cells = (0..columns).map(|at| Ok(cell(found.get_ref(at)?)));
            let cells = cells.collect::<Result<Vec<_>, rusqlite::Error>>()?;
            if let ControlFlow::Break(value) = row(cells) {
                return Ok(Some(value));
            }
        }
        Ok(None)
    }
}

fn cell(value: ValueRef<'_>) -> SqlValue {
    match value {
        ValueRef::Null => SqlValue::Null,
        ValueRef::Integer(n) => SqlValue::Integer(n),
        ValueRef::Real(n) => SqlValue::Real(n),
        ValueRef::Text(text) => SqlValue::Text(String::from_utf8_lossy(text).into_owned()),
        ValueRef::Blob(bytes) => SqlValue::Blob(bytes.to_vec()),
    }
}

/// Kibibytes of pages that a connection for the requests of others remembers.
const CACHE_KIB: i64 = 1024;

/// Opens an archive for the requests of others. `stop` is asked every few milliseconds whether it is time to give up.
pub(super) fn open_for_others(
    path: &Path,
    stop: impl FnMut() -> bool + Send + 'static,
) -> Result<Connection> {
    let mut db = open::open_read_only(path)?;
    db.pragma_update(None, "cache_size", -CACHE_KIB)?;
    // What lists the words of the indexes is made before nothing can be made any more.
    text_index::list_words(&db)?;
    db.progress_handler(STEPS, Some(stop))?;
    db.authorizer(Some(|asked: AuthContext<'_>| match asked.action {
        // A consistent look at several tables is a transaction that only reads.
        AuthAction::Transaction { .. } => Authorization::Allow,
        _ => judge(asked),
    }))?;
    Ok(db)
}

/// Lets through what reads.
fn judge(asked: AuthContext<'_>) -> Authorization {
    match asked.action {
        AuthAction::Select | AuthAction::Read { .. } | AuthAction::Recursive => Authorization::Allow,
        AuthAction::Function { function_name } if !function_name.eq_ignore_ascii_case("load_extension") => {
            Authorization::Allow
        }
        AuthAction::Pragma { pragma_name, pragma_value } => {
            let tells = TELLING.split(' ').any(|name| name.eq_ignore_ascii_case(pragma_name));
            // What such a one is given is the name of a table, except for those that would then set something.
            let sets = ["user_version", "application_id", "page_size", "encoding", "journal_mode"];
            let would_set =
                pragma_value.is_some() && sets.iter().any(|name| name.eq_ignore_ascii_case(pragma_name));
            if tells && !would_set { Authorization::Allow } else { Authorization::Deny }
        }
        _ => Authorization::Deny,
    }
}
