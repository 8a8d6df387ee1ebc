//! Whether an archive has the tables, indexes and views that this program makes, and nothing else.
//!
//! A view in a table's place can be endless, and a trigger can undo what the ledger books. So this is seen to before
//! anything else is read. Archives that were migrated have the same statements as new ones but for quotes and layout.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use rusqlite::Connection;

use crate::store::query::Statements as _;
use crate::store::schema::migrate;
use crate::store::{Result, SCHEMA, SCHEMA_VERSION};

/// Statements by kind and name, without comments, quotes and layout.
type Definitions = BTreeMap<String, String>;

/// An object of the schema, such as `view gap_log`, and how it differs.
pub(crate) type Difference = (String, &'static str);

static CURRENT: LazyLock<Definitions> = LazyLock::new(|| {
    let code = SCHEMA.lines().map(without_comment).collect::<Vec<_>>().join("\n");
    let statements = code.trim_end().trim_end_matches(';').split(";\n");
    statements.filter_map(|statement| Some((name_of(statement)?, plain(statement)))).collect()
});

/// How an archive's schema differs from the one that its version has.
pub(crate) fn differences(db: &Connection, version: i64) -> Result<Vec<Difference>> {
    let mut wanted = match version {
        SCHEMA_VERSION => CURRENT.clone(),
        older => {
            let mut made = Connection::open_in_memory()?;
            migrate::create(&mut made, older)?;
            objects(&made)?
        }
    };
    let mut there = objects(db)?;
    if version < SCHEMA_VERSION {
        // A migration makes them anew and does not read them.
        there.retain(|object, _| !object.starts_with("view"));
        wanted.retain(|object, _| !object.starts_with("view"));
    }
    let mut differences = Vec::new();
    for (object, there) in there {
        let what = match wanted.remove(&object) {
            Some(made) if made == there => continue,
            None => "is not this program's",
            Some(_) if object.starts_with("table") => "has other columns or references",
            Some(_) if object.starts_with("index") => "is of other columns",
            Some(_) => "is not as this version makes it",
        };
        differences.push((object, what));
    }
    differences.extend(wanted.into_keys().map(|object| (object, "is missing")));
    Ok(differences)
}

fn objects(db: &Connection) -> Result<Definitions> {
    let rows: Vec<(String, String, Option<String>)> =
        db.all("SELECT type, name, sql FROM sqlite_schema", [])?;
    let is_own = |kind: &str, name: &str| {
        // What SQLite keeps for itself comes and goes with ANALYZE, autoincrement and full text.
        let kept = ["sqlite_sequence", "sqlite_stat1", "sqlite_stat4"].contains(&name);
        let full_text = ["messages_fts_", "messages_cjk_fts_", "messages_runs_"];
        let parts = ["data", "idx", "content", "docsize", "config"];
        let part = full_text.iter().find_map(|index| name.strip_prefix(index));
        kind == "table" && (kept || part.is_some_and(|part| parts.contains(&part)))
            || kind == "index" && name.starts_with("sqlite_autoindex_")
    };
    let foreign = rows.into_iter().filter(|(kind, name, _)| !is_own(kind, name));
    Ok(foreign.map(|(kind, name, sql)| (format!("{kind} {name}"), plain(&sql.unwrap_or_default()))).collect())
}

/// The kind and name of what a statement creates.
fn name_of(statement: &str) -> Option<String> {
    let words: Vec<&str> = statement.split_whitespace().collect();
    let (kind, name) = match words.as_slice() {
        ["CREATE", "TABLE", name, ..] | ["CREATE", "VIRTUAL", "TABLE", name, ..] => ("table", name),
        ["CREATE", "INDEX", name, ..] | ["CREATE", "UNIQUE", "INDEX", name, ..] => ("index", name),
        ["CREATE", "VIEW", name, ..] => ("view", name),
        _ => return None,
    };
    Some(format!("{kind} {name}"))
}

fn without_comment(line: &str) -> &str {
    line.split("--").next().unwrap_or_default()
}

/// A statement without comments, quotes and layout. The columns of a table are sorted: a migration adds them at the end.
fn plain(statement: &str) -> String {
    let mut plain = String::with_capacity(statement.len());
    for line in statement.lines() {
        plain.extend(without_comment(line).chars().filter(|c| !c.is_whitespace() && !"\"'".contains(*c)));
    }
    let columns = plain.split_once('(').zip(plain.rsplit_once(')')).map(|((_, rest), _)| rest);
    match columns.filter(|_| plain.starts_with("CREATETABLE")) {
        Some(columns) => {
            let (head, mut parts) = (plain.len() - columns.len(), vec![String::new()]);
            let mut depth = 0_i32;
            for c in columns.chars() {
                depth += i32::from(c == '(') - i32::from(c == ')');
                match (c, depth, parts.last_mut()) {
                    (',', 0, _) => parts.push(String::new()),
                    (_, _, Some(part)) => part.push(c),
                    _ => {}
                }
            }
            parts.sort();
            plain.truncate(head);
            plain + &parts.join(",")
        }
        None => plain,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn archives_of_every_version_have_their_versions_shape() {
        for version in 1..=SCHEMA_VERSION {
            let mut db = Connection::open_in_memory().unwrap();
            migrate::create(&mut db, version).unwrap();
            assert_eq!(differences(&db, version).unwrap(), []);
            migrate::migrate(&mut db).unwrap();
            assert_eq!(differences(&db, SCHEMA_VERSION).unwrap(), [], "migrated from {version}");
        }
    }
}
