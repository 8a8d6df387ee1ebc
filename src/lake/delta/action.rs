//! What a commit of a Delta table says: its actions, as the protocol's JSON has them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::path;
use crate::core::Ms;
use crate::lake::LakeError;

/// One line of a commit.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub enum TableAction {
    /// Who committed, and why.
    #[serde(rename = "commitInfo")]
    Info(CommitInfo),
    /// What a program must know to read or write the table.
    #[serde(rename = "protocol")]
    Protocol(TableProtocol),
    /// The table's columns and properties, from here on.
    #[serde(rename = "metaData")]
    Metadata(Box<TableMetadata>),
    /// How far an application has come.
    #[serde(rename = "txn")]
    Txn(AppTransaction),
    /// A file that no longer belongs to the table.
    #[serde(rename = "remove")]
    Remove(RemoveFile),
    /// A file that belongs to the table from here on.
    #[serde(rename = "add")]
    Add(AddFile),
}

/// The versions of the protocol that a table needs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TableProtocol {
    /// What a reader must know at least.
    pub min_reader_version: i32,
    /// What a writer must know at least.
    pub min_writer_version: i32,
    /// Features that a reader must know, from version 3.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reader_features: Option<Vec<String>>,
    /// Features that a writer must know, from version 7.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub writer_features: Option<Vec<String>>,
}

impl TableProtocol {
    /// What archiver's own tables need: reader 1, writer 2.
    #[must_use]
    pub const fn ours() -> Self {
        Self { min_reader_version: 1, min_writer_version: 2, reader_features: None, writer_features: None }
    }
}

/// A table's columns and properties.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TableMetadata {
    /// The table's GUID.
    pub id: String,
    /// Its name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// What it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// How its files are written.
    #[serde(default)]
    pub format: TableFormat,
    /// Its columns, as a JSON string.
    pub schema_string: String,
    /// The columns that it is partitioned by.
    #[serde(default)]
    pub partition_columns: Vec<String>,
    /// When this was said (ms).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created_time: Option<Ms>,
    /// Its properties.
    #[serde(default)]
    pub configuration: BTreeMap<String, String>,
}

/// How a table's files are written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TableFormat {
    /// `parquet`.
    pub provider: String,
    /// None, nowadays.
    #[serde(default)]
    pub options: BTreeMap<String, String>,
}

impl Default for TableFormat {
    fn default() -> Self {
        Self { provider: "parquet".to_owned(), options: BTreeMap::new() }
    }
}

/// A file of a table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AddFile {
    /// Where it is: a URI relative to the table. `AddFile::key` decodes it.
    pub path: String,
    /// The values of the partition columns.
    #[serde(default)]
    pub partition_values: NamedValues,
    /// Its size in bytes.
    pub size: u64,
    /// When it was written (ms).
    pub modification_time: Ms,
    /// Whether it changes what the table says, or only rearranges it.
    #[serde(default = "yes")]
    pub data_change: bool,
    /// Counts, minima and maxima, as a JSON string.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stats: Option<String>,
    /// Anything else.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tags: Option<NamedValues>,
}

impl AddFile {
    /// Its key, relative to the table.
    #[must_use]
    pub fn key(&self) -> String {
        path::decoded(&self.path)
    }

    /// The action that takes it out of the table.
    #[must_use]
    pub fn removed(&self, now: Ms, data_change: bool) -> RemoveFile {
        RemoveFile {
            path: self.path.clone(),
            deletion_timestamp: Some(now),
            data_change,
            extended_file_metadata: Some(true),
            partition_values: Some(self.partition_values.clone()),
            size: Some(self.size),
        }
    }
}

/// A file that no longer belongs to a table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RemoveFile {
    /// Where it was, as in the action that added it.
    pub path: String,
    /// When it was removed (ms).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deletion_timestamp: Option<Ms>,
    /// Whether this changes what the table says.
    #[serde(default = "yes")]
    pub data_change: bool,
    /// Whether the rest is there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub extended_file_metadata: Option<bool>,
    /// The values of the partition columns.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub partition_values: Option<NamedValues>,
    /// Its size in bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size: Option<u64>,
}

