//! Single characters as a search sees them: which belong to words, and what is left of each without case, accents and
//! ways of writing it.

use icu_normalizer::properties::CanonicalCompositionBorrowed;
use icu_normalizer::{ComposingNormalizerBorrowed, DecomposingNormalizerBorrowed};
use icu_properties::CodePointMapData;
use icu_properties::props::{GeneralCategory, GeneralCategoryGroup};
use unicode_script::{Script, UnicodeScript as _};

/// What a character is to the word that it is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    /// Ends a word.
    Border,
    /// A letter or digit, which begins a word or goes on with one.
    Letter,
    /// A letter of a script written without spaces between words, or of Korean.
    Unspaced,
    /// A vowel sign, which goes on with a word.
    Sign,
    /// An accent or a vowel point, which a word does not need.
    Accent,
    /// Invisible, and no border: a soft hyphen, a joiner, a mark of direction.
    Invisible,
}

impl Role {
    pub(super) fn of(c: char) -> Self {
        if c.is_ascii() {
            return if c.is_ascii_alphanumeric() { Self::Letter } else { Self::Border };
        }
        match c {
            '\u{ad}' | '\u{61c}' | '\u{200c}'..='\u{200f}' | '\u{202a}'..='\u{202e}' => Self::Invisible,
            '\u{2060}'..='\u{2064}' | '\u{2066}'..='\u{206f}' | '\u{feff}' => Self::Invisible,
            '\u{640}' => Self::Accent,
            _ if is_unspaced(c) => Self::Unspaced,
            _ if is_mark(c) => {
                if is_accent(c) {
                    Self::Accent
                } else {
                    Self::Sign
                }
            }
            _ if c.is_alphanumeric() => Self::Letter,
            _ => Self::Border,
        }
    }

    /// Whether a word that it is in goes on.
    pub(super) fn goes_on(self) -> bool {
        !matches!(self, Self::Border | Self::Unspaced)
    }
}

/// Whether this stands on, under or beside another letter.
fn is_mark(c: char) -> bool {
    GeneralCategoryGroup::Mark.contains(CodePointMapData::<GeneralCategory>::new().get(c))
}

