//! What else an erasure takes: people of whom nothing is left, their names wherever they stand, and odd items.

use std::collections::{BTreeMap, BTreeSet};

use rusqlite::{Connection, params};

use crate::core::Ms;
use crate::core::model::change_kind::ChangeKind;
use crate::core::model::ids::{ConversationId, MessageId};
use crate::store::Result;
use crate::store::erase::Eraser;
use crate::store::erase::courses::Courses;
use crate::store::erase::messages::Affected;
use crate::store::erase::selection::{Selection, list};
use crate::store::query::Statements as _;
use crate::store::write::changes::{self, Changes};

/// Erases what only the erased messages had, and what was said about them elsewhere.
pub(super) fn erase(
    work: &mut Eraser<'_>,
    selection: &Selection,
    courses: &Courses,
    affected: &Affected,
) -> Result<()> {
    let mut words = unreferenced(work, affected)?;
    // Of a conversation that was chosen as a whole, nothing need be stored.
    let chosen = courses.0.keys().filter(|_| selection.conversations.is_some());
    let of_others = affected.conversations.iter().filter(|(_, of_others)| **of_others).map(|(id, _)| id);
    for conversation in of_others.chain(chosen) {
        words.extend(name_of_emptied(work, *conversation)?);
    }
    for word in words.clone() {
        words.extend(profiles_of(work.db, &word)?);
    }
    for word in &words {
        hide(work, word)?;
    }
    if !words.is_empty() {
        scrub(work, &words)?;
    }
    let whole = selection.is_stretch() && selection.before_ms.is_none();
    let threads: Vec<String> = if whole { threads(work.db, courses)? } else { Vec::new() };
    let ids: Vec<&str> = affected.urn_keys.iter().chain(&threads).map(String::as_str).collect();
    let tells =
        |item: &str| ids.iter().any(|id| item.contains(id)) || words.iter().any(|word| says(item, word));
    odd_items(work, selection, courses, &tells)
}

/// Deletes the people, templates and parts of ids that nothing points to any more; returns names and profiles that
/// nobody has now.
fn unreferenced(work: &mut Eraser<'_>, affected: &Affected) -> Result<BTreeSet<String>> {
    let db = work.db;
    // One look at all messages: there is no index that would tell.
    db.execute_batch(
        "CREATE TEMP TABLE pointed AS SELECT DISTINCT sender, kind, template, urn_shape FROM message
           UNION SELECT DISTINCT sender, kind, template, NULL FROM message_version",
    )?;
    let mut words = BTreeSet::new();
    for person in &affected.people {
        let left = "SELECT EXISTS (SELECT 1 FROM temp.pointed WHERE sender = ?1)
           OR EXISTS (SELECT 1 FROM participant WHERE person = ?1)";
        if db.one(left, [person])? {
            continue;
        }
        let (name, first, last, url): (String, Option<String>, Option<String>, Option<String>) =
            db.one("SELECT name, first_name, last_name, profile_url FROM person WHERE id = ?1", [person])?;
        db.run("DELETE FROM person WHERE id = ?1", [person])?;
        for part in [first, last].into_iter().flatten() {
            work.traces.add(&part);
        }
        words.extend([Some(name), url].into_iter().flatten().filter(|word| !word.is_empty()));
    }
    for (table, column, ids) in [
        ("template", "template", &affected.templates),
        ("urn_shape", "urn_shape", &affected.shapes),
        ("kind", "kind", &affected.kinds),
    ] {
        let ids = list(ids.iter().copied());
        let unused = format!(
            "id IN ({ids}) AND id NOT IN (SELECT {column} FROM temp.pointed WHERE {column} IS NOT NULL)"
        );
        if table == "template" {
            let traces = &mut work.traces;
            let json = format!("SELECT json FROM template WHERE {unused}");
            db.each(&json, [], |json: String| {
                traces.add(&json);
                Ok(())
            })?;
        }
        db.run(&format!("DELETE FROM {table} WHERE {unused}"), [])?;
    }
    db.execute_batch("DROP TABLE temp.pointed")?;
    let mut left = BTreeSet::new();
    for word in words {
        let others = "SELECT EXISTS (SELECT 1 FROM person WHERE name = ?1 OR profile_url = ?1)";
        if !db.one::<bool>(others, [&word])? {
            left.insert(word);
        }
    }
    Ok(left)
}

