//! Statements in one line: prepared once a connection, with rows read by position into values, tuples and structs.

use rusqlite::{Connection, OptionalExtension as _, Params, Row};

use crate::store::Result;

/// What a row can be read into.
pub(crate) trait FromRow: Sized {
    /// Reads the first columns.
    fn from_row(row: &Row<'_>) -> rusqlite::Result<Self>;
}

/// Reads a value from the first column.
macro_rules! value_rows {
    ($($value:ty),+ $(,)?) => {$(
        impl $crate::store::query::FromRow for $value {
            fn from_row(row: &rusqlite::Row<'_>) -> rusqlite::Result<Self> {
                row.get(0)
            }
        }
    )+};
}
pub(crate) use value_rows;

/// Reads a struct's fields from the columns in this order.
macro_rules! struct_rows {
    ($($name:ident { $($field:ident),+ $(,)? })+) => {$(
        impl $crate::store::query::FromRow for $name {
            fn from_row(row: &rusqlite::Row<'_>) -> rusqlite::Result<Self> {
                let mut column = 0..;
                Ok(Self { $($field: row.get(column.next().unwrap_or_default())?),+ })
            }
        }
    )+};
}
pub(crate) use struct_rows;

macro_rules! tuple_rows {
    ($(($($value:ident $at:tt),+))+) => {$(
        impl<$($value: rusqlite::types::FromSql),+> FromRow for ($($value,)+) {
            fn from_row(row: &Row<'_>) -> rusqlite::Result<Self> {
                Ok(($(row.get($at)?,)+))
            }
        }
    )+};
}

value_rows!(i64, f64, bool, String, Option<i64>, Option<String>);
tuple_rows! {
    (A 0, B 1)
    (A 0, B 1, C 2)
    (A 0, B 1, C 2, D 3)
    (A 0, B 1, C 2, D 3, E 4)
    (A 0, B 1, C 2, D 3, E 4, F 5)
    (A 0, B 1, C 2, D 3, E 4, F 5, G 6)
}

/// Statements on a connection or in a transaction.
pub(crate) trait Statements {
    /// What they run on.
    fn connection(&self) -> &Connection;

    /// Changes rows.
    fn run(&self, sql: &str, values: impl Params) -> Result<()> {
        self.changed(sql, values).map(|_| ())
    }

    /// Changes rows, and says how many.
    fn changed(&self, sql: &str, values: impl Params) -> Result<usize> {
        Ok(self.connection().prepare_cached(sql)?.execute(values)?)
    }

    /// Inserts a row, and returns its id.
    fn insert(&self, sql: &str, values: impl Params) -> Result<i64> {
        self.run(sql, values)?;
        Ok(self.connection().last_insert_rowid())
    }

    /// The only row, or the first.
    fn one<T: FromRow>(&self, sql: &str, values: impl Params) -> Result<T> {
        Ok(self.connection().prepare_cached(sql)?.query_row(values, |row| T::from_row(row))?)
    }

    /// The first row, if there is one.
    fn first<T: FromRow>(&self, sql: &str, values: impl Params) -> Result<Option<T>> {
        Ok(self.connection().prepare_cached(sql)?.query_row(values, |row| T::from_row(row)).optional()?)
    }

    /// All rows.
    fn all<T: FromRow, C: FromIterator<T>>(&self, sql: &str, values: impl Params) -> Result<C> {
        self.all_by(sql, values, |row| T::from_row(row))
    }

    /// All rows, each as `read` reads it.
    fn all_by<T, C: FromIterator<T>>(
        &self,
        sql: &str,
        values: impl Params,
        read: impl FnMut(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<C> {
        let mut statement = self.connection().prepare_cached(sql)?;
        Ok(statement.query_map(values, read)?.collect::<Result<_, _>>()?)
    }

    /// Shows every row, one at a time.
    fn each<T: FromRow>(
        &self,
        sql: &str,
        values: impl Params,
        mut visit: impl FnMut(T) -> Result<()>,
    ) -> Result<()> {
        let mut statement = self.connection().prepare_cached(sql)?;
        let mut rows = statement.query(values)?;
        while let Some(row) = rows.next()? {
            visit(T::from_row(row)?)?;
        }
        Ok(())
    }
}

impl Statements for Connection {
    fn connection(&self) -> &Connection {
        self
    }
}
