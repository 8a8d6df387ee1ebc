//! What made-up people write to each other: short dialogues, one table per language.

mod dutch;
mod english;
mod french;
mod german;
mod italian;
mod others;
mod polish;
mod portuguese;
mod spanish;
mod special;

pub(crate) use self::dutch::DUTCH;
pub(crate) use self::english::ENGLISH;
pub(crate) use self::french::FRENCH;
pub(crate) use self::german::GERMAN;
pub(crate) use self::italian::ITALIAN;
pub(crate) use self::others::{
    ARABIC, CHINESE, GREEK, HEBREW, HUNGARIAN, JAPANESE, KOREAN, RUSSIAN, THAI, TURKISH,
};
pub(crate) use self::polish::POLISH;
pub(crate) use self::portuguese::PORTUGUESE;
pub(crate) use self::spanish::SPANISH;
pub(crate) use self::special::{EMOJI, TEST_DATA};

/// A dialogue starts again only after this many messages, where the language has enough of them.
pub(crate) const DISTANCE: usize = 60;

/// Which of the two people in a dialogue speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Speaker {
    /// One of them.
    A,
    /// The other.
    B,
}

/// How long a turn comes after the one before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pause {
    /// Within the same exchange.
    Minutes,
    /// On the same day or the next.
    Hours,
    /// Some days later.
    Days,
    /// When the next dialogue starts.
    Weeks,
}

/// One message of a dialogue. These slots of the text are filled in: `{a}` and `{b}`, the speakers' first names,
/// and `{day}`, `{time}`, `{n}` and `{project}`, which stay the same throughout the dialogue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Turn {
    pub(crate) speaker: Speaker,
    pub(crate) pause: Pause,
    pub(crate) text: &'static str,
    /// The name of an attached file.
    pub(crate) file: Option<&'static str>,
}

impl Turn {
    const fn hours_later(self) -> Self {
        Self { pause: Pause::Hours, ..self }
    }

    const fn days_later(self) -> Self {
        Self { pause: Pause::Days, ..self }
    }

    const fn with_file(self, name: &'static str) -> Self {
        Self { file: Some(name), ..self }
    }
}

const fn a(text: &'static str) -> Turn {
    Turn { speaker: Speaker::A, pause: Pause::Minutes, text, file: None }
}

const fn b(text: &'static str) -> Turn {
    Turn { speaker: Speaker::B, pause: Pause::Minutes, text, file: None }
}

/// A short exchange that makes sense by itself.
pub(crate) type Dialogue = &'static [Turn];

/// All that people of one language write.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Language {
    /// How conversations begin.
    pub(crate) openings: &'static [Dialogue],
    /// What follows, in any order.
    pub(crate) dialogues: &'static [Dialogue],
    /// Working days, in the form that the texts need.
    pub(crate) days: &'static [&'static str],
    /// Names of projects.
    pub(crate) projects: &'static [&'static str],
    /// Titles of groups.
    pub(crate) titles: &'static [&'static str],
    /// What an author adds to a message when editing it.
    pub(crate) edited: &'static str,
}

impl Language {
    /// How many messages the dialogues have in all, openings aside.
    pub(crate) fn turns(&self) -> usize {
        self.dialogues.iter().map(|d| d.len()).sum()
    }

    /// How long a conversation can be without saying the same thing twice in short order; `None` is any length.
    pub(crate) fn longest_conversation(&self) -> Option<usize> {
        Some(self.turns()).filter(|turns| *turns <= DISTANCE)
    }
}

#[cfg(test)]
mod tests;
