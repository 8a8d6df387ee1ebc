//! Texts as the full-text indexes see them: words without case and accents, and the overlapping pairs of scripts that put
//! no space between words.

use std::iter::Peekable;
use std::ops::Range;
use std::str::CharIndices;

use crate::core::search::letters::{self, Role};
use crate::core::search::plain::{self, Plainness};

/// A text without case, accents and surplus space: equal for what a person takes for the same.
#[must_use]
pub fn fold(text: &str) -> String {
    let mut folded = String::with_capacity(text.len());
    for (_, c) in letters_of(text) {
        letters::fold(c, Role::of(c), &mut folded);
    }
    folded.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The letters of a text, each with its place.
fn letters_of(text: &str) -> Letters<'_> {
    Letters { rest: text.char_indices().peekable() }
}

struct Letters<'a> {
    rest: Peekable<CharIndices<'a>>,
}

impl Iterator for Letters<'_> {
    type Item = (Range<usize>, char);

    fn next(&mut self) -> Option<Self::Item> {
        let (start, mut letter) = self.rest.next()?;
        let mut end = start.saturating_add(letter.len_utf8());
        if letter.is_ascii() {
            return Some((start..end, letter));
        }
        while let Some((at, second)) = self.rest.peek().copied() {
            let Some(both) = letters::composed(letter, second) else { break };
            letter = both;
            end = at.saturating_add(second.len_utf8());
            self.rest.next();
        }
        Some((start..end, letter))
    }
}

/// Whether this is in a word.
#[must_use]
pub fn is_word(c: char) -> bool {
    Role::of(c) != Role::Border
}

/// Whether a text has any word.
#[must_use]
pub fn has_word(text: &str) -> bool {
    text.chars().any(|c| matches!(Role::of(c), Role::Letter | Role::Unspaced))
}

/// Whether this is a letter of a script written without spaces between words, or of Korean.
#[must_use]
pub fn is_unspaced(c: char) -> bool {
    Role::of(c) == Role::Unspaced
}

/// Whether `messages_fts`, with the tokenizer `unicode61 remove_diacritics 2`, reads the words of this text as
/// [`words`] does. All other texts are in `messages_cjk_fts` too, as [`indexed`] writes them.
#[must_use]
pub fn is_plain(text: &str) -> bool {
    if text.is_ascii() {
        return true;
    }
    let (mut in_word, mut split, mut last) = (false, false, ' ');
    for c in text.chars() {
        match plain::of(c) {
            Plainness::Border => (in_word, split) = (false, false),
            // The tokenizer has begun a new word where there is only an invisible character.
            Plainness::Letter if split => return false,
            Plainness::Letter => in_word = true,
            Plainness::Accent if letters::is_own(last, c) => return false,
            Plainness::Accent => {}
            Plainness::Splits => split = in_word,
            Plainness::Other => return false,
        }
        last = c;
    }
    true
}

/// A word of a text; in scripts without spaces each letter is one, so that any piece of a run can be found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Word {
    /// Where it is in the text.
    pub place: Range<usize>,
    /// The word, folded.
    pub folded: String,
    /// Whether it is a letter of a script without spaces.
    unspaced: bool,
    /// Whether it follows another such letter.
    joined: bool,
}

/// The words of a text.
pub fn words(text: &str) -> impl Iterator<Item = Word> {
    let mut rest = letters_of(text).map(|(place, c)| (place, c, Role::of(c))).peekable();
    // Where the run ends that was read last.
    let mut run_end = None;
    std::iter::from_fn(move || {
        loop {
            let (place, c, kind) = rest.find(|(_, _, kind)| matches!(kind, Role::Letter | Role::Unspaced))?;
            let unspaced = kind == Role::Unspaced;
            let joined = unspaced && run_end == Some(place.start);
            let (mut end, mut folded) = (place.end, String::new());
            letters::fold(c, kind, &mut folded);
            let belongs = |kind: Role| {
                if unspaced { matches!(kind, Role::Accent | Role::Invisible) } else { kind.goes_on() }
            };
            let mut read = end;
            while let Some((place, c, kind)) = rest.next_if(|(_, _, kind)| belongs(*kind)) {
                letters::fold(c, kind, &mut folded);
                read = place.end;
                if kind != Role::Invisible {
                    end = read;
                }
            }
            run_end = unspaced.then_some(read);
            if !folded.is_empty() {
                return Some(Word { place: place.start..end, folded, unspaced, joined });
            }
        }
    })
}

