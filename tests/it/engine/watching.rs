//! Watching an account is charged by the day: each day is in the ledger, and a watch that nobody wants or pays for is ended.

use archiver::api::ApiVersion;
use archiver::core::Ms;
use archiver::core::budget::Caps;
use archiver::sync::watch::Unended;
use fake_linkup::faults::{Fault, FaultRule, When};
use fake_linkup::{Behaviour, Request};

use super::world::{DAY, HOUR, KEY, World, mailbox, server};

/// 2025-10-10 and 2025-11-01.
const TOMORROW: Ms = 1_760_054_400_000;
const NEXT_MONTH: Ms = 1_761_955_200_000;
const MINUTE: Ms = 60_000;

const WATCHES: &str = "SELECT count(*) FROM event_feed";
const DAYS: &str = "SELECT sum(credits_spent) FROM request_log WHERE endpoint LIKE 'v2/webhooks%'";
const SPENT: &str = "SELECT sum(credits_spent) FROM request_log";

/// An account that is archived and watched since shortly before nine.
async fn watched() -> (World, Unended) {
    let mut world = World::new(server(mailbox(&[3]), Behaviour::default()), ApiVersion::V2).await;
    world.settings.events = true;
    world.run().await;
    let mut unended = Unended::default();
    world.poll(&mut unended).await;
    assert_eq!((world.number(WATCHES), world.number(DAYS)), (1, 10));
    (world, unended)
}

/// Lets the time come.
fn go_to(world: &World, moment: Ms) {
    world.clock.advance(moment - world.clock_ms());
}

fn charged(world: &World) -> i64 {
    i64::try_from(world.server().meter.charged()).unwrap()
}

/// Requests so far, but for the days of watching.
fn requests(world: &World) -> usize {
    world.server().meter.rows().iter().filter(|row| row.id > 0).count()
}

/// Requests to end a watch so far.
fn tries(world: &World) -> usize {
    let is_try = |path: &str| path.starts_with("/v2/webhooks/") && !path.ends_with("/events");
    world.server().meter.rows().iter().filter(|row| is_try(&row.path)).count()
}

/// Has requests about watches fail.
fn fail(world: &World, fault: FaultRule) {
    world.server().faults.add(fault.when(When { path: Some("v2/webhooks/".into()), ..When::default() }));
}

/// A cap of the month that leaves so many credits.
fn leave(world: &mut World, credits: u32) {
    let spent = u32::try_from(world.number(SPENT)).unwrap();
    world.settings.caps = Caps { month: Some(spent + credits), ..Caps::default() };
}

#[tokio::test]
async fn a_watch_is_ended_before_a_day_begins_that_the_caps_refuse() {
    let (mut world, mut unended) = watched().await;
    leave(&mut world, 9);
    go_to(&world, TOMORROW - 2 * HOUR - MINUTE);
    world.poll(&mut unended).await;
    assert_eq!(world.number(WATCHES), 1, "today is paid");
    go_to(&world, TOMORROW - 2 * HOUR);
    world.poll(&mut unended).await;
    assert_eq!(world.number(WATCHES), 0);
    let before = (charged(&world), requests(&world));
    for _ in 0..3 {
        world.clock.advance(DAY);
        world.poll(&mut unended).await;
    }
    assert_eq!((charged(&world), requests(&world)), before, "nothing more is charged or asked");
    assert_eq!(world.number(SPENT), charged(&world), "the ledger and the vendor agree");
    // Once the caps leave room, the account is watched again.
    go_to(&world, NEXT_MONTH + MINUTE);
    world.poll(&mut unended).await;
    assert_eq!((world.number(WATCHES), world.number(DAYS)), (1, 20));
}

#[tokio::test]
async fn a_day_that_the_caps_have_room_for_goes_on_over_midnight() {
    let (mut world, mut unended) = watched().await;
    leave(&mut world, 10);
    for moment in [TOMORROW - HOUR, TOMORROW + MINUTE, TOMORROW + 20 * HOUR] {
        go_to(&world, moment);
        world.poll(&mut unended).await;
        assert_eq!(world.number(WATCHES), 1);
    }
    assert_eq!((world.number(DAYS), tries(&world)), (20, 0));
    assert_eq!(world.number(SPENT), charged(&world));
}

#[tokio::test]
async fn a_day_that_began_before_the_caps_refused_it_is_booked_and_the_watch_ended() {
    let (mut world, mut unended) = watched().await;
    go_to(&world, TOMORROW + MINUTE);
    world.settings.caps = Caps { day: Some(9), ..Caps::default() };
    world.poll(&mut unended).await;
    assert_eq!((world.number(WATCHES), world.number(DAYS)), (0, 20), "it may have been charged");
    let before = charged(&world);
    world.clock.advance(5 * HOUR);
    world.poll(&mut unended).await;
    world.clock.advance(3 * DAY);
    world.poll(&mut unended).await;
    assert_eq!((charged(&world), world.number(DAYS)), (before, 20));
    world.settings.caps = Caps { day: Some(10), ..Caps::default() };
    world.poll(&mut unended).await;
    assert_eq!((world.number(WATCHES), world.number(DAYS)), (1, 30));
}

