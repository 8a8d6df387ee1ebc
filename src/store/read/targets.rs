//! The conversations and inboxes that the configuration names, with what a plan needs to know of them.

use std::collections::BTreeSet;

use rusqlite::{Connection, params};

use crate::core::inbox::filter::Wanted;
use crate::core::model::ids::{AccountId, ConversationId};
use crate::core::model::urn;
use crate::core::planner::state::{Conversation, Hints, Inbox, Recheck};
use crate::core::timeline::gap::Timeline;
use crate::core::{Ms, hash};
use crate::store::erased::items::{self, HiddenBy};
use crate::store::query::Statements as _;
use crate::store::read::timelines;
use crate::store::{Queries, Reader, Result};

/// One account as configured.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Configured {
    /// Its name in the configuration.
    pub account: String,
    /// The owner's display name, where given.
    pub owner_name: Option<String>,
    /// Profile URLs whose conversation is wanted, each with what to call it.
    pub profiles: Vec<(String, Option<String>)>,
    /// Conversation URNs or thread ids, each with what to call it.
    pub conversations: Vec<(String, Option<String>)>,
    /// Whether the conversations that the inbox has shown are wanted, too.
    pub discover: bool,
    /// Which of them.
    pub wanted: Wanted,
}

/// A conversation that the configuration wants, with all that a run needs to know of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// The archive's id of the account.
    pub account_id: AccountId,
    /// The id to ask with, once one is known: from then on the profile need not be looked up again.
    pub conversation_id: Option<String>,
    /// The profile to look it up by.
    pub profile_url: Option<String>,
    /// What the plan needs.
    pub plan: Conversation,
}

/// A configuration as a number: the archive knows by it whether it was applied.
pub(crate) fn digest(accounts: &[Configured]) -> i64 {
    hash::of_text(&format!("{accounts:?}"))
}

/// The archive's id of the account of this name.
pub(crate) fn account_id(db: &Connection, name: &str) -> Result<Option<AccountId>> {
    db.first("SELECT id FROM account WHERE name = ?1", [name])
}

impl Reader {
    /// The configured conversations as far as the archive knows them; `None` stands for an archive that is not there
    /// yet. Nothing is written.
    pub fn targets(archive: Option<&Self>, accounts: &[Configured], now: Ms) -> Result<Vec<Target>> {
        let db = archive.map(Self::db);
        let mut targets: Vec<Target> = Vec::new();
        let mut found_before: BTreeSet<ConversationId> = BTreeSet::new();
        for (index, account) in accounts.iter().enumerate() {
            let account_id = db.map(|db| account_id(db, &account.account)).transpose()?.flatten();
            let profiles = account.profiles.iter().map(|(url, name)| (url, name, true));
            let conversations = account.conversations.iter().map(|(id, name)| (id, name, false));
            for (given, name, is_profile) in profiles.chain(conversations) {
                let known = match (db, account_id) {
                    (Some(db), Some(account)) if is_profile => known_profile(db, account, given)?,
                    (Some(db), Some(account)) => known_thread(db, account, given)?,
                    _ => None,
                };
                let found = match (db, known) {
                    (Some(db), Some(id)) => {
                        let by = if is_profile { AskedBy::Name } else { AskedBy::Thread };
                        target_by(db, index, account_id.unwrap_or_default(), id, Some(by))?
                    }
                    _ => {
                        // Below zero, and in the order of the configuration.
                        let id =
                            ConversationId(i64::MIN + 1 + i64::try_from(targets.len()).unwrap_or_default());
                        unknown_target(index, id, given, name.as_deref(), is_profile, now)
                    }
                };
                if found_before.insert(found.plan.id) {
                    targets.push(found);
                }
            }
            if let (Some(db), Some(account_id), true) = (db, account_id, account.discover) {
                for id in discovered(db, account_id, &account.wanted)? {
                    if found_before.insert(id) {
                        targets.push(target_by(db, index, account_id, id, Some(AskedBy::Name))?);
                    }
                }
            }
        }
        Ok(targets)
    }

