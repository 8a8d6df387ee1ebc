//! An archive in memory that does what the real one does, fast enough for a million histories.

use std::collections::BTreeMap;

use archiver::core::budget::calendar::day_and_month;
use archiver::core::budget::{self, Purse, Receipt, Reservation, Spent};
use archiver::core::inbox::InboxRow;
use archiver::core::inbox::news::{self, KnownConversation, Near};
use archiver::core::model::ids::{AccountId, ConversationId, MessageId, RequestId, RunId};
use archiver::core::model::message::Message;
use archiver::core::model::page::Page;
use archiver::core::model::urn;
use archiver::core::planner::next;
use archiver::core::planner::plan::{Due, Loaded};
use archiver::core::planner::queue::{Extent, GapRank, HeadRank, RecheckRank};
use archiver::core::planner::state::{Conversation, Hints, Inbox, Limits, Recheck};
use archiver::core::timeline::apply::{self, Update};
use archiver::core::timeline::gap::{Announced, Gap, Timeline};
use archiver::core::timeline::identity::{Change, Known, Stored, Window};
use archiver::core::timeline::stall::Stall;
use archiver::core::timeline::{invariants, recheck};
use archiver::core::{Ms, inbox};
use archiver::store::{
    Commit, Committed, Configured, Failed, InboxCommit, InboxCommitted, Moment, Outcome, Outstanding, Owners,
    Purpose, Request, StoreError, Target, Trigger,
};
use archiver::sync::Archive;

#[derive(Default, Clone)]
pub(crate) struct MemConversation {
    pub(crate) timeline: Timeline,
    pub(crate) stored: BTreeMap<MessageId, Stored>,
    pub(crate) versions: BTreeMap<MessageId, Vec<Message>>,
    by_time: BTreeMap<(Ms, MessageId), ()>,
    by_urn: BTreeMap<Vec<u8>, MessageId>,
    head_tried_ms: Option<Ms>,
    head_tried_run: RunId,
    silent_looks: u32,
    /// What the inbox last showed of it, but for when it was seen there.
    row: KnownConversation,
    /// When the inbox last showed it, if it shows whatever comes.
    seen_ms: Option<Ms>,
    pub(crate) name: String,
    account: usize,
    discovered: bool,
    troubled: bool,
    hints: Hints,
    recheck: Recheck,
}

/// An account's inbox.
#[derive(Default, Clone)]
struct MemInbox {
    timeline: Timeline,
    tried_ms: Option<Ms>,
    walked_ms: Option<Ms>,
    troubled: bool,
}

pub(crate) struct Row {
    pub(crate) run: RunId,
    /// The archive's id of the account: one more than its place in the configuration.
    account: AccountId,
    pub(crate) at_ms: Ms,
    pub(crate) reserved: u32,
    pub(crate) spent: Option<u32>,
    pub(crate) head: bool,
    /// Items of the page that came.
    returned: Option<u32>,
}

#[derive(Default)]
pub(crate) struct MemArchive {
    pub(crate) conversations: Vec<MemConversation>,
    pub(crate) ledger: Vec<Row>,
    inboxes: BTreeMap<usize, MemInbox>,
    pub(crate) runs: i64,
    next_id: i64,
    /// A copy to come back to.
    older: Option<(Vec<MemConversation>, BTreeMap<usize, MemInbox>)>,
    configured: Vec<Configured>,
}

/// As many are loaded at once: few, so that plans have to ask again.
const BATCH: usize = 3;

impl MemArchive {
    fn id(&mut self) -> i64 {
        self.next_id += 1;
        self.next_id
    }

    pub(crate) fn remember(&mut self) {
        self.older = Some((self.conversations.clone(), self.inboxes.clone()));
    }

    pub(crate) fn go_back(&mut self) {
        if let Some((conversations, inboxes)) = self.older.clone() {
            (self.conversations, self.inboxes) = (conversations, inboxes);
        }
    }

    /// What is archived of each conversation, in the order of the messages.
    pub(crate) fn rows(&self) -> BTreeMap<usize, Vec<super::Row>> {
        let row = |s: &Stored| {
            (s.message.urn.clone().unwrap_or_default(), s.message.at_ms, s.message.text.clone(), s.gone)
        };
        let rows = |c: &MemConversation| {
            let mut rows: Vec<super::Row> = c.stored.values().map(row).collect();
            rows.sort_by(|one, other| (one.1, &one.0, &one.2).cmp(&(other.1, &other.0, &other.2)));
            (super::wild::conversation_of(&c.name), rows)
        };
        self.conversations.iter().map(rows).collect()
    }

