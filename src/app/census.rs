//! What the archive holds and what runs ask for, worked out from as little as the configuration allows: where it has been
//! applied, the archive knows which conversations are asked for; where it has not, each conversation is looked at.

use std::collections::BTreeSet;

use crate::app::wiring;
use crate::config::{Config, InboxMode};
use crate::core::Ms;
use crate::core::model::ids::ConversationId;
use crate::core::planner::next;
use crate::store::{ConversationRow, Figures, Forgotten, InboxStatus, LeftAlone, Queries, StoreError, Tally};

/// Conversations that a sentence names at most.
const NAMED: usize = 3;

/// Which conversations are listed one by one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Listing {
    /// None.
    Nothing,
    /// So many that were active last, and those that need attention.
    Notable(usize),
    /// All.
    All,
}

/// What the archive holds.
#[derive(Debug)]
pub(crate) struct Census {
    /// The conversations that are listed, those active last first. What is configured no more and holds nothing is left
    /// out everywhere, as if it never had been.
    pub(crate) rows: Vec<ConversationRow>,
    /// How many there are.
    pub(crate) conversations: usize,
    /// How many of them are complete.
    pub(crate) complete: usize,
    /// Whether none of them has a gap.
    pub(crate) without_gaps: bool,
    /// When their oldest message was sent (ms).
    pub(crate) oldest_ms: Option<Ms>,
    /// Since when nothing is missing (ms).
    pub(crate) horizon: Option<Ms>,
    /// Conversations with gaps that no run asks for, and the first of them that have a thread.
    pub(crate) left_alone: (usize, Vec<LeftAlone>),
    /// The conversations that are left out.
    pub(crate) forgotten: Vec<Forgotten>,
    pub(crate) asked: AskedFor,
}

/// What runs ask for.
#[derive(Debug)]
pub(crate) struct AskedFor {
    /// The conversations by the archive's ids; `None`: those that the archive says.
    worked_out: Option<BTreeSet<ConversationId>>,
    /// The archive's other gaps, which no run fills: those of conversations that are neither configured nor discovered
    /// in an inbox. The rest is what a run reports as left.
    pub(crate) gaps_elsewhere: i64,
    /// The gaps of all inboxes.
    gaps_of_inboxes: i64,
}

impl AskedFor {
    pub(crate) fn of(config: &Config, queries: &Queries<'_>) -> Result<Self, StoreError> {
        let accounts = wiring::accounts(config);
        let read = |account: &str| {
            config.sync.inbox != InboxMode::Off && config.accounts.iter().any(|a| a.name == account)
        };
        let of_inboxes = queries.gaps_of_inboxes()?;
        let gaps_of_inboxes = of_inboxes.iter().map(|(_, gaps)| gaps).sum();
        let unread: i64 = of_inboxes.iter().filter(|(account, _)| !read(account)).map(|(_, gaps)| gaps).sum();
        if queries.is_applied(&accounts)? {
            let gaps_elsewhere = queries.gaps_left_alone()? + unread;
            return Ok(Self { worked_out: None, gaps_elsewhere, gaps_of_inboxes });
        }
        let asked = queries.asked(&accounts)?;
        let mut gaps_elsewhere = unread;
        for row in queries.conversations()?.iter().filter(|row| !asked.contains(&row.id)) {
            gaps_elsewhere += gaps(row);
        }
        Ok(Self { worked_out: Some(asked), gaps_elsewhere, gaps_of_inboxes })
    }

    /// Whether runs ask for a conversation.
    pub(crate) fn asks(&self, row: &ConversationRow) -> bool {
        self.worked_out.as_ref().map_or(row.asked, |asked| asked.contains(&row.id))
    }

    fn is_forgotten(&self, row: &ConversationRow) -> bool {
        row.timeline.messages == 0 && !self.asks(row)
    }
}

impl Census {
    /// Gaps of the conversations that are left out.
    pub(crate) fn forgotten_gaps(&self) -> i64 {
        self.forgotten.iter().map(|row| row.gaps).sum()
    }

    /// Takes it, and takes what is forgotten out of the figures.
    pub(crate) fn take(
        config: &Config,
        queries: &Queries<'_>,
        inboxes: &[InboxStatus],
        figures: &mut Figures,
        listing: Listing,
    ) -> Result<Self, StoreError> {
        let asked = AskedFor::of(config, queries)?;
        let mut census = if listing == Listing::All || asked.worked_out.is_some() {
            Self::of_all(asked, queries, inboxes, figures)?
        } else {
            Self::by_index(asked, queries, inboxes, figures, listing)?
        };
        census.asked.gaps_elsewhere -= census.forgotten_gaps();
        Ok(census)
    }

