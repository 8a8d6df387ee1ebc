//! Every form of answer that the documentation leaves open: the archive is the same, and gives back what was served.

use std::collections::BTreeMap;

use archiver::api::ApiVersion;
use fake_linkup::behaviour::TimeForm;
use fake_linkup::synth::{self, SynthOptions};
use fake_linkup::{Author, Behaviour, ServerMessage};
use fastrand::Rng;
use serde_json::{Value, json};

use super::world::{HOUR, Logged, NOW, World, mailbox, server};
use crate::support::{sample, share};

/// Every switch that changes how answers look or what they cost, with the values that are not the default.
fn switches() -> Vec<(&'static str, Vec<Value>)> {
    vec![
        ("cursor", vec![json!("inclusive")]),
        ("cursor_form", vec![json!("number")]),
        ("end_cursor", vec![json!("absent"), json!("empty")]),
        ("has_next", vec![json!("pagination"), json!("top-level"), json!("absent")]),
        ("entity_urn", vec![json!("null"), json!("absent")]),
        ("timestamps", vec![json!("string"), json!("seconds"), json!("null")]),
        ("sender", vec![json!("object")]),
        ("sender_info", vec![json!(false)]),
        ("extra_fields", vec![json!(true)]),
        ("v1_conversation_id", vec![json!(false)]),
        ("v2_conversation_id", vec![json!(true)]),
        ("v2_total", vec![json!(false)]),
        ("v2_credits", vec![json!("null"), json!("absent")]),
        ("v1_pricing", vec![json!("requested")]),
        ("empty_charge", vec![json!(0)]),
        ("page_limit", vec![json!(7), json!(25)]),
    ]
}

/// Each value of each switch, in each version.
fn each() -> Vec<(ApiVersion, &'static str, Value)> {
    let of = |version: ApiVersion| {
        let values = move |(name, values): (_, Vec<Value>)| {
            values.into_iter().map(move |value| (version, name, value))
        };
        switches().into_iter().flat_map(values)
    };
    of(ApiVersion::V1).chain(of(ApiVersion::V2)).collect()
}

fn behaviour(changes: &[(&str, Value)]) -> Behaviour {
    let changes: serde_json::Map<String, Value> =
        changes.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
    Behaviour::default().changed(&Value::Object(changes)).unwrap()
}

/// A mailbox with odd texts, groups, edits, ties and undocumented members, of four conversations of up to 80 messages.
async fn world(seed: u64, behaviour: &Behaviour, version: ApiVersion, by_profile: bool) -> World {
    let options = SynthOptions { conversations: 4, max_messages: 80, now_ms: NOW, years: 3 };
    let mailbox = synth::mailbox(seed, &options);
    let mut world = World::new(server(mailbox, behaviour.clone()), version).await;
    if by_profile {
        world.by_any();
    }
    world
}

/// Where a message stands in time, as far as answers of this form tell.
fn expected_ms(form: TimeForm, message: &ServerMessage) -> i64 {
    match form {
        TimeForm::Millis | TimeForm::String => message.at_ms,
        TimeForm::Seconds => message.at_ms.div_euclid(1000) * 1000,
        TimeForm::Null => message.created_ms,
    }
}

/// The columns say what the server's own messages say.
fn assert_columns(world: &World) {
    let logged = world.logged();
    let rows: BTreeMap<&str, &Logged> =
        logged.values().flatten().filter_map(|r| Some((r.urn.as_deref()?, r))).collect();
    let server = world.server();
    let mailbox = server.mailbox(0).unwrap();
    for c in mailbox.conversations() {
        for m in c.visible() {
            let Some(row) = rows.get(m.urn.as_str()) else {
                assert!(rows.is_empty(), "{} is missing", m.urn);
                continue;
            };
            let name = &mailbox.author(c, m.author).name;
            assert_eq!((&row.text, row.kind.as_str(), &row.sender), (&m.text, m.kind.as_ref(), name));
            assert_eq!(row.at_ms, expected_ms(server.behaviour.timestamps, m), "{row:?}");
        }
    }
}

