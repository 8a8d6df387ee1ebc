//! Short histories and what the archive makes of them, drawn. See [`super::archive::Archive::picture`].

use super::server::{Cursors, Manner, Urns};
use super::world::{Lie, Step, World};

/// So many messages, so many milliseconds apart.
fn send(count: u8, later: u8) -> Step {
    Step::Send { count, later, order: 0, timeless: false }
}

fn head(count: u8) -> Step {
    Step::Head { count }
}

/// Of the gap so far from the top.
fn fill(gap: u8, count: u8) -> Step {
    Step::Fill { gap, count, verbatim: false }
}

fn fill_verbatim(gap: u8, count: u8) -> Step {
    Step::Fill { gap, count, verbatim: true }
}

fn lie(gap: u8, count: u8, lie: Lie) -> Step {
    Step::Lie { gap, count, lie }
}

/// The n-th message from the bottom of those that the server still has.
fn delete(message: u8) -> Step {
    Step::Delete { message }
}

fn edit(message: u8) -> Step {
    Step::Edit { message }
}

fn again(page: u8) -> Step {
    Step::Again { page }
}

fn drawn_by(manner: Manner, stale: bool, script: &[Step]) -> String {
    let mut world = World::new(&manner);
    world.stale = stale;
    for step in script {
        world.step(step).unwrap_or_else(|why| panic!("{why}"));
    }
    world.archive.picture()
}

fn drawn(script: &[Step]) -> String {
    drawn_by(Manner::default(), false, script)
}

#[test]
fn an_unknown_conversation_is_one_gap_over_everything() {
    assert_eq!(drawn(&[]), "(……)");
}

#[test]
fn a_page_that_does_not_reach_the_beginning_leaves_a_gap_below_it() {
    assert_eq!(drawn(&[send(6, 5), fill(0, 2)]), "[f e] (…)");
    assert_eq!(drawn(&[send(6, 5), fill(0, 2), fill(0, 3)]), "[f e d c] (…)");
    assert_eq!(drawn(&[send(6, 5), fill(0, 2), fill(0, 6)]), "[f e d c b a]");
}

#[test]
fn a_newest_page_without_contact_opens_a_gap_below_it() {
    let before = [send(3, 5), fill(0, 9), send(4, 5), head(2)];
    assert_eq!(drawn(&before), "[g f] (-) [c b a]");
    let script = |last: Step| [&before[..], &[last]].concat();
    assert_eq!(drawn(&script(fill(0, 3))), "[g f e d] (-) [c b a]");
    assert_eq!(drawn(&script(fill(0, 5))), "[g f e d c b a]");
    assert_eq!(drawn(&script(head(6))), "[g f e d c b a]");
}

#[test]
fn the_newest_of_several_gaps_can_be_filled_last() {
    let before = [send(2, 5), head(1), send(3, 5), head(1), send(3, 5), head(1)];
    assert_eq!(drawn(&before), "[h] (-) [e] (-) [b] (…)");
    let script = |more: &[Step]| [&before[..], more].concat();
    assert_eq!(drawn(&script(&[fill(2, 5)])), "[h] (-) [e] (-) [b a]");
    assert_eq!(drawn(&script(&[fill(2, 5), fill(1, 5)])), "[h] (-) [e d c b a]");
    assert_eq!(drawn(&script(&[fill(2, 5), fill(1, 5), fill(0, 5)])), "[h g f e d c b a]");
}

#[test]
fn a_message_of_the_same_millisecond_proves_no_contact() {
    let before = [send(2, 5), fill(0, 9), send(1, 5), send(2, 0), head(2)];
    assert_eq!(drawn(&before), "[e d] (-) [b a]", "c may be there, in the millisecond of d and e");
    assert_eq!(drawn(&[&before[..], &[fill(0, 4)]].concat()), "[e d c b] (=) [a]", "nor is b");
    assert_eq!(drawn(&[&before[..], &[fill(0, 5)]].concat()), "[e d c b a]");
}

#[test]
fn a_millisecond_that_fills_a_page_needs_a_larger_page() {
    let crowd = [send(2, 5), fill(0, 9), send(1, 5), send(4, 0), head(2)];
    assert_eq!(drawn(&crowd), "[g f] (-) [b a]");
    assert_eq!(drawn(&[&crowd[..], &[fill(0, 2)]].concat()), "[g f] (-) [b a]", "no further with two");
    assert_eq!(
        drawn(&[&crowd[..], &[fill(0, 2), fill(0, 2)]].concat()),
        "[g f e d c b a]",
        "but with a credit's worth more"
    );
}

#[test]
fn an_answer_that_proves_nothing_leaves_the_gap_with_a_reason() {
    for untrue in [Lie::EmptyButMore, Lie::EmptyEnd, Lie::TopInstead] {
        let script = [send(9, 5), head(2), lie(0, 2, untrue)];
        assert_eq!(
            drawn_by(Manner { counts: true, ..Manner::default() }, true, &script),
            "[i h] (!…)",
            "{untrue:?}"
        );
    }
    for untrue in [Lie::CursorUp, Lie::NoCursor] {
        let script = [send(9, 5), head(2), lie(0, 3, untrue)];
        assert_eq!(drawn(&script), "[i h g f] (!…)", "{untrue:?}: its messages count all the same");
    }
}

