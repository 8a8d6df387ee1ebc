//! What else than messages was erased: names, profiles, and items that are no messages. It is not stored again.

use rusqlite::{Connection, params};

use crate::core::inbox::InboxRow;
use crate::core::inbox::news::{KnownConversation, Near};
use crate::core::model::ids::{AccountId, ConversationId};
use crate::core::model::urn;
use crate::store::Result;
use crate::store::erased::known::{self, Keys};
use crate::store::query::Statements as _;

/// Whether an item, a name or a profile was erased.
pub(crate) fn is_erased(db: &Connection, item: &str) -> Result<bool> {
    // Hardly any archive has such items, and those that have are looked up once for each name.
    let mut any = db.prepare_cached("SELECT 1 FROM erased_item")?;
    if !any.exists([])? {
        return Ok(false);
    }
    for (id, key) in Keys::load(db)?.iter() {
        let sql = "SELECT EXISTS (SELECT 1 FROM erased_item WHERE mark = ?1 AND key = ?2)";
        if db.one(sql, params![key.of_name(item), id])? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// A name or a profile's URL as far as it may be stored. One that was erased may again once somebody of that name or
/// with that profile has written since.
pub(crate) fn allowed<'a>(
    db: &Connection,
    account: AccountId,
    name: Option<&'a str>,
) -> Result<Option<&'a str>> {
    let Some(given) = name else { return Ok(None) };
    let writes_again =
        "SELECT EXISTS (SELECT 1 FROM person WHERE account = ?1 AND (name = ?2 OR profile_url = ?2))";
    if is_erased(db, given)? && !db.one::<bool>(writes_again, params![account, given])? {
        return Ok(None);
    }
    Ok(name)
}

const HIDDEN: &str = "erased:";

/// The thread ids and profiles of conversations that were erased for good are kept as marks, in this form.
pub(crate) fn hidden(mark: i64) -> String {
    format!("{HIDDEN}{mark:016x}")
}

/// Whether a thread id or a profile has that form.
pub(crate) fn is_hidden(name: &str) -> bool {
    name.starts_with(HIDDEN)
}

/// Whether a conversation was erased for good.
pub(crate) fn is_stopped(db: &Connection, conversation: ConversationId) -> Result<bool> {
    db.one("SELECT stopped FROM conversation WHERE id = ?1", [conversation])
}

/// Keeps the profiles that a conversation is asked by as marks; returns those that stood there in full.
pub(crate) fn hide_addresses(db: &Connection, conversation: ConversationId) -> Result<Vec<String>> {
    let keys = Keys::load(db)?;
    let Some((_, key)) = keys.iter().next() else { return Ok(Vec::new()) };
    let mut addresses: Vec<String> =
        db.all("SELECT profile_url FROM address WHERE conversation = ?1", [conversation])?;
    addresses.retain(|address| !is_hidden(address));
    for address in &addresses {
        db.run(
            "UPDATE OR REPLACE address SET profile_url = ?3 WHERE conversation = ?1 AND profile_url = ?2",
            params![conversation, address, hidden(key.of_profile(address))],
        )?;
    }
    Ok(addresses)
}

/// The conversation of a thread or a profile that was erased for good.
pub(crate) fn stopped_by(
    db: &Connection,
    by: HiddenBy,
    account: AccountId,
    given: &str,
) -> Result<Option<ConversationId>> {
    let mut any = db.prepare_cached("SELECT 1 FROM conversation WHERE account = ?1 AND stopped = 1")?;
    if !any.exists([account])? {
        return Ok(None);
    }
    let sql = match by {
        HiddenBy::Thread => "SELECT id FROM conversation WHERE account = ?1 AND thread = ?2 AND stopped = 1",
        HiddenBy::Profile => "SELECT conversation FROM address WHERE account = ?1 AND profile_url = ?2",
    };
    for (_, key) in Keys::load(db)?.iter() {
        let mark = match by {
            HiddenBy::Thread => key.of_name(given),
            HiddenBy::Profile => key.of_profile(given),
        };
        if let Some(id) = db.first(sql, params![account, hidden(mark)])? {
            return Ok(Some(id));
        }
    }
    Ok(None)
}

/// What a conversation that was erased for good is still known by.
#[derive(Debug, Clone, Copy)]
pub(crate) enum HiddenBy {
    Thread,
    Profile,
}

/// A row of the inbox without what was erased: a name, a profile, the last message. To the rules of the inbox, an erased
/// last message is one that is known.
pub(crate) fn row_without(
    db: &Connection,
    account: AccountId,
    conversation: ConversationId,
    row: &InboxRow,
    known: &mut KnownConversation,
) -> Result<InboxRow> {
    let floor = known::floor(db, conversation)?;
    let mut row = row.clone();
    let name = allowed(db, account, row.name.as_deref())?.map(str::to_owned);
    let writes_again = match &name {
        Some(name) => is_erased(db, name)?,
        None => false,
    };
    row.name = name;
    if !writes_again {
        row.profile_url = allowed(db, account, row.profile_url.as_deref())?.map(str::to_owned);
    }
    if known.stopped || row.name.is_none() {
        (row.headline, row.picture_url) = (None, None);
    }
    let at = row.last_at_ms;
    let erased = "SELECT min(source IS 'outside') FROM erased WHERE conversation = ?1 AND sent_at_ms = ?2";
    if at.is_some_and(|at| at < floor) {
        row.last_text = None;
        (known.in_inbox, known.last_message_ms, known.unread) = (true, at, row.unread);
    } else if let Some(at_ms) = at.filter(|_| known.near.iter().all(|near| Some(near.at_ms) != at))
        && let Some(undated) = db.one::<Option<i64>>(erased, params![conversation, at_ms])?
    {
        row.last_text = None;
        known.near.push(Near { at_ms, derived: undated != 0, ..Near::default() });
    }
    Ok(row)
}

/// Whether everything in a conversation that is not known yet is older than what retention leaves.
pub(crate) fn is_too_old(db: &Connection, row: &InboxRow) -> Result<bool> {
    let Some(at) = row.last_at_ms else { return Ok(false) };
    let mut old = db.prepare_cached(
        "SELECT 1 FROM configuration WHERE floor_ms > ?1 AND NOT EXISTS (SELECT 1 FROM hold WHERE thread = ?2)",
    )?;
    Ok(old.exists(params![at, urn::thread_key(&row.conversation_urn)])?)
}

/// Deletes items that are no messages and were erased in another archive.
pub(crate) fn drop_erased(db: &Connection) -> Result<()> {
    for (select, delete) in [
        ("SELECT id, json FROM quarantine", "DELETE FROM quarantine WHERE id = ?1"),
        ("SELECT id, content FROM import_oddity", "DELETE FROM import_oddity WHERE id = ?1"),
    ] {
        let rows: Vec<(i64, String)> = db.all(select, [])?;
        for (id, item) in rows {
            if is_erased(db, &item)? {
                db.run(delete, [id])?;
            }
        }
    }
    Ok(())
}
