//! The statements that the program executes find their rows by an index, however much is stored.

use std::collections::BTreeSet;
use std::ops::ControlFlow;
use std::sync::{Arc, Mutex};

use archiver::core::alert::AlertKind;
use archiver::core::budget::{Charge, Purse};
use archiver::core::inbox::filter::Wanted;
use archiver::core::inbox::{InboxPage, InboxRow};
use archiver::core::model::ids::{ConversationId, MessageId, RunId};
use archiver::core::search::query::Query;
use archiver::core::timeline::gap::{Asked, Gap};
use archiver::store::{
    Alert, Cause, Configured, Erasure, ExcerptAt, ExcerptSize, ExportRow, Failed, HeadPlace, InboxCommit,
    Purpose, Request, Scope, Search, Selection, Settlement, StoreError, Trigger, rowid_of,
};
use rusqlite::Connection;

use crate::bench::{Bench, NOW, item, last_page, more_page};

/// The tables that grow with what is archived.
const LARGE: [&str; 10] = [
    "message",
    "message_version",
    "conversation",
    "request",
    "gap",
    "change",
    "change_before",
    "erased",
    "notice",
    "run",
];

/// Statements that read a whole table, and why they may.
const WHOLE: &[(&str, &str)] = &[
    ("FROM gap WHERE conversation IS NOT NULL", "status shows every gap"),
    ("SELECT count(*) FROM gap", "status counts them"),
    ("FROM gap WHERE stall_code IS NOT NULL", "gap_stalled has no others"),
    ("INDEXED BY conversation_failing", "this index and the others named have no others"),
    ("ORDER BY newest_ms DESC, id LIMIT ?1", "it begins at the newest and ends soon"),
    ("INDEXED BY conversation_never_fetched", "likewise"),
    ("SELECT EXISTS (SELECT 1 FROM erased)", "it ends at the first"),
    ("INDEXED BY conversation_figures", "status adds them up, from an index that holds no more than that"),
    ("FROM conversation c JOIN account a ON a.id = c.account ORDER BY", "status shows every conversation"),
    (
        "FROM conversation ORDER BY newest_ms DESC, id",
        "any conversation may have the name that is looked for",
    ),
    ("FROM run WHERE outcome IN", "it begins at the newest and ends soon"),
    ("FROM run WHERE kind = 'sync' ORDER BY id DESC LIMIT 1", "it begins at the newest and ends soon"),
    ("UPDATE run SET outcome = 'interrupted'", "run_unfinished has no others"),
    ("count(*) FROM run", "status counts them by outcome"),
    (
        "purpose NOT IN ('login', 'watch', 'restored') ORDER BY id DESC LIMIT 1",
        "it begins at the newest and ends soon",
    ),
];

/// The lines of a statement's plan that read a whole large table.
fn scans(db: &Connection, sql: &str) -> Vec<String> {
    let mut plan = db.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
    // The parameters stay unbound.
    let mut rows = plan.raw_query();
    let mut lines: Vec<String> = Vec::new();
    while let Some(row) = rows.next().unwrap() {
        lines.push(row.get(3).unwrap());
    }
    let large = |line: &String| {
        let Some(name) = line.strip_prefix("SCAN ").and_then(|rest| rest.split(' ').next()) else {
            return false;
        };
        !line.contains("VIRTUAL TABLE")
            && LARGE.iter().any(|table| name == *table || sql.contains(&format!("{table} {name} ")))
    };
    lines.retain(large);
    lines
}

fn asked(gap: Gap, run: RunId) -> Asked {
    Asked { gap, cursor: None, count: 10, most: u32::MAX, run }
}

