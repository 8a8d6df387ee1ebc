//! Texts as the full-text index sees them: words without case and accents, and the overlapping pairs of scripts that put
//! no space between words.

use std::ops::Range;

use icu_normalizer::DecomposingNormalizerBorrowed;
use icu_properties::CodePointMapData;
use icu_properties::props::{GeneralCategory, GeneralCategoryGroup};
use unicode_script::{Script, UnicodeScript as _};

/// A text without case, accents and surplus space: equal for what a person takes for the same.
#[must_use]
pub fn fold(text: &str) -> String {
    let folded: String = text.chars().flat_map(folded).collect();
    folded.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn folded(c: char) -> impl Iterator<Item = char> {
    // Of a letter of a script with runs nothing is taken away: its marks are part of the word.
    let keep = is_unspaced(c);
    let parts: Vec<char> = if keep || c.is_ascii() {
        vec![c.to_ascii_lowercase()]
    } else {
        let decomposed = DecomposingNormalizerBorrowed::new_nfd().normalize_iter(std::iter::once(c));
        decomposed.filter(|d| !is_accent(*d)).flat_map(char::to_lowercase).collect()
    };
    parts.into_iter()
}

/// The accents that the index ignores.
fn is_accent(c: char) -> bool {
    matches!(u32::from(c), 0x300..=0x36f)
}

/// Whether this stands on, under or beside another letter.
fn is_mark(c: char) -> bool {
    GeneralCategoryGroup::Mark.contains(CodePointMapData::<GeneralCategory>::new().get(c))
}

/// Whether the index takes this for a part of a word.
#[must_use]
pub fn is_word(c: char) -> bool {
    c.is_alphanumeric() || is_accent(c)
}

/// The scripts written without spaces between words, and Korean, whose words take endings.
const UNSPACED: [Script; 8] = [
    Script::Han,
    Script::Hiragana,
    Script::Katakana,
    Script::Hangul,
    Script::Thai,
    Script::Lao,
    Script::Myanmar,
    Script::Khmer,
];

/// Whether this is a letter of a script written without spaces between words, or of Korean.
#[must_use]
pub fn is_unspaced(c: char) -> bool {
    // The letters before Thai, most letters there are, need no look-up.
    if c < '\u{e00}' || !(c.is_alphanumeric() || is_mark(c)) {
        return false;
    }
    // What several scripts share, such as the long vowel mark of Hiragana and Katakana, has extensions. A character of
    // all scripts would contain each of them.
    let scripts = c.script_extension();
    !scripts.is_common() && !scripts.is_inherited() && UNSPACED.iter().any(|s| scripts.contains_script(*s))
}

/// Whether a text has any such letter.
#[must_use]
pub fn has_unspaced(text: &str) -> bool {
    !text.is_ascii() && text.chars().any(is_unspaced)
}

/// A text as the index of runs holds it: words as they are, and of each run every two neighbours as a word, then its
/// last letter alone, so that a single letter is found as the beginning of a word.
#[must_use]
pub fn indexed(text: &str) -> String {
    spelled(text, true)
}

/// The same for a phrase that is looked for. What follows the phrase in a text is not known, so that the letter alone is
/// left out at its end; a lone letter is then to be taken for the beginning of a word, which `true` says.
#[must_use]
pub fn wanted(phrase: &str) -> (String, bool) {
    let trimmed = phrase.trim_end_matches(|c: char| !is_word(c) && !is_unspaced(c));
    let lone = {
        let mut last = trimmed.chars().rev();
        last.next().is_some_and(is_unspaced) && !last.next().is_some_and(is_unspaced)
    };
    (spelled(trimmed, lone).trim_end().to_owned(), lone)
}

fn spelled(text: &str, last_alone: bool) -> String {
    let mut out = String::with_capacity(text.len().saturating_mul(2));
    let mut chars = text.chars().peekable();
    let mut in_run = false;
    while let Some(c) = chars.next() {
        if !is_unspaced(c) {
            if in_run {
                out.push(' ');
            }
            in_run = false;
            out.push(c);
            continue;
        }
        let next = chars.peek().copied();
        if !out.is_empty() {
            out.push(' ');
        }
        in_run = true;
        match next {
            Some(next) if is_unspaced(next) => out.extend([c, next]),
            Some(_) => out.push(c),
            None if last_alone => out.push(c),
            None => {}
        }
    }
    out
}

/// Words of a text, each with its place.
pub fn words(text: &str) -> impl Iterator<Item = (Range<usize>, String)> {
    let mut rest = text.char_indices().peekable();
    std::iter::from_fn(move || {
        let (start, first) = rest.find(|(_, c)| is_word(*c) || is_unspaced(*c))?;
        let mut end = start.saturating_add(first.len_utf8());
        let mut word: String = folded(first).collect();
        // Each letter of a run is a word of its own here: any piece of a run can then be found.
        if !is_unspaced(first) {
            while let Some((at, c)) = rest.next_if(|(_, c)| is_word(*c) && !is_unspaced(*c)) {
                end = at.saturating_add(c.len_utf8());
                word.extend(folded(c));
            }
        }
        Some((start..end, word))
    })
}

/// What a text is searched for, in words; the last may be only the beginning of one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Phrase {
    words: Vec<String>,
    prefix: bool,
}

impl Phrase {
    /// A phrase.
    #[must_use]
    pub fn new(phrase: &str, prefix: bool) -> Self {
        Self { words: words(phrase).map(|(_, word)| word).collect(), prefix }
    }

    fn begins(&self, at: &[(Range<usize>, String)]) -> Option<Range<usize>> {
        let (last, before) = self.words.split_last()?;
        let found = at.get(..self.words.len())?;
        let (end, ahead) = found.split_last()?;
        let same = before.iter().zip(ahead).all(|(a, (_, b))| a == b);
        let ends = if self.prefix { end.1.starts_with(last.as_str()) } else { end.1 == *last };
        (same && ends).then(|| found.first().map_or(0, |f| f.0.start)..end.0.end)
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
    fn a_run_is_spelled_in_pairs_and_its_last_letter() {
        assert_eq!(indexed("hello 世界平和!"), "hello  世界 界平 平和 和 !");
        assert_eq!(indexed("LinkedInの件"), "LinkedIn の件 件");
        assert_eq!(wanted("世界平"), ("世界 界平".into(), false));
        assert_eq!(wanted("界"), ("界".into(), true));
        assert_eq!(wanted("世界 hello"), ("世界 界  hello".into(), false));
        assert_eq!(wanted("hello 界"), ("hello  界".into(), true));
        assert_eq!(wanted("世界!"), ("世界".into(), false));
        assert_eq!(wanted(""), (String::new(), false));
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
        assert_eq!(show("Thursday", &[("thurs", false)]), Vec::<String>::new());
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
            let (phrase, lone) = wanted(&piece);
            let (indexed, indexed_words) = (format!(" {} ", indexed(&text)), phrase.trim().to_owned());
            let pattern = if lone { format!(" {indexed_words}") } else { format!(" {indexed_words} ") };
            prop_assert!(indexed.contains(&pattern), "{indexed:?} {pattern:?}");
        }
    }
}
