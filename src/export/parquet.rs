//! Parquet for analysis: a file for each account and month, of which an export of changes writes only those anew that
//! have any.

use std::io::Write as _;

use ::parquet::errors::ParquetError;

use super::columnar::{ColumnType, ColumnarFile, ColumnarFormat, TimeUnit};
use super::columns::COLUMNS;
use super::{Export, ExportError, Summary, Watch};
use crate::export::destination::Place;
use crate::store::{AccountMonth, Scope};

/// As tools that read whole months like it.
const FORMAT: ColumnarFormat = ColumnarFormat { unit: TimeUnit::Millis, group_rows: 10_000 };

pub(super) fn write(export: &Export<'_>, watch: &mut dyn Watch) -> Result<Summary, ExportError> {
    let scope = Scope { changed_after: None, ..export.job.scope };
    let months = export.snapshot.months(&scope)?;
    let touched = match export.continues() {
        None => None,
        Some(before) => {
            let faces = before.changed_faces(export.job, export.snapshot)?;
            Some(export.snapshot.touched_months(before.change.unwrap_or_default(), &faces)?)
        }
    };
    let known: Vec<&str> =
        export.before.iter().flat_map(|before| &before.files).map(String::as_str).collect();
    let is_due = |month: &&AccountMonth| {
        let changed = touched.as_ref().is_none_or(|t| t.contains(&(month.account, month.month.clone())));
        changed || !known.contains(&file_of(month).as_str())
    };
    let due: Vec<&AccountMonth> = months.iter().filter(is_due).collect();
    let messages: u64 = due.iter().map(|m| u64::try_from(m.messages).unwrap_or(0)).sum();
    watch.total(messages);
    let mut folder = Place::begin(export)?;
    for month in due {
        write_month(export, &scope, month, &mut folder, watch)?;
    }
    watch.closing("syncing to disk");
    // A month that no longer has any message has no file either.
    let there: std::collections::BTreeSet<String> = months.iter().map(file_of).collect();
    folder.finish(export, |file| there.contains(file), messages)
}

/// `account=…/month=YYYY-MM/messages.parquet`, in which a name is written so that every reader gets it back.
fn file_of(month: &AccountMonth) -> String {
    let name: String = month
        .account_name
        .bytes()
        .map(|b| match b {
            b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z' | b'-' | b'_' | b'.' => char::from(b).to_string(),
            other => format!("%{other:02X}"),
        })
        .collect();
    format!("account={name}/month={}/messages.parquet", month.month)
}

fn write_month(
    export: &Export<'_>,
    scope: &Scope,
    month: &AccountMonth,
    folder: &mut Place,
    watch: &mut dyn Watch,
) -> Result<(), ExportError> {
    let name = file_of(month);
    let path = export.job.out.join(&name);
    let failed = |error: ParquetError| ExportError::file(&path)(std::io::Error::other(error));
    let (since, until) = bounds(&month.month);
    let scope = Scope {
        account: Some(month.account),
        ids: Some(month.ids),
        since_ms: scope.since_ms.max(since),
        until_ms: match (scope.until_ms, until) {
            (Some(one), Some(other)) => Some(one.min(other)),
            (one, other) => one.or(other),
        },
        ..*scope
    };
    let columns: Vec<ColumnType<'_>> = COLUMNS.iter().map(|column| column.column_type()).collect();
    let file = folder.create(&name)?;
    let mut rows = ColumnarFile::begin(file, "message_log", &columns, FORMAT).map_err(failed)?;
    export.snapshot.messages(&scope, |message| {
        watch.step()?;
        let cells = COLUMNS.iter().map(|column| (column.cell)(message));
        rows.add(cells, |out| message.raw_into(out)).map_err(failed)
    })?;
    let mut file = rows.end().map_err(failed)?;
    file.flush().map_err(ExportError::file(&path))
}

/// The first moment of a month and the first after it; `None` where a calendar has none.
pub(crate) fn bounds(month: &str) -> (Option<i64>, Option<i64>) {
    let first = chrono::NaiveDate::parse_from_str(&format!("{month}-01"), "%Y-%m-%d").ok();
    let next = first.and_then(|first| first.checked_add_months(chrono::Months::new(1)));
    let ms = |day: Option<chrono::NaiveDate>| Some(day?.and_hms_opt(0, 0, 0)?.and_utc().timestamp_millis());
    // The first and the last month have all that was before and after.
    (ms(first).filter(|_| month != "0000-01"), ms(next).filter(|_| month != "9999-12"))
}
