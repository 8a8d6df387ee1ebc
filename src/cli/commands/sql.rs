//! `archiver sql`: one statement on the archive, which can change nothing.

use std::collections::BTreeSet;
use std::ops::ControlFlow;

use clap::Args;
use serde_json::{Map, Value};

use crate::app::Context;
use crate::app::wiring;
use crate::cli::ui::message_text;
use crate::cli::ui::output::Output;
use crate::clock::{Clock as _, SystemClock};
use crate::error::Failure;
use crate::store::{Sql, SqlError, SqlValue};

/// `archiver sql`.
#[derive(Debug, Clone, Args)]
#[command(after_help = EXAMPLES)]
pub struct SqlArgs {
    /// One statement that reads; `-` takes it from standard input
    #[arg(value_name = "STATEMENT")]
    pub statement: String,

    /// Print one JSON object a line
    #[arg(long)]
    pub json: bool,

    /// Print comma-separated values, with a line of names
    #[arg(long, conflicts_with = "json")]
    pub csv: bool,

    /// Give up after so many seconds; 0 never does
    #[arg(long, value_name = "SECS", default_value_t = 60)]
    pub timeout: u32,
}

const EXAMPLES: &str = "\
Examples:
  archiver sql 'SELECT name, messages, gaps FROM conversation_log'
  archiver sql --csv 'SELECT * FROM run_log' > runs.csv
  archiver sql --json - < question.sql

The views named *_log are stable; docs/querying.md has recipes.";

/// Rows that a table on a terminal is laid out for at a time, so that its memory has a bound.
const AT_ONCE: usize = 1_000;

/// Runs the command.
///
/// # Errors
/// Bad configuration, a statement that is wrong or would write, or an archive that cannot be read.
pub fn run(context: &Context, args: &SqlArgs) -> Result<(), Failure> {
    let config = context.config(None)?;
    context.warn(&config);
    let path = &config.archive.path;
    let statement = match args.statement.as_str() {
        "-" => std::io::read_to_string(std::io::stdin()).map_err(|error| Failure::Usage {
            message: format!("standard input cannot be read: {error}"),
            help: "give the statement as an argument".to_owned(),
        })?,
        given => given.to_owned(),
    };
    let end = SystemClock.now_ms().saturating_add(i64::from(args.timeout).saturating_mul(1000));
    let limited = args.timeout > 0;
    let sql = Sql::open(path, move || limited && SystemClock.now_ms() > end)
        .map_err(|e| wiring::read_failure(path, e))?;
    let mut out = Output::in_bulk(&context.env);
    let mut sheet = Sheet { out: &mut out, args, names: Vec::new(), rows: Vec::new() };
    let sheet = std::cell::RefCell::new(&mut sheet);
    let flow = |done: Result<(), Failure>| done.map_or_else(ControlFlow::Break, ControlFlow::Continue);
    let done = sql.run(
        &statement,
        |names| flow(sheet.borrow_mut().begin(names)),
        |row| flow(sheet.borrow_mut().row(row)),
    );
    let sheet = sheet.into_inner();
    match done {
        Ok(None) => sheet.end().and_then(|()| sheet.out.finish()),
        Ok(Some(failure)) => Err(failure),
        Err(SqlError::Store(error)) => Err(wiring::read_failure(path, error)),
        Err(error) => Err(Failure::Usage { message: error.to_string(), help: help(&error).to_owned() }),
    }
}

fn help(error: &SqlError) -> &'static str {
    match error {
        SqlError::Stopped => "--timeout sets how many seconds it may take",
        SqlError::NotReading => {
            "write to a copy of the file, if you must: `.backup copy.db` in the sqlite3 shell"
        }
        SqlError::NotOne(_) => "give one statement at a time",
        SqlError::Refused(_) | SqlError::Store(_) => {
            "`archiver sql 'SELECT name, sql FROM sqlite_schema'` shows what there is"
        }
    }
}

/// Rows on their way out.
struct Sheet<'a> {
    out: &'a mut Output,
    args: &'a SqlArgs,
    names: Vec<String>,
    rows: Vec<Vec<String>>,
}

impl Sheet<'_> {
    fn begin(&mut self, names: Vec<String>) -> Result<(), Failure> {
        self.names = names;
        if self.args.json {
            return unlike(&self.names);
        }
        if self.args.csv {
            return self.csv(&self.names.clone());
        }
        Ok(())
    }

    fn csv(&mut self, values: &[String]) -> Result<(), Failure> {
        // A file gets what the archive has; a terminal would obey some of it.
        let shown = |value: &String| {
            if self.out.columns().is_some() { message_text::harmless(value) } else { value.clone() }
        };
        let values: Vec<String> = values.iter().map(shown).collect();
        self.out.text(&csv(values.iter().map(String::as_str)))
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
        self.rows.push(cells.iter().map(|cell| message_text::harmless(&plain(cell))).collect());
        if self.rows.len() >= AT_ONCE { self.end() } else { Ok(()) }
    }

    fn end(&mut self) -> Result<(), Failure> {
        if self.args.json || self.args.csv || self.rows.is_empty() {
            return Ok(());
        }
        let rows = std::mem::take(&mut self.rows);
        self.out.named_table(&self.names, &rows)
    }
}

/// No two columns have one name, of which an object would have the last only.
fn unlike(names: &[String]) -> Result<(), Failure> {
    let mut seen = BTreeSet::new();
    match names.iter().find(|name| !seen.insert(*name)) {
        None => Ok(()),
        Some(twice) => Err(Failure::Usage {
            message: format!("two columns are called {twice:?}, and a JSON object can have only one"),
            help: "give each a name of its own: SELECT … AS name".to_owned(),
        }),
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

/// A line of values, quoted after RFC 4180 where they have to be.
fn csv<'a>(values: impl Iterator<Item = &'a str>) -> String {
    let quoted = |value: &str| {
        if value.contains(['"', ',', '\n', '\r']) {
            format!("\"{}\"", value.replace('"', "\"\""))
        } else {
            value.to_owned()
        }
    };
    values.map(quoted).collect::<Vec<_>>().join(",") + "\r\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_columns_of_one_name_are_no_object() {
        let names = |names: &[&str]| names.iter().map(|n| (*n).to_owned()).collect::<Vec<_>>();
        assert!(unlike(&names(&["a", "b", "A"])).is_ok());
        let refused = unlike(&names(&["a", "b", "a"])).unwrap_err();
        assert!(refused.to_string().contains("two columns are called \"a\""), "{refused}");
    }
}
