//! A page is stored whole or not at all, in the order of time, and each message once.

use archiver::core::Ms;
use archiver::core::budget::Charge;
use archiver::core::model::page::{Below, Oddity, Page};
use archiver::core::timeline::gap::Asked;
use archiver::store::{Commit, StoreError, rowid_of};
use rusqlite::Connection;

use crate::bench::{Bench, NOW, item, last_page, more_page, page};
use crate::support::share;

/// Every row of every table, as text.
fn dump(db: &Connection) -> Vec<String> {
    let mut tables = db
        .prepare("SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'messages_fts%' ORDER BY name")
        .unwrap();
    let tables: Vec<String> = tables.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect();
    let mut rows = Vec::new();
    for table in tables {
        let mut statement = db.prepare(&format!("SELECT * FROM \"{table}\"")).unwrap();
        let columns = statement.column_count();
        let mut found = statement.query([]).unwrap();
        while let Some(row) = found.next().unwrap() {
            let values: Vec<String> =
                (0..columns).map(|i| format!("{:?}", row.get_ref(i).unwrap())).collect();
            rows.push(format!("{table}: {}", values.join(" ")));
        }
    }
    rows
}

/// A page that touches every table that a page can touch: new senders, types and forms, an edit, a gap that shrinks, and
/// a deletion or an item that is no message, which might be the one that seems deleted.
fn eventful(bench: &mut Bench, odd: bool) -> Page {
    let first = [
        item("u3", NOW - 3000, "Ada Example", "three"),
        item("u2", NOW - 4000, "Ada Example", "two"),
        item("u1", NOW - 5000, "Ada Example", "one"),
    ];
    bench.put(0, &more_page(&first, NOW - 5000)).unwrap();
    let next = [
        item("u9", NOW - 1000, "Zoe New", "nine").replace("TEXT", "NEW_KIND"),
        item("u8", NOW - 1500, "Yan New", "eight").replacen('{', "{\"pinned\":true,", 1),
        item("u3", NOW - 3000, "Ada Example", "three, edited"),
        item("u1", NOW - 5000, "Ada Example", "one"),
        item("u0", NOW - 6000, "Ada Example", "zero"),
    ];
    let mut page = more_page(&next, NOW - 6000);
    if odd {
        page.oddities = vec![Oddity {
            json: "17".into(),
            reason: "a number instead of an object".into(),
            of_other_thread: false,
        }];
    }
    page
}

#[test]
fn a_page_that_fails_anywhere_leaves_nothing_behind() {
    let breaks = [
        ("message", "INSERT", "NEW.text = 'zero'"),
        ("message", "INSERT", "NEW.text = 'eight'"),
        ("message", "INSERT", "NEW.text = 'nine'"),
        ("message", "UPDATE", "NEW.text = 'three, edited'"),
        ("message", "UPDATE", "NEW.gone_since_ms IS NOT NULL"),
        ("message_version", "INSERT", "1"),
        ("change", "INSERT", "1"),
        ("person", "INSERT", "NEW.name = 'Zoe New'"),
        ("kind", "INSERT", "1"),
        ("template", "INSERT", "1"),
        ("participant", "INSERT", "1"),
        ("gap", "INSERT", "1"),
        ("conversation", "UPDATE", "1"),
        ("quarantine", "INSERT", "1"),
        ("messages_unindexed", "INSERT", "1"),
        ("request", "UPDATE", "NEW.credits_spent IS NOT NULL"),
    ];
    for (table, operation, when) in breaks {
        let odd = !when.contains("gone_since_ms");
        let mut bench = Bench::new(1);
        let page = eventful(&mut bench, odd);
        let other = bench.other();
        bench.store.let_triggers_act().unwrap();
        other
            .execute_batch(&format!(
                "CREATE TRIGGER broken BEFORE {operation} ON {table} WHEN {when} BEGIN SELECT RAISE(ABORT, 'broken'); END"
            ))
            .unwrap();
        // The reservation is made in a transaction of its own and stands.
        let spent_before = bench.store.spent(bench.run, bench.now).unwrap().run;
        let result = bench.put(0, &page);
        assert!(matches!(result, Err(StoreError::Sqlite(_))), "{table} {operation} {when}: {result:?}");
        let after = dump(&other);
        other
            .execute_batch(
                "DROP TRIGGER broken; DELETE FROM request WHERE id = (SELECT max(id) FROM request)",
            )
            .unwrap();

        let mut untouched = Bench::new(1);
        let page = eventful(&mut untouched, odd);
        let mut expected = dump(&untouched.other());
        let reserved: Vec<String> = after.iter().filter(|row| !expected.contains(row)).cloned().collect();
        expected.retain(|row| !row.starts_with("sqlite_sequence") && !row.starts_with("spent:"));
        let kept: Vec<&String> = expected.iter().filter(|row| !after.contains(row)).collect();
        assert!(kept.is_empty(), "{table} {operation} {when} lost {kept:?}");
        let of_reservation = ["request:", "spent:", "sqlite_sequence:"];
        assert!(
            reserved.iter().all(|row| of_reservation.iter().any(|kind| row.starts_with(kind))),
            "{table} {operation} {when} left {reserved:?}"
        );
        assert_eq!(bench.store.spent(bench.run, bench.now).unwrap().run, spent_before);

        // And the same page is stored properly afterwards.
        let done = bench.put(0, &page).unwrap();
        let gone = u32::from(!odd);
        assert_eq!((done.new_messages, done.edited, done.gone), (3, 1, gone), "{table} {operation} {when}");
        untouched.put(0, &page).unwrap();
        let log =
            "SELECT group_concat(entity_urn || sender || message_type || text || versions || raw, x'0a')
             FROM (SELECT * FROM message_log ORDER BY sent_at_ms)";
        assert_eq!(bench.one::<String>(log), untouched.one::<String>(log), "{table} {operation} {when}");
    }
}

