//! What holds for every table of dialogues.

use std::collections::{BTreeMap, BTreeSet};

use super::*;
use crate::people::{COMMON, SPECIAL};

fn languages() -> Vec<&'static Language> {
    COMMON.iter().chain(&SPECIAL).map(|culture| culture.language).collect()
}

fn all(language: &'static Language) -> impl Iterator<Item = Dialogue> {
    language.openings.iter().chain(language.dialogues).copied()
}

#[test]
fn every_dialogue_is_an_exchange_between_two_people() {
    for language in languages() {
        assert!(!language.openings.is_empty() && language.dialogues.len() >= 4, "{:?}", language.titles);
        for dialogue in all(language) {
            let in_turn = dialogue.chunk_by(|one, next| one.speaker == next.speaker);
            let longest = in_turn.map(<[Turn]>::len).max();
            assert!((3..=7).contains(&dialogue.len()) && longest <= Some(4), "{dialogue:?}");
            assert!(dialogue.iter().any(|t| t.speaker != dialogue[0].speaker), "{dialogue:?}");
            assert!(dialogue.iter().all(|t| !t.text.is_empty()), "{dialogue:?}");
        }
    }
}

#[test]
fn common_languages_have_enough_to_say_for_long_conversations() {
    for culture in &COMMON {
        assert_eq!(culture.language.longest_conversation(), None, "{}", culture.language.turns());
    }
}

#[test]
fn no_two_dialogues_of_a_language_start_alike_and_no_text_is_in_two_languages() {
    let mut owners: BTreeMap<&str, usize> = BTreeMap::new();
    for (number, language) in languages().into_iter().enumerate() {
        let starts: BTreeSet<&str> = all(language).map(|d| d[0].text).collect();
        assert_eq!(starts.len(), all(language).count(), "{starts:?}");
        for turn in all(language).flatten() {
            let owner = *owners.entry(turn.text).or_insert(number);
            assert_eq!(owner, number, "{:?}", turn.text);
        }
    }
}

#[test]
fn every_slot_is_one_that_is_filled_in() {
    for turn in languages().into_iter().flat_map(all).flatten() {
        for slot in turn.text.split('{').skip(1).filter_map(|rest| rest.split_once('}')).map(|(slot, _)| slot)
        {
            let known = ["a", "b", "day", "time", "n", "project"].contains(&slot);
            assert!(known || slot.contains('"'), "{slot:?} in {:?}", turn.text);
        }
    }
}

#[test]
fn every_language_keeps_to_its_script() {
    let latin = |c: char| c.is_ascii_alphabetic() || ('\u{c0}'..='\u{24f}').contains(&c);
    let native = |language: &Language, c: char| match c {
        'а'..='я' | 'А'..='Я' | 'ё' | 'Ё' => language == &RUSSIAN,
        '\u{370}'..='\u{3ff}' => language == &GREEK,
        '\u{590}'..='\u{5ff}' => language == &HEBREW,
        '\u{600}'..='\u{6ff}' => language == &ARABIC,
        '\u{e00}'..='\u{e7f}' => language == &THAI,
        '\u{ac00}'..='\u{d7a3}' => language == &KOREAN,
        '\u{3040}'..='\u{30ff}' => language == &JAPANESE,
        '\u{4e00}'..='\u{9fff}' => language == &JAPANESE || language == &CHINESE,
        _ => false,
    };
    let own = [&RUSSIAN, &GREEK, &HEBREW, &ARABIC, &THAI, &KOREAN, &JAPANESE, &CHINESE];
    for language in languages().into_iter().filter(|l| *l != &TEST_DATA) {
        for turn in all(language).flatten() {
            // What is in braces or belongs to an address is no language.
            let words = turn.text.replace(['{', '}'], " ");
            let letters: Vec<char> = words.chars().filter(|c| c.is_alphabetic()).collect();
            let fits = |c: &char| {
                if own.contains(&language) {
                    native(language, *c) || c.is_ascii_alphabetic()
                } else {
                    latin(*c)
                }
            };
            assert!(letters.iter().all(fits), "{:?}", turn.text);
        }
    }
}
