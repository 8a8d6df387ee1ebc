//! What is read by indexes is what comes out when each conversation is looked at.

use archiver::app::wiring;
use archiver::config::Config;
use archiver::core::Ms;
use archiver::core::model::ids::RunId;
use archiver::core::planner::backoff::due_run;
use archiver::store::Store;
use chrono::{DateTime, Utc};
use fastrand::Rng;
use rusqlite::{Connection, params};

use serde_json::Value;

use crate::binary::{Home, START};
use crate::support::share;

const DAY: Ms = 86_400_000;

fn config(rng: &mut Rng) -> String {
    let inbox = rng.choice(["discover", "probe", "off"]).unwrap();
    let budget =
        rng.choice(["credits_per_run = 3", "credits_per_run = 1000", "credits_per_day = 1"]).unwrap();
    let recheck = if rng.bool() { 30 } else { 0 };
    let version = if rng.bool() { "v1" } else { "v2" };
    let account = |name: &str| {
        let access = if version == "v1" { "login_token = \"x\"\n" } else { "account_id = \"x\"\n" };
        format!("[[accounts]]\nname = \"{name}\"\n{access}conversations = [\"2-{name}1\", \"2-{name}3\"]\n")
    };
    format!(
        "[api]\nversion = \"{version}\"\n[budget]\n{budget}\nreconcile = false\n[metrics]\ntextfile = \"figures.prom\"\n[sync]\ninbox = \"{inbox}\"\nrecheck_days = {recheck}\n{}{}",
        account("me"),
        account("other")
    )
}

/// An archive that may be or not: what runs ask for is as the configuration has it.
fn archive(home: &Home, rng: &mut Rng) {
    let text = config(rng);
    home.write("archiver.toml", &text);
    let config = Config::parse(&text, &home.path("archiver.toml")).unwrap();
    let mut store = Store::open(&config.archive.path).unwrap();
    store.configure(&wiring::accounts(&config), START).unwrap();
    store.close().unwrap();
    let db = Connection::open(&config.archive.path).unwrap();
    let discovers = text.contains("\"discover\"");
    db.execute_batch(
        "INSERT INTO account (name) VALUES ('gone');
         INSERT INTO run (kind, started_ms, finished_ms, trigger, outcome) VALUES ('sync', 1, 2, 'once', 'complete');
         INSERT INTO import (run, account, source, file) VALUES (1, 1, 'linkedin-export', 'x.csv');
         DELETE FROM gap;",
    )
    .unwrap();
    for n in 0..rng.i64(0..30) {
        let sql = "INSERT INTO conversation (account, thread, discovered, asked) VALUES (?1, ?2, ?3, ?4)";
        let (account, discovered) = (rng.i64(1..=3), rng.bool());
        let asked = discovers && discovered && account < 3;
        db.execute(sql, params![account, format!("2-x{n}"), discovered, i64::from(asked)]).unwrap();
    }
    let ids: Vec<i64> = {
        let mut all = db.prepare("SELECT id FROM conversation").unwrap();
        all.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
    };
    for id in ids {
        conversation(&db, id, rng);
    }
    for account in 1..=rng.i64(1..=3) {
        let sql = "INSERT INTO inbox (account, newest_ms, oldest_ms, beginning_seen_ms, tried_ms) VALUES (?1, ?2, ?3, ?4, ?2)";
        db.execute(sql, params![account, START + 90 * DAY, START, maybe(rng, START)]).unwrap();
        if rng.bool() {
            gap(&db, account, None, maybe(rng, START + 3 * DAY), maybe(rng, START), rng);
        }
    }
    db.execute_batch(
        "UPDATE gap SET rank = (SELECT CASE WHEN c.asked = 0 THEN 3 WHEN gap.stalls > 0 THEN 2 ELSE c.last_error IS NOT NULL END
           FROM conversation c WHERE c.id = gap.conversation) WHERE conversation IS NOT NULL",
    )
    .unwrap();
}

fn maybe<T>(rng: &mut Rng, value: T) -> Option<T> {
    Some(value).filter(|_| rng.bool())
}