/// What a conversation that holds nothing any more was called: forgotten, unless the configuration says it.
fn name_of_emptied(work: &mut Eraser<'_>, conversation: ConversationId) -> Result<Vec<String>> {
    let db = work.db;
    let (messages, name, url): (i64, Option<String>, Option<String>) =
        db.one("SELECT messages, name, profile_url FROM conversation WHERE id = ?1", [conversation])?;
    // A dialogue in which only the owner's messages are left tells nothing of the other side either.
    let others =
        "SELECT c.is_group IS 1 OR EXISTS (SELECT 1 FROM participant x JOIN person p ON p.id = x.person
       WHERE x.conversation = c.id AND p.is_me IS NOT 1) FROM conversation c WHERE c.id = ?1";
    if messages > 0 && db.one(others, [conversation])? {
        return Ok(Vec::new());
    }
    let configured = "SELECT EXISTS (SELECT 1 FROM address WHERE conversation = ?1 AND profile_url = ?2)";
    let url = match url {
        Some(url) if db.one(configured, params![conversation, url])? => None,
        url => url,
    };
    db.run(
        "UPDATE conversation SET name = NULL, headline = NULL, picture_url = NULL, unread = NULL,
           profile_url = CASE WHEN profile_url = ?2 THEN NULL ELSE profile_url END WHERE id = ?1",
        params![conversation, url],
    )?;
    let mut words: Vec<String> = [name, url].into_iter().flatten().filter(|word| !word.is_empty()).collect();
    let mut left = Vec::new();
    for word in words.drain(..) {
        let others = "SELECT EXISTS (SELECT 1 FROM person WHERE name = ?1 OR profile_url = ?1)
           OR EXISTS (SELECT 1 FROM conversation WHERE messages > 0 AND (name = ?1 OR profile_url = ?1))";
        if !db.one::<bool>(others, [&word])? {
            left.push(word);
        }
    }
    Ok(left)
}

/// The profiles of conversations that are named after somebody, but for those that the configuration names.
fn profiles_of(db: &Connection, name: &str) -> Result<Vec<String>> {
    db.all(
        "SELECT DISTINCT profile_url FROM conversation c WHERE name = ?1 AND profile_url IS NOT NULL AND is_group IS NOT 1
           AND NOT EXISTS (SELECT 1 FROM address a WHERE a.conversation = c.id AND a.profile_url = c.profile_url)",
        [name],
    )
}

/// Keeps a mark of a name, a profile or an item, so that it is not stored again.
fn hide(work: &mut Eraser<'_>, item: &str) -> Result<()> {
    work.traces.add(item);
    let (id, key) = &work.key;
    work.db.run(
        "INSERT OR IGNORE INTO erased_item (mark, key, erasure) VALUES (?1, ?2, ?3)",
        params![key.of_name(item), id, work.erasure],
    )
}

/// Whether a text says a word, and not another one that it is a part of. A name of one word says nothing by itself, as
/// others share it: in JSON it has to be a whole string.
fn says(text: &str, word: &str) -> bool {
    let json = serde_json::Value::from(word).to_string();
    if text.contains(&json) {
        return true;
    }
    let bare = json.trim_matches('"');
    let single = !word.contains([' ', '/']);
    let is_part = |c: Option<char>| c.is_some_and(char::is_alphanumeric);
    let stands_alone = |word: &str| {
        text.match_indices(word).any(|(at, found)| {
            let before = text.get(..at).and_then(|before| before.chars().next_back());
            let after = text.get(at + found.len()..).and_then(|after| after.chars().next());
            !is_part(before) && !is_part(after)
        })
    };
    !single && (stands_alone(word) || stands_alone(bare))
}

/// A text without the words that it says.
fn without(text: &str, word: &str) -> String {
    let json = serde_json::Value::from(word).to_string();
    let text = text.replace(&json, "\"erased\"");
    if word.contains([' ', '/']) {
        text.replace(json.trim_matches('"'), "erased").replace(word, "erased")
    } else {
        text
    }
}

