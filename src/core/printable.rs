//! Text from strangers made safe to print: names, messages, and the errors of others.
//!
//! What a terminal would act on is replaced. What nobody can see is dropped: it makes two names that differ look alike.

use icu_properties::CodePointSetData;
use icu_properties::props::{DefaultIgnorableCodePoint, EmojiModifier, ExtendedPictographic};
use unicode_script::{Script, UnicodeScript as _};

/// The text, with line breaks of one kind and spaces for tabs.
#[must_use]
pub fn printable(text: &str) -> String {
    let text = text.replace("\r\n", "\n").replace('\t', "    ").replace(['\u{2028}', '\u{2029}'], "\n");
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\n' => out.push(c),
            c if is_obeyed(c) => out.push('\u{fffd}'),
            c if is_invisible(c) && !shapes(c, out.chars().next_back()) => {}
            c => out.push(c),
        }
    }
    out
}

/// The same on one line: for a name, which must not begin a line of its own.
#[must_use]
pub fn one_line(text: &str) -> String {
    printable(text).replace('\n', " ")
}

/// What this program writes about such text: its own colours stay, where it writes any.
#[must_use]
pub fn coloured(text: &str, colours: bool) -> String {
    let (mut out, mut rest) = (String::with_capacity(text.len()), text);
    while let Some((before, after)) = rest.split_once('\u{1b}').filter(|_| colours) {
        out.push_str(&printable(before));
        let codes = after.strip_prefix('[').and_then(|codes| codes.split_once('m'));
        match codes.filter(|(codes, _)| codes.bytes().all(|b| b.is_ascii_digit() || b == b';')) {
            Some((codes, after)) => {
                out.push_str(&format!("\u{1b}[{codes}m"));
                rest = after;
            }
            None => {
                out.push('\u{fffd}');
                rest = after;
            }
        }
    }
    out + &printable(rest)
}

/// Equivalent JSON in which everything that [`printable`] replaces or drops is escaped.
#[must_use]
pub fn json(json: &str) -> String {
    let mut out = String::with_capacity(json.len());
    for c in json.chars() {
        // White space may stand between strings, where nothing can be escaped; anything else is inside one.
        if (is_obeyed(c) && !c.is_ascii_whitespace()) || is_invisible(c) {
            let mut units = [0_u16; 2];
            out.extend(c.encode_utf16(&mut units).iter().map(|unit| format!("\\u{unit:04x}")));
        } else {
            out.push(c);
        }
    }
    out
}

/// Whether a terminal acts on the character instead of showing it: control characters, and those that change the
/// direction of the text after them.
fn is_obeyed(c: char) -> bool {
    c.is_control() || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Whether the character has no form of its own: zero width, soft hyphens, direction marks, tags, fillers.
fn is_invisible(c: char) -> bool {
    !c.is_ascii()
        && (CodePointSetData::new::<DefaultIgnorableCodePoint>().contains(c)
            || matches!(c, '\u{fff9}'..='\u{fffb}'))
}

/// Whether an invisible character shapes the visible one before it: emoji are joined and chosen by some, and letters of
/// scripts that join are parted.
fn shapes(c: char, before: Option<char>) -> bool {
    let Some(before) = before else { return false };
    let emoji = CodePointSetData::new::<ExtendedPictographic>().contains(before)
        || CodePointSetData::new::<EmojiModifier>().contains(before)
        || before == '\u{fe0f}';
    let joins = !matches!(
        before.script(),
        Script::Common | Script::Inherited | Script::Latin | Script::Greek | Script::Cyrillic
    );
    match c {
        '\u{200d}' => emoji || joins,
        '\u{200c}' => joins,
        '\u{fe0e}' | '\u{fe0f}' => emoji && before != '\u{fe0f}',
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_terminal_would_act_on_is_replaced() {
        assert_eq!(printable("a\nb\u{1b}[2J\r\n\tc\rd"), "a\nb\u{fffd}[2J\n    c\u{fffd}d");
        assert_eq!(printable("\u{202a}\u{202e}\u{2066}\u{2069}\u{9b}"), "\u{fffd}".repeat(5));
        assert_eq!(one_line("Ada\n12:00 root"), "Ada 12:00 root");
    }

    #[test]
    fn what_nobody_can_see_is_dropped_unless_it_shapes_what_is_seen() {
        for invisible in [
            "\u{200b}",
            "\u{200c}",
            "\u{200d}",
            "\u{200e}",
            "\u{200f}",
            "\u{ad}",
            "\u{61c}",
            "\u{2060}",
            "\u{feff}",
            "\u{3164}",
            "\u{fe0f}",
            "\u{e0041}",
            "\u{e0101}",
            "\u{fffb}",
        ] {
            assert_eq!(printable(&format!("A{invisible}da{invisible}")), "Ada", "{invisible:?}");
        }
        for shaped in ["👩‍💻", "❤️", "👍🏽‍x", "می‌خواهم", "क्‍ष", "日本語 é"]
        {
            assert_eq!(printable(shaped), shaped);
        }
    }

    #[test]
    fn only_colours_pass_and_only_where_there_are_any() {
        let text = "\u{1b}[31mred\u{1b}[0m \u{1b}]52;c;eA==\u{7} \u{1b}[2J";
        assert_eq!(coloured(text, true), "\u{1b}[31mred\u{1b}[0m \u{fffd}]52;c;eA==\u{fffd} \u{fffd}[2J");
        assert!(!coloured(text, false).contains('\u{1b}'));
    }

    #[test]
    fn json_means_the_same_with_everything_unseen_escaped() {
        let text = "\u{1b}\u{200b}\u{e0041}\u{202e} é\n";
        let escaped = json(&serde_json::to_string(text).unwrap());
        assert_eq!(escaped, "\"\\u001b\\u200b\\udb40\\udc41\\u202e é\\n\"");
        assert_eq!(serde_json::from_str::<String>(&escaped).unwrap(), text);
    }
}
