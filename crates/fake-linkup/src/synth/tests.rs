//! Seeds, variety, and that time only moves forward.

use std::collections::BTreeMap;

use super::*;
use crate::dialogues::DISTANCE;
use crate::model::{RECALLED, SYSTEM, ServerMessage};

const NOW: Ms = 1_760_000_000_000;

fn messages(mailbox: &Mailbox) -> Vec<&ServerMessage> {
    mailbox.conversations().iter().flat_map(|c| c.messages()).collect()
}

#[test]
fn a_seed_always_gives_the_same_mailbox_and_another_seed_another() {
    let options = SynthOptions::at(NOW);
    let (one, again, other) = (mailbox(7, &options), mailbox(7, &options), mailbox(8, &options));
    assert_eq!(one.conversations(), again.conversations());
    assert_ne!(one.conversations(), other.conversations());
    assert_ne!(one.owner.id, other.owner.id);
}

#[test]
fn a_mailbox_has_everything_that_an_archive_must_stand() {
    let mailbox = mailbox(1, &SynthOptions::at(NOW));
    let all = messages(&mailbox);
    let any = |is: &dyn Fn(&ServerMessage) -> bool| all.iter().any(|m| is(m));
    assert!(any(&|m| m.text.contains("<script>")));
    assert!(any(&|m| m.text.contains('\n') && m.text.len() > 500));
    assert!(any(&|m| m.text.contains("https://")));
    assert!(any(&|m| m.kind == SYSTEM) && any(&|m| m.kind == RECALLED && !m.earlier.is_empty()));
    assert!(any(&|m| m.deleted) && any(&|m| m.extra.is_some()));
    for script in ['ß', 'é', 'д', '谢', 'あ', '감', 'ش', 'ת', 'ข', 'ğ', 'ł', '👍'] {
        assert!(any(&|m| m.text.contains(script)), "{script}");
    }
    let conversations = mailbox.conversations();
    assert!(conversations.iter().any(|c| c.others.len() > 2 && c.title.is_some()));
    assert!(conversations.iter().any(|c| c.kind == "INMAIL") && conversations.iter().any(|c| !c.in_inbox));
    assert!(conversations.iter().any(|c| c.messages().len() == 1));
    assert_eq!(conversations[0].messages().len(), 400);
    let ties =
        conversations.iter().flat_map(|c| c.messages().windows(2)).filter(|w| w[0].at_ms == w[1].at_ms);
    assert!(ties.count() > 5);
}

#[test]
fn people_say_the_same_whatever_the_date() {
    let said = |now_ms: Ms| {
        let mailbox = mailbox(7, &SynthOptions::at(now_ms));
        messages(&mailbox).iter().map(|m| m.text.clone()).collect::<Vec<_>>()
    };
    let today = said(NOW);
    assert!((1..8).all(|day| said(NOW + day * DAY_MS + day * HOUR_MS) == today));
}

/// What a message said when it was sent.
fn original(message: &ServerMessage) -> &str {
    message.earlier.first().map_or(message.text.as_str(), |earlier| earlier.text.as_str())
}

#[test]
fn every_conversation_keeps_to_one_language_and_repeats_no_dialogue_soon() {
    for seed in 0..8 {
        let options = SynthOptions { max_messages: 900, ..SynthOptions::at(NOW) };
        let mailbox = mailbox(seed, &options);
        for c in mailbox.conversations() {
            let language = people::culture_of(c).language;
            let mut heard: BTreeMap<&str, usize> = BTreeMap::new();
            let said = Script::of(&mailbox, c).lines(c.messages().len());
            for (at, (message, (cue, text))) in c.messages().iter().zip(&said).enumerate() {
                assert_eq!(original(message), text, "seed {seed}");
                if cue.kind == SYSTEM {
                    continue;
                }
                let turns = || language.openings.iter().chain(language.dialogues);
                assert!(turns().any(|d| d.iter().any(|t| t.text == cue.template())), "seed {seed}: {text}");
                if turns().any(|d| d.first().is_some_and(|t| t.text == cue.template())) {
                    let before = heard.insert(cue.template(), at);
                    assert!(before.is_none_or(|b| at - b >= DISTANCE), "seed {seed}: {text} again at {at}");
                }
            }
        }
    }
}

#[test]
fn people_take_turns_and_rest_on_weekends() {
    let mailbox = mailbox(2, &SynthOptions::at(NOW));
    let [long, ..] = mailbox.conversations() else { panic!("no conversations") };
    let turns = long.messages().windows(2).filter(|w| w[0].author != w[1].author).count();
    assert!(turns > 300, "{turns}");
    let pauses: Vec<Ms> = long.messages().windows(2).map(|w| w[1].at_ms - w[0].at_ms).collect();
    let within = |least: Ms, most: Ms| pauses.iter().filter(|p| (least..most).contains(p)).count();
    assert!(within(0, HOUR_MS) > 200 && within(DAY_MS, 10 * DAY_MS) > 40, "{pauses:?}");
    let weekend = |m: &&ServerMessage| (m.at_ms.div_euclid(DAY_MS) + 3).rem_euclid(7) >= 5;
    let on_weekends = messages(&mailbox).iter().filter(|m| weekend(m)).count();
    assert_eq!(on_weekends, 0);
}

#[test]
fn history_lies_in_the_past_and_in_order() {
    for seed in 0..20 {
        let mailbox =
            mailbox(seed, &SynthOptions { conversations: 20, max_messages: 300, now_ms: NOW, years: 25 });
        for c in mailbox.conversations() {
            let times: Vec<Ms> = c.messages().iter().map(|m| m.at_ms).collect();
            assert!(times.is_sorted() && times.last() <= Some(&NOW), "seed {seed}");
            assert!(times.first() > Some(&1_000_000_000_000), "seed {seed}");
        }
    }
}

#[test]
fn every_message_has_its_own_name() {
    let mailbox = mailbox(3, &SynthOptions::at(NOW));
    let mut urns: Vec<&str> = messages(&mailbox).iter().map(|m| m.urn.as_str()).collect();
    let all = urns.len();
    urns.sort_unstable();
    urns.dedup();
    assert!(all > 500 && urns.len() == all);
}

#[test]
fn time_moves_the_same_way_from_the_same_seed_and_never_back() {
    let moved = || {
        let mut server =
            server(5, &SynthOptions { conversations: 6, max_messages: 20, now_ms: NOW, years: 3 });
        let mut rng = fastrand::Rng::with_seed(9);
        let mut happened = BTreeMap::new();
        for _ in 0..1_000 {
            *happened.entry(live(&mut server, &mut rng, NOW + 1).word()).or_insert(0) += 1;
        }
        (server.mailbox(0).unwrap().conversations().to_vec(), happened)
    };
    let (conversations, happened) = moved();
    assert_eq!(moved(), (conversations.clone(), happened.clone()));
    for what in ["message", "edit", "recall", "delete", "read", "conversation"] {
        assert!(happened.get(what).is_some_and(|n| *n > 3), "{what}: {happened:?}");
    }
    for c in &conversations {
        assert!(c.messages().is_sorted_by_key(|m| m.at_ms));
        // New messages came last: none was sorted in among older ones.
        assert!(c.messages().is_sorted_by_key(|m| m.serial));
    }
}

#[test]
fn a_server_without_accounts_has_no_life() {
    let mut server = Server::new("key");
    assert_eq!(live(&mut server, &mut fastrand::Rng::with_seed(1), NOW), Happening::Nothing);
}
