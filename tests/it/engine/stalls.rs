//! Answers that lead nowhere: the walk stops at once, what is missing stays on record, and nothing is taken for whole.

use archiver::api::ApiVersion;
use fake_linkup::faults::{Fault, FaultRule, When};
use fake_linkup::{Author, Behaviour};

use super::world::{DAY, HOUR, World, mailbox, server};
use crate::support::sample;

const BOTH: [ApiVersion; 2] = [ApiVersion::V1, ApiVersion::V2];

/// What stops a walk, and a word of the reason that is kept.
const STOPPERS: [(&str, &str); 11] = [
    ("repeat-page", "repeated a page"),
    ("repeat-cursor", "cursor did not go down"),
    ("cursor-up", "cursor did not go down"),
    ("more-without-cursor", "gives no cursor"),
    ("empty-more", "empty page"),
    ("data-array", "`data` is an empty list"),
    ("data-null", "`data` is null"),
    ("no-messages", "no `messages`"),
    ("html", "HTML"),
    ("cut-json", "cut or broken"),
    ("other-conversation", "another conversation"),
];

/// Two conversations; whatever goes wrong goes wrong in the first.
async fn world(version: ApiVersion) -> World {
    World::new(server(mailbox(&[137, 25]), Behaviour::default()), version).await
}

/// The fault strikes requests for the first conversation: those with a cursor, or all.
fn strike(world: &World, fault: &Fault, with_cursor: bool) {
    let when =
        When { conversation: Some(world.urn(0)), cursor: with_cursor.then_some(true), ..When::default() };
    world.server().faults.add(FaultRule::always(fault.clone()).when(when));
}

/// Requests and credits of the last run that went to a conversation.
fn spent_on(world: &World, conversation: usize) -> (usize, u32) {
    let rows = world.requests();
    let of = rows.iter().filter(|r| r.conversation == Some(conversation));
    (of.clone().count(), of.map(|r| r.charged).sum())
}

fn reasons(world: &World) -> Vec<String> {
    world.gaps().into_iter().flatten().collect()
}

/// Nothing is lost and nothing claimed: what is there is true, the first conversation is not whole.
fn assert_honest(world: &World, reason: &str) {
    assert_eq!(world.complete(), 1);
    let reasons = reasons(world);
    assert!(!reasons.is_empty() && reasons.iter().all(|r| r.contains(reason)), "{reason}: {reasons:?}");
    let urns: Vec<_> = world.log_of(0).into_iter().map(|r| r.urn.unwrap()).collect();
    let server = world.server();
    let there = server.mailbox(0).unwrap().conversation(0).unwrap();
    assert!(urns.iter().all(|u| there.visible().any(|m| m.urn == *u)));
    assert!(there.visible().count() >= urns.len());
    drop(server);
    world.assert_ledger();
}

async fn heals(world: &mut World, most: u32) {
    world.server().faults.clear();
    for n in 1..=most {
        let report = world.run().await;
        if report.gaps_left == 0 {
            break;
        }
        assert!(n < most, "not healed by {most} runs: {:?}", world.gaps());
    }
    assert_eq!(world.complete(), 2);
    world.assert_archived();
    world.assert_ledger();
}

#[tokio::test]
async fn a_walk_that_gets_no_further_stops_and_is_finished_once_the_server_is_well() {
    let mut cases = Vec::new();
    for version in BOTH {
        for stopper in STOPPERS {
            cases.extend([1, 2].map(|sick_runs| (version, stopper, sick_runs)));
        }
    }
    for (version, (word, reason), sick_runs) in sample(cases, 5) {
        let mut world = world(version).await;
        strike(&world, &word.parse().unwrap(), true);
        let report = world.run().await;
        // The newest page, and the one that came to nothing.
        assert_eq!(spent_on(&world, 0).0, 2, "{word}");
        assert!(spent_on(&world, 0).1 <= 10, "{word}");
        assert_eq!((report.outcome.as_str(), report.gaps_left), ("partial", 1), "{word}");
        let error = report.conversations[0].error.as_deref();
        assert!(error.is_some_and(|e| e.contains(reason)), "{word}: {error:?}");
        assert_honest(&world, reason);
        if sick_runs == 2 {
            world.run().await;
            // A look at the head, and one more attempt.
            assert!(spent_on(&world, 0).0 <= 2 && spent_on(&world, 0).1 <= 6, "{word}");
            assert_honest(&world, reason);
        }
        heals(&mut world, 3).await;
    }
}