#[test]
fn ids_that_went_away_with_a_failed_page_are_not_used_again() {
    let mut bench = Bench::new(1);
    let other = bench.other();
    let of = |id: &str, at: Ms, sender: &str, kind: &str| item(id, at, sender, id).replace("TEXT", kind);
    let fails = last_page(&[of("u1", NOW - 9000, "Zoe Lost", "LOST")]);
    bench.store.let_triggers_act().unwrap();
    other
        .execute_batch(
            "CREATE TRIGGER broken BEFORE INSERT ON message BEGIN SELECT RAISE(ABORT, 'broken'); END",
        )
        .unwrap();
    bench.put(0, &fails).unwrap_err();
    other.execute_batch("DROP TRIGGER broken").unwrap();
    // This one gets the ids that the lost one had.
    bench.put(0, &last_page(&[of("u2", NOW - 8000, "Yan Kept", "KEPT")])).unwrap();
    let both = [of("u2", NOW - 8000, "Yan Kept", "KEPT"), of("u1", NOW - 9000, "Zoe Lost", "LOST")];
    bench.put(0, &last_page(&both)).unwrap();
    let log = bench.all::<String>(
        "SELECT entity_urn || ' ' || sender || ' ' || message_type FROM message_log ORDER BY entity_urn",
    );
    assert_eq!(log, ["u1 Zoe Lost LOST", "u2 Yan Kept KEPT"]);
}

#[test]
fn a_page_for_a_gap_that_is_no_longer_there_is_not_stored() {
    let mut bench = Bench::new(1);
    let (id, run) = (bench.targets[0].plan.id, bench.run);
    let newest = [item("u9", NOW - 1000, "Ada Example", "nine")];
    let first = bench.put(0, &more_page(&newest, NOW - 1000)).unwrap();
    let gap = first.timeline.gaps[0].clone();
    let asked = Asked { cursor: gap.cursor_to_send(), gap, count: 10, most: u32::MAX, run };
    let lower = [newest[0].clone(), item("u8", NOW - 2000, "Ada Example", "eight")];
    let page = more_page(&lower, NOW - 2000);
    let commit = |bench: &mut Bench| {
        let receipt = bench.reserve(0, 10).spend(Charge::Known(1));
        let now = bench.now;
        let (asked, page, receipt) = (&asked, &page, &receipt);
        bench.store.commit_page(&Commit {
            conversation: id,
            asked,
            page,
            receipt,
            http_status: None,
            now,
            recheck: false,
            longest_silence: 64,
        })
    };
    assert_eq!(commit(&mut bench).unwrap().new_messages, 1);
    let before = dump(&bench.other());
    assert!(matches!(commit(&mut bench), Err(StoreError::Changed { conversation }) if conversation == id));
    let mut after = dump(&bench.other());
    after.retain(|row| !before.contains(row));
    let kinds: Vec<&str> = after.iter().map(|row| row.split(':').next().unwrap()).collect();
    assert_eq!(
        kinds,
        ["request", "spent", "sqlite_sequence"],
        "the reservation stands, and nothing else: {after:?}"
    );
}

