//! The tables other than `message`, row by row, with the names of their columns.

use std::fmt::Write as _;

use rusqlite::Params;
use rusqlite::types::ValueRef;

use crate::core::hash;
use crate::store::Result;
use crate::store::StoreError;
use crate::store::read::message::{CHOSEN, Scope};
use crate::store::read::snapshot::Snapshot;

/// A value of a row.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum TableValue<'a> {
    /// Null.
    Null,
    /// A whole number.
    Int(i64),
    /// A number.
    Real(f64),
    /// A text.
    Text(&'a str),
}

/// A table: its name, the order of its rows, and which of them belong to one conversation (`None`: none of them).
type Table = (&'static str, &'static str, Option<&'static str>);

/// Every table but `message`, `message_version` and the full-text index, each after those that it points to.
pub const TABLES: &[Table] = &[
    ("account", "id", Some("id = (SELECT account FROM conversation WHERE id = ?1)")),
    (
        "person",
        "id",
        Some(
            "id IN (SELECT person FROM participant WHERE conversation = ?1) OR id IN (SELECT v.sender
             FROM message m JOIN message_version v ON v.message = m.id WHERE m.conversation = ?1)",
        ),
    ),
    ("conversation", "id", Some("id = ?1")),
    ("address", "account, profile_url", Some("conversation = ?1")),
    ("participant", "conversation, person", Some("conversation = ?1")),
    ("kind", "id", Some("id IN (SELECT kind FROM message WHERE conversation = ?1)")),
    ("urn_shape", "id", Some("id IN (SELECT urn_shape FROM message WHERE conversation = ?1)")),
    ("template", "id", Some("id IN (SELECT template FROM message WHERE conversation = ?1)")),
    ("inbox", "account", None),
    ("change", "seq", Some("conversation = ?1")),
    ("change_before", "seq", Some("message IN (SELECT id FROM message WHERE conversation = ?1)")),
    ("gap", "id", Some("conversation = ?1")),
    ("configuration", "id", None),
    ("run", "id", None),
    ("request", "id", None),
    ("quarantine", "id", None),
    ("import", "id", None),
    ("import_oddity", "id", None),
    ("export_cover", "id", None),
    ("balance", "id", None),
    ("event_feed", "account", None),
    ("alert", "id", None),
    ("failure", "kind", None),
    ("identity", "id", None),
    ("hold", "thread", None),
    ("erasure_key", "id", None),
    ("erasure", "id", None),
    ("erased", "id", None),
    ("erased_item", "mark", None),
    ("notice", "id", None),
    ("sink", "name", None),
    ("sqlite_sequence", "name", None),
];

/// Which rows of the tables belong to people who were chosen. Of conversations, those that they have written in.
const OF_PEOPLE: &[(&str, &str)] = &[
    ("account", "id IN (SELECT account FROM person WHERE id IN (SELECT id FROM temp.chosen_person))"),
    ("person", "id IN (SELECT id FROM temp.chosen_person)"),
    (
        "conversation",
        "id IN (SELECT conversation FROM participant WHERE person IN (SELECT id FROM temp.chosen_person))",
    ),
    ("participant", "person IN (SELECT id FROM temp.chosen_person)"),
    ("kind", "id IN (SELECT m.kind FROM message m WHERE m.sender IN (SELECT id FROM temp.chosen_person))"),
    (
        "urn_shape",
        "id IN (SELECT m.urn_shape FROM message m WHERE m.sender IN (SELECT id FROM temp.chosen_person))",
    ),
    (
        "template",
        "id IN (SELECT m.template FROM message m WHERE m.sender IN (SELECT id FROM temp.chosen_person))",
    ),
];