#[tokio::test]
async fn a_conversation_whose_first_page_is_no_page_is_not_taken_for_empty() {
    let of = |version| STOPPERS[3..].iter().map(move |(word, reason)| (version, *word, *reason));
    for (version, word, reason) in sample(BOTH.into_iter().flat_map(of).collect(), 5) {
        let mut world = world(version).await;
        strike(&world, &word.parse().unwrap(), false);
        let report = world.run().await;
        assert_eq!(spent_on(&world, 0).0, 1, "{word}");
        assert_eq!((report.outcome.as_str(), report.gaps_left), ("partial", 1), "{word}");
        assert_honest(&world, reason);
        heals(&mut world, 3).await;
    }
}

#[tokio::test]
async fn a_stopped_walk_is_tried_again_ever_less_often_but_never_given_up() {
    for (word, reason) in sample(vec![STOPPERS[0], STOPPERS[2], STOPPERS[3], STOPPERS[6]], 3) {
        let mut world = world(ApiVersion::V1).await;
        strike(&world, &word.parse().unwrap(), true);
        let mut attempts = Vec::new();
        for run in 0..30 {
            world.run().await;
            let tried = world.requests().iter().any(|r| r.conversation == Some(0) && r.fault.is_some());
            attempts.extend(tried.then_some(run));
            world.clock.advance(DAY);
        }
        assert!(attempts.len() <= 9, "{word}: {attempts:?}");
        assert!(attempts[..3] == [0, 1, 2] && attempts.iter().any(|run| *run > 20), "{word}: {attempts:?}");
        // The reason is the last attempt's, whose cursor was perhaps another one.
        assert!(reasons(&world).iter().all(|r| r.contains(reason) || r.contains("repeated a page")));
        assert_honest(&world, "");
        heals(&mut world, 80).await;
    }
}

#[tokio::test]
async fn an_end_that_comes_before_the_servers_own_count_is_not_the_end() {
    let mut cases = Vec::new();
    for fault in [Fault::EarlyEnd, Fault::EmptyEnd] {
        for with_cursor in [true, false] {
            cases.extend([1, 2, 3].map(|sick_runs| (fault.clone(), with_cursor, sick_runs)));
        }
    }
    for (fault, with_cursor, sick_runs) in sample(cases, 5) {
        let mut world = world(ApiVersion::V2).await;
        strike(&world, &fault, with_cursor);
        for _ in 0..sick_runs {
            world.run().await;
            assert!(spent_on(&world, 0).0 <= 2, "{:?}", world.requests());
            assert_honest(&world, "");
        }
        heals(&mut world, 3).await;
    }
}

#[tokio::test]
async fn a_count_that_is_never_met_is_overruled_in_the_end() {
    let mut world = World::new(server(mailbox(&[61]), Behaviour::default()), ApiVersion::V2).await;
    world.server().faults.add(FaultRule::always(Fault::EarlyEnd));
    let (mut gaps, mut credits) = (Vec::new(), Vec::new());
    for _ in 0..14 {
        let report = world.run().await;
        gaps.push(report.gaps_left);
        credits.push(report.credits_spent);
        world.clock.advance(DAY);
    }
    assert_eq!(gaps, [1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0]);
    // The first page, then small ones at its end; a run is left out before the fourth. Then all that is stored is doubted
    // and read again until the end has been said as often of that. After that only the head is asked.
    assert_eq!(credits, [5, 1, 1, 0, 3, 3, 3, 3, 1, 3, 1, 1, 1, 1]);
}