    fn begin(&mut self, account: usize, name: &str, discovered: bool, now: Ms) -> usize {
        let mut timeline = Timeline::unknown(now);
        timeline.gaps[0].id = self.id();
        let name = name.to_owned();
        self.conversations.push(MemConversation {
            timeline,
            name,
            account,
            discovered,
            ..MemConversation::default()
        });
        self.conversations.len() - 1
    }

    /// The conversations that the configuration asks for.
    fn asked(&self) -> impl Iterator<Item = usize> {
        let wants = |c: &MemConversation| {
            let account = &self.configured[c.account];
            account.conversations.iter().any(|(name, _)| c.name == *name)
                || (c.discovered && account.discover)
        };
        (0..self.conversations.len()).filter(move |at| wants(&self.conversations[*at]))
    }

    fn target(&self, at: usize) -> Target {
        let c = &self.conversations[at];
        Target {
            account_id: id_of(c.account),
            conversation_id: Some(c.name.clone()),
            profile_url: None,
            plan: Conversation {
                head_tried_ms: c.head_tried_ms,
                head_tried_run: c.head_tried_run,
                silent_looks: c.silent_looks,
                listed: c.seen_ms.is_some(),
                troubled: c.troubled,
                hints: c.hints,
                recheck: c.recheck,
                ..Conversation::new(conversation_of(at), c.account, c.name.clone(), c.timeline.clone())
            },
        }
    }

    /// Writes what becomes of a message. Returns how many are new, edited and gone.
    fn change(&mut self, at: usize, change: &Change, page: &Page) -> (u32, u32, u32) {
        if let Change::Insert(i) = change {
            let id = MessageId(self.id());
            self.conversations[at].insert(id, page.messages[*i].clone());
            return (1, 0, 0);
        }
        let c = &mut self.conversations[at];
        match change {
            Change::Insert(_) => (1, 0, 0),
            Change::Update { id, index, edited, .. } => {
                c.update(*id, &page.messages[*index]);
                (0, u32::from(*edited), 0)
            }
            Change::AllGone => {
                let all = c.stored.values_mut().filter(|s| !s.gone);
                (0, 0, u32::try_from(all.map(|s| s.gone = true).count()).unwrap())
            }
            Change::AllBack => {
                c.stored.values_mut().for_each(|s| s.gone = false);
                (0, 0, 0)
            }
            Change::Back(id) => {
                c.stored.get_mut(id).unwrap().gone = false;
                (0, 0, 0)
            }
            Change::Gone(id) => {
                c.stored.get_mut(id).unwrap().gone = true;
                (0, 0, 1)
            }
        }
    }

    /// What is known of the rows of a page.
    fn seen(&self, commit: &InboxCommit<'_>) -> inbox::SeenRows {
        let unchanged = commit.page.rows.iter().map(|row| {
            let known = self.conversations.iter().find(|c| c.name == row.conversation_urn);
            known.map_or(commit.discover.is_none(), |c| news::is_unchanged(row, &c.row))
        });
        let lowest = inbox::span(commit.page, commit.now).map_or(Ms::MIN, |(lo, _)| lo);
        let own = self.conversations.iter().filter(|c| c.account == commit.account && c.seen_ms.is_some());
        let shown = own.filter_map(|c| c.row.last_message_ms).filter(|at| *at < lowest);
        inbox::SeenRows { unchanged: unchanged.collect(), below_ms: shown.max() }
    }

    fn settle(&mut self, receipt: &Receipt, returned: Option<u32>) {
        let row = &mut self.ledger[usize::try_from(receipt.request_id().0).unwrap()];
        row.spent = Some(receipt.credits());
        row.returned = returned;
    }