#[test]
fn an_edit_adds_one_version() {
    assert_eq!(drawn(&[send(3, 5), head(9), edit(1), head(9), head(9)]), "[c b' a]");
    assert_eq!(drawn(&[send(3, 5), head(9), edit(1), edit(1), head(9), edit(1), head(9)]), "[c b'' a]");
}

#[test]
fn only_messages_deleted_strictly_inside_a_page_are_gone() {
    let before = [send(5, 5), head(9)];
    assert_eq!(drawn(&[&before[..], &[delete(3), head(3)]].concat()), "[e ~d c b a]");
    assert_eq!(drawn(&[&before[..], &[delete(2), head(2)]].concat()), "[e d c b a]", "below the page");
    assert_eq!(
        drawn(&[&before[..], &[delete(0), head(9)]].concat()),
        "[e d c b ~a]",
        "the page ends above it"
    );
    assert_eq!(drawn(&[&before[..], &[delete(4), head(9)]].concat()), "[~e d c b a]", "the newest");
}

#[test]
fn an_empty_last_page_proves_nothing_above_it() {
    // Asked with the server's own cursor, which excludes the border: nothing is below, but b and a are level with c.
    let script = [send(3, 0), send(2, 5), head(3), fill_verbatim(0, 9)];
    assert_eq!(drawn(&script), "[e d c] (!…)");
    assert_eq!(drawn(&[&script[..], &[fill(0, 9)]].concat()), "[e d c b a]");
}

#[test]
fn an_old_newest_page_closes_no_gap_above_it() {
    let before = [send(4, 5), head(2), fill(0, 9), send(4, 5), head(2)];
    assert_eq!(drawn(&before), "[h g] (-) [d c b a]");
    let stale = drawn_by(Manner::default(), true, &[&before[..], &[again(0)]].concat());
    assert_eq!(stale, "(…!) [h g] (-) [d c b a]");
}

#[test]
fn a_harmless_old_newest_page_is_corrected_by_the_next_one() {
    let script = [send(3, 5), head(3), send(2, 5), head(5), again(0)];
    assert_eq!(drawn_by(Manner::default(), true, &script), "[~e ~d c b a]");
    assert_eq!(drawn_by(Manner::default(), true, &[&script[..], &[head(3)]].concat()), "[e d c b a]");
}

#[test]
fn a_page_from_further_down_closes_no_gap_above_it() {
    let before = [send(2, 5), head(1), send(4, 5), head(1)];
    assert_eq!(drawn(&before), "[f] (-) [b] (…)");
    let skipped = [&before[..], &[Step::Instead { page: 0, gap: 0 }]].concat();
    assert_eq!(drawn_by(Manner::default(), true, &skipped), "[f] (!) [b] (…)");
}

#[test]
fn looks_at_one_crowded_instant_leave_one_gap() {
    let script = [send(5, 0), head(1), head(1), head(1)];
    assert_eq!(drawn(&script), "[e] (=) (…)");
}

#[test]
fn a_cursor_in_seconds_may_leave_out_its_whole_second() {
    let seconds = |inclusive| Manner { cursors: Cursors::Seconds, inclusive, ..Manner::default() };
    let script = [send(1, 0), send(1, 1), send(2, 0), head(1), fill_verbatim(0, 1)];
    assert_eq!(drawn_by(seconds(false), false, &script), "[d] (=) [a]");
    assert_eq!(
        drawn_by(seconds(true), false, &script),
        "[d] (…)",
        "an inclusive one shows it again, and d fills it"
    );
    let script = [send(3, 0), head(1), fill(0, 9)];
    assert_eq!(drawn_by(seconds(false), false, &script), "[c b a]");
}

#[test]
fn an_exact_cursor_covers_only_what_comes_after_it() {
    let opaque = Manner { cursors: Cursors::Opaque, ..Manner::default() };
    let script = [send(1, 0), send(3, 1), head(1), send(5, 0), head(1), fill(1, 6)];
    assert_eq!(drawn_by(opaque, false, &script), "[i d] (=) [c b a]");
}

#[test]
fn identical_messages_are_counted_right_whichever_shows_its_urn() {
    // d and e agree in time, sender and text; the server names now the one, now the other.
    let script = [
        send(3, 1),
        Step::Send { count: 2, later: 0, order: 2, timeless: false },
        head(1),
        head(2),
        fill(0, 6),
    ];
    let sometimes = Manner { urns: Urns::Sometimes, ..Manner::default() };
    assert_eq!(drawn_by(sometimes, false, &script), "[e d c b a]");
    let never = Manner { urns: Urns::None, ..Manner::default() };
    assert_eq!(drawn_by(never, false, &script), "[e d c b a]");
}