    /// From the rows of all conversations.
    fn of_all(
        asked: AskedFor,
        queries: &Queries<'_>,
        inboxes: &[InboxStatus],
        figures: &mut Figures,
    ) -> Result<Self, StoreError> {
        let (forgotten, rows): (Vec<_>, Vec<_>) =
            queries.conversations()?.into_iter().partition(|row| asked.is_forgotten(row));
        let forgotten: Vec<Forgotten> = forgotten.into_iter().map(forgotten_row).collect();
        forget(figures, &forgotten);
        // What only an export has shown waits until the inbox shows it or somebody configures it.
        let seen = rows.iter().filter(|r| r.synced_ms.is_some() || !r.of_export).map(|r| &r.timeline);
        let horizon = next::horizon(seen.chain(inboxes.iter().map(|i| &i.timeline)));
        let alone: Vec<&ConversationRow> =
            rows.iter().filter(|row| !row.timeline.gaps.is_empty() && !asked.asks(row)).collect();
        let name = |row: &&ConversationRow| LeftAlone { name: row.name.clone(), thread: row.thread.clone() };
        let named = alone.iter().filter(|row| row.thread.is_some()).take(NAMED).map(name).collect();
        Ok(Self {
            conversations: rows.len(),
            complete: rows.iter().filter(|row| row.timeline.complete()).count(),
            without_gaps: rows.iter().all(|row| row.timeline.gaps.is_empty()),
            oldest_ms: rows.iter().filter_map(|row| row.timeline.oldest_ms).min(),
            horizon,
            left_alone: (alone.len(), named),
            forgotten,
            asked,
            rows,
        })
    }

    /// The same, reading no more rows than are listed.
    fn by_index(
        asked: AskedFor,
        queries: &Queries<'_>,
        inboxes: &[InboxStatus],
        figures: &mut Figures,
        listing: Listing,
    ) -> Result<Self, StoreError> {
        let forgotten = queries.forgotten()?;
        forget(figures, &forgotten);
        let count = |n: i64| usize::try_from(n).unwrap_or_default();
        let gaps: i64 = figures.accounts.iter().map(|account| account.gaps).sum();
        Ok(Self {
            conversations: count(figures.all.conversations),
            complete: count(figures.all.complete),
            without_gaps: gaps == asked.gaps_of_inboxes,
            oldest_ms: queries.oldest_message()?,
            horizon: horizon(queries, inboxes)?,
            left_alone: queries.left_alone(NAMED)?,
            forgotten,
            asked,
            rows: notable(queries, listing)?,
        })
    }
}

/// Since when nothing is missing (ms), by what the archive knows that runs ask for.
pub(crate) fn horizon(queries: &Queries<'_>, inboxes: &[InboxStatus]) -> Result<Option<Ms>, StoreError> {
    let all = queries.as_one_conversation()?;
    Ok(next::horizon(std::iter::once(&all).chain(inboxes.iter().map(|inbox| &inbox.timeline))))
}

/// The newest conversations and those that need attention, in their order.
fn notable(queries: &Queries<'_>, listing: Listing) -> Result<Vec<ConversationRow>, StoreError> {
    let Listing::Notable(most) = listing else { return Ok(Vec::new()) };
    let mut rows = queries.newest_conversations(most)?;
    let listed: BTreeSet<ConversationId> = rows.iter().map(|row| row.id).collect();
    let mut others = queries.conversations_in_trouble()?;
    others.retain(|id| !listed.contains(id));
    rows.extend(queries.conversations_of(&others)?);
    rows.sort_by_key(|row| (std::cmp::Reverse(row.timeline.newest_ms), row.id));
    Ok(rows)
}

fn gaps(row: &ConversationRow) -> i64 {
    i64::try_from(row.timeline.gaps.len()).unwrap_or(i64::MAX)
}

fn forgotten_row(row: ConversationRow) -> Forgotten {
    Forgotten {
        gaps: gaps(&row),
        complete: row.timeline.complete(),
        failing: row.last_error.is_some(),
        account: row.account,
    }
}

/// Takes out of the figures what is configured no more and holds nothing.
fn forget(figures: &mut Figures, forgotten: &[Forgotten]) {
    for row in forgotten {
        let complete = i64::from(row.complete);
        let all = figures.all;
        figures.all =
            Tally { conversations: all.conversations - 1, complete: all.complete - complete, ..all };
        if let Some(account) = figures.accounts.iter_mut().find(|a| a.account == row.account) {
            account.conversations -= 1;
            account.gaps -= row.gaps;
            account.complete -= complete;
            account.failing -= i64::from(row.failing);
        }
    }
}
