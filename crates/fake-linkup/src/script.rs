//! What is said in a conversation, message after message: dialogues in its language, in an order that follows from
//! the conversation's name alone.

use super::dialogues::{DISTANCE, Dialogue, Language, Pause, Speaker, Turn};
use super::model::{Author, Conversation, Mailbox, SYSTEM, TEXT};
use super::{people, urn};

/// What LinkedIn itself says in a group, about the two who are in the next dialogue.
const NOTICES: &[&str] = &["{a} added {b} to the conversation", "", "{a} renamed the conversation"];

const TIMES: &[&str] = &["9:30", "10:00", "11:15", "14:30", "16:00"];

/// The messages of a conversation from its first one on, without end.
pub(super) struct Script<'a> {
    mailbox: &'a Mailbox,
    conversation: &'a Conversation,
    language: &'static Language,
    rng: fastrand::Rng,
    /// After how many messages each dialogue last started.
    started: Vec<Option<usize>>,
    said: usize,
    scene: Option<Scene>,
    /// What is left of the scene's dialogue.
    rest: &'static [Turn],
}

/// A dialogue with everything that its slots need.
#[derive(Debug, Clone, Copy)]
struct Scene {
    a: Author,
    b: Author,
    day: &'static str,
    time: &'static str,
    project: &'static str,
    number: u16,
}

/// One message to come, not yet put into words.
#[derive(Debug, Clone, Copy)]
pub(super) struct Cue {
    scene: Scene,
    turn: Turn,
    pub(super) kind: &'static str,
}

impl Cue {
    pub(super) fn author(&self) -> Author {
        match self.turn.speaker {
            Speaker::A => self.scene.a,
            Speaker::B => self.scene.b,
        }
    }

    pub(super) fn pause(&self) -> Pause {
        self.turn.pause
    }

    pub(super) fn file(&self) -> Option<&'static str> {
        self.turn.file
    }

    /// The text with its slots still open.
    #[cfg(test)]
    pub(super) fn template(&self) -> &'static str {
        self.turn.text
    }

    /// The message's text.
    pub(super) fn text(&self, mailbox: &Mailbox, conversation: &Conversation) -> String {
        let name = |author| {
            let person = mailbox.author(conversation, author);
            if self.kind == SYSTEM { person.name.as_str() } else { people::called(person, conversation) }
        };
        let text = self
            .turn
            .text
            .replace("{a}", name(self.scene.a))
            .replace("{b}", name(self.scene.b))
            .replace("{day}", self.scene.day)
            .replace("{time}", self.scene.time)
            .replace("{project}", self.scene.project)
            .replace("{n}", &self.scene.number.to_string());
        if self.turn.text.starts_with("{day}") { capitalised(&text) } else { text }
    }
}

/// Sentences that start with the name of a day need this in most languages.
fn capitalised(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |first| first.to_uppercase().chain(chars).collect())
}

impl<'a> Script<'a> {
    pub(super) fn of(mailbox: &'a Mailbox, conversation: &'a Conversation) -> Self {
        let language = people::culture_of(conversation).language;
        Self {
            mailbox,
            conversation,
            language,
            rng: fastrand::Rng::with_seed(urn::hash(&conversation.urn)),
            started: vec![None; language.dialogues.len()],
            said: 0,
            scene: None,
            rest: &[],
        }
    }

    /// The next dialogue: one that was not heard for a while, or else the one that was heard longest ago.
    fn dialogue(&mut self) -> Dialogue {
        if self.said == 0 {
            return self.rng.choice(self.language.openings).copied().unwrap_or_default();
        }
        let said = self.said;
        // One more, for a notice that may have come between.
        let rested = |at: &Option<usize>| at.is_none_or(|at| said - at > DISTANCE);
        let ready: Vec<usize> =
            self.started.iter().enumerate().filter(|(_, at)| rested(at)).map(|(index, _)| index).collect();
        let oldest =
            || (0..self.started.len()).min_by_key(|index| self.started.get(*index).copied().flatten());
        let chosen = self.rng.choice(&ready).copied().or_else(oldest).unwrap_or_default();
        if let Some(at) = self.started.get_mut(chosen) {
            *at = Some(said);
        }
        self.language.dialogues.get(chosen).copied().unwrap_or_default()
    }

    /// Who talks to whom, and the words for the slots.
    fn scene(&mut self) -> Scene {
        let rng = &mut self.rng;
        let others = self.conversation.others.len();
        let author = |n: usize| n.checked_sub(1).map_or(Author::Owner, Author::Other);
        let first = rng.usize(..=others);
        // Any of the people but the first.
        let second = if others == 0 { 0 } else { (first + 1 + rng.usize(..others)) % (others + 1) };
        let mut pick = |from: &'static [&'static str]| rng.choice(from).copied().unwrap_or_default();
        Scene {
            a: author(first),
            b: author(second),
            day: pick(self.language.days),
            time: pick(TIMES),
            project: pick(self.language.projects),
            number: rng.u16(100..1_000),
        }
    }

    /// Starts a dialogue; in a group, a notice may come first.
    fn start(&mut self) -> Option<Cue> {
        let scene = self.scene();
        self.rest = self.dialogue();
        self.scene = Some(scene);
        let notice = self.conversation.others.len() > 1 && self.rng.u8(..3) == 0;
        if !notice {
            return None;
        }
        let text = self.rng.choice(NOTICES).copied().unwrap_or_default();
        let turn = Turn { speaker: Speaker::A, pause: Pause::Weeks, text, file: None };
        Some(Cue { scene, turn, kind: SYSTEM })
    }

    /// The first so many messages with their texts.
    pub(super) fn lines(self, count: usize) -> Vec<(Cue, String)> {
        let (mailbox, conversation) = (self.mailbox, self.conversation);
        self.take(count).map(|cue| (cue, cue.text(mailbox, conversation))).collect()
    }
}

impl Iterator for Script<'_> {
    type Item = Cue;

    fn next(&mut self) -> Option<Cue> {
        let mut first = false;
        if self.rest.is_empty() {
            if let Some(notice) = self.start() {
                self.said += 1;
                return Some(notice);
            }
            first = true;
        }
        let (turn, rest) = self.rest.split_first()?;
        self.rest = rest;
        self.said += 1;
        let turn = if first { Turn { pause: Pause::Weeks, ..*turn } } else { *turn };
        Some(Cue { scene: self.scene?, turn, kind: TEXT })
    }
}
