//! Makes text from strangers safe to print on a terminal.

/// The text with every character that a terminal would act on replaced: names and messages come from strangers.
pub(crate) fn printable(text: &str) -> String {
    let keep = |c: char| if c != '\n' && is_control(c) { '\u{fffd}' } else { c };
    text.chars().map(keep).collect()
}

/// Whether a terminal acts on the character instead of showing it: control characters, and those that change the
/// direction of the text after them.
fn is_control(c: char) -> bool {
    c.is_control() || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Equivalent JSON in which every character that a terminal would act on is escaped.
pub(super) fn printable_json(json: &str) -> String {
    let mut out = String::with_capacity(json.len());
    for c in json.chars() {
        // White space may stand between strings, where nothing can be escaped; anything else is inside one.
        if is_control(c) && !c.is_ascii_whitespace() {
            out.push_str(&format!("\\u{:04x}", u32::from(c)));
        } else {
            out.push(c);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_and_direction_characters_are_replaced() {
        assert_eq!(printable("a\nb\u{1b}[2J"), "a\nb\u{fffd}[2J");
        assert_eq!(printable("\u{202a}\u{202e}\u{2066}\u{2069}\u{9b}"), "\u{fffd}".repeat(5));
    }
}