#[tokio::test]
async fn while_a_watch_cannot_be_ended_its_days_are_booked_beyond_the_caps() {
    let (mut world, mut unended) = watched().await;
    leave(&mut world, 9);
    fail(&world, FaultRule::always(Fault::http(503)));
    for (moment, tried, booked) in [
        (TOMORROW - 90 * MINUTE, 1, 10),
        (TOMORROW - 40 * MINUTE, 1, 10),
        (TOMORROW - 20 * MINUTE, 2, 10),
        // Not tried again yet, but booked.
        (TOMORROW + MINUTE, 2, 20),
        (TOMORROW + 45 * MINUTE, 3, 20),
        (TOMORROW + 50 * MINUTE, 3, 20),
        (TOMORROW + DAY + MINUTE, 4, 30),
    ] {
        go_to(&world, moment);
        world.poll(&mut unended).await;
        assert_eq!((tries(&world), world.number(DAYS)), (tried, booked), "at {moment}");
    }
    assert!(world.number(SPENT) >= charged(&world));
    world.server().faults.clear();
    go_to(&world, TOMORROW + DAY + 2 * HOUR);
    world.poll(&mut unended).await;
    assert_eq!((world.number(WATCHES), world.number(DAYS)), (0, 30));
}

#[tokio::test]
async fn an_end_whose_answer_gets_lost_is_found_out_by_the_next_try() {
    let (mut world, mut unended) = watched().await;
    world.settings.events = false;
    fail(&world, FaultRule::once(Fault::CloseAfter));
    world.poll(&mut unended).await;
    assert_eq!(world.number(WATCHES), 1);
    world.clock.advance(HOUR);
    world.poll(&mut unended).await;
    assert_eq!((world.number(WATCHES), tries(&world)), (0, 2));
}

#[tokio::test]
async fn a_watch_is_ended_once_events_are_switched_off() {
    let (mut world, mut unended) = watched().await;
    world.settings.events = false;
    world.poll(&mut unended).await;
    assert_eq!((world.number(WATCHES), tries(&world)), (0, 1));
    let before = (charged(&world), requests(&world));
    for _ in 0..3 {
        world.clock.advance(DAY);
        world.poll(&mut unended).await;
    }
    assert_eq!((charged(&world), requests(&world)), before, "there is nothing more to end");
    assert_eq!(world.number(DAYS), 10);
}

#[tokio::test]
async fn the_watch_of_an_account_that_is_not_configured_any_more_is_ended() {
    let (mut world, mut unended) = watched().await;
    world.settings.accounts[0].account = "another".to_owned();
    go_to(&world, TOMORROW + MINUTE);
    world.poll(&mut unended).await;
    assert_eq!((world.number(WATCHES), world.number(DAYS)), (0, 20), "the day that had begun is booked");
}

#[tokio::test]
async fn days_that_passed_while_nothing_ran_are_booked_afterwards() {
    let (world, mut unended) = watched().await;
    world.clock.advance(4 * DAY);
    world.poll(&mut unended).await;
    assert_eq!(world.number(DAYS), 50);
    assert_eq!(world.number(SPENT), charged(&world));
    let days = "SELECT count(DISTINCT date(at)) FROM request_log WHERE endpoint LIKE 'v2/webhooks%'";
    assert_eq!(world.number(days), 5, "each on its own day");
    world.poll(&mut unended).await;
    assert_eq!(world.number(DAYS), 50);
}

#[tokio::test]
async fn days_that_only_a_wrong_clock_has_seen_are_not_booked() {
    let (world, mut unended) = watched().await;
    world.server().behaviour.date_ahead_ms = Some(-20 * DAY);
    world.clock.advance(20 * DAY);
    world.poll(&mut unended).await;
    assert_eq!(world.number(DAYS), 20, "but for what it takes for today");
}

#[tokio::test]
async fn a_watch_that_the_api_no_longer_has_is_forgotten_and_begun_again() {
    let (world, mut unended) = watched().await;
    let watch: String = world.query("SELECT webhook FROM event_feed", [], |row| row.get(0)).remove(0);
    let path = format!("/v2/webhooks/{watch}");
    let delete = Request { method: "DELETE", path: &path, api_key: Some(KEY), ..Request::default() };
    let now = world.clock_ms();
    assert_eq!(world.server().handle(&delete, now).status, 200);
    world.poll(&mut unended).await;
    assert_eq!(world.number(WATCHES), 0);
    go_to(&world, TOMORROW + MINUTE);
    world.poll(&mut unended).await;
    assert_eq!((world.number(WATCHES), world.number(DAYS)), (1, 20));
}
