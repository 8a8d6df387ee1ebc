//! `archiver sql`: runs one read-only SQL statement on the archive.

use std::collections::BTreeSet;
use std::ops::ControlFlow;

use clap::Args;
use serde_json::{Map, Value};

use crate::app::{Context, wiring};
use crate::cli::ui::output::Output;
use crate::cli::ui::table::{Column, text};
use crate::clock::{Clock as _, SystemClock};
use crate::core::printable::printable;
use crate::error::Failure;
use crate::store::{Sql, SqlError, SqlValue};

#[derive(Debug, Clone, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct SqlArgs {
    /// One SELECT statement; `-` reads it from standard input
    #[arg(value_name = "STATEMENT")]
    pub(crate) statement: String,

    /// Print one JSON object per line
    #[arg(long)]
    pub(crate) json: bool,

    /// Print CSV with a header line
    #[arg(long, conflicts_with = "json")]
    pub(crate) csv: bool,

    /// Give up after SECS seconds; 0 for no limit
    #[arg(long, value_name = "SECS", default_value_t = 60)]
    pub(crate) timeout: u32,
}

const EXAMPLES: &str = "\
Examples:
  archiver sql 'SELECT name, messages, gaps FROM conversation_log'
  archiver sql --csv 'SELECT * FROM run_log' > runs.csv
  archiver sql --json - < question.sql

The *_log views are stable; docs/querying.md has recipes.";

/// Rows of a table that are laid out at a time, which bounds its memory.
const AT_ONCE: usize = 1_000;

pub(crate) fn run(context: &Context, args: &SqlArgs) -> Result<(), Failure> {
    let path = &context.reading_config()?.archive.path;
    let unread = |error| {
        Failure::usage(format!("cannot read standard input: {error}"), "pass the statement as an argument")
    };
    let statement = match args.statement.as_str() {
        "-" => std::io::read_to_string(std::io::stdin()).map_err(unread)?,
        given => given.to_owned(),
    };
    let end = SystemClock.now_ms().saturating_add(i64::from(args.timeout).saturating_mul(1000));
    let limited = args.timeout > 0;
    let sql = Sql::open(path, move || limited && SystemClock.now_ms() > end)
        .map_err(|e| wiring::read_failure(path, e))?;
    let mut out = Output::buffered(&context.env);
    let mut writer = RowWriter { out: &mut out, args, names: Vec::new(), rows: Vec::new() };
    let writer = std::cell::RefCell::new(&mut writer);
    let flow = |done: Result<(), Failure>| done.map_or_else(ControlFlow::Break, ControlFlow::Continue);
    let done = sql.run(
        &statement,
        |names| flow(writer.borrow_mut().begin(names)),
        |row| flow(writer.borrow_mut().row(row)),
    );
    let writer = writer.into_inner();
    match done {
        Ok(None) => writer.end().and_then(|()| writer.out.finish()),
        Ok(Some(failure)) => Err(failure),
        Err(SqlError::Store(error)) => Err(wiring::read_failure(path, error)),
        Err(error) => Err(Failure::usage(error.to_string(), help(&error))),
    }
}

fn help(error: &SqlError) -> &'static str {
    match error {
        SqlError::Stopped => "use --timeout to allow more time",
        SqlError::NotReading => {
            "`archiver sql` is read-only; if you must write, do so in a copy made with `archiver backup`"
        }
        SqlError::NotOne(_) => "pass one statement at a time",
        SqlError::Refused(_) | SqlError::Store(_) => {
            "`archiver sql 'SELECT name, sql FROM sqlite_schema'` shows the schema"
        }
    }
}

struct RowWriter<'a> {
    out: &'a mut Output,
    args: &'a SqlArgs,
    names: Vec<String>,
    rows: Vec<Vec<String>>,
}

impl RowWriter<'_> {
    fn begin(&mut self, names: Vec<String>) -> Result<(), Failure> {
        self.names = names;
        if self.args.json {
            return unique(&self.names);
        }
        if self.args.csv {
            return self.csv(&self.names.clone());
        }
        Ok(())
    }

    fn csv(&mut self, values: &[String]) -> Result<(), Failure> {
        // A file gets the text as it is; a terminal would act on some characters.
        let shown = |value: &String| {
            if self.out.columns().is_some() { printable(value) } else { value.clone() }
        };
        let mut line = csv::WriterBuilder::new().terminator(csv::Terminator::CRLF).from_writer(Vec::new());
        let written = line.write_record(values.iter().map(shown)).map_err(std::io::Error::other);
        let line = written.and_then(|()| line.into_inner().map_err(|e| e.into_error()));
        self.out.bytes(&line.map_err(Failure::Stdout)?)
    }

    fn row(&mut self, cells: Vec<SqlValue>) -> Result<(), Failure> {
        if self.args.json {
            let object: Map<String, Value> = self.names.iter().cloned().zip(cells.iter().map(json)).collect();
            return self.out.json(&object);
        }
        if self.args.csv {
            let texts: Vec<String> = cells.iter().map(plain).collect();
            return self.csv(&texts);
        }
        self.rows.push(cells.iter().map(|cell| printable(&plain(cell))).collect());
        if self.rows.len() >= AT_ONCE { self.end() } else { Ok(()) }
    }

    fn end(&mut self) -> Result<(), Failure> {
        if self.args.json || self.args.csv || self.rows.is_empty() {
            return Ok(());
        }
        let rows = std::mem::take(&mut self.rows);
        let columns: Vec<Column<'_>> = self.names.iter().map(|name| text(name)).collect();
        self.out.table(&columns, &rows)
    }
}

/// Refuses two columns of one name: a JSON object would have only the last.
fn unique(names: &[String]) -> Result<(), Failure> {
    let mut seen = BTreeSet::new();
    match names.iter().find(|name| !seen.insert(*name)) {
        None => Ok(()),
        Some(twice) => Err(Failure::usage(
            format!("two columns are called {twice:?}"),
            "give each a name of its own with AS",
        )),
    }
}

fn plain(cell: &SqlValue) -> String {
    match cell {
        SqlValue::Null => String::new(),
        SqlValue::Integer(n) => n.to_string(),
        SqlValue::Real(n) => n.to_string(),
        SqlValue::Text(text) => text.clone(),
        SqlValue::Blob(bytes) => bytes.iter().map(|b| format!("{b:02x}")).collect(),
    }
}

fn json(cell: &SqlValue) -> Value {
    match cell {
        SqlValue::Null => Value::Null,
        SqlValue::Integer(n) => Value::from(*n),
        SqlValue::Real(n) => Value::from(*n),
        SqlValue::Text(text) => Value::from(text.as_str()),
        SqlValue::Blob(_) => Value::from(plain(cell)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_columns_of_one_name_are_refused() {
        let names = |names: &[&str]| names.iter().map(|n| (*n).to_owned()).collect::<Vec<_>>();
        assert!(unique(&names(&["a", "b", "A"])).is_ok());
        let refused = unique(&names(&["a", "b", "a"])).unwrap_err();
        assert!(refused.to_string().contains("two columns are called \"a\""), "{refused}");
    }
}
