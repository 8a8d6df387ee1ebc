//! The tables of a lake: their columns, partitions and keys.

use std::collections::BTreeMap;

use serde_json::json;

use super::delta::action::{TableFormat, TableMetadata};
use crate::core::Ms;
use crate::core::timeline::stall::Stall;
use crate::export::columnar::ColumnType;
use crate::export::columns::{COLUMNS, ColumnKind, ColumnValue};
use crate::store::{LakeRows, TableValue};

/// Where the rows of a table come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RowSource {
    /// The messages as they are.
    Messages,
    /// Another table.
    Rows(LakeRows),
}

/// A table of a lake.
#[derive(Debug)]
pub(crate) struct LakeTable {
    /// Its name, which is its folder's, too.
    pub(crate) name: &'static str,
    /// What it holds, for its readers.
    description: &'static str,
    /// The columns that its files are apart by. `archive_id` is the first.
    pub(crate) partitioned_by: &'static [&'static str],
    /// The other columns. The first number in them is what its rows are in the order of, and its files hold ranges of.
    pub(crate) columns: Vec<ColumnType<'static>>,
    /// The name of that column.
    pub(crate) key: &'static str,
    pub(crate) source: RowSource,
}

const ACCOUNT: &str = "account";
/// The column with a message's time.
pub(crate) const SENT_AT: &str = "sent_at_ms";