    /// The sums over the rows of an account, or of all. Rows stand in the order of their runs and times, so those that
    /// count are the last ones.
    fn sums(&self, of: Option<AccountId>, run: RunId, now: Ms) -> Spent {
        let (day, month) = day_and_month(now);
        let mut spent = Spent::default();
        let counted = self.ledger.iter().rev().take_while(|r| r.run >= run || r.at_ms >= month);
        for row in counted.filter(|r| of.is_none_or(|account| r.account == account)) {
            let credits = row.spent.unwrap_or(row.reserved);
            spent.run += if row.run == run { credits } else { 0 };
            spent.day += if row.at_ms >= day { credits } else { 0 };
            spent.month += if row.at_ms >= month { credits } else { 0 };
        }
        spent
    }
}

/// The first of these after a place, and how many are known with them.
fn batch<R: Ord + Copy>(all: impl Iterator<Item = R>, after: Option<R>) -> (Vec<R>, Extent<R>) {
    let mut rest: Vec<R> = all.filter(|rank| after.is_none_or(|after| *rank > after)).collect();
    rest.sort_unstable();
    let known =
        rest.get(BATCH - 1).filter(|_| rest.len() > BATCH).map_or(Extent::All, |last| Extent::UpTo(*last));
    rest.truncate(if known == Extent::All { rest.len() } else { BATCH });
    (rest, known)
}

fn id_of(account: usize) -> AccountId {
    AccountId(i64::try_from(account).unwrap() + 1)
}

fn conversation_of(at: usize) -> ConversationId {
    ConversationId(i64::try_from(at).unwrap())
}

fn stall(timeline: &mut Timeline, failed: &Failed<'_>, fresh: i64) {
    let (asked, now) = (failed.asked, failed.now);
    let why = Stall::RequestFailed(failed.settlement.error.unwrap_or_default().to_owned());
    if let Some(gap) = timeline.gaps.iter_mut().find(|g| g.id == asked.gap.id) {
        *gap = gap.clone().stalled(&why, asked.run);
    } else if asked.gap.id == 0 && timeline.top_gap().is_none() {
        let gap = Gap { id: fresh, opened_ms: now, ..asked.gap.clone() };
        timeline.gaps.insert(0, gap.stalled(&why, asked.run));
    }
}

impl Archive for MemArchive {
    fn configure(&mut self, accounts: &[Configured], now: Ms) -> Result<Vec<AccountId>, StoreError> {
        for (at, account) in accounts.iter().enumerate() {
            for (name, _) in &account.conversations {
                if !self.conversations.iter().any(|c| c.name == *name) {
                    self.begin(at, name, false, now);
                }
            }
        }
        self.configured = accounts.to_vec();
        Ok((0..accounts.len()).map(id_of).collect())
    }

    fn targets(&self, _: &[AccountId]) -> Result<Vec<Target>, StoreError> {
        Ok(self.asked().map(|at| self.target(at)).collect())
    }

    fn due(
        &self,
        (account, _): (usize, AccountId),
        due: &Due,
        limits: &Limits,
    ) -> Result<(Vec<Target>, Loaded), StoreError> {
        let own = || self.asked().map(|at| self.target(at)).filter(move |t| t.plan.account == account);
        let (ids, loaded) = match due {
            Due::Gaps(after) => {
                let all = own().flat_map(|t| {
                    t.plan.timeline.gaps.iter().map(|gap| GapRank::of(&t.plan, gap)).collect::<Vec<_>>()
                });
                let (found, known) = batch(all.filter(|rank| rank.due_run <= limits.run), *after);
                (found.into_iter().map(|rank| rank.conversation).collect::<Vec<_>>(), Loaded::Gaps(known))
            }
            Due::Heads { inbox: true, .. } => {
                let due = |t: &Target| {
                    !t.plan.listed
                        && limits.run >= limits.look_run(t.plan.head_tried_run, t.plan.silent_looks)
                };
                (own().filter(due).map(|t| t.plan.id).collect(), Loaded::Heads(Extent::All))
            }
            Due::Heads { after, inbox: false } => {
                let all = own().map(|t| HeadRank { tried_ms: t.plan.head_tried_ms, conversation: t.plan.id });
                let (found, known) = batch(all, *after);
                (found.into_iter().map(|rank| rank.conversation).collect(), Loaded::Heads(known))
            }
            Due::Rechecks(after) => {
                let all = own()
                    .filter(|t| t.plan.timeline.beginning_seen)
                    .map(|t| RecheckRank::of(t.plan.id, t.plan.recheck));
                let (found, known) = batch(all, *after);
                (found.into_iter().map(|rank| rank.conversation).collect(), Loaded::Rechecks(known))
            }
        };
        let targets = ids.into_iter().map(|id| self.target(usize::try_from(id.0).unwrap()));
        Ok((targets.collect(), loaded))
    }