/// Takes names and profiles out of whatever else says them.
fn scrub(work: &mut Eraser<'_>, words: &BTreeSet<String>) -> Result<()> {
    let db = work.db;
    for word in words {
        for sql in [
            "UPDATE conversation SET headline = NULL, picture_url = NULL, name = NULL WHERE name = ?1",
            "UPDATE conversation SET headline = NULL, picture_url = NULL, profile_url = NULL WHERE profile_url = ?1
               AND NOT EXISTS (SELECT 1 FROM address a WHERE a.conversation = conversation.id AND a.profile_url = ?1)",
        ] {
            db.run(sql, [word])?;
        }
    }
    let said = |text: &str| words.iter().any(|word| says(text, word));
    // The title of a group may list who is in it.
    let titles: Vec<(ConversationId, String)> =
        db.all("SELECT id, name FROM conversation WHERE name IS NOT NULL AND is_group IS NOT 0", [])?;
    for (id, title) in titles.iter().filter(|(_, title)| said(title)) {
        db.run("UPDATE conversation SET name = NULL WHERE id = ?1", [id])?;
        hide(work, title)?;
    }
    let mut rewritten = BTreeSet::new();
    for (table, key, column) in [
        ("notice", "id", "message"),
        ("alert", "id", "message"),
        ("conversation", "id", "last_error"),
        ("gap", "id", "stall_detail"),
        ("request", "id", "error"),
        ("inbox", "account", "last_error"),
        ("message", "id", "extra"),
        ("message_version", "id", "extra"),
    ] {
        let sql = format!("SELECT {key}, {column} FROM {table} WHERE {column} IS NOT NULL");
        let mut found: Vec<(i64, String)> = Vec::new();
        db.each(&sql, [], |(id, text): (i64, String)| {
            if said(&text) {
                found.push((id, text));
            }
            Ok(())
        })?;
        for (id, text) in found {
            let text = words.iter().fold(text, |text, word| without(&text, word));
            db.run(&format!("UPDATE {table} SET {column} = ?2 WHERE {key} = ?1"), params![id, text])?;
            rewritten.extend(match table {
                "message" => Some(MessageId(id)),
                "message_version" => Some(db.one("SELECT message FROM message_version WHERE id = ?1", [id])?),
                _ => None,
            });
        }
    }
    let errors: Vec<(String, String)> =
        db.all("SELECT name, last_error FROM sink WHERE last_error IS NOT NULL", [])?;
    for (sink, text) in errors.iter().filter(|(_, text)| said(text)) {
        let text = words.iter().fold(text.clone(), |text, word| without(&text, word));
        db.run("UPDATE sink SET last_error = ?2 WHERE name = ?1", params![sink, text])?;
    }
    scrub_templates(db, words, &mut rewritten)?;
    renumber(work, &rewritten)
}

/// The JSON of other people's messages may name somebody as whom it was sent to. Adds these messages to `rewritten`.
fn scrub_templates(
    db: &Connection,
    words: &BTreeSet<String>,
    rewritten: &mut BTreeSet<MessageId>,
) -> Result<()> {
    let mut all: Vec<(i64, String)> = db.all("SELECT id, json FROM template", [])?;
    all.retain(|(_, json)| words.iter().any(|word| says(json, word)));
    if all.is_empty() {
        return Ok(());
    }
    let ids = list(all.iter().map(|(id, _)| *id));
    let of_them = format!(
        "SELECT id FROM message WHERE template IN ({ids})
         UNION ALL SELECT message FROM message_version WHERE template IN ({ids})"
    );
    db.each(&of_them, [], |id: MessageId| {
        rewritten.insert(id);
        Ok(())
    })?;
    for (id, json) in all {
        let json = words.iter().fold(json, |json, word| without(&json, word));
        let same = "SELECT id FROM template WHERE json = ?1 AND id <> ?2";
        match db.first::<i64>(same, params![json, id])? {
            None => db.run("UPDATE template SET json = ?2 WHERE id = ?1", params![id, json])?,
            Some(other) => {
                for sql in [
                    "UPDATE message SET template = ?2 WHERE template = ?1",
                    "UPDATE message_version SET template = ?2 WHERE template = ?1",
                ] {
                    db.run(sql, [id, other])?;
                }
                db.run("DELETE FROM template WHERE id = ?1", [id])?;
            }
        }
    }
    Ok(())
}

