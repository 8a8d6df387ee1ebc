//! Pages, cursors, ties, ends, edits and names.

use crate::model::*;

const T: Ms = 1_700_000_000_000;

fn mailbox(times: &[Ms]) -> Mailbox {
    let mut mailbox = Mailbox::of("Olga", "Owner");
    let c = mailbox.new_conversation(vec![Person::named("Ada", "Example")]);
    for (i, at) in times.iter().enumerate() {
        mailbox.send(c, Author::Other(0), T + at, &format!("m{i}")).unwrap();
    }
    mailbox
}

fn texts<'a>(page: &TypedPage<'a>) -> Vec<&'a str> {
    page.messages.iter().map(|m| m.text.as_str()).collect()
}

#[test]
fn the_newest_page_comes_without_a_cursor_newest_first() {
    let m = mailbox(&[0, 10, 20, 30]);
    let page = m.page(0, None, 2, false);
    assert_eq!(texts(&page), ["m3", "m2"]);
    assert_eq!((page.next_cursor, page.has_next), (Some(T + 20), true));
}

#[test]
fn an_exclusive_cursor_leaves_its_own_millisecond_out_and_an_inclusive_one_repeats_it() {
    let m = mailbox(&[0, 10, 20, 30]);
    assert_eq!(texts(&m.page(0, Some(T + 20), 2, false)), ["m1", "m0"]);
    assert_eq!(texts(&m.page(0, Some(T + 20), 2, true)), ["m2", "m1"]);
}

#[test]
fn the_end_has_no_cursor_even_when_the_page_is_exactly_full() {
    let m = mailbox(&[0, 10, 20, 30]);
    let page = m.page(0, Some(T + 20), 2, false);
    assert_eq!((page.next_cursor, page.has_next), (None, false));
    let beyond = m.page(0, Some(T), 2, false);
    assert_eq!((beyond.messages.len(), beyond.next_cursor, beyond.has_next), (0, None, false));
}

#[test]
fn ties_keep_their_order_and_an_exclusive_cursor_loses_those_behind_a_page_border() {
    let m = mailbox(&[0, 10, 10, 10, 20]);
    assert_eq!(texts(&m.page(0, None, 5, false)), ["m4", "m3", "m2", "m1", "m0"]);
    let first = m.page(0, None, 2, false);
    assert_eq!(texts(&first), ["m4", "m3"]);
    assert_eq!(texts(&m.page(0, first.next_cursor, 2, false)), ["m0"]);
    assert_eq!(texts(&m.page(0, first.next_cursor, 4, true)), ["m3", "m2", "m1", "m0"]);
    // A cursor one above the border sees the whole millisecond also on an exclusive server.
    assert_eq!(texts(&m.page(0, Some(T + 11), 4, false)), ["m3", "m2", "m1", "m0"]);
}

#[test]
fn an_inclusive_page_of_one_millisecond_cannot_move_on() {
    let m = mailbox(&[0, 10, 10, 10, 20]);
    let page = m.page(0, Some(T + 10), 3, true);
    assert_eq!((page.next_cursor, page.has_next), (Some(T + 10), true));
}

#[test]
fn a_late_message_is_sorted_in_after_its_equals() {
    let mut m = mailbox(&[0, 10, 20]);
    assert_eq!(m.send(0, Author::Owner, T + 10, "late"), Some(2));
    assert_eq!(texts(&m.page(0, None, 9, false)), ["m2", "late", "m1", "m0"]);
}

#[test]
fn edits_and_recalls_keep_place_and_name_and_what_was_said_before() {
    let mut m = mailbox(&[0, 10]);
    let urn = m.conversations()[0].messages()[1].urn.clone();
    assert!(m.edit(0, 1, "better") && m.recall(0, 1) && !m.edit(0, 2, "none") && !m.edit(1, 0, "none"));
    let message = &m.conversations()[0].messages()[1];
    assert_eq!((message.urn.as_str(), message.text.as_str(), &*message.kind), (urn.as_str(), "", RECALLED));
    assert!(message.recalled());
    let earlier: Vec<&str> = message.earlier.iter().map(|e| e.text.as_str()).collect();
    assert_eq!(earlier, ["m1", "better"]);
}

#[test]
fn a_deleted_message_vanishes_from_pages_and_can_come_back() {
    let mut m = mailbox(&[0, 10, 20]);
    assert!(m.delete(0, 1) && m.delete(0, 0));
    let page = m.page(0, None, 1, false);
    assert_eq!((texts(&page), page.has_next), (vec!["m2"], false));
    assert!(m.restore(0, 1));
    assert_eq!(texts(&m.page(0, None, 9, false)), ["m2", "m1"]);
}

#[test]
fn what_the_server_no_longer_keeps_is_not_served() {
    let mut m = mailbox(&[0, 10, 20, 30]);
    m.conversation_mut(0).unwrap().retained_from = Some(T + 15);
    let page = m.page(0, None, 2, false);
    assert_eq!((texts(&page), page.has_next), (vec!["m3", "m2"], false));
    assert!(m.page(0, Some(T + 10), 2, false).messages.is_empty());
}

#[test]
fn a_conversation_is_found_by_all_its_names_and_not_by_those_of_others() {
    let m = mailbox(&[0]);
    let c = &m.conversations()[0];
    let padded = c.thread.as_str();
    for name in [c.urn.as_str(), padded, padded.trim_end_matches('='), "https://linkedin.com/in/Ada-Example"]
    {
        assert_eq!(m.resolve(name), Some(0), "{name}");
    }
    let other_owner = c.urn.replace(&m.owner.id, "ACoAAOTHER");
    for name in [other_owner.as_str(), "2-OTHER", "https://www.linkedin.com/in/nobody/", ""] {
        assert_eq!(m.resolve(name), None, "{name}");
    }
}

#[test]
fn a_profile_leads_to_the_conversation_with_that_person_alone() {
    let mut m = Mailbox::of("Olga", "Owner");
    let (ada, bo) = (Person::named("Ada", "Example"), Person::named("Bo", "Sample"));
    m.new_conversation(vec![ada.clone(), bo]);
    m.new_conversation(vec![ada]);
    assert_eq!(m.find_profile("https://www.linkedin.com/in/ada-example/"), Some(1));
    assert_eq!(m.find_profile("https://www.linkedin.com/in/bo-sample/"), None);
}

#[test]
fn a_message_was_created_a_little_before_it_was_delivered() {
    let m = mailbox(&(0..200).collect::<Vec<_>>());
    for message in m.conversations()[0].messages() {
        assert!((80..=200).contains(&(message.at_ms - message.created_ms)));
    }
}

#[test]
fn unread_counts_what_others_wrote_since_the_owner_last_did() {
    let mut m = mailbox(&[0, 10]);
    assert_eq!(m.conversations()[0].unread, 2);
    m.send(0, Author::Owner, T + 20, "seen");
    assert_eq!(m.conversations()[0].unread, 0);
}