    fn others_are_fine(&self, than: Option<ConversationId>) -> Result<bool, StoreError> {
        let others = self.asked().filter(|at| Some(conversation_of(*at)) != than);
        Ok(others.map(|at| &self.conversations[at]).any(|c| !c.troubled && c.head_tried_ms.is_some()))
    }

    fn missing(&self, _: &[AccountId], inboxes: bool) -> Result<Outstanding, StoreError> {
        let inboxes = self.inboxes.values().filter(|_| inboxes).map(|i| &i.timeline);
        let timelines: Vec<&Timeline> =
            self.asked().map(|at| &self.conversations[at].timeline).chain(inboxes).collect();
        let of_conversations = self.asked().flat_map(|at| &self.conversations[at].timeline.gaps);
        Ok(Outstanding {
            waiting: of_conversations.filter(|gap| gap.waits()).count(),
            gaps: timelines.iter().map(|timeline| timeline.gaps.len()).sum(),
            horizon: next::horizon(timelines.iter().copied()),
            conversations: Vec::new(),
        })
    }

    fn inboxes(&mut self, accounts: &[Configured], now: Ms) -> Result<Vec<(AccountId, Inbox)>, StoreError> {
        let mut all = Vec::new();
        for (account, configured) in accounts.iter().enumerate() {
            if !self.inboxes.contains_key(&account) {
                let mut timeline = Timeline::unknown(now);
                timeline.gaps[0].id = self.id();
                self.inboxes.insert(account, MemInbox { timeline, ..MemInbox::default() });
            }
            let MemInbox { timeline, tried_ms, walked_ms, troubled } = self.inboxes[&account].clone();
            let name = configured.account.clone();
            all.push((
                id_of(account),
                Inbox { tried_ms, walked_ms, troubled, ..Inbox::new(account, name, timeline) },
            ));
        }
        Ok(all)
    }

    fn commit_inbox(&mut self, commit: &InboxCommit<'_>) -> Result<InboxCommitted, StoreError> {
        let before = self.inboxes[&commit.account].clone();
        let seen = self.seen(commit);
        let (mut timeline, stall) =
            inbox::apply(&before.timeline, commit.asked, commit.page, &seen, commit.now);
        if std::env::var("ARCHIVER_SIM_SEED").is_ok() {
            eprintln!("inbox {:?} -> {:?}\n   {timeline:?} {stall:?}", commit.asked, commit.page);
        }
        for gap in &mut timeline.gaps {
            gap.id = if gap.id == 0 { self.id() } else { gap.id };
        }
        let tried_ms = if commit.asked.cursor.is_none() { Some(commit.now) } else { before.tried_ms };
        let is_read = commit.page.is_end() || (stall.is_some() && inbox::reads_again(commit.asked));
        let ended = is_read.then_some(commit.now);
        let ended = ended.or(before.walked_ms).or(Some(commit.now)).filter(|_| timeline.beginning_seen);
        let walked_ms = ended.or(before.walked_ms);
        self.inboxes.insert(
            commit.account,
            MemInbox { timeline: timeline.clone(), tried_ms, walked_ms, troubled: stall.is_some() },
        );
        let (mut listed, mut unlisted, mut with_news, mut found) = (vec![], vec![], vec![], vec![]);
        for row in &commit.page.rows {
            let known = self.conversations.iter().position(|c| c.name == row.conversation_urn);
            let at = match known {
                Some(at) => at,
                None if commit.discover.is_some() => {
                    let at = self.begin(commit.account, &row.conversation_urn, true, commit.now);
                    found.push(self.target(at));
                    at
                }
                None => continue,
            };
            listed.push((conversation_of(at), None));
            let fresh = self.id();
            let c = &mut self.conversations[at];
            let known = KnownConversation { near: c.near(row), ..c.row.clone() };
            let update = news::update(row, &known, &c.timeline, true, commit.now);
            let hides = news::may_hide_more(row, commit.now);
            c.seen_ms = (!hides).then_some(commit.now);
            c.row = KnownConversation {
                in_inbox: !hides,
                last_message_ms: row.last_at_ms,
                last_text_hash: news::text_hash(row),
                unread: row.unread.or(known.unread),
                ..KnownConversation::default()
            };
            let announced = |at_ms| Announced { at_ms, text_hash: news::text_hash(row) };
            c.timeline.announced = row.last_at_ms.map(announced);
            unlisted.extend(hides.then_some(conversation_of(at)));
            let with_id = |gap: Gap| Gap { id: if gap.id == 0 { fresh } else { gap.id }, ..gap };
            c.timeline.gaps = update.gaps.into_iter().map(with_id).collect();
            if update.news {
                with_news.push(self.target(at));
            }
        }
        if let Some(should) = news::should_show(commit.page, commit.asked, commit.now) {
            let last = |at: &usize| self.conversations[*at].row.last_message_ms;
            let is_missing = |at: &usize| {
                let c = &self.conversations[*at];
                let seen = c.seen_ms.is_some_and(|seen| seen < should.seen_before);
                c.account == commit.account
                    && seen
                    && listed.iter().all(|(id, _)| *id != conversation_of(*at))
            };
            let missing = || (0..self.conversations.len()).filter(is_missing);
            let between = |at: &usize| last(at).is_some_and(|at| at > should.above && at < should.below);
            let mut older: Vec<usize> =
                missing().filter(|at| last(at).is_some_and(|at| at <= should.above)).collect();
            older.sort_by_key(|at| std::cmp::Reverse(last(at)));
            older.truncate(should.most_older as usize);
            let expected: Vec<usize> = missing().filter(between).chain(older).collect();
            for at in expected {
                let c = &mut self.conversations[at];
                (c.seen_ms, c.row.in_inbox) = (None, false);
                unlisted.push(conversation_of(at));
            }
        }
        self.settle(commit.receipt, Some(commit.page.returned));
        Ok(InboxCommitted { timeline, listed, unlisted, news: with_news, found, stall })
    }

