//! What is asked next, in small examples.

use super::*;
use crate::core::model::cursor::Cursor;
use crate::core::model::ids::{ConversationId, RunId};
use crate::core::planner::plan::Loaded;
use crate::core::planner::state::{Progress, Recheck, State};

fn conversation(id: i64, gaps: Vec<Gap>) -> Conversation {
    let timeline = Timeline {
        gaps,
        newest_ms: Some(1_000_000),
        oldest_ms: Some(1),
        messages: 50,
        beginning_seen: true,
        ..Timeline::default()
    };
    Conversation {
        head_tried_ms: Some(id),
        ..Conversation::new(ConversationId(id), 0, format!("c{id}"), timeline)
    }
}

fn gap(id: i64, newer: Ms, older: Ms) -> Gap {
    Gap {
        id,
        newer_ms: Some(newer),
        older_ms: Some(older),
        cursor: Some(Cursor::made(newer)),
        ..Gap::default()
    }
}

fn limits(budget: Option<u32>) -> Limits {
    Limits {
        page_size: 50,
        share: Share { budget, head_came_last: false },
        account_shares: vec![],
        run: RunId(1),
        longest_silence: 4,
        recheck_before_ms: None,
        in_flight_per_account: 1,
    }
}

/// Those of a run that follows one which ended with a look at a head.
fn after_a_head(budget: u32) -> Limits {
    Limits { share: Share { budget: Some(budget), head_came_last: true }, ..limits(None) }
}

fn room(all: Option<u32>) -> Room {
    Room { all, ..Room::unlimited() }
}

fn next(state: &State, limits: &Limits, progress: &Progress, room: &Room) -> Next {
    let mut plan = Plan::new(limits.clone(), 1, state.inboxes.clone());
    plan.progress = progress.clone();
    state.conversations.iter().cloned().for_each(|conversation| plan.put(conversation));
    plan.knows_all();
    plan.next(room)
}

fn outlook(state: &State, limits: &Limits, room: &Room) -> (Vec<Step>, Next) {
    let nothing_more = |_: &mut Plan, load: Load| Err(load);
    let ahead = Plan::whole(limits, state).outlook(room, nothing_more).unwrap();
    (ahead.steps, ahead.end)
}

fn state(conversations: &[Conversation]) -> State {
    State { inboxes: vec![], conversations: conversations.to_vec() }
}

fn inbox(gaps: Vec<Gap>) -> Inbox {
    let timeline =
        Timeline { beginning_seen: gaps.is_empty(), newest_ms: Some(1_000_000), gaps, ..Timeline::default() };
    Inbox { tried_ms: Some(0), walked_ms: Some(0), ..Inbox::new(0, "me".into(), timeline) }
}

fn asks_of(state: &State, limits: &Limits) -> Vec<String> {
    let (steps, _) = outlook(
        state,
        limits,
        &Room {
            accounts: limits.account_shares.iter().map(|s| s.budget).collect(),
            ..room(limits.share.budget)
        },
    );
    let name = |s: &Step| match s.whom {
        Subject::Inbox(_) if s.kind == StepKind::Head => "i".to_owned(),
        Subject::Inbox(_) => "walk".to_owned(),
        Subject::Conversation(id) if s.kind == StepKind::Head => format!("h{id}"),
        Subject::Conversation(id) if s.kind == StepKind::Recheck => format!("r{id}"),
        Subject::Conversation(_) => format!("g{}", s.gap.id),
    };
    steps.iter().map(name).collect()
}

fn asks(conversations: &[Conversation], limits: &Limits) -> Vec<String> {
    asks_of(&state(conversations), limits)
}

#[test]
fn the_inbox_replaces_the_heads_of_the_conversations_it_lists() {
    let listed = |id| Conversation { listed: true, ..conversation(id, vec![]) };
    let mut all = State {
        inboxes: vec![inbox(vec![])],
        conversations: vec![listed(1), listed(2), conversation(3, vec![])],
    };
    assert_eq!(asks_of(&all, &limits(None)), ["i", "h3"]);
    all.conversations[2].silent_looks = 2;
    all.conversations[2].head_tried_run = RunId(1);
    assert_eq!(asks_of(&all, &limits(None)), ["i"]);
    assert_eq!(asks_of(&all, &Limits { run: RunId(5), ..limits(None) }), ["i", "h3"]);
    all.inboxes = vec![inbox(vec![Gap::everything(0)])];
    all.conversations[0].timeline.gaps = vec![Gap { id: 7, ..Gap::head(Some(5), 0) }];
    assert_eq!(asks_of(&all, &limits(None)), ["walk", "g7"]);
}

