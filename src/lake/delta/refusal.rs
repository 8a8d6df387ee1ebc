//! Which tables archiver does not touch: those whose writers owe more than it does.

use super::action::{TableMetadata, TableProtocol};
use crate::lake::LakeError;

/// The versions of the protocol that archiver reads and writes.
const READER: i32 = 1;
const WRITER: i32 = 2;

/// Properties that bind a writer when they are `true`.
const SWITCHES: [&str; 8] = [
    "delta.appendOnly",
    "delta.enableChangeDataFeed",
    "delta.enableDeletionVectors",
    "delta.enableInCommitTimestamps",
    "delta.enableRowTracking",
    "delta.enableIcebergCompatV1",
    "delta.enableIcebergCompatV2",
    "delta.enableTypeWidening",
];
/// What a column's metadata may say that binds a writer.
const OF_COLUMNS: [&str; 5] = [
    "delta.invariants",
    "delta.generationExpression",
    "delta.identity.",
    "delta.columnMapping.",
    "CURRENT_DEFAULT",
];

/// Refuses a table that needs what archiver does not do.
///
/// # Errors
/// `Refused`, with the property's name.
pub fn refuse_unsupported(
    root: &str,
    protocol: &TableProtocol,
    metadata: &TableMetadata,
) -> Result<(), LakeError> {
    let TableProtocol { min_reader_version: reader, min_writer_version: writer, .. } = *protocol;
    if reader > READER || writer > WRITER {
        let features: Vec<&str> = [&protocol.reader_features, &protocol.writer_features]
            .into_iter()
            .flatten()
            .flatten()
            .map(String::as_str)
            .collect();
        let features =
            if features.is_empty() { String::new() } else { format!(" (features: {})", features.join(", ")) };
        return Err(LakeError::refused(
            format!(
                "the Delta table {root:?} needs protocol version {reader} for readers and {writer} for \
                 writers{features}; archiver has {READER} and {WRITER}"
            ),
            "write into another lake, or drop what raised the version (ALTER TABLE … DROP FEATURE)",
        ));
    }
    if metadata.format.provider != "parquet" {
        return Err(LakeError::refused(
            format!("the Delta table {root:?} is made of {:?} files", metadata.format.provider),
            "write into another lake; archiver writes Parquet",
        ));
    }
    match binding_property(metadata) {
        None => Ok(()),
        Some(property) => Err(LakeError::refused(
            format!("the Delta table {root:?} has {property}, which archiver cannot honour"),
            format!("remove {property} from the table, or write into another lake"),
        )),
    }
}

fn binding_property(metadata: &TableMetadata) -> Option<String> {
    for (name, value) in &metadata.configuration {
        let switched_on = SWITCHES.contains(&name.as_str()) && value.eq_ignore_ascii_case("true");
        let mapped = name == "delta.columnMapping.mode" && !value.eq_ignore_ascii_case("none");
        if switched_on || mapped {
            return Some(format!("the property {name}={value}"));
        }
        if name.starts_with("delta.constraints.") {
            return Some(format!("the constraint {name}"));
        }
    }
    // A schema that is no JSON is the business of who plans a commit, who compares it.
    let schema: serde_json::Value = serde_json::from_str(&metadata.schema_string).ok()?;
    of_fields(&schema)
}

/// The first column that binds a writer, however deep.
fn of_fields(kind: &serde_json::Value) -> Option<String> {
    let inner = ["type", "elementType", "keyType", "valueType"].iter().filter_map(|name| kind.get(name));
    let fields = kind.get("fields").and_then(|fields| fields.as_array()).into_iter().flatten();
    for field in fields {
        let column = field.get("name").and_then(|name| name.as_str()).unwrap_or_default();
        for name in field.get("metadata").and_then(|m| m.as_object()).into_iter().flat_map(|m| m.keys()) {
            if OF_COLUMNS.iter().any(|bound| name.starts_with(bound)) {
                return Some(format!("{name} on the column {column:?}"));
            }
        }
        if let Some(found) = of_fields(field) {
            return Some(found);
        }
    }
    inner.filter(|inner| inner.is_object()).find_map(of_fields)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(protocol: &TableProtocol, property: Option<(&str, &str)>, schema: &str) -> Option<String> {
        let metadata = TableMetadata {
            id: String::new(),
            name: None,
            description: None,
            format: super::super::action::TableFormat::default(),
            schema_string: schema.to_owned(),
            partition_columns: Vec::new(),
            created_time: None,
            configuration: property.into_iter().map(|(k, v)| (k.to_owned(), v.to_owned())).collect(),
        };
        match refuse_unsupported("messages", protocol, &metadata) {
            Ok(()) => None,
            Err(LakeError::Refused { message, .. }) => Some(message),
            Err(other) => panic!("{other}"),
        }
    }

    #[test]
    fn tables_that_bind_their_writers_are_refused_by_name() {
        let ours = TableProtocol::ours();
        for (name, value) in [
            ("delta.appendOnly", "true"),
            ("delta.enableChangeDataFeed", "TRUE"),
            ("delta.columnMapping.mode", "name"),
            ("delta.constraints.positive", "n > 0"),
        ] {
            let message = refused(&ours, Some((name, value)), "{}").unwrap();
            assert!(message.contains(name), "{message}");
        }
        for (name, value) in [
            ("delta.appendOnly", "false"),
            ("delta.columnMapping.mode", "none"),
            ("delta.logRetentionDuration", "interval 7 days"),
        ] {
            assert_eq!(refused(&ours, Some((name, value)), "{}"), None);
        }
        let later =
            TableProtocol { min_writer_version: 7, writer_features: Some(vec!["x".to_owned()]), ..ours };
        assert!(refused(&later, None, "{}").unwrap().contains("features: x"));
    }

    #[test]
    fn a_column_that_binds_its_writers_is_found_however_deep() {
        let schema = r#"{"type":"struct","fields":[{"name":"a","type":{"type":"array","elementType":
            {"type":"struct","fields":[{"name":"b","type":"long","metadata":{"delta.invariants":"{}"}}]}},
            "metadata":{"comment":"fine"}}]}"#;
        let message = refused(&TableProtocol::ours(), None, schema).unwrap();
        assert!(message.contains("delta.invariants on the column \"b\""), "{message}");
    }
}