impl RemoveFile {
    /// Its key, relative to the table.
    #[must_use]
    pub fn key(&self) -> String {
        path::decoded(&self.path)
    }
}

/// How far an application has come.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AppTransaction {
    /// Which application.
    pub app_id: String,
    /// How far, as it counts.
    pub version: i64,
    /// When (ms).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_updated: Option<Ms>,
}

/// Who committed, and why.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CommitInfo {
    /// When (ms).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timestamp: Option<Ms>,
    /// What was done, such as `WRITE`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub operation: Option<String>,
    /// With which parameters.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub operation_parameters: BTreeMap<String, serde_json::Value>,
    /// Whether files were only added, whatever the table held.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub is_blind_append: Option<bool>,
    /// By which program.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub engine_info: Option<String>,
    /// Of this attempt, and of no other.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub txn_id: Option<String>,
}

impl CommitInfo {
    /// Anything may stand there, as anything may write it: what is not understood is left out.
    fn read(value: &serde_json::Value) -> Self {
        let text = |name: &str| value.get(name).and_then(|v| v.as_str()).map(str::to_owned);
        let parameters = value.get("operationParameters").and_then(|v| v.as_object());
        Self {
            timestamp: value.get("timestamp").and_then(serde_json::Value::as_i64),
            operation: text("operation"),
            operation_parameters: parameters
                .map(|p| p.iter().map(|(k, v)| (k.clone(), v.clone())).collect())
                .unwrap_or_default(),
            is_blind_append: value.get("isBlindAppend").and_then(serde_json::Value::as_bool),
            engine_info: text("engineInfo"),
            txn_id: text("txnId"),
        }
    }
}

/// Values by name, in the order of their names: less memory than a map where there are only a few.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(from = "BTreeMap<String, Option<String>>", into = "BTreeMap<String, Option<String>>")]
pub struct NamedValues(Box<[(String, Option<String>)]>);

impl NamedValues {
    /// A value; `None` where it is null, which an empty one is as well.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        let (_, value) = self.0.iter().find(|(known, _)| known == name)?;
        value.as_deref().filter(|value| !value.is_empty())
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = (&str, Option<&str>)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_deref()))
    }
}

impl From<BTreeMap<String, Option<String>>> for NamedValues {
    fn from(values: BTreeMap<String, Option<String>>) -> Self {
        Self(values.into_iter().collect())
    }
}

impl From<NamedValues> for BTreeMap<String, Option<String>> {
    fn from(values: NamedValues) -> Self {
        values.0.into_iter().collect()
    }
}

impl FromIterator<(String, Option<String>)> for NamedValues {
    fn from_iter<I: IntoIterator<Item = (String, Option<String>)>>(values: I) -> Self {
        values.into_iter().collect::<BTreeMap<_, _>>().into()
    }
}

/// A line of a commit, as it is read: members and actions that are unknown do not matter (the protocol's version says
/// when they would).
#[derive(Deserialize)]
struct ActionLine {
    protocol: Option<TableProtocol>,
    #[serde(rename = "metaData")]
    metadata: Option<Box<TableMetadata>>,
    txn: Option<AppTransaction>,
    remove: Option<RemoveFile>,
    add: Option<AddFile>,
    #[serde(rename = "commitInfo")]
    info: Option<serde_json::Value>,
}