#[test]
fn a_gap_that_needs_what_a_look_at_an_empty_inbox_may_cost_comes_before_it_in_every_other_run() {
    // It may hold so much that whole credits are set aside.
    let timeline = Timeline { beginning_seen: true, ..Timeline::default() };
    let empty = |account| Inbox { account, timeline: timeline.clone(), ..inbox(vec![]) };
    let dear = Gap { ask_at_least: 40, ..gap(7, 900, 100) };
    let listed = Conversation { listed: true, ..conversation(1, vec![dear]) };
    let all = State { inboxes: vec![empty(0), empty(1)], conversations: vec![listed] };
    assert_eq!(asks_of(&all, &after_a_head(5))[0], "g7");
    assert_eq!(asks_of(&all, &limits(Some(5)))[0], "i");
}

#[test]
fn inboxes_that_could_take_all_heads_of_a_run_take_turns_with_conversations() {
    let other = Inbox { account: 1, tried_ms: Some(1), ..inbox(vec![]) };
    let all = State {
        inboxes: vec![Inbox { tried_ms: Some(1), ..inbox(vec![]) }, other],
        conversations: vec![
            Conversation { head_tried_ms: Some(0), ..conversation(3, vec![]) },
            conversation(4, vec![gap(9, 900, 100)]),
        ],
    };
    assert_eq!(asks_of(&all, &limits(Some(4)))[..2], ["h3", "i"]);
    assert_eq!(asks_of(&all, &limits(Some(6)))[..2], ["i", "i"]);
}

#[test]
fn an_inbox_that_failed_once_is_waited_for_and_one_that_failed_twice_is_done_without() {
    let listed = Conversation { listed: true, ..conversation(1, vec![]) };
    let asks = |troubled| {
        let inboxes = vec![Inbox { troubled, ..inbox(vec![]) }];
        let state = State { inboxes, conversations: vec![listed.clone(), conversation(2, vec![])] };
        let failed = [Subject::Inbox(0)].into();
        next(&state, &limits(None), &Progress { failed, ..Progress::default() }, &room(None))
    };
    assert_eq!(asks(false), Next::Done);
    assert!(matches!(asks(true), Next::Ask(_)));
}

#[test]
fn with_one_credit_a_run_inbox_and_unlisted_conversations_take_turns() {
    let all = State { inboxes: vec![inbox(vec![])], conversations: vec![conversation(3, vec![])] };
    assert_eq!(asks_of(&all, &limits(Some(1))), ["i"]);
    let mut later = all.clone();
    later.inboxes[0].tried_ms = Some(9);
    assert_eq!(asks_of(&later, &limits(Some(1))), ["h3"]);
}

#[test]
fn the_newest_missing_message_comes_first_over_all_conversations() {
    let all = [
        conversation(1, vec![gap(11, 900, 800), gap(12, 300, 200)]),
        conversation(2, vec![Gap::everything(0), gap(21, 500, 400)]),
    ];
    assert_eq!(asks(&all, &limits(None)), ["h1", "g0", "g11", "g21", "g12"]);
}

#[test]
fn heads_get_half_of_a_run_while_gaps_wait_and_the_rest_when_none_does() {
    let mut all: Vec<_> = (1..=5).map(|id| conversation(id, vec![])).collect();
    assert_eq!(asks(&all, &limits(Some(3))), ["h1", "h2", "h3"]);
    all[4].timeline.gaps = vec![gap(9, 900, 100)];
    assert_eq!(asks(&all, &limits(Some(3))), ["h1", "h2", "g9"]);
}

#[test]
fn runs_of_one_credit_take_turns() {
    let all = [conversation(1, vec![gap(9, 900, 100)])];
    assert_eq!(asks(&all, &limits(Some(1))), ["h1"]);
    assert_eq!(asks(&all, &after_a_head(1)), ["g9"]);
}