/// A run that does all that a run does: pages, failures, an inbox page, names, full-text indexing.
fn sync(bench: &mut Bench) {
    let text = |id: &str, ago: i64, text: &str| item(id, NOW - ago * 1000, "Ada Example", text);
    bench.put(0, &more_page(&[text("m3", 10, "three"), text("m2", 20, "two 世界")], NOW - 20_000)).unwrap();
    bench.put(0, &last_page(&[text("m3", 10, "three, edited"), text("m1", 30, "one")])).unwrap();
    let reservation = bench.reserve(1, 10);
    let receipt = reservation.spend(Charge::Known(1));
    let settlement = Settlement::bare(&receipt, Some(502), Some("a gateway said no"));
    let gap = bench.store.timeline(bench.targets[1].plan.id).unwrap().gaps.remove(0);
    let (account, now) = (bench.targets[1].account_id, bench.now);
    let conversation = Some(bench.targets[1].plan.id);
    bench
        .store
        .commit_failure(&Failed {
            longest_silence: 64,
            account,
            conversation,
            asked: &asked(gap, bench.run),
            settlement,
            stalls: true,
            now,
        })
        .unwrap();
    let account_id = bench.targets[0].account_id;
    let (run, purse) = (bench.run, Purse::default());
    let request = Request {
        run,
        account: account_id,
        endpoint: "inbox",
        conversation: None,
        purpose: Purpose::Inbox,
        wanted: 10,
    };
    let receipt = bench.store.reserve(&purse, &request, now).unwrap().unwrap().spend(Charge::Known(1));
    let row = |thread: &str, ago: i64| InboxRow {
        conversation_urn: thread.to_owned(),
        name: Some("Ada Example".to_owned()),
        profile_url: Some(format!("https://www.linkedin.com/in/{thread}/")),
        last_at_ms: Some(NOW - ago * 1000),
        last_text: Some("new".to_owned()),
        ..InboxRow::default()
    };
    let page = InboxPage { rows: vec![row("2-c0", 1), row("2-new", 2)], returned: 2, ..InboxPage::default() };
    let (discover, asked) = (Wanted::default(), asked(Gap::everything(NOW), run));
    let commit = InboxCommit {
        account: 0,
        account_id,
        asked: &asked,
        page: &page,
        discover: Some(&discover),
        receipt: &receipt,
        http_status: Some(200),
        now,
    };
    bench.store.commit_inbox(&commit).unwrap();
    bench.store.charge_by_answer(run).unwrap();
    bench.next_run();
    bench.store.checkpoint().unwrap();
}

/// What `status`, `search` and `show` ask.
fn read(bench: &Bench) {
    let queries = bench.store.queries();
    let conversation = bench.targets[0].plan.id;
    queries.summary().unwrap();
    queries.conversations().unwrap();
    queries.inboxes().unwrap();
    queries.figures().unwrap();
    queries.stalled().unwrap();
    queries.next_run().unwrap();
    queries.spent(NOW).unwrap();
    queries.last_run().unwrap();
    queries.newest_conversations(3).unwrap();
    queries.conversations_in_trouble().unwrap();
    queries.forgotten().unwrap();
    queries.gaps_left_alone().unwrap();
    queries.gaps_of_inboxes().unwrap();
    queries.left_alone(3).unwrap();
    queries.oldest_message().unwrap();
    queries.as_one_conversation().unwrap();
    queries.newest_conversation_heads(3).unwrap();
    queries.candidates().unwrap();
    queries.gaps_of(conversation).unwrap();
    let range = Scope { conversation: Some(conversation), ..Scope::default() };
    let range = queries.newest_of(range, 10).unwrap();
    let first = queries.messages(&range, None, ControlFlow::Break).unwrap().unwrap();
    queries.before(&first, 3).unwrap();
    queries.former_versions(first.id).unwrap();
    queries.message_called("m1", conversation).unwrap();
    queries.changes(0, Some(10), |_| ControlFlow::<()>::Continue(())).unwrap();
    let pending = queries.pending(0, 10).unwrap();
    pending.changes.iter().for_each(|change| drop(queries.message_at(change).unwrap()));
    queries.last_change().unwrap();
    queries.erasures().unwrap();
    queries.notice_after(0).unwrap();
    queries.notices_after(0).unwrap();
    queries.run_under_way().unwrap();
    queries.sinks().unwrap();
    queries.last_conversation().unwrap();
    queries.accounts_in_use().unwrap();
    queries.never_fetched().unwrap();
    queries.accounts_asked().unwrap();
    bench.store.stuck_gaps(3).unwrap();
    for (text, conversations) in [("three", vec![]), ("世", vec![]), ("one", vec![conversation])] {
        let within = Some(BTreeSet::from_iter(conversations)).filter(|ids| !ids.is_empty());
        let search = Search { query: Query::parse(text), within, ..Search::default() };
        queries.search(&search, 10).unwrap();
        queries.search_best(&search, 10).unwrap();
        queries.search_count(&search).unwrap();
        queries.search_with_facets(&search, 10).unwrap();
    }
    browse(bench, conversation, first.id);
}

/// What the pages of `serve` ask.
fn browse(bench: &Bench, conversation: ConversationId, message: MessageId) {
    let queries = bench.store.queries();
    let (_, place) = queries.place_of(message).unwrap().unwrap();
    let size = ExcerptSize { messages: 3, bytes: 1000 };
    let nothing = |_: &ExportRow<'_>| Ok::<_, StoreError>(());
    for at in [ExcerptAt::Newest, ExcerptAt::Before(place), ExcerptAt::After(place), ExcerptAt::Around(place)]
    {
        if let Some(excerpt) = queries.excerpt(conversation, at, size).unwrap() {
            queries.messages_of_excerpt(conversation, &excerpt, nothing).unwrap();
        }
    }
    queries.newest_message(conversation, nothing).unwrap();
    queries.message_row(message, nothing).unwrap();
    queries.conversation(conversation).unwrap();
    queries.conversation_heads().unwrap();
    for newest_ms in [Some(NOW), None] {
        let after = HeadPlace { newest_ms, id: conversation };
        queries.conversations_after(Some(after), |_| ControlFlow::<()>::Continue(())).unwrap();
    }
    queries.conversations_with_gaps().unwrap();
    queries.conversation_count(None).unwrap();
    queries.conversation_count(Some(bench.targets[0].account_id)).unwrap();
    queries.active_after(NOW, None).unwrap();
    queries.has_conversation(conversation).unwrap();
    queries.conversation_by_key("2-c0").unwrap();
    queries.conversations_with(&BTreeSet::new()).unwrap();
    queries.ledger_runs(None, 3).unwrap();
    queries.ledger_requests(Some(bench.run), None, 3).unwrap();
}