/// Whether a mark may be left out of a word: what Latin, Greek and Cyrillic letters carry, Hebrew and Arabic vowel
/// points, the dot of Hindi. Elsewhere marks are vowels, and words without them other words.
fn is_accent(mark: char) -> bool {
    const LEFT_OUT: [Script; 8] = [
        Script::Inherited,
        Script::Common,
        Script::Latin,
        Script::Greek,
        Script::Cyrillic,
        Script::Hebrew,
        Script::Arabic,
        Script::Syriac,
    ];
    mark == '\u{93c}' || LEFT_OUT.contains(&mark.script())
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

fn is_unspaced(c: char) -> bool {
    // The letters before Thai, most letters there are, need no look-up.
    if c < '\u{e00}' || !(c.is_alphanumeric() || is_mark(c)) {
        return false;
    }
    // What several scripts share, such as the long vowel mark of Hiragana and Katakana, has extensions. A character of
    // all scripts would contain each of them.
    let scripts = c.script_extension();
    !scripts.is_common() && !scripts.is_inherited() && UNSPACED.iter().any(|s| scripts.contains_script(*s))
}

/// One letter of two characters of which the second only completes the first: kana and their voicing mark, the parts of a
/// Korean syllable, the letter й.
pub(super) fn composed(first: char, second: char) -> Option<char> {
    match second {
        '\u{306}' | '\u{308}' | '\u{1161}'..='\u{1175}' | '\u{11a8}'..='\u{11c2}' => {}
        '\u{3099}' | '\u{309a}' | '\u{ff9e}' | '\u{ff9f}' => {}
        _ => return None,
    }
    CanonicalCompositionBorrowed::new().compose(of_full_width(first), of_full_width(second))
}

/// A letter of an unspaced script in its common form and width, if that is one letter. Single Korean letters stay as they
/// are, or they would become parts of syllables.
pub(super) fn of_full_width(c: char) -> char {
    if matches!(c, '\0'..='\u{dff}' | '\u{3131}'..='\u{318e}' | '\u{ffa0}'..='\u{ffdc}') {
        return c;
    }
    let mut common = ComposingNormalizerBorrowed::new_nfkc().normalize_iter(std::iter::once(c));
    match (common.next(), common.next()) {
        (Some(one), None) => one,
        _ => c,
    }
}

/// Writes what a character of a word is without case and accents. What is written stays the same when it is folded again.
pub(super) fn fold(c: char, kind: Role, into: &mut String) {
    if c.is_ascii() {
        return into.push(c.to_ascii_lowercase());
    }
    match kind {
        Role::Accent | Role::Invisible => {}
        Role::Unspaced => into.push(of_full_width(c)),
        Role::Border => into.extend(c.to_lowercase()),
        Role::Letter | Role::Sign => fold_letter(c, into),
    }
}

fn fold_letter(c: char, into: &mut String) {
    // These are letters in their own right, which nobody leaves the upper part out of.
    if let Some(small) = own(c) {
        return into.push(small);
    }
    let before = into.len();
    for part in DecomposingNormalizerBorrowed::new_nfkd().normalize_iter(std::iter::once(c)) {
        match Role::of(part) {
            Role::Accent | Role::Invisible => {}
            Role::Letter | Role::Sign => part.to_lowercase().for_each(|small| simplify(small, into)),
            // Fractions and the like fall into more than one word, so they stay.
            Role::Border | Role::Unspaced => {
                into.truncate(before);
                return c.to_lowercase().for_each(|small| simplify(small, into));
            }
        }
    }
}

/// Cyrillic letters that only look like others with an accent.
fn own(c: char) -> Option<char> {
    match c {
        'Й' | 'й' => Some('й'),
        'Ў' | 'ў' => Some('ў'),
        'Ї' | 'ї' => Some('ї'),
        _ => None,
    }
}

/// Whether an accent makes a letter in its own right of the one before it.
pub(super) fn is_own(before: char, accent: char) -> bool {
    composed(before, accent).and_then(own).is_some()
}

/// Letters that have no decomposition, as people write them who do not have them on their keyboard.
fn simplify(small: char, into: &mut String) {
    let simple = match small {
        'ø' | 'ɵ' => "o",
        'æ' => "ae",
        'œ' => "oe",
        'ß' => "ss",
        'ł' | 'ƚ' | 'ŀ' => "l",
        'đ' | 'ð' | 'ɖ' | 'ɗ' => "d",
        'þ' => "th",
        'ħ' => "h",
        'ı' | 'ɨ' => "i",
        'ŧ' | 'ƭ' => "t",
        'ŋ' | 'ɲ' | 'ƞ' => "n",
        'ĸ' | 'ƙ' => "k",
        'ƀ' | 'ɓ' => "b",
        'ƈ' => "c",
        'ə' | 'ǝ' => "e",
        'ƒ' => "f",
        'ǥ' | 'ɠ' => "g",
        'ƥ' => "p",
        'ɍ' => "r",
        'ʉ' => "u",
        'ʋ' => "v",
        'ƴ' | 'ɏ' => "y",
        'ƶ' => "z",
        'ς' => "σ",
        // The letters of Arabic that keyboards and hands exchange.
        'ٱ' => "ا",
        'ى' | 'ی' => "ي",
        'ک' => "ك",
        'ة' | 'ە' | 'ہ' => "ه",
        // Words in letters on dark circles and squares, from generators of fancy text.
        '\u{1f150}'..='\u{1f169}' | '\u{1f170}'..='\u{1f189}' => return into.push(on_dark(small)),
        _ => return into.push(small),
    };
    into.push_str(simple);
}

fn on_dark(c: char) -> char {
    let at = u32::from(c).saturating_sub(0x1f150) % 0x20;
    char::from_u32(u32::from('a').saturating_add(at)).unwrap_or(c)
}