impl Snapshot<'_> {
    /// Shows every row of the tables but messages and their former versions. Of one conversation, only what belongs
    /// to it.
    ///
    /// # Errors
    /// When the archive cannot be read, or what `visit` fails with.
    pub fn tables<E: From<StoreError>>(
        &self,
        scope: &Scope,
        mut visit: impl FnMut(&str, &[(&str, TableValue<'_>)]) -> Result<(), E>,
    ) -> Result<(), E> {
        for (table, order, of_conversation) in TABLES {
            let of_people = OF_PEOPLE.iter().find(|(name, _)| name == table);
            let condition = match (scope.conversation, of_conversation, of_people) {
                (None, _, Some((_, condition))) if scope.chosen_people => {
                    format!("?1 IS NULL AND {condition}")
                }
                (None, _, _) if !scope.chosen_people => "?1 IS NULL".to_owned(),
                (Some(_), Some(of), Some((_, also))) if scope.chosen_people => format!("({of}) AND {also}"),
                (Some(_), Some(condition), _) if !scope.chosen_people => (*condition).to_owned(),
                _ => continue,
            };
            let sql = format!("SELECT * FROM {table} WHERE {condition} ORDER BY {order}");
            self.rows(&sql, [scope.conversation.map(|id| id.0)], |cells| visit(table, cells))?;
        }
        Ok(())
    }

    /// A number that changes when any of these rows does.
    pub fn tables_mark(&self, scope: &Scope) -> Result<i64> {
        let mut mark = 0;
        let mut line = String::new();
        self.tables(scope, |table, cells| {
            // The row before is in it, and so are all before that.
            line.clear();
            write!(line, "{mark} {table} {cells:?}").unwrap_or_default();
            mark = hash::of_text(&line);
            Ok::<(), StoreError>(())
        })?;
        Ok(mark)
    }

    /// Shows every former version of a message, in the order that they were stored; with `changed_after`, those of
    /// messages that were changed since.
    ///
    /// # Errors
    /// When the archive cannot be read, or what `visit` fails with.
    pub fn versions<E: From<StoreError>>(
        &self,
        scope: &Scope,
        visit: impl FnMut(&[(&str, TableValue<'_>)]) -> Result<(), E>,
    ) -> Result<(), E> {
        let sql = "SELECT v.* FROM message_version v JOIN message m ON m.id = v.message
             WHERE (?1 IS NULL OR m.conversation = ?1) AND (?2 IS NULL OR m.sent_at_ms >= ?2)
               AND (?3 IS NULL OR m.sent_at_ms < ?3) AND (?4 IS NULL OR m.change > ?4)";
        let of_people = if scope.chosen_people { CHOSEN } else { "1" };
        self.rows(
            &format!("{sql} AND {of_people} ORDER BY v.id"),
            [scope.conversation.map(|id| id.0), scope.since_ms, scope.until_ms, scope.changed_after],
            visit,
        )
    }

    pub(super) fn rows<E: From<StoreError>>(
        &self,
        sql: &str,
        values: impl Params,
        mut visit: impl FnMut(&[(&str, TableValue<'_>)]) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut statement = self.connection().prepare(sql).map_err(StoreError::from)?;
        let names: Vec<String> = statement.column_names().map(str::to_owned).collect();
        let mut rows = statement.query(values).map_err(StoreError::from)?;
        while let Some(row) = rows.next().map_err(StoreError::from)? {
            let cells =
                names.iter().enumerate().map(|(at, name)| Ok((name.as_str(), value_of(row.get_ref(at)?)?)));
            let cells = cells.collect::<Result<Vec<_>>>()?;
            visit(&cells)?;
        }
        Ok(())
    }
}

fn value_of(value: ValueRef<'_>) -> Result<TableValue<'_>> {
    Ok(match value {
        ValueRef::Null => TableValue::Null,
        ValueRef::Integer(n) => TableValue::Int(n),
        ValueRef::Real(n) => TableValue::Real(n),
        ValueRef::Text(_) => TableValue::Text(value.as_str().map_err(rusqlite::Error::from)?),
        ValueRef::Blob(_) => return Err(StoreError::Broken("a value is a blob".to_owned())),
    })
}