/// Credits of each of 24 runs that went to the first of five conversations, which always fails, while all others are
/// archived in every run.
async fn costs_of_a_hopeless_target(version: ApiVersion, fault: &str, archived_before: bool) -> Vec<u32> {
    let mut world = World::new(server(mailbox(&[25, 61, 3, 11, 137]), Behaviour::default()), version).await;
    if archived_before {
        world.run().await;
    }
    strike(&world, &fault.parse().unwrap(), false);
    let mut costs = Vec::new();
    for run in 0..24 {
        let at = world.clock_ms();
        world.server().mailbox_mut(0).unwrap().send(4, Author::Owner, at, "still there?");
        world.clock.advance(HOUR);
        world.run().await;
        let there = |c: usize| world.server().mailbox(0).unwrap().conversation(c).unwrap().visible().count();
        for c in 1..5 {
            let sql = "SELECT messages FROM conversation_log WHERE conversation_id = ?1 AND complete";
            let here = world.query(sql, [world.urn(c)], |row| row.get::<_, u32>(0));
            assert_eq!(here, [u32::try_from(there(c)).unwrap()], "{fault}, run {run}, conversation {c}");
        }
        let sql = "SELECT ifnull(sum(credits_spent), 0) FROM request_log
                   WHERE run_id = (SELECT max(run_id) FROM run_log) AND conversation_id = ?1";
        costs.push(world.query(sql, [world.urn(0)], |row| row.get(0))[0]);
    }
    world.server().faults.clear();
    // It is left alone no longer than it failed.
    for _ in 0..24 {
        world.run().await;
    }
    world.assert_archived();
    assert_eq!(world.complete(), 5);
    world.assert_ledger();
    costs
}

#[tokio::test]
async fn one_target_that_always_fails_hinders_no_other_and_costs_ever_less() {
    let cases = vec![
        (ApiVersion::V1, "http-404", false),
        (ApiVersion::V1, "http-404", true),
        (ApiVersion::V1, "http-503", true),
        (ApiVersion::V1, "close-after", false),
        (ApiVersion::V1, "html", true),
        (ApiVersion::V2, "close-after", true),
        (ApiVersion::V2, "cut-json", false),
    ];
    for (version, fault, archived_before) in sample(cases, 5) {
        let costs = costs_of_a_hopeless_target(version, fault, archived_before).await;
        eprintln!(
            "{version:?}, {fault}, {}: {costs:?}",
            if archived_before { "later" } else { "from the start" }
        );
        let third = |n: usize| costs[n * 8..(n + 1) * 8].iter().sum::<u32>();
        assert!(third(0) > third(1) && third(1) >= third(2) && third(2) <= 2, "{fault}: {costs:?}");
        assert!(costs[0] <= 8 && costs[1..].iter().all(|c| *c <= 2), "{fault}: {costs:?}");
    }
}

#[tokio::test]
async fn an_outage_is_no_reason_to_leave_conversations_alone_afterwards() {
    for word in ["http-500", "http-503", "close-before"] {
        let sizes = [25, 61, 3, 11, 137, 4, 8];
        let mut world = World::new(server(mailbox(&sizes), Behaviour::default()), ApiVersion::V1).await;
        world.settings.retries = 1;
        world.run().await;
        world.server().faults.add(FaultRule::always(word.parse().unwrap()));
        for _ in 0..12 {
            world.clock.advance(HOUR);
            let report = world.run().await;
            // Given up after a few conversations, without asking all the others as well.
            assert_eq!(report.outcome.as_str(), "failed");
            assert!(report.requests <= 6, "{word}: {report:?}");
        }
        world.server().faults.clear();
        let at = world.clock_ms();
        for c in 0..sizes.len() {
            world.server().mailbox_mut(0).unwrap().send(c, Author::Owner, at, "the morning after");
        }
        world.clock.advance(HOUR);
        let report = world.run().await;
        assert_eq!(
            (report.outcome.as_str(), report.new_messages, report.gaps_left),
            ("complete", 7, 0),
            "{word}"
        );
        world.assert_archived();
    }
}

#[tokio::test]
async fn a_server_that_stops_serving_old_messages_costs_none_that_are_archived() {
    for version in BOTH {
        let mut world = World::new(server(mailbox(&[61, 9]), Behaviour::default()), version).await;
        world.run().await;
        for c in 0..2 {
            let cut = world.message(c, 5).at_ms;
            world.server().mailbox_mut(0).unwrap().conversation_mut(c).unwrap().retained_from = Some(cut);
        }
        world.run_until_quiet(6).await;
        assert_eq!((world.log_of(0).len(), world.log_of(1).len()), (61, 9));
        assert_eq!(world.complete(), 2);
    }
}