/// A text as `messages_cjk_fts` holds it: its words, and of each run every two neighbours as a word, then its last letter
/// alone, so that a single letter is found as the beginning of a word.
#[must_use]
pub fn indexed(text: &str) -> String {
    spelled(words(text), text.len(), true)
}

/// Words apart by a space, runs in pairs.
fn spelled(words: impl Iterator<Item = Word>, length: usize, last_alone: bool) -> String {
    let mut out = String::with_capacity(length.saturating_mul(2));
    let mut words = words.peekable();
    while let Some(word) = words.next() {
        let next = words.peek();
        let pair = next.filter(|next| next.joined);
        if word.unspaced && next.is_none() && !last_alone {
            break;
        }
        if !out.is_empty() {
            out.push(' ');
        }
        out.push_str(&word.folded);
        out.extend(pair.map(|next| next.folded.as_str()));
    }
    out
}

/// What a text is searched for, in words; the last may be only the beginning of one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Phrase {
    words: Vec<Word>,
    /// Whether the last word may go on.
    prefix: bool,
    /// Whether the last word is a letter that follows no other: what follows it in a text is not known, so that it is to
    /// be taken for the beginning of a pair.
    lone: bool,
}

impl Phrase {
    /// A phrase.
    #[must_use]
    pub fn new(phrase: &str, prefix: bool) -> Self {
        let words: Vec<Word> = words(phrase).collect();
        let lone = words.last().is_some_and(|last| last.unspaced && !last.joined);
        Self { words, prefix, lone }
    }

    /// Whether it has any word.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.words.is_empty()
    }

    /// How `messages_fts` has it in texts that are plain; `None` if no plain text has it.
    #[must_use]
    pub fn in_plain_texts(&self) -> Option<(String, bool)> {
        let words: Vec<&str> = self.words.iter().map(|word| word.folded.as_str()).collect();
        let phrase = words.join(" ");
        is_plain(&phrase).then_some((phrase, self.prefix))
    }

    /// How `messages_cjk_fts` has it, and whether the last word may go on.
    #[must_use]
    pub fn in_other_texts(&self) -> (String, bool) {
        let phrase = spelled(self.words.iter().cloned(), 0, self.lone);
        (phrase, self.prefix || self.lone)
    }

    fn begins(&self, at: &[Word]) -> Option<Range<usize>> {
        let (last, before) = self.words.split_last()?;
        let found = at.get(..self.words.len())?;
        let (end, ahead) = found.split_last()?;
        let same = before.iter().zip(ahead).all(|(a, b)| a.folded == b.folded);
        // Pairs are in the index only where letters stand side by side.
        let joined = self.words.iter().zip(found).skip(1).all(|(a, b)| a.joined == b.joined);
        let ends = if self.prefix { end.folded.starts_with(&last.folded) } else { end.folded == last.folded };
        (same && joined && ends).then(|| found.first().map_or(0, |f| f.place.start)..end.place.end)
    }
}