const fn of(name: &'static str, kind: ColumnKind) -> ColumnType<'static> {
    ColumnType { name, kind, required: false }
}

/// All tables, in the order in which they are pushed: what names conversations comes last.
pub(crate) fn tables() -> [LakeTable; 6] {
    use ColumnKind::{Number, Text, Time, Truth};
    let messages = COLUMNS.iter().map(|column| ColumnType { required: false, ..column.column_type() });
    let by_account: &[&str] = &["archive_id", ACCOUNT];
    [
        LakeTable {
            name: "messages",
            description: "Messages as they are now, as message_log of each archive has them",
            partitioned_by: &["archive_id", ACCOUNT, "month"],
            columns: messages.filter(|column| column.name != ACCOUNT).collect(),
            key: "message_id",
            source: RowSource::Messages,
        },
        LakeTable {
            name: "message_versions",
            description: "Former versions of messages, numbered from 1",
            partitioned_by: by_account,
            columns: vec![
                of("message_id", Number),
                of("version", Number),
                of("replaced_at", Time),
                of("edited", Truth),
                of("conversation_id", Text),
                of("conversation", Text),
                of("entity_urn", Text),
                of("sent_at_ms", Number),
                of("sent_at", Time),
                of("sender", Text),
                of("from_me", Truth),
                of("message_type", Text),
                of("text", Text),
                of("raw", Text),
            ],
            key: "message_id",
            source: RowSource::Rows(LakeRows::Versions),
        },
        LakeTable {
            name: "gaps",
            description: "Stretches in which messages may be missing, as gap_log of each archive has them",
            partitioned_by: by_account,
            columns: vec![
                of("gap_id", Number),
                of("conversation_id", Text),
                of("conversation", Text),
                of("newer_ms", Number),
                of("older_ms", Number),
                of("opened_at", Time),
                of("stall_code", Text),
                of("stalled", Text),
            ],
            key: "gap_id",
            source: RowSource::Rows(LakeRows::Gaps),
        },
        LakeTable {
            name: "runs",
            description: "Runs and what they spent, as run_log of each archive has them",
            partitioned_by: &["archive_id"],
            columns: vec![
                of("run_id", Number),
                of("started_at", Time),
                of("finished_at", Time),
                of("kind", Text),
                of("trigger", Text),
                of("outcome", Text),
                of("requests", Number),
                of("new_messages", Number),
                of("credits_reserved", Number),
                of("credits_spent", Number),
            ],
            key: "run_id",
            source: RowSource::Rows(LakeRows::Runs),
        },
        LakeTable {
            name: "requests",
            description: "Requests and their credits, as request_log of each archive has them",
            partitioned_by: by_account,
            columns: vec![
                of("request_id", Number),
                of("run_id", Number),
                of("at", Time),
                of("endpoint", Text),
                of("purpose", Text),
                of("conversation_id", Text),
                of("asked", Number),
                of("returned", Number),
                of("new_messages", Number),
                of("credits_reserved", Number),
                of("credits_spent", Number),
                of("http_status", Number),
                of("error", Text),
            ],
            key: "request_id",
            source: RowSource::Rows(LakeRows::Requests),
        },
        LakeTable {
            name: "conversations",
            description: "Conversations, as conversation_log of each archive has them",
            partitioned_by: by_account,
            columns: vec![
                of("conversation_row", Number),
                of("conversation_id", Text),
                of("profile_url", Text),
                of("name", Text),
                of("messages", Number),
                of("oldest_at", Time),
                of("newest_at", Time),
                of("gaps", Number),
                of("complete", Truth),
                of("last_synced_at", Time),
                of("unread", Number),
                of("last_error", Text),
                of("headline", Text),
                of("picture_url", Text),
            ],
            key: "conversation_row",
            source: RowSource::Rows(LakeRows::Conversations),
        },
    ]
}

impl LakeTable {
    /// The table as Delta describes it.
    pub(crate) fn metadata(&self, id: String, now: Ms) -> TableMetadata {
        TableMetadata {
            id,
            name: Some(self.name.to_owned()),
            description: Some(self.description.to_owned()),
            format: TableFormat { provider: "parquet".to_owned(), options: BTreeMap::new() },
            schema_string: json!({"type": "struct", "fields": self.fields()}).to_string(),
            partition_columns: self.partitioned_by.iter().map(|name| (*name).to_owned()).collect(),
            created_time: Some(now),
            configuration: [
                ("delta.logRetentionDuration", "interval 7 days".to_owned()),
                ("delta.deletedFileRetentionDuration", "interval 7 days".to_owned()),
                // Others that compact the table would write the least and the greatest text into the log.
                ("delta.dataSkippingStatsColumns", self.counted().join(",")),
            ]
            .map(|(key, value)| (key.to_owned(), value))
            .into(),
        }
    }

    fn fields(&self) -> Vec<serde_json::Value> {
        let field =
            |name: &str, kind: &str| json!({"name": name, "type": kind, "nullable": true, "metadata": {}});
        let apart = self.partitioned_by.iter().map(|name| field(name, "string"));
        let others = self.columns.iter().map(|column| {
            let kind = match column.kind {
                ColumnKind::Text => "string",
                ColumnKind::Number => "long",
                ColumnKind::Time => "timestamp",
                ColumnKind::Truth => "boolean",
            };
            field(column.name, kind)
        });
        apart.chain(others).collect()
    }

    /// The schema of a table that was made by another version of this program, with the columns that this one adds;
    /// `None` when it has them all.
    pub(crate) fn with_new_columns(&self, schema: &str) -> Option<String> {
        let mut schema: serde_json::Value = serde_json::from_str(schema).ok()?;
        let known: Vec<String> = schema
            .get("fields")?
            .as_array()?
            .iter()
            .filter_map(|f| Some(f.get("name")?.as_str()?.to_owned()))
            .collect();
        let added: Vec<_> = self
            .fields()
            .into_iter()
            .filter(|field| {
                !known.iter().any(|name| field.get("name").and_then(|n| n.as_str()) == Some(name.as_str()))
            })
            .collect();
        if added.is_empty() {
            return None;
        }
        schema.get_mut("fields")?.as_array_mut()?.extend(added);
        Some(schema.to_string())
    }

    /// The columns that the log says the bounds of: none in which anybody wrote something.
    pub(crate) fn counted(&self) -> Vec<&'static str> {
        let is_timed = self.columns.iter().any(|column| column.name == SENT_AT);
        std::iter::once(self.key).chain(is_timed.then_some(SENT_AT)).collect()
    }

    /// Where in the columns the key is.
    pub(crate) fn key_at(&self) -> usize {
        self.columns.iter().position(|column| column.name == self.key).unwrap_or_default()
    }

    /// The cells of a row as the archive shows it. Why a gap gets no further is a code and a detail there.
    pub(crate) fn cells<'a>(
        &self,
        row: &'a [(&str, TableValue<'_>)],
        stalled: &'a mut String,
    ) -> Vec<ColumnValue<'a>> {
        let text = |name: &str| {
            row.iter().find_map(|(column, value)| match value {
                TableValue::Text(text) if *column == name => Some(*text),
                _ => None,
            })
        };
        if self.source == RowSource::Rows(LakeRows::Gaps) {
            let why = text("stall_code").and_then(|code| Stall::from_code(code, text("stall_detail")));
            *stalled = why.map(|why| why.to_string()).unwrap_or_default();
        }
        let stalled = Some(stalled.as_str()).filter(|text| !text.is_empty());
        let cell = |column: &ColumnType<'_>| {
            if column.name == "stalled" {
                return stalled.map_or(ColumnValue::Null, ColumnValue::Text);
            }
            let value = row.iter().find(|(name, _)| *name == column.name).map(|(_, value)| *value);
            match (column.kind, value) {
                (ColumnKind::Number, Some(TableValue::Int(n))) => ColumnValue::Number(n),
                (ColumnKind::Time, Some(TableValue::Int(at))) => ColumnValue::Time(at),
                (ColumnKind::Truth, Some(TableValue::Int(n))) => ColumnValue::Truth(n != 0),
                (ColumnKind::Text, Some(TableValue::Text(text))) => ColumnValue::Text(text),
                _ => ColumnValue::Null,
            }
        };
        self.columns.iter().map(cell).collect()
    }
}