/// Anything that a conversation may have come to.
fn conversation(db: &Connection, id: i64, rng: &mut Rng) {
    let messages = rng.i64(0..60) * i64::from(rng.u32(0..3) > 0);
    let gone = rng.i64(0..=messages.min(3));
    let (oldest, newest) = (START + rng.i64(0..40) * DAY, START + rng.i64(41..80) * DAY);
    let time = |at: Ms| Some(at).filter(|_| messages > 0);
    let counted = messages + rng.i64(-2..4);
    let total = maybe(rng, counted);
    let error = Some("it said no").filter(|_| rng.u32(0..6) == 0);
    let run = rng.i64(0..2);
    db.execute(
        "UPDATE conversation SET messages = ?2, gone = ?3, oldest_ms = ?4, newest_ms = ?5, beginning_seen_ms = ?6,
           synced_ms = ?7, served_total = ?8, last_error = ?9, counts_gone = ?10, inbox_seen_ms = ?11, name = ?12,
           head_tried_ms = ?13, head_tried_run = ?14, look_run = ?14 + 1 WHERE id = ?1",
        params![
            id, messages, gone, time(oldest), time(newest), maybe(rng, newest), maybe(rng, newest), total, error,
            rng.bool(), maybe(rng, newest), maybe(rng, format!("Person {}", id % 7)), maybe(rng, START + id % 5), run
        ],
    )
    .unwrap();
    if rng.u32(0..4) == 0 {
        let sql =
            "INSERT INTO export_cover (import, conversation, oldest_ms, newest_ms) VALUES (1, ?1, 1, 2)";
        db.execute(sql, [id]).unwrap();
    }
    let account =
        db.query_row("SELECT account FROM conversation WHERE id = ?1", [id], |row| row.get(0)).unwrap();
    let mut below = newest;
    for n in 0..rng.u32(0..3) * rng.u32(0..2) {
        let newer = below - rng.i64(1..5) * DAY;
        let older = newer - rng.i64(1..5) * DAY;
        below = older;
        let newer = Some(newer).filter(|_| n > 0 || rng.bool());
        gap(db, account, Some(id), newer, maybe(rng, older), rng);
    }
}

fn gap(db: &Connection, account: i64, id: Option<i64>, newer: Option<Ms>, older: Option<Ms>, rng: &mut Rng) {
    let stalls = rng.u32(0..3) * rng.u32(0..2);
    let code = Some("repeated_page").filter(|_| stalls > 0);
    db.execute(
        "INSERT INTO gap (account, conversation, newer_ms, older_ms, opened_ms, stall_code, stalls, stalled_run, due_run)
         VALUES (?1, ?2, ?3, ?4, 1, ?5, ?6, 1, ?7)",
        params![account, id, newer, older, code, stalls, due_run(stalls, RunId(1)).0],
    )
    .unwrap();
}

/// `status --json` without what changes by the second.
fn status(home: &Home) -> Value {
    let mut status = home.run(&["status", "--json"]).expect(0).json();
    status["horizon_age_secs"] = Value::Null;
    status
}

/// The figures of accounts in the file for Prometheus, and the same of `status --json`, by name.
fn figures(home: &Home, status: &Value) -> [Vec<(String, i64)>; 2] {
    const NAMES: [(&str, &str); 6] = [
        ("messages", "messages"),
        ("conversations", "conversations"),
        ("conversations_complete", "complete"),
        ("conversations_failing", "failing"),
        ("gaps", "gaps"),
        ("account_parked", "parked"),
    ];
    let text = std::fs::read_to_string(home.path("figures.prom")).unwrap();
    let (mut written, mut said) = (Vec::new(), Vec::new());
    for (metric, member) in NAMES {
        let start = format!("archiver_{metric}{{account=");
        for line in text.lines().filter(|line| line.starts_with(&start)) {
            let (name, value) = line.rsplit_once(' ').unwrap();
            written.push((name.to_owned(), value.parse().unwrap()));
        }
        for account in status["accounts"].as_array().unwrap() {
            let value = &account[member];
            let value = value.as_i64().unwrap_or_else(|| i64::from(value.as_bool().unwrap()));
            said.push((format!("{start}{}}}", account["account"]), value));
        }
    }
    let horizon = text.lines().find_map(|line| line.strip_prefix("archiver_horizon_timestamp_seconds "));
    written.extend(horizon.map(|at| ("horizon".to_owned(), at.replace('.', "").parse().unwrap())));
    let horizon = status["horizon"].as_str().map(|at| at.parse::<DateTime<Utc>>().unwrap());
    said.extend(horizon.map(|at| ("horizon".to_owned(), at.timestamp_millis())));
    [written, said]
}

#[test]
fn status_plan_and_metrics_say_the_same_whether_they_look_at_every_conversation_or_not() {
    for seed in 0..u64::try_from(share(100)).unwrap() {
        let home = Home::empty();
        home.write_secret("api_key", "k");
        archive(&home, &mut Rng::with_seed(seed));
        let said = || {
            let texts = [&["status"][..], &["plan"], &["plan", "--json"]];
            (texts.map(|command| home.run(command).expect(0).stdout), status(&home))
        };
        // A run that may spend nothing writes the metrics and asks for nothing.
        home.run(&["sync", "--once", "--budget", "0"]).expect(0);
        let by_index = said();
        let [written, of_status] = figures(&home, &by_index.1);
        assert_eq!(written, of_status, "seed {seed}");
        // Another configuration has been applied: what is asked for is worked out from the conversations.
        let db = Connection::open(home.path("archive.db")).unwrap();
        assert_eq!(db.execute("UPDATE configuration SET digest = digest + 1", []).unwrap(), 1);
        assert_eq!(by_index, said(), "seed {seed}");
    }
}