    fn begin_run(&mut self, _: Trigger, _: Ms) -> Result<RunId, StoreError> {
        self.runs += 1;
        Ok(RunId(self.runs))
    }

    fn finish_run(&mut self, _: RunId, _: Outcome, _: Ms) -> Result<(), StoreError> {
        Ok(())
    }

    fn reserve(
        &mut self,
        purse: &Purse,
        request: &Request<'_>,
        now: Ms,
    ) -> Result<Option<Reservation>, StoreError> {
        let all = (purse.all, self.spent(request.run, now)?);
        let own = (purse.account, self.spent_by(request.account, request.run, now)?);
        let Some(grant) = budget::grant(&[all, own], request.wanted) else { return Ok(None) };
        let head = matches!(request.purpose, Purpose::Head | Purpose::Inbox);
        let last = self.ledger.last();
        assert!(last.is_none_or(|last| last.run <= request.run && last.at_ms <= now), "a row out of order");
        self.ledger.push(Row {
            run: request.run,
            account: request.account,
            at_ms: now,
            reserved: grant.credits(),
            spent: None,
            head,
            returned: None,
        });
        Ok(Some(grant.recorded(RequestId(i64::try_from(self.ledger.len()).unwrap() - 1))))
    }

    fn spent(&self, run: RunId, now: Ms) -> Result<Spent, StoreError> {
        Ok(self.sums(None, run, now))
    }

    fn spent_by(&self, account: AccountId, run: RunId, now: Ms) -> Result<Spent, StoreError> {
        Ok(self.sums(Some(account), run, now))
    }

    fn charge_by_answer(&mut self, run: RunId) -> Result<(), StoreError> {
        for row in self.ledger.iter_mut().filter(|r| r.run == run) {
            row.spent = row.returned.map(budget::price).or(row.spent);
        }
        Ok(())
    }

    fn charge_failures(&mut self, failures: &[RequestId], credits: u32) -> Result<(), StoreError> {
        let mut left = credits;
        for id in failures {
            let row = &mut self.ledger[usize::try_from(id.0).unwrap()];
            assert_eq!((row.spent, row.returned), (Some(0), None), "it was free");
            let credits = left.min(row.reserved);
            row.spent = Some(credits);
            left -= credits;
        }
        Ok(())
    }