/// Numbers other people's messages that no longer say a name as changed, so that whoever has copied them copies them again.
/// To notifications it is no news.
fn renumber(work: &Eraser<'_>, messages: &BTreeSet<MessageId>) -> Result<()> {
    let db = work.db;
    let mut of: BTreeMap<ConversationId, Vec<(Ms, MessageId)>> = BTreeMap::new();
    for id in messages {
        let (conversation, at) =
            db.one("SELECT conversation, sent_at_ms FROM message WHERE id = ?1", [id])?;
        of.entry(conversation).or_default().push((at, *id));
    }
    for (conversation, mut rows) in of {
        rows.sort_unstable();
        let mut changed = Changes::default();
        for (at, id) in rows {
            changes::keep(db, "id = ?1", &id, None)?;
            let change = changed.next(db, ChangeKind::Edited, true, at)?;
            db.run("UPDATE message SET change = ?2 WHERE id = ?1", params![id, change])?;
        }
        changed.write(db, conversation, work.run, work.now)?;
    }
    Ok(())
}

fn threads(db: &Connection, courses: &Courses) -> Result<Vec<String>> {
    let ids = list(courses.0.keys().map(|id| id.0));
    db.all(&format!("SELECT thread FROM conversation WHERE id IN ({ids}) AND thread IS NOT NULL"), [])
}

/// Deletes items that are no messages: those of the stretch that goes, and those that tell of what was erased.
fn odd_items(
    work: &mut Eraser<'_>,
    selection: &Selection,
    courses: &Courses,
    tells: &dyn Fn(&str) -> bool,
) -> Result<()> {
    let db = work.db;
    let within = list(courses.0.keys().map(|id| id.0));
    let before = selection.before_ms.unwrap_or(i64::MAX);
    let everywhere = selection.conversations.is_none() && selection.is_stretch();
    let of_stretch = format!(
        "(q.conversation IN ({within}) OR q.conversation IS NULL AND {everywhere}) AND r.at_ms < {before}"
    );
    let rows: Vec<(i64, String, bool)> = db.all(
        &format!("SELECT q.id, q.json, {of_stretch} FROM quarantine q JOIN request r ON r.id = q.request"),
        [],
    )?;
    take(work, "DELETE FROM quarantine WHERE id = ?1", rows, tells)?;
    let rows: Vec<(i64, String, bool)> = db.all(
        &format!(
            "SELECT o.id, o.content, {everywhere} AND r.started_ms < {before} FROM import_oddity o
             JOIN import i ON i.id = o.import JOIN run r ON r.id = i.run"
        ),
        [],
    )?;
    take(work, "DELETE FROM import_oddity WHERE id = ?1", rows, tells)
}

fn take(
    work: &mut Eraser<'_>,
    delete: &str,
    rows: Vec<(i64, String, bool)>,
    tells: &dyn Fn(&str) -> bool,
) -> Result<()> {
    for (id, item, of_stretch) in rows {
        if of_stretch || tells(&item) {
            hide(work, &item)?;
            work.db.run(delete, [id])?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_said_as_a_whole_and_one_of_a_single_word_only_as_a_whole_string() {
        for (text, word, is_said) in [
            ("gap of Ada Example: failed", "Ada Example", true),
            ("Ada Examples", "Ada Example", false),
            ("Nada Example", "Ada Example", false),
            ("Alice Wonder", "Al", false),
            ("Al was here", "Al", false),
            (r#"{"TO":"Al"}"#, "Al", true),
            (r#"{"TO":"Al, Bo"}"#, "Al", false),
            (r#"{"FROM":"Q \"Q\" O'Brien"}"#, r#"Q "Q" O'Brien"#, true),
            (r#"{"u":"https://www.linkedin.com/in/ada"}"#, "https://www.linkedin.com/in/ada", true),
            (r#"{"u":"https://www.linkedin.com/in/adam"}"#, "https://www.linkedin.com/in/ada", false),
        ] {
            assert_eq!(says(text, word), is_said, "{word} in {text}");
        }
        assert_eq!(without(r#"{"TO":"Ada Example, Bo"}"#, "Ada Example"), r#"{"TO":"erased, Bo"}"#);
        assert_eq!(without("Alice", "Al"), "Alice");
    }
}