#[test]
fn ids_ascend_with_time_in_whatever_order_pages_come() {
    let mut bench = Bench::new(3);
    let mut rng = fastrand::Rng::with_seed(7);
    for round in 0..30_i64 {
        let conversation = rng.usize(0..3);
        let mut times: Vec<Ms> = (0..20).map(|_| NOW - rng.i64(0..90_000) * 1_100_000).collect();
        times.sort_unstable_by(|a, b| b.cmp(a));
        let items: Vec<String> = times
            .iter()
            .enumerate()
            .map(|(i, at)| item(&format!("u{round}-{i}"), *at, "Ada", "hi"))
            .collect();
        bench.put(conversation, &page(&items, Below::MoreWithoutCursor)).unwrap();
    }
    let by_id = bench.all::<i64>("SELECT sent_at_ms FROM message ORDER BY id");
    assert_eq!(by_id.len(), 600);
    // Two messages of one step of 1024 ms may be the other way round.
    let wrong = by_id.windows(2).filter(|two| rowid_of(two[0]) > rowid_of(two[1])).count();
    assert_eq!(wrong, 0);
    let exact = "SELECT count(*) FROM message WHERE id = sent_at_ms / 1024";
    assert!(bench.one::<i64>(exact) > 590, "nearly all get the id of their time");
}

#[test]
fn thousands_of_messages_of_one_millisecond_stay_close_together() {
    let crowd = i64::try_from(share(10_000)).unwrap();
    let mut bench = Bench::new(1);
    let before = item("before", NOW - 10_000_000, "Ada", "before");
    let after = item("after", NOW + 10_000_000, "Ada", "after");
    for batch in 0..crowd / 100 {
        let mut items = vec![after.clone()];
        items.extend((0..100).map(|i| item(&format!("u{}", batch * 100 + i), NOW, "Ada", "now")));
        items.push(before.clone());
        bench.put(0, &page(&items, Below::MoreWithoutCursor)).unwrap();
    }
    assert_eq!(bench.one::<i64>("SELECT count(*) FROM message WHERE sent_at_ms = 1749376800000"), crowd);
    let spread = bench.one::<i64>("SELECT max(id) - min(id) FROM message WHERE sent_at_ms = 1749376800000");
    assert!(spread <= 2 * crowd, "spread over {spread} ids");
    let order = bench.all::<String>("SELECT text FROM message GROUP BY text ORDER BY min(id)");
    assert_eq!(order, ["before", "now", "after"]);
}

#[test]
fn what_is_no_message_is_kept_aside_as_it_was_served() {
    let mut bench = Bench::new(1);
    let odd = ["null", "17", "\"text\"", "[1, {\"a\": 2}]", "true"];
    let mut page = last_page(&[item("u1", NOW - 1000, "Ada Example", "one")]);
    page.returned += u32::try_from(odd.len()).unwrap();
    page.oddities = odd
        .iter()
        .map(|json| Oddity { json: (*json).into(), reason: "no object".into(), of_other_thread: false })
        .collect();
    bench.put(0, &page).unwrap();
    assert_eq!(bench.all::<String>("SELECT json FROM quarantine ORDER BY id"), odd);
    let of = bench.one::<i64>(
        "SELECT count(*) FROM quarantine q JOIN request r ON r.id = q.request WHERE r.returned = 6",
    );
    assert_eq!(of, 5, "each says which answer it came with");
    assert_eq!(bench.store.queries().summary().unwrap().quarantined, 5);
    assert_eq!(bench.one::<i64>("SELECT count(*) FROM message"), 1);
}

#[test]
fn counters_of_a_conversation_equal_what_is_stored() {
    let mut bench = Bench::new(1);
    let mut rng = fastrand::Rng::with_seed(11);
    let mut alive: Vec<i64> = (1..=12).collect();
    for round in 0..40 {
        match rng.u8(0..3) {
            0 => alive.push(100 + round),
            1 if alive.len() > 4 => drop(alive.remove(rng.usize(0..alive.len()))),
            _ => {}
        }
        let items: Vec<String> = alive
            .iter()
            .rev()
            .map(|id| {
                item(
                    &format!("u{id}"),
                    NOW + id * 5000,
                    ["Ada", "Béla"][usize::try_from(id % 2).unwrap()],
                    "x",
                )
            })
            .collect();
        bench.put(0, &last_page(&items)).unwrap();
        let wrong = bench.one::<i64>(
            "SELECT count(*) FROM conversation c WHERE
               messages <> (SELECT count(*) FROM message WHERE conversation = c.id) OR
               gone <> (SELECT count(*) FROM message WHERE conversation = c.id AND gone_since_ms IS NOT NULL) OR
               newest_ms <> (SELECT max(sent_at_ms) FROM message WHERE conversation = c.id) OR
               oldest_ms <> (SELECT min(sent_at_ms) FROM message WHERE conversation = c.id) OR
               messages <> (SELECT sum(messages) FROM participant WHERE conversation = c.id)",
        );
        assert_eq!(wrong, 0, "round {round}");
    }
    assert_eq!(
        bench.one::<i64>("SELECT count(*) FROM message WHERE gone_since_ms IS NULL"),
        i64::try_from(alive.len()).unwrap()
    );
}
