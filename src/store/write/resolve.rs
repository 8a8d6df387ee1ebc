//! From the name a conversation was asked by to the one the API knows it by.

use rusqlite::{Connection, params};

use crate::core::Ms;
use crate::core::model::ids::{AccountId, ConversationId};
use crate::core::model::page::Page;
use crate::core::model::urn;
use crate::store::Result;
use crate::store::erased::items;
use crate::store::query::Statements as _;
use crate::store::read::targets::{AskedBy, known_thread};
use crate::store::write::{configure, gaps};

/// The conversation that a page belongs to. The first answer to a profile names the conversation; when that one is
/// in the archive already, under its id or another profile, the two rows become one.
pub(crate) fn conversation(
    tx: &Connection,
    asked: ConversationId,
    page: &Page,
    now: Ms,
) -> Result<ConversationId> {
    let Some(name) = page.conversation_urn.as_deref() else { return Ok(asked) };
    let (account, thread, urn, messages): (AccountId, Option<String>, Option<String>, i64) =
        tx.one("SELECT account, thread, urn, messages FROM conversation WHERE id = ?1", [asked])?;
    let key = urn::thread_key(name);
    let is_another = thread.as_deref().is_some_and(|thread| thread != key);
    // An answer of another thread than was asked for by its name is refused before it comes here.
    if is_another && tx.one("SELECT EXISTS (SELECT 1 FROM address WHERE conversation = ?1)", [asked])? {
        return another(tx, account, asked, name, now);
    }
    if is_another || (thread.is_some() && urn.is_some()) {
        return Ok(asked);
    }
    match known_thread(tx, account, name)?.filter(|twin| *twin != asked) {
        Some(twin) if messages == 0 => {
            merge(tx, asked, twin)?;
            Ok(twin)
        }
        Some(_) => Ok(asked),
        None => {
            let full = urn::is_conversation_urn(name).then_some(name);
            tx.run(
                "UPDATE conversation SET thread = ?2, urn = ifnull(urn, ?3) WHERE id = ?1",
                params![asked, key, full],
            )?;
            Ok(asked)
        }
    }
}

/// The conversation that a profile really leads to, where an export or the inbox has told of another thread with that
/// person: the profile's addresses are its from now on.
fn another(
    tx: &Connection,
    account: AccountId,
    asked: ConversationId,
    name: &str,
    now: Ms,
) -> Result<ConversationId> {
    let found = configure::by_thread(tx, account, name, now)?;
    if items::is_stopped(tx, found)? {
        items::hide_addresses(tx, asked)?;
    }
    tx.run("UPDATE address SET conversation = ?2 WHERE conversation = ?1", [asked, found])?;
    // What only the profile asked for is not asked for any more.
    configure::ask_for(tx, found, AskedBy::Name)?;
    tx.run("UPDATE conversation SET asked = discovered WHERE id = ?1 AND asked = 1", [asked])?;
    gaps::rank(tx, asked)?;
    gaps::rank(tx, found)?;
    Ok(found)
}

/// Makes an empty conversation, of which no page ever came, another name of `kept`.
fn merge(tx: &Connection, empty: ConversationId, kept: ConversationId) -> Result<()> {
    if items::is_stopped(tx, kept)? {
        items::hide_addresses(tx, empty)?;
    }
    for statement in [
        "UPDATE address SET conversation = ?2 WHERE conversation = ?1",
        "UPDATE request SET conversation = ?2 WHERE conversation = ?1",
        "UPDATE quarantine SET conversation = ?2 WHERE conversation = ?1",
        "UPDATE conversation SET profile_url = ifnull(conversation.profile_url, e.profile_url), alias = ifnull(conversation.alias, e.alias),
             asked = max(conversation.asked, e.asked)
           FROM (SELECT profile_url, alias, asked FROM conversation WHERE id = ?1) AS e WHERE id = ?2 AND stopped = 0",
    ] {
        tx.run(statement, params![empty, kept])?;
    }
    tx.run("DELETE FROM gap WHERE conversation = ?1", [empty])?;
    tx.run("DELETE FROM conversation WHERE id = ?1", [empty])
}