#[test]
fn a_gap_that_needs_the_whole_run_takes_turns_with_the_heads() {
    let all = [conversation(1, vec![Gap { ask_at_least: 20, ..gap(9, 900, 100) }]), conversation(2, vec![])];
    assert_eq!(asks(&all, &limits(Some(2))), ["h1", "h2"]);
    assert_eq!(asks(&all, &after_a_head(2)), ["g9"]);
    assert_eq!(asks(&all, &limits(Some(3))), ["h1", "h2"]);
    assert_eq!(asks(&all, &after_a_head(3)), ["h1", "g9"]);
}

#[test]
fn heads_and_gaps_of_an_account_with_a_cap_of_its_own_take_turns() {
    let all = [conversation(1, vec![gap(9, 900, 100)]), conversation(2, vec![])];
    let own = |head_came_last| Limits {
        account_shares: vec![Share { budget: Some(1), head_came_last }],
        ..limits(Some(10))
    };
    assert_eq!(asks(&all, &own(false)), ["h1"]);
    assert_eq!(asks(&all, &own(true)), ["g9"]);
}

#[test]
fn a_stalled_gap_waits_its_runs_and_comes_back() {
    let stalled = Gap { stalls: 3, stalled_run: RunId(7), ..gap(9, 900, 100) };
    let due_in: Vec<i64> =
        (7..=10).filter(|run| is_due(&stalled, &Limits { run: RunId(*run), ..limits(None) })).collect();
    assert_eq!(due_in, [9, 10]);
}

#[test]
fn a_gap_that_needs_more_than_is_left_ends_the_run_as_out_of_budget() {
    let dear = Gap { ask_at_least: 40, ..gap(9, 900, 100) };
    let mut one = conversation(1, vec![dear]);
    one.timeline.newest_ms = Some(900);
    let progress =
        Progress { heads_done: [Subject::Conversation(ConversationId(1))].into(), ..Progress::default() };
    let one = state(&[one]);
    assert_eq!(next(&one, &limits(Some(3)), &progress, &room(Some(3))), Next::OutOfBudget);
    assert!(matches!(next(&one, &limits(Some(4)), &progress, &room(Some(4))), Next::Ask(_)));
}

#[test]
fn the_horizon_is_where_the_newest_gap_begins() {
    let t = |gaps| Timeline { gaps, oldest_ms: Some(5), ..Timeline::default() };
    let of = |timelines: &[Timeline]| horizon(timelines.iter());
    assert_eq!(
        of(&[t(vec![]), t(vec![gap(1, 900, 800), gap(2, 300, 200)]), t(vec![gap(3, 950, 800)])]),
        Some(950)
    );
    assert_eq!(of(&[t(vec![])]), Some(5));
    assert_eq!(of(&[t(vec![gap(3, 950, 800)]), t(vec![Gap::everything(0)])]), None);
}

#[test]
fn an_account_whose_own_cap_is_used_up_leaves_the_rest_to_the_others() {
    let other = |id| Conversation { account: 1, ..conversation(id, vec![]) };
    let all = state(&[conversation(1, vec![]), other(2), other(3)]);
    let limits = limits(None);
    let room = Room { all: Some(9), accounts: vec![None, Some(1)], spare: true };
    let (steps, end) = outlook(&all, &limits, &room);
    assert_eq!((steps.len(), end), (2, Next::OutOfBudget));
    assert_eq!((room.of(0), room.of(1), room.of(7)), (Some(9), Some(1), Some(9)));
}

#[test]
fn complete_conversations_are_read_again_when_nothing_else_is_left_and_credits_are_to_spare() {
    let done = |id, done_ms| Conversation {
        recheck: Recheck { at_ms: None, done_ms: Some(done_ms) },
        ..conversation(id, vec![])
    };
    let begun =
        Conversation { recheck: Recheck { at_ms: Some(77), done_ms: Some(40) }, ..conversation(4, vec![]) };
    let all = [done(1, 30), done(2, 20), done(3, 99), begun];
    let recheck = Limits { recheck_before_ms: Some(50), ..limits(None) };
    assert_eq!(asks(&all, &limits(None)), ["h1", "h2", "h3", "h4"]);
    assert_eq!(asks(&all, &recheck), ["h1", "h2", "h3", "h4", "r4", "r2", "r1"]);
    let poor = Room { spare: false, ..Room::unlimited() };
    assert_eq!(outlook(&state(&all), &recheck, &poor).0.len(), 4);
    assert_eq!(
        asks(&all, &Limits { share: Share { budget: Some(5), head_came_last: false }, ..recheck }),
        ["h1", "h2", "h3", "h4", "r4"]
    );
}