async fn archived_twice(seed: u64, changes: &[(&str, Value)], version: ApiVersion, by_profile: bool) {
    let said = format!("{version:?}, seed {seed}, by profile: {by_profile}, {changes:?}");
    let behaviour = behaviour(changes);
    let mut world = world(seed, &behaviour, version, by_profile).await;
    let report = world.run().await;
    assert_eq!((report.outcome.as_str(), report.gaps_left), ("complete", 0), "{said}: {:?}", world.gaps());
    world.assert_archived();
    assert_columns(&world);
    let before = world.logged();
    for _ in 0..2 {
        world.clock.advance(HOUR);
        let report = world.run().await;
        assert_eq!((report.new_messages, report.changed_messages, report.gone_messages), (0, 0, 0), "{said}");
    }
    assert_eq!(world.logged(), before, "{said}");
    assert_eq!(world.number("SELECT count(*) FROM message_version"), 0, "{said}");
    assert_eq!((world.complete(), world.gaps().len()), (4, 0), "{said}");
    if !changes.iter().any(|(name, _)| *name == "v1_pricing") {
        world.assert_ledger();
    }
}

/// Without ids and times a message has no place at all.
fn placeless(changes: &[(&str, Value)]) -> bool {
    let has = |name: &str, values: &[Value]| changes.iter().any(|(n, v)| *n == name && values.contains(v));
    has("entity_urn", &[json!("null"), json!("absent")]) && has("timestamps", &[json!("null")])
}

#[tokio::test]
async fn each_form_alone_gives_the_same_archive_and_nothing_changes_when_it_is_read_again() {
    let mut cases = Vec::new();
    for (version, name, value) in each() {
        cases.extend([false, true].map(|by_profile| (version, name, value.clone(), by_profile)));
    }
    for (version, name, value, by_profile) in sample(cases, 11) {
        archived_twice(11, &[(name, value)], version, by_profile).await;
    }
}

#[tokio::test]
async fn forms_in_any_combination_give_the_same_archive() {
    let mut rng = Rng::with_seed(6);
    let mut done = 0;
    while done < share(80) {
        let mut changes: Vec<(&str, Value)> = Vec::new();
        for (name, values) in switches() {
            if rng.u8(..3) == 0 {
                changes.push((name, rng.choice(values).unwrap()));
            }
        }
        if placeless(&changes) {
            continue;
        }
        let version = if rng.bool() { ApiVersion::V1 } else { ApiVersion::V2 };
        archived_twice(rng.u64(..1000), &changes, version, rng.bool()).await;
        done += 1;
    }
}

#[tokio::test]
async fn messages_without_ids_and_times_are_kept_as_far_as_they_can_be_and_the_rest_is_not_forgotten() {
    for version in [ApiVersion::V1, ApiVersion::V2] {
        let changes = [("entity_urn", json!("absent")), ("timestamps", json!("null"))];
        let mut world = world(11, &behaviour(&changes), version, false).await;
        for _ in 0..6 {
            world.run().await;
            world.clock.advance(HOUR);
            let stored = world.number("SELECT count(*) FROM message_log");
            let there: usize =
                world.server().mailbox(0).unwrap().conversations().iter().map(|c| c.visible().count()).sum();
            assert!(stored > 0 && stored <= i64::try_from(there).unwrap());
            // What does not fit one page is known to be missing.
            let long = world
                .server()
                .mailbox(0)
                .unwrap()
                .conversations()
                .iter()
                .filter(|c| c.visible().count() > 50)
                .count();
            assert!(long > 0 && world.complete() <= 4 - i64::try_from(long).unwrap());
        }
    }
}

/// Archives in one form, then reads again in the other: no message may come twice or count as edited.
async fn changed_later(version: ApiVersion, before: &Behaviour, after: &Behaviour) {
    let mut world = World::new(server(mailbox(&[9, 10, 25, 61]), before.clone()), version).await;
    world.run_until_quiet(2).await;
    world.server().behaviour = after.clone();
    for _ in 0..3 {
        world.clock.advance(HOUR);
        let report = world.run().await;
        let changes = (report.new_messages, report.changed_messages, report.gone_messages, report.gaps_left);
        assert_eq!(changes, (0, 0, 0, 0), "{before:?} then {after:?}");
    }
    let logged = world.logged();
    let rows: Vec<&Logged> = logged.values().flatten().collect();
    assert_eq!((rows.len(), world.complete()), (105, 4), "{before:?} then {after:?}");
    assert!(rows.iter().all(|r| r.versions == 1 && r.gone_since.is_none()));
    // News are still found.
    let at = world.clock_ms();
    world.server().mailbox_mut(0).unwrap().send(3, Author::Owner, at, "news");
    world.clock.advance(HOUR);
    assert_eq!(world.run().await.new_messages, 1);
}

#[tokio::test]
async fn a_form_that_changes_after_the_archive_was_made_brings_nothing_twice() {
    for (version, name, value) in sample(each(), 11) {
        let (usual, other) = (Behaviour::default(), behaviour(&[(name, value)]));
        changed_later(version, &usual, &other).await;
        changed_later(version, &other, &usual).await;
    }
}