    fn note_balance(&mut self, _: RunId, _: Moment, _: f64, _: Ms) -> Result<(), StoreError> {
        Ok(())
    }

    fn head_came_last(&self, account: Option<AccountId>) -> Result<bool, StoreError> {
        let mut rows = self.ledger.iter().rev();
        Ok(rows.find(|r| account.is_none_or(|account| r.account == account)).is_some_and(|r| r.head))
    }

    fn name_of(&self, _: ConversationId) -> Result<Option<String>, StoreError> {
        Ok(None)
    }

    fn owners(&self, account: AccountId) -> Result<Owners, StoreError> {
        let own = self.conversations.iter().filter(|c| id_of(c.account) == account);
        let urns = own.flat_map(|c| c.stored.values()).filter_map(|s| s.message.urn.as_deref());
        Ok(Owners { of_messages: urns.filter_map(urn::owner).next().map(str::to_owned), of_inbox: None })
    }

    fn commit_page(&mut self, commit: &Commit<'_>) -> Result<Committed, StoreError> {
        let at = usize::try_from(commit.conversation.0).unwrap();
        let asked = commit.asked;
        let timeline = self.conversations[at].timeline.clone();
        let there = timeline.gaps.contains(&asked.gap) || (asked.gap.id == 0 && asked.cursor.is_none());
        let there = there || (commit.recheck && timeline.complete());
        assert!(there, "a page came for a gap that is not as it was");
        let known = self.conversations[at].known(commit.page, Window::of(asked, commit.page));
        let apply = if commit.recheck { recheck::apply } else { apply::apply };
        let updates = apply(&timeline, asked, commit.page, &known, commit.now);
        if std::env::var("ARCHIVER_SIM_SEED").is_ok() {
            let (span, below) = (commit.page.span(), &commit.page.below);
            let (count, total) = (asked.count, commit.page.total);
            let c = super::wild::conversation_of(&self.conversations[at].name);
            eprintln!("c{c} {:?} x{count} -> {span:?} {below:?} of {total:?}\n   {updates:?}", asked.gap);
        }
        let (mut new, mut edited, mut gone, mut stall) = (0, 0, 0, None);
        let Timeline { mut gaps, mut beginning_seen, mut count, .. } = timeline.clone();
        for update in updates {
            match update {
                Update::Message(change) => {
                    let counts = self.change(at, &change, commit.page);
                    (new, edited, gone) = (new + counts.0, edited + counts.1, gone + counts.2);
                }
                Update::Gaps(after) => gaps = after,
                Update::Beginning { seen } => beginning_seen = seen,
                Update::Counted(after) => count = after,
                Update::Stalled(why) => stall = Some(why),
                Update::HeadAsked => {
                    let c = &mut self.conversations[at];
                    (c.head_tried_ms, c.head_tried_run) = (Some(commit.now), asked.run);
                }
                Update::Silent(goes_on) => {
                    let c = &mut self.conversations[at];
                    c.silent_looks = if goes_on { c.silent_looks + 1 } else { 0 };
                }
                Update::RecheckAt(at_ms) => {
                    let recheck = &mut self.conversations[at].recheck;
                    let done_ms = if at_ms.is_none() { Some(commit.now) } else { recheck.done_ms };
                    *recheck = Recheck { at_ms, done_ms };
                }
                // Here the oldest and the newest are looked up.
                Update::Span { .. } | Update::SpanMoved => {}
            }
        }
        let gaps =
            gaps.into_iter().map(|g| Gap { id: if g.id == 0 { self.id() } else { g.id }, ..g }).collect();
        let c = &mut self.conversations[at];
        c.timeline = Timeline {
            nothing_until_ms: None,
            announced: timeline.announced,
            gaps,
            newest_ms: c.by_time.keys().next_back().map(|k| k.0),
            oldest_ms: c.by_time.keys().next().map(|k| k.0),
            messages: i64::try_from(c.stored.len()).unwrap(),
            gone: i64::try_from(c.stored.values().filter(|s| s.gone).count()).unwrap(),
            beginning_seen,
            count,
        };
        c.troubled = stall.is_some();
        c.hints.served_total = commit.page.total.or(c.hints.served_total);
        if c.timeline.complete() {
            c.recheck.done_ms = c.recheck.done_ms.or(Some(commit.now));
        }
        let wrong = invariants::broken(&c.timeline);
        assert!(wrong.is_empty(), "{wrong:?} after {asked:?}\n{:?}\nwas {timeline:?}", commit.page);
        let timeline = c.timeline.clone();
        self.settle(commit.receipt, Some(commit.page.returned));
        Ok(Committed {
            conversation: commit.conversation,
            conversation_id: None,
            timeline,
            new_messages: new,
            edited,
            gone,
            stall,
            recheck: self.conversations[at].recheck,
        })
    }