/// Where a text has any of what is wanted, and how many there are of each; places in order, without overlaps.
#[must_use]
pub fn hits(text: &str, wanted: &[Phrase]) -> (Vec<Range<usize>>, Vec<u32>) {
    let words: Vec<_> = words(text).collect();
    let mut counts = vec![0_u32; wanted.len()];
    let mut places: Vec<Range<usize>> = Vec::new();
    for from in 0..words.len() {
        let rest = words.get(from..).unwrap_or_default();
        for (wanted, count) in wanted.iter().zip(&mut counts) {
            let Some(place) = wanted.begins(rest) else { continue };
            *count = count.saturating_add(1);
            match places.last_mut() {
                Some(last) if last.end >= place.start => last.end = last.end.max(place.end),
                _ => places.push(place),
            }
        }
    }
    (places, counts)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn folding_takes_case_accents_and_surplus_space() {
        assert_eq!(fold("  BÉLA \t Ñandú  Ångström"), "bela nandu angstrom");
        assert_eq!(fold("e\u{301}te\u{301}"), "ete");
        assert_eq!(fold("がぎ ที่"), "がぎ ที่");
        assert_eq!(fold("O'Łódź-Straße ＦＵＬＬ 𝗯𝗼𝗹𝗱 🅑🅞🅛🅓 ﬁn"), "o'lodz-strasse full bold bold fin");
    }

    #[test]
    fn what_is_folded_stays_the_same_when_it_is_folded_again() {
        for c in ('\0'..='\u{323ff}').chain('\u{e0000}'..='\u{e01ff}') {
            let text = format!("x{c}x");
            let folded: Vec<String> = words(&text).map(|word| word.folded).collect();
            let again: Vec<String> = words(&folded.join(" ")).map(|word| word.folded).collect();
            assert_eq!(folded, again, "{c} {:x}", u32::from(c));
        }
    }

    #[test]
    fn letters_of_scripts_without_spaces_are_told_from_all_others() {
        for c in "世々〇ひカーｶﾞ한ㄱไทยລາວမြန်ខ្មែរ".chars() {
            assert!(is_unspaced(c), "{c} {:x}", u32::from(c));
        }
        for c in "aéßя1ـअ٣、。・１ａ฿ \u{301}😀".chars() {
            assert!(!is_unspaced(c), "{c} {:x}", u32::from(c));
        }
    }

    #[test]
    fn letters_of_two_characters_are_one() {
        let folded = |text| words(text).map(|word: Word| (word.place, word.folded)).collect::<Vec<_>>();
        let one = |place, letter: &str| vec![(place, letter.to_owned())];
        assert_eq!(folded("ガ"), one(0..3, "ガ"));
        assert_eq!(folded("カ\u{3099}"), one(0..6, "ガ"));
        assert_eq!(folded("ｶﾞ"), one(0..6, "ガ"));
        assert_eq!(folded("\u{1112}\u{1161}\u{11ab}"), one(0..9, "한"));
        assert_eq!(folded("и\u{306}"), one(0..4, "й"));
        assert_eq!(folded("葛\u{e0100}"), one(0..7, "葛"));
        assert_eq!(folded("ㄱㅏ").len(), 2);
    }

    #[test]
    fn words_are_whole() {
        let folded = |text| words(text).map(|word| word.folded).collect::<Vec<_>>().join("|");
        for (text, expected) in [
            ("हिन्दी में", "हिन्दी|में"),
            ("كِتابٌ، الكـــتاب", "كتاب|الكتاب"),
            ("שָׁלוֹם־עולם", "שלום|עולם"),
            ("Donau\u{ad}dampf می\u{200c}خواهم", "donaudampf|ميخواهم"),
            ("\u{301}a\u{fe0f}b \u{640} ❤\u{fe0f}", "ab"),
            ("it´s ¾ m² №5", "it|s|¾|m2|5"),
        ] {
            assert_eq!(folded(text), expected, "{text}");
        }
    }

    #[test]
    fn what_is_invisible_at_the_end_is_no_part_of_a_word() {
        let place = words("\u{2068}Ada\u{2069}!").next().unwrap().place;
        assert_eq!(place, 3..6);
    }

    #[test]
    fn a_run_is_spelled_in_pairs_and_its_last_letter() {
        assert_eq!(indexed("Hello 世界平和!"), "hello 世界 界平 平和 和");
        assert_eq!(indexed("LinkedInの件"), "linkedin の件 件");
        assert_eq!(indexed("世、界"), "世 界");
        for (phrase, expected, lone) in [
            ("世界平", "世界 界平", false),
            ("界", "界", true),
            ("世界 hello", "世界 界 hello", false),
            ("hello 界", "hello 界", true),
            ("世界!", "世界", false),
            ("", "", false),
        ] {
            assert_eq!(Phrase::new(phrase, false).in_other_texts(), (expected.to_owned(), lone), "{phrase}");
        }
        assert_eq!(Phrase::new("hello 界", false).in_plain_texts(), None);
        assert_eq!(Phrase::new("Økland, Å", true).in_plain_texts(), Some(("okland a".into(), true)));
    }

    #[test]
    fn texts_in_common_letters_signs_and_accents_are_plain() {
        for text in [
            "Café — ½ “naïve”…",
            "e\u{301}te\u{301}",
            "Привет, мой друг",
            "שלום",
            "👍 ❤\u{fe0f} 1 👨\u{200d}👩",
        ] {
            assert!(is_plain(text), "{text}");
        }
        let others = [
            "ёлка",
            "Økland",
            "straße",
            "λόγος",
            "ﬁn",
            "世",
            "हिन्दी",
            "a\u{ad}b",
            "a\u{200d}\u{301}b",
            "и\u{306}",
        ];
        for text in others {
            assert!(!is_plain(text), "{text}");
        }
    }

    #[test]
    fn hits_are_found_without_case_and_accents_and_in_runs() {
        let show = |text: &str, phrases: &[(&str, bool)]| {
            let wanted: Vec<_> = phrases.iter().map(|(p, prefix)| Phrase::new(p, *prefix)).collect();
            hits(text, &wanted).0.into_iter().map(|r| text.get(r).unwrap().to_owned()).collect::<Vec<_>>()
        };
        assert_eq!(show("Café au lait, cafe", &[("CAFE", false)]), ["Café", "cafe"]);
        assert_eq!(show("the green house", &[("green house", false)]), ["green house"]);
        assert_eq!(show("a report", &[("rep", true)]), ["report"]);
        assert_eq!(show("我们的世界平和", &[("界平", false)]), ["界平"]);
        assert_eq!(show("世、界 世界", &[("世界", false)]), ["世界"]);
        assert_eq!(show("Thursday", &[("thurs", false)]), Vec::<String>::new());
        assert_eq!(show("die Straße, 𝗯𝗼𝗹𝗱", &[("strasse", false), ("bold", false)]), ["Straße", "𝗯𝗼𝗹𝗱"]);
    }

    proptest! {
        #[test]
        fn places_are_in_order_and_at_the_borders_of_letters(text in "\\PC{0,40}", phrase in "\\PC{0,6}") {
            let (places, _) = hits(&text, &[Phrase::new(&phrase, true), Phrase::new(&text, false)]);
            let mut end = 0;
            for place in places {
                prop_assert!(place.start >= end && place.end > place.start);
                prop_assert!(text.get(place.clone()).is_some());
                end = place.end;
            }
        }

        #[test]
        fn any_piece_of_a_run_is_spelled_as_its_text_is(text in "[一-龥]{1,12}", from in 0usize..12, length in 1usize..12) {
            let letters: Vec<char> = text.chars().collect();
            let from = from % letters.len();
            let piece: String = letters[from..(from + length).min(letters.len())].iter().collect();
            let (phrase, lone) = Phrase::new(&piece, false).in_other_texts();
            let indexed = format!(" {} ", indexed(&text));
            let pattern = if lone { format!(" {phrase}") } else { format!(" {phrase} ") };
            prop_assert!(indexed.contains(&pattern), "{indexed:?} {pattern:?}");
        }
    }
}