#[test]
fn an_inbox_is_read_again_before_the_conversations_once_it_was_read_long_ago() {
    let done = Conversation {
        listed: true,
        recheck: Recheck { at_ms: None, done_ms: Some(30) },
        ..conversation(1, vec![])
    };
    let read = |walked_ms| Inbox { walked_ms: Some(walked_ms), ..inbox(vec![]) };
    let all = |inbox| State { inboxes: vec![inbox], conversations: vec![done.clone()] };
    let recheck = Limits { recheck_before_ms: Some(50), ..limits(None) };
    assert_eq!(asks_of(&all(read(40)), &limits(None)), ["i"]);
    assert_eq!(asks_of(&all(read(40)), &recheck), ["i", "walk", "r1"]);
    assert_eq!(asks_of(&all(read(60)), &recheck), ["i", "r1"]);
    let step = outlook(&all(read(40)), &recheck, &room(None)).0.swap_remove(1);
    assert_eq!((step.kind, step.count, step.gap), (StepKind::Recheck, 20, Gap::everything(0)));
}

/// What is asked beside what is under way, and what the plan says then.
fn beside(state: &State, limits: &Limits, room: &Room) -> (Vec<String>, Next) {
    let mut plan = Plan::whole(limits, state);
    let (mut asked, mut room) = (Vec::new(), room.clone());
    loop {
        match plan.next(&room) {
            Next::Ask(step) => {
                asked.push(format!("{}{}", step.name, if step.kind == StepKind::Head { "?" } else { "" }));
                room.take(step.account, step.credits_max());
                plan.begin(&step);
            }
            end => return (asked, end),
        }
    }
}

fn side_by_side(most: u32) -> Limits {
    Limits { in_flight_per_account: most, ..limits(None) }
}

#[test]
fn an_account_has_as_many_requests_under_way_as_it_may_and_each_for_something_else() {
    let of = |account, id| Conversation {
        account,
        ..conversation(id, vec![gap(id, 900 - id, 100), gap(id + 10, 90, 10)])
    };
    let all = state(&[of(0, 1), of(0, 2), of(0, 3), of(1, 4)]);
    let asked = |most| beside(&all, &side_by_side(most), &room(None)).0;
    assert_eq!(asked(1), ["c1?", "c4?"]);
    assert_eq!(asked(2), ["c1?", "c2?", "c4?"]);
    assert_eq!(asked(4), ["c1?", "c2?", "c3?", "c4?"]);
}

#[test]
fn a_page_of_the_inbox_and_a_newest_page_are_never_under_way_together() {
    let waiting = |id, gap| Conversation { listed: true, ..conversation(id, vec![gap]) };
    let inbox = Inbox { name: "inbox".into(), ..inbox(vec![]) };
    let all = State {
        inboxes: vec![inbox],
        conversations: vec![waiting(1, Gap::head(Some(5), 0)), waiting(2, gap(2, 900, 100))],
    };
    assert_eq!(beside(&all, &side_by_side(4), &room(None)).0, ["inbox?", "c2"]);
    // The other way round: what reaches up to now came first.
    let mut plan = Plan::whole(&side_by_side(4), &all);
    let newest = head_step(&all.conversations[0]);
    plan.begin(&newest);
    assert!(matches!(plan.next(&room(None)), Next::Ask(step) if step.name == "c2"));
}

#[test]
fn a_profile_that_may_lead_to_any_conversation_is_asked_for_alone() {
    let unknown = |id| Conversation { by_profile: true, ..conversation(id, vec![Gap::everything(0)]) };
    let all = state(&[unknown(1), unknown(2), conversation(3, vec![gap(3, 900, 100)])]);
    assert_eq!(beside(&all, &side_by_side(4), &room(None)).0, ["c3?"]);
    let only_profiles = state(&[unknown(1), unknown(2)]);
    assert_eq!(beside(&only_profiles, &side_by_side(4), &room(None)), (vec!["c1".to_owned()], Next::Wait));
}