    /// The inboxes of these accounts as far as the archive knows them. Nothing is written.
    pub fn inboxes(archive: Option<&Self>, accounts: &[Configured], now: Ms) -> Result<Vec<Inbox>> {
        let db = archive.map(Self::db);
        let mut all = Vec::with_capacity(accounts.len());
        for (index, account) in accounts.iter().enumerate() {
            let sql = "SELECT i.account, i.tried_ms, i.beginning_seen_ms, i.last_error IS NOT NULL
               FROM inbox i JOIN account a ON a.id = i.account WHERE a.name = ?1";
            type Known = (AccountId, Option<Ms>, Option<Ms>, bool);
            let known = |db: &Connection| db.first::<Known>(sql, [&account.account]);
            let (timeline, (tried_ms, walked_ms, troubled)) = match (db, db.map(known).transpose()?.flatten())
            {
                (Some(db), Some((id, tried_ms, walked_ms, troubled))) => {
                    (timelines::inbox(db, id)?, (tried_ms, walked_ms, troubled))
                }
                _ => (Timeline::unknown(now), (None, None, false)),
            };
            let count = "SELECT count(*) FROM conversation c JOIN account a ON a.id = c.account
               WHERE a.name = ?1 AND c.inbox_seen_ms IS NOT NULL";
            let shown = db.map(|db| db.one::<i64>(count, [&account.account])).transpose()?;
            let shown = shown.and_then(|shown| u32::try_from(shown).ok());
            let name = account.account.clone();
            all.push(Inbox { tried_ms, walked_ms, shown, troubled, ..Inbox::new(index, name, timeline) });
        }
        Ok(all)
    }
}

impl Queries<'_> {
    /// The conversations that runs with this configuration ask for.
    pub fn asked(&self, accounts: &[Configured]) -> Result<BTreeSet<ConversationId>> {
        let db = self.db();
        let mut asked = BTreeSet::new();
        for account in accounts {
            let Some(id) = account_id(db, &account.account)? else { continue };
            asked.extend(configured(db, id, account)?);
            if account.discover {
                asked.extend(discovered(db, id, &account.wanted)?);
            }
        }
        Ok(asked)
    }
}

/// The conversations that the inbox has shown and nobody has configured, as far as they are wanted.
pub(crate) fn discovered(
    db: &Connection,
    account: AccountId,
    wanted: &Wanted,
) -> Result<Vec<ConversationId>> {
    type Row = (ConversationId, Option<String>, Option<String>, Option<String>);
    let all: Vec<Row> = db.all(
        "SELECT id, coalesce(alias, name), profile_url, urn FROM conversation
         WHERE account = ?1 AND discovered = 1 ORDER BY id",
        [account],
    )?;
    let takes = |(_, name, page, urn): &Row| wanted.takes(name.as_deref(), page.as_deref(), urn.as_deref());
    Ok(all.into_iter().filter(takes).map(|(id, ..)| id).collect())
}

/// The conversations that are configured and known, in the order of the configuration.
pub(crate) fn configured(
    db: &Connection,
    account: AccountId,
    configured: &Configured,
) -> Result<Vec<ConversationId>> {
    let mut known = Vec::new();
    for (profile, _) in &configured.profiles {
        known.extend(known_profile(db, account, profile)?);
    }
    for (thread, _) in &configured.conversations {
        known.extend(known_thread(db, account, thread)?);
    }
    Ok(known)
}

fn unknown_target(
    account: usize,
    id: ConversationId,
    given: &str,
    name: Option<&str>,
    is_profile: bool,
    now: Ms,
) -> Target {
    let mut timeline = Timeline::unknown(now);
    for gap in &mut timeline.gaps {
        gap.id = id.0;
    }
    let name = name.map_or_else(|| urn::label(given), str::to_owned);
    Target {
        account_id: AccountId::default(),
        conversation_id: (!is_profile).then(|| given.to_owned()),
        profile_url: is_profile.then(|| given.to_owned()),
        plan: Conversation { by_profile: is_profile, ..Conversation::new(id, account, name, timeline) },
    }
}

pub(crate) fn known_profile(
    db: &Connection,
    account: AccountId,
    url: &str,
) -> Result<Option<ConversationId>> {
    let configured = "SELECT conversation FROM address WHERE account = ?1 AND profile_url = ?2";
    if let Some(known) = db.first(configured, params![account, url])? {
        return Ok(Some(known));
    }
    if let Some(stopped) = items::stopped_by(db, HiddenBy::Profile, account, url)? {
        return Ok(Some(stopped));
    }
    // What the whole inbox shows as the only conversation with that person is not bought again by another name.
    Ok(match of_profile(db, account, url)?.as_slice() {
        [only] if knows_all(db, account)? => Some(*only),
        _ => None,
    })
}