#[test]
fn hot_statements_use_an_index() {
    let names = (0..3).map(|i| (format!("2-c{i}"), None)).collect();
    let profiles = vec![("https://www.linkedin.com/in/someone/".to_owned(), None)];
    let account = Configured {
        account: "me".into(),
        conversations: names,
        profiles,
        discover: true,
        ..Configured::default()
    };
    let accounts = [account];
    let mut bench = Bench::of(&accounts);
    let seen: Arc<Mutex<BTreeSet<String>>> = Arc::default();
    let sink = Arc::clone(&seen);
    let see = move |sql: &str| {
        sink.lock().unwrap().insert(sql.to_owned());
    };
    // With something erased, pages are held to that, too.
    bench.put(0, &last_page(&[item("e1", NOW - 9_000_000, "Ada Example", "erased")])).unwrap();
    let selection = Selection { messages: Some(vec![rowid_of(NOW - 9_000_000)]), ..Selection::default() };
    let erasure = Erasure { selection: &selection, reason: None, trigger: Trigger::Once, now: NOW };
    assert!(bench.store.erase(&erasure).unwrap().is_some());
    bench.store.set_retention(&["2-held".to_owned()], Some(1), NOW).unwrap();
    bench.store.trace(see).unwrap();
    bench.store.inboxes(&accounts, NOW).unwrap();
    bench.store.configure(&accounts, NOW).unwrap();
    sync(&mut bench);
    let alert = Alert {
        account: None,
        cause: Cause::Key,
        since_ms: NOW,
        message: String::new(),
        credential: String::new(),
    };
    bench.store.raise_alert(&alert, "").unwrap();
    bench.store.add_notice((AlertKind::Budget, None), "", Some("today"), NOW).unwrap();
    bench.store.add_notice_of_gaps(&[], "", NOW).unwrap();
    read(&bench);
    let db = bench.other();
    let words = ["SELECT", "INSERT", "UPDATE", "DELETE"];
    // FTS5's own statements on its tables are not the program's.
    let own = |sql: &&String| {
        words.iter().any(|w| sql.starts_with(w)) && !sql.contains("fts_") && !sql.contains("temp.")
    };
    let statements = seen.lock().unwrap();
    let statements: Vec<&String> = statements.iter().filter(own).collect();
    assert!(statements.len() > 60, "only {} statements were seen", statements.len());
    let whole = |sql: &str| WHOLE.iter().any(|(part, _)| sql.contains(part));
    let found: Vec<(Vec<String>, &&String)> = statements
        .iter()
        .filter(|sql| !whole(sql))
        .map(|sql| (scans(&db, sql), sql))
        .filter(|(scans, _)| !scans.is_empty())
        .collect();
    assert!(found.is_empty(), "{found:#?}");
    for (part, why) in WHOLE {
        assert!(statements.iter().any(|sql| sql.contains(part)), "{part} ({why}) was not executed");
    }
}

#[test]
fn a_page_costs_three_statements_for_each_new_message_and_a_few_more() {
    let account = Configured {
        account: "me".into(),
        conversations: vec![("2-c0".into(), None)],
        ..Configured::default()
    };
    let mut bench = Bench::of(&[account]);
    let page = |from: i64, count: i64| -> Vec<String> {
        (from..from + count).map(|n| item(&format!("u{n}"), NOW - n * 1000, "Ada Example", "hello")).collect()
    };
    bench.put(0, &more_page(&page(0, 10), NOW - 9_000)).unwrap();
    let count: Arc<Mutex<usize>> = Arc::default();
    let sink = Arc::clone(&count);
    bench.store.trace(move |_| *sink.lock().unwrap() += 1).unwrap();
    bench.put(0, &more_page(&page(9, 51), NOW - 59_000)).unwrap();
    let statements = *count.lock().unwrap();
    // A look for its id, its row, and its place among those that wait to be indexed.
    assert!((3 * 50..3 * 50 + 100).contains(&statements), "{statements}");
}