    fn commit_failure(&mut self, failed: &Failed<'_>) -> Result<Timeline, StoreError> {
        self.settle(failed.settlement.receipt, None);
        let fresh = self.id();
        let head = failed.asked.cursor.is_none();
        let timeline = match failed.conversation {
            None => {
                let at = usize::try_from(failed.account.0 - 1).unwrap();
                let inbox = self.inboxes.get_mut(&at).unwrap();
                inbox.tried_ms = if head { Some(failed.now) } else { inbox.tried_ms };
                inbox.troubled = true;
                &mut inbox.timeline
            }
            Some(id) => {
                let c = &mut self.conversations[usize::try_from(id.0).unwrap()];
                c.troubled = true;
                if head {
                    (c.head_tried_ms, c.head_tried_run) = (Some(failed.now), failed.asked.run);
                }
                &mut c.timeline
            }
        };
        if failed.stalls {
            stall(timeline, failed, fresh);
        }
        Ok(timeline.clone())
    }
}

impl MemConversation {
    fn known(&self, page: &Page, Window { lo, hi, below }: Window) -> Known {
        let mut known = Known::default();
        if lo <= hi {
            let near = self.by_time.range((lo, MessageId(i64::MIN))..=(hi, MessageId(i64::MAX))).rev();
            known.near.extend(near.map(|((_, id), ())| self.stored[id].clone()));
        }
        for urn in page.messages.iter().filter_map(|m| m.urn.as_deref()) {
            if let Some(id) = self.by_urn.get(&*urn::identity(urn))
                && !known.near.iter().any(|s| s.id == *id)
            {
                known.near.push(self.stored[id].clone());
            }
        }
        let next =
            self.by_time.range(..(lo, MessageId(i64::MIN))).rev().take(usize::try_from(below).unwrap());
        known.below.extend(next.map(|((_, id), ())| self.stored[id].clone()));
        known
    }

    /// What is stored about the time of an inbox row.
    fn near(&self, row: &InboxRow) -> Vec<Near> {
        let Some((from, to)) = row.last_at_ms.map(news::around) else { return Vec::new() };
        let range = self.by_time.range((from, MessageId(i64::MIN))..=(to, MessageId(i64::MAX)));
        let stored = range.map(|((_, id), ())| &self.stored[id]).filter(|stored| !stored.gone);
        let near = |stored: &Stored| Near {
            at_ms: stored.message.at_ms,
            text: stored.message.text.clone(),
            exported: false,
            derived: stored.message.derived_time,
        };
        stored.map(near).collect()
    }

    fn insert(&mut self, id: MessageId, message: Message) {
        self.by_time.insert((message.at_ms, id), ());
        if let Some(urn) = &message.urn {
            let before = self.by_urn.insert(urn::identity(urn).into_owned(), id);
            assert_eq!(before, None, "{urn} is stored twice");
        }
        self.stored.insert(id, Stored { id, message, gone: false, exported: false, erased: false });
    }

    fn update(&mut self, id: MessageId, message: &Message) {
        let stored = self.stored.get_mut(&id).unwrap();
        self.versions.entry(id).or_default().push(stored.message.clone());
        self.by_time.remove(&(stored.message.at_ms, id));
        let before = std::mem::replace(&mut stored.message, message.clone());
        // A time once served is kept when a later answer has none that is trusted.
        if message.derived_time {
            (stored.message.at_ms, stored.message.derived_time) = (before.at_ms, before.derived_time);
        }
        stored.gone = false;
        self.by_time.insert((stored.message.at_ms, id), ());
        if let Some(urn) = &message.urn {
            self.by_urn.insert(urn::identity(urn).into_owned(), id);
        }
    }
}