/// Whether every conversation of an inbox is known: it was read to its end, and nothing that it shows was passed by.
pub(crate) fn knows_all(db: &Connection, account: AccountId) -> Result<bool> {
    db.one(
        "SELECT EXISTS (SELECT 1 FROM inbox WHERE account = ?1 AND beginning_seen_ms IS NOT NULL AND wanted = ?2)",
        params![account, Wanted::default().describe()],
    )
}

/// The conversations with one person that are known by their threads: two of them, if there are more.
pub(crate) fn of_profile(db: &Connection, account: AccountId, url: &str) -> Result<Vec<ConversationId>> {
    db.all(
        "SELECT id FROM conversation WHERE account = ?1 AND thread IS NOT NULL AND is_group IS NOT 1
           AND lower(rtrim(profile_url, '/')) = lower(rtrim(?2, '/')) LIMIT 2",
        params![account, url],
    )
}

pub(crate) fn known_thread(
    db: &Connection,
    account: AccountId,
    given: &str,
) -> Result<Option<ConversationId>> {
    let (sql, key) =
        ("SELECT id FROM conversation WHERE account = ?1 AND thread = ?2", urn::thread_key(given));
    match db.first(sql, params![account, key])? {
        None => items::stopped_by(db, HiddenBy::Thread, account, &key),
        found => Ok(found),
    }
}

/// Whether the configuration names a conversation by its thread: then it is asked for by that.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum AskedBy {
    /// By a profile, or it was found in the inbox.
    Name = 1,
    Thread = 2,
}

/// A conversation that is asked for.
pub(crate) fn target(
    tx: &Connection,
    index: usize,
    account_id: AccountId,
    id: ConversationId,
) -> Result<Target> {
    target_by(tx, index, account_id, id, None)
}

/// The same by what the configuration says now, where that has not been stored yet.
fn target_by(
    tx: &Connection,
    index: usize,
    account_id: AccountId,
    id: ConversationId,
    by: Option<AskedBy>,
) -> Result<Target> {
    let mut statement = tx.prepare_cached(
        "SELECT urn, profile_url, coalesce(alias, name), head_tried_ms,
           last_error IS NOT NULL, head_tried_run, silent_looks, inbox_seen_ms IS NOT NULL,
           served_total, news_at_least, recheck_at_ms, ifnull(rechecked_ms, beginning_seen_ms), thread, asked
         FROM conversation WHERE id = ?1",
    )?;
    let timeline = timelines::conversation(tx, id)?;
    let (urn, profile_url, given, thread, plan) = statement.query_row([id], |r| {
        let (urn, profile_url): (Option<String>, Option<String>) = (r.get(0)?, r.get(1)?);
        let thread: Option<String> = r.get(12)?;
        let by_thread = by.map_or(r.get::<_, i64>(13)? == AskedBy::Thread as i64, |by| by == AskedBy::Thread);
        let given = thread.clone().filter(|_| by_thread);
        let by = profile_url.as_deref().or(urn.as_deref()).or(given.as_deref());
        let name: Option<String> = r.get(2)?;
        let plan = Conversation {
            id,
            account: index,
            name: name.unwrap_or_else(|| urn::label(by.unwrap_or_default())),
            timeline,
            head_tried_ms: r.get(3)?,
            head_tried_run: r.get(5)?,
            silent_looks: r.get(6)?,
            listed: r.get(7)?,
            troubled: r.get(4)?,
            by_profile: false,
            hints: Hints { served_total: r.get(8)?, news_at_least: r.get(9)? },
            recheck: Recheck { at_ms: r.get(10)?, done_ms: r.get(11)? },
        };
        Ok((urn, profile_url, given, thread, plan))
    })?;
    let conversation_id = match urn {
        Some(urn) => Some(urn),
        // Where only an export has told the thread, the profile is the surer way to ask.
        None => {
            let name = given.or(thread.filter(|_| profile_url.is_none()));
            name.map(|name| in_full(tx, account_id, &name)).transpose()?
        }
    };
    let plan = Conversation { by_profile: conversation_id.is_none(), ..plan };
    Ok(Target { account_id, conversation_id, profile_url, plan })
}

/// A bare thread id as the full name that the API documents, where another conversation tells the mailbox's owner; else as
/// browsers show it.
fn in_full(db: &Connection, account: AccountId, given: &str) -> Result<String> {
    let other: Option<String> =
        db.first("SELECT urn FROM conversation WHERE account = ?1 AND urn LIKE 'urn:%' LIMIT 1", [account])?;
    let full = other.and_then(|other| urn::beside(&other, given)).or_else(|| urn::padded(given));
    Ok(full.unwrap_or_else(|| given.to_owned()))
}