#[test]
fn a_request_waits_for_credits_that_others_have_set_aside_rather_than_to_be_made_small() {
    let all = state(&[1, 2].map(|id| Conversation {
        timeline: Timeline { gaps: vec![Gap::everything(0)], ..Timeline::default() },
        ..conversation(id, vec![])
    }));
    assert_eq!(beside(&all, &side_by_side(4), &room(Some(7))), (vec!["c1".to_owned()], Next::Wait));
    assert_eq!(beside(&all, &side_by_side(4), &room(Some(10))).0, ["c1", "c2"]);
}

#[test]
fn a_plan_says_what_it_has_to_know_before_it_decides() {
    let mut plan = Plan::new(limits(None), 1, vec![]);
    let Next::Load(load) = plan.next(&room(None)) else { panic!("it knows nothing") };
    assert_eq!(load.due, Due::Heads { after: None, inbox: false });
    let known = HeadRank { tried_ms: Some(1), conversation: ConversationId(1) };
    plan.loaded(0, vec![conversation(1, vec![])], Loaded::Heads(Extent::UpTo(known)));
    assert_eq!(plan.next(&room(None)), Next::Load(Load { account: 0, due: Due::Gaps(None) }));
    plan.loaded(0, vec![], Loaded::Gaps(Extent::All));
    assert!(matches!(plan.next(&room(None)), Next::Ask(_)));
    plan.head_done(Subject::Conversation(ConversationId(1)));
    let after = Load { account: 0, due: Due::Heads { after: Some(known), inbox: false } };
    assert_eq!(plan.next(&room(None)), Next::Load(after));
}

#[test]
fn no_number_of_gaps_that_are_too_dear_hides_one_that_is_not() {
    for seed in 0..200 {
        let mut state: u64 = seed;
        let mut below = |most: u32| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            u32::try_from(state >> 33).unwrap() % most
        };
        let count = 1 + below(300);
        let mut random = |id: i64| {
            let stalls = below(2) * below(2);
            let ask_at_least = if below(40) == 0 { 0 } else { 20 * (1 + below(2)) };
            let gap = Gap { ask_at_least, stalls, ..gap(id, 10_000 + Ms::from(below(50)), 1) };
            Conversation { troubled: below(2) == 0, ..conversation(id, vec![gap]) }
        };
        let all: Vec<Conversation> = (1..=i64::from(count)).map(&mut random).collect();
        let ranks =
            all.iter().map(|c| (GapRank::of(c, &c.timeline.gaps[0]), c.timeline.gaps[0].ask_at_least));
        let mut ranks: Vec<(GapRank, u32)> = ranks.collect();
        ranks.sort_unstable();
        for left in [1, 2, 4] {
            let affordable = ranks.iter().find(|(_, least)| *least <= 10 * left).map(|(rank, _)| rank.gap);
            // What is known is loaded from the front, a few at a time.
            let mut plan = Plan::new(limits(None), 1, vec![]);
            plan.loaded(0, vec![], Loaded::Heads(Extent::All));
            plan.progress.heads_done = all.iter().map(|c| Subject::Conversation(c.id)).collect();
            let next = loop {
                let Next::Load(Load { due: Due::Gaps(after), .. }) = plan.next(&room(Some(left))) else {
                    break plan.next(&room(Some(left)));
                };
                let rest = ranks
                    .iter()
                    .map(|(rank, _)| *rank)
                    .filter(|rank| after.is_none_or(|after| *rank > after));
                let batch: Vec<GapRank> = rest.take(64).collect();
                let found = batch.iter().map(|rank| all[usize::try_from(rank.gap).unwrap() - 1].clone());
                let known = batch.get(63).map_or(Extent::All, |last| Extent::UpTo(*last));
                plan.loaded(0, found.collect(), Loaded::Gaps(known));
            };
            let asked = if let Next::Ask(step) = &next { Some(step.gap.id) } else { None };
            assert_eq!(asked, affordable, "seed {seed}, {left} left: {next:?}");
        }
    }
}