/// A commit's actions, from its lines.
///
/// # Errors
/// `Broken` when a line is no action.
pub fn read_commit(key: &str, bytes: &[u8]) -> Result<Vec<TableAction>, LakeError> {
    let mut actions = Vec::new();
    for (number, line) in (1_u64..).zip(bytes.split(|&b| b == b'\n')) {
        if line.iter().all(u8::is_ascii_whitespace) {
            continue;
        }
        let line: ActionLine = serde_json::from_slice(line)
            .map_err(|error| LakeError::broken(key, format!("line {number} is no action: {error}")))?;
        actions.extend(line.info.as_ref().map(|info| TableAction::Info(CommitInfo::read(info))));
        actions.extend(line.protocol.map(TableAction::Protocol));
        actions.extend(line.metadata.map(TableAction::Metadata));
        actions.extend(line.txn.map(TableAction::Txn));
        actions.extend(line.remove.map(TableAction::Remove));
        actions.extend(line.add.map(TableAction::Add));
    }
    Ok(actions)
}

/// A commit's lines, from its actions.
///
/// # Errors
/// Never, with these types.
pub fn write_commit<'a>(actions: impl IntoIterator<Item = &'a TableAction>) -> serde_json::Result<Vec<u8>> {
    let mut lines = Vec::new();
    for action in actions {
        serde_json::to_writer(&mut lines, action)?;
        lines.push(b'\n');
    }
    Ok(lines)
}

const fn yes() -> bool {
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_actions_and_members_are_passed_over() {
        let lines = br#"{"cdc":{"path":"x","size":1}}
{"domainMetadata":{"domain":"d","configuration":"","removed":false}}

{"add":{"path":"a","partitionValues":{"m":null},"size":3,"modificationTime":4,"dataChange":true,"new":[1]}}
{"remove":{"path":"b"}}
{"commitInfo":{"timestamp":"soon","operation":7,"txnId":"t","operationParameters":"none"}}"#;
        let actions = read_commit("0.json", lines).unwrap();
        let [TableAction::Add(add), TableAction::Remove(remove), TableAction::Info(info)] = &actions[..]
        else {
            panic!("{actions:?}")
        };
        assert_eq!((add.partition_values.get("m"), add.size), (None, 3));
        assert!(remove.data_change, "the table may have changed unless it says otherwise");
        assert_eq!((info.txn_id.as_deref(), info.timestamp), (Some("t"), None));
    }

    #[test]
    fn a_line_that_is_cut_off_is_named() {
        let error =
            read_commit("0.json", b"{\"txn\":{\"appId\":\"a\",\"version\":1}}\n{\"add\":{").unwrap_err();
        assert!(error.to_string().starts_with("0.json: line 2 is no action"), "{error}");
    }

    #[test]
    fn actions_are_written_as_the_protocol_has_them() {
        let add = AddFile {
            path: "m=1/a%20b.parquet".to_owned(),
            partition_values: [("m".to_owned(), Some("1".to_owned())), ("a".to_owned(), None)]
                .into_iter()
                .collect(),
            size: 5,
            modification_time: 6,
            data_change: true,
            stats: Some("{\"numRecords\":1}".to_owned()),
            tags: None,
        };
        let actions = [
            TableAction::Protocol(TableProtocol::ours()),
            TableAction::Txn(AppTransaction { app_id: "a".to_owned(), version: 7, last_updated: None }),
            TableAction::Remove(add.removed(9, false)),
            TableAction::Add(add),
        ];
        let text = String::from_utf8(write_commit(&actions).unwrap()).unwrap();
        assert_eq!(
            text,
            r#"{"protocol":{"minReaderVersion":1,"minWriterVersion":2}}
{"txn":{"appId":"a","version":7}}
{"remove":{"path":"m=1/a%20b.parquet","deletionTimestamp":9,"dataChange":false,"extendedFileMetadata":true,"partitionValues":{"a":null,"m":"1"},"size":5}}
{"add":{"path":"m=1/a%20b.parquet","partitionValues":{"a":null,"m":"1"},"size":5,"modificationTime":6,"dataChange":true,"stats":"{\"numRecords\":1}"}}
"#
        );
        assert_eq!(read_commit("0.json", text.as_bytes()).unwrap(), actions);
    }
}
