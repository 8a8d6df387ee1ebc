//! The columns of a message in CSV, Parquet and JSON Lines: those of the view `message_log`.

use crate::core::Ms;
use crate::store::ExportRow;

/// What a column holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ColumnKind {
    Text,
    Number,
    Time,
    Truth,
}

/// What a message has in a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ColumnValue<'a> {
    Null,
    Text(&'a str),
    /// A text in parts.
    Parts([&'a str; 3]),
    Number(i64),
    Time(Ms),
    Truth(bool),
    /// A text that is JSON.
    Json(&'a str),
    /// The JSON as served, which [`ExportRow::raw_into`] writes.
    Raw,
}

/// A column.
#[derive(Debug)]
pub struct MessageColumn {
    /// Its name in `message_log`.
    pub name: &'static str,
    #[cfg_attr(not(feature = "parquet"), expect(dead_code, reason = "only Parquet has types"))]
    pub(crate) kind: ColumnKind,
    /// Whether every message has a value.
    #[cfg_attr(not(feature = "parquet"), expect(dead_code, reason = "only Parquet has types"))]
    pub(crate) required: bool,
    pub(crate) cell: for<'a> fn(&ExportRow<'a>) -> ColumnValue<'a>,
}

impl MessageColumn {
    const fn of(
        name: &'static str,
        kind: ColumnKind,
        required: bool,
        cell: for<'a> fn(&ExportRow<'a>) -> ColumnValue<'a>,
    ) -> Self {
        Self { name, kind, required, cell }
    }

    #[cfg(feature = "parquet")]
    pub(crate) fn column_type(&self) -> super::columnar::ColumnType<'static> {
        super::columnar::ColumnType { name: self.name, kind: self.kind, required: self.required }
    }
}

fn text(text: Option<&str>) -> ColumnValue<'_> {
    text.map_or(ColumnValue::Null, ColumnValue::Text)
}

/// All columns, in the order of the view.
pub const COLUMNS: &[MessageColumn] = {
    use ColumnKind::{Number, Text, Time, Truth};
    &[
        MessageColumn::of("account", Text, true, |m| ColumnValue::Text(m.account)),
        MessageColumn::of("conversation_id", Text, false, |m| text(m.conversation_id)),
        MessageColumn::of("conversation", Text, false, |m| text(m.conversation)),
        MessageColumn::of("entity_urn", Text, false, |m| {
            m.fields.urn.map_or(ColumnValue::Null, ColumnValue::Parts)
        }),
        MessageColumn::of("sent_at_ms", Number, true, |m| ColumnValue::Number(m.sent_at_ms)),
        MessageColumn::of("sent_at", Time, true, |m| ColumnValue::Time(m.sent_at_ms)),
        MessageColumn::of("sender", Text, true, |m| ColumnValue::Text(m.fields.name)),
        MessageColumn::of("from_me", Truth, false, |m| {
            m.from_me.map_or(ColumnValue::Null, |mine| ColumnValue::Truth(mine == 1))
        }),
        MessageColumn::of("message_type", Text, true, |m| ColumnValue::Text(m.fields.kind)),
        MessageColumn::of("text", Text, true, |m| ColumnValue::Text(m.fields.text)),
        MessageColumn::of("versions", Number, true, |m| ColumnValue::Number(m.versions)),
        MessageColumn::of("gone_since", Time, false, |m| {
            m.gone_since_ms.map_or(ColumnValue::Null, ColumnValue::Time)
        }),
        MessageColumn::of("raw", Text, true, |_| ColumnValue::Raw),
        MessageColumn::of("message_id", Number, true, |m| ColumnValue::Number(m.id.0)),
        MessageColumn::of("source", Text, true, |m| ColumnValue::Text(m.source.unwrap_or("api"))),
        MessageColumn::of("subject", Text, false, |m| text(m.subject)),
        MessageColumn::of("attachments", Text, true, |m| ColumnValue::Json(m.attachments.unwrap_or("[]"))),
    ]
};
