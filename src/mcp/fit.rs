//! Caps: how much of an answer fits, counted to the byte before it is sent, and texts made harmless and cut.

use serde::Serialize;

use crate::core::printable;

/// Bytes for what stands around an answer: the result's and the protocol's own fields, and the request's id.
const AROUND: usize = 1024;

/// What is left of a cap.
#[derive(Debug, Clone, Copy)]
pub(super) struct AnswerRoom {
    left: usize,
}

impl AnswerRoom {
    /// The room of an answer that without its items is this.
    pub(super) fn around(frame: &impl Serialize, max_bytes: usize) -> Self {
        Self { left: max_bytes.saturating_sub(AROUND).saturating_sub(weight(frame)) }
    }

    /// Whether the item still fits, which it then takes.
    pub(super) fn takes(&mut self, item: &impl Serialize) -> bool {
        // The comma after it, in both forms.
        let needed = weight(item).saturating_add(2);
        let fits = needed <= self.left;
        if fits {
            self.left -= needed;
        }
        fits
    }

    /// As many items as fit, from the first on, but no more than `most`.
    pub(super) fn take<T: Serialize>(&mut self, items: impl IntoIterator<Item = T>, most: usize) -> Vec<T> {
        let mut taken = Vec::new();
        for item in items.into_iter().take(most) {
            if !self.takes(&item) {
                break;
            }
            taken.push(item);
        }
        taken
    }

    /// The same, where the rest is needed for something else: they take no more than so many bytes.
    pub(super) fn take_within<T: Serialize>(
        &mut self,
        bytes: usize,
        items: impl IntoIterator<Item = T>,
        most: usize,
    ) -> Vec<T> {
        let part = self.left.min(bytes);
        let mut room = Self { left: part };
        let taken = room.take(items, most);
        self.left = self.left.saturating_sub(part.saturating_sub(room.left));
        taken
    }
}

/// Bytes that a value takes in an answer: as JSON, and once more as JSON within a JSON text.
pub(super) fn weight(value: &impl Serialize) -> usize {
    let Ok(json) = serde_json::to_string(value) else { return usize::MAX };
    let escapes = json.bytes().filter(|byte| matches!(byte, b'"' | b'\\')).count();
    json.len().saturating_mul(2).saturating_add(escapes)
}

/// The first so many bytes of a text, or a few less.
pub(super) fn cut(text: &str, bytes: usize) -> &str {
    text.get(..text.floor_char_boundary(bytes)).unwrap_or_default()
}

/// A name or the like, harmless, on one line, no longer than so many bytes.
pub(super) fn word(text: &str, bytes: usize) -> String {
    // What is dropped makes it shorter, what is replaced at most three times as long.
    cut(&printable::one_line(cut(text, bytes.saturating_mul(4))), bytes).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn the_weight_of_a_text_is_what_it_takes_in_both_forms(text in "\\PC{0,60}|[\"\\\\\n a-z]{0,60}") {
            let value = serde_json::json!({ "a": printable::printable(&text) });
            let inner = serde_json::to_string(&value).unwrap();
            let outer = serde_json::to_string(&inner).unwrap();
            prop_assert_eq!(weight(&value), inner.len() + outer.len() - 2);
        }

        #[test]
        fn words_are_harmless_and_no_longer_than_they_may_be(text in any::<String>(), bytes in 0_usize..60) {
            let word = word(&text, bytes);
            prop_assert!(word.len() <= bytes, "{word:?}");
            prop_assert!(!word.chars().any(char::is_control), "{word:?}");
        }
    }
}
