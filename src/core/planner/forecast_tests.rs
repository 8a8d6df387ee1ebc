//! Forecasts in small examples.

use super::*;
use crate::core::model::ids::{ConversationId, RunId};
use crate::core::planner::state::Inbox;
use crate::core::planner::state::Share;
use crate::core::timeline::gap::{Gap, Timeline};
use crate::core::timeline::stall::Stall;

fn conversation(id: i64, messages: i64, gaps: Vec<Gap>) -> Conversation {
    let timeline = Timeline {
        beginning_seen: gaps.iter().all(|g| g.older_ms.is_some()),
        gaps,
        newest_ms: (messages > 0).then_some(1_000_000),
        oldest_ms: (messages > 0).then_some(1),
        messages,
        ..Timeline::default()
    };
    Conversation { listed: true, ..Conversation::new(ConversationId(id), 0, format!("c{id}"), timeline) }
}

fn state(conversations: Vec<Conversation>) -> State {
    let timeline = Timeline { newest_ms: Some(1), beginning_seen: true, ..Timeline::default() };
    let inbox = Inbox { tried_ms: Some(0), walked_ms: Some(0), ..Inbox::new(0, "me".into(), timeline) };
    State { inboxes: vec![inbox], conversations }
}

fn limits() -> Limits {
    Limits {
        page_size: 50,
        share: Share { budget: Some(20), head_came_last: false },
        account_shares: vec![],
        run: RunId(9),
        longest_silence: 1,
        recheck_before_ms: None,
        in_flight_per_account: 1,
    }
}

fn forecast(state: &State, limits: &Limits, room: &Room, charges_empty: bool) -> Forecast {
    let nothing_more = |_: &mut Plan, load: Load| Err(load);
    super::forecast(Prospect::of_all(state, limits), room, charges_empty, nothing_more).unwrap()
}

fn ahead(conversations: Vec<Conversation>) -> Forecast {
    forecast(&state(conversations), &limits(), &Room { all: Some(20), ..Room::unlimited() }, true)
}

#[test]
fn an_idle_run_costs_one_credit_and_the_budget_at_most() {
    let forecast = ahead(vec![conversation(1, 30, vec![])]);
    assert_eq!(forecast.next_run, Range { min: 1, likely: Some(1), max: Some(20) });
    assert_eq!(forecast.to_complete, Range::NOTHING);
}

#[test]
fn an_inbox_that_is_read_again_is_likely_to_cost_a_credit_for_ten_conversations() {
    let mut all = state(vec![]);
    (all.inboxes[0].shown, all.inboxes[0].walked_ms) = (Some(300), Some(40));
    let limits = Limits { recheck_before_ms: Some(50), share: Share::default(), ..limits() };
    let range = |all: &State| forecast(all, &limits, &Room::unlimited(), true).next_run;
    assert_eq!(range(&all), Range { min: 1, likely: Some(1 + 30), max: None });
    all.inboxes[0].shown = None;
    assert_eq!(range(&all).likely, Some(1 + 2));
}

#[test]
fn missing_messages_are_counted_where_the_api_counts_and_else_estimated() {
    let open = Gap { id: 1, newer_ms: Some(1), ..Gap::default() };
    let mut counted = conversation(1, 50, vec![open.clone()]);
    counted.hints.served_total = Some(148);
    let guessed = conversation(2, 50, vec![open]);
    let forecast = ahead(vec![counted, guessed, conversation(3, 99, vec![])]);
    let missing: Vec<_> = forecast.missing.iter().map(|m| (m.messages, m.credits.likely)).collect();
    assert_eq!(missing, [(Some(98), Some(10)), (Some(49), Some(5))]);
    assert_eq!(forecast.to_complete, Range { min: 2, likely: Some(15), max: None });
    assert_eq!(forecast.next_run, Range { min: 3, likely: Some(11), max: Some(20) });
}

#[test]
fn nothing_is_estimated_without_a_basis() {
    let ahead_of = ahead(vec![conversation(1, 0, vec![Gap::everything(0)])]);
    assert_eq!(ahead_of.to_complete, Range { min: 1, likely: None, max: None });
    let none = State::default();
    let nothing = forecast(&none, &limits(), &Room::unlimited(), true);
    assert_eq!(nothing.next_run, Range::NOTHING);
}

#[test]
fn a_server_that_may_not_charge_for_empty_answers_lowers_the_minimum() {
    let empty = conversation(1, 0, vec![Gap::everything(0)]);
    let room = Room { all: Some(20), ..Room::unlimited() };
    let least = |charges| forecast(&state(vec![empty.clone()]), &limits(), &room, charges).next_run.min;
    assert_eq!((least(true), least(false)), (2, 1));
}

#[test]
fn an_account_that_gets_nothing_because_the_credits_end_may_come_first_all_the_same() {
    let open = Gap { id: 1, newer_ms: Some(900), ..Gap::default() };
    let stalled = Gap { stalls: 2, stalled_run: RunId(5), ..Gap::head(Some(800), 0) };
    let dear = Gap { id: 2, ask_at_least: 20, stalled: Some(Stall::NoTimes), ..stalled };
    let first = Conversation { listed: false, ..conversation(1, 50, vec![open]) };
    let other = Conversation { account: 1, ..conversation(2, 50, vec![dear]) };
    let state = State { inboxes: vec![], conversations: vec![first, other] };
    let share = |budget| Share { budget: Some(budget), head_came_last: false };
    let limits =
        Limits { page_size: 20, share: share(3), account_shares: vec![share(2), share(2)], ..limits() };
    let room = Room { all: Some(3), accounts: vec![Some(2), Some(2)], spare: true };
    let forecast = forecast(&state, &limits, &room, true);
    let accounts: Vec<usize> = forecast.steps.iter().map(|step| step.account).collect();
    assert_eq!((accounts, forecast.next_run.max), (vec![0, 0], Some(3)));
}

#[test]
fn the_price_of_pages_includes_reread_messages() {
    assert_eq!([0, 1, 9, 10, 49, 50, 98, 100].map(|n| cost(n, 50)), [1, 1, 1, 2, 5, 6, 10, 11]);
}

#[test]
fn runs_are_counted_under_every_cap() {
    const HOUR: Ms = 3_600_000;
    let midnight = 1_763_769_600_000;
    let hourly = || (1..2000).map(move |n| midnight + n * HOUR);
    let caps = |run, day, month| Caps { run, day, month };
    let runs = |credits, caps: Caps, spent| {
        arrival(credits, 1, &caps, &spent, hourly()).map(|a| (a.runs, (a.at_ms - midnight) / HOUR))
    };
    let none = Spent::default();
    assert_eq!(runs(45, caps(Some(10), None, None), none), Some((5, 5)));
    // A day of 15 credits: two whole runs and a bit, then the next day.
    assert_eq!(runs(20, caps(Some(10), Some(15), None), none), Some((24, 24)));
    assert_eq!(runs(5, caps(None, Some(15), None), Spent { day: 15, ..none }), Some((24, 24)));
    assert_eq!(runs(5, caps(Some(0), None, None), none), None);
    assert_eq!(runs(5, caps(Some(1), None, None), none), Some((5, 5)));
}
