//! Invented mailboxes, and time that moves in them. The same seed gives the same mailbox for ever.

use std::borrow::Cow;

use serde_json::json;

use crate::Ms;
use crate::model::{Author, Draft, Mailbox, Person, SYSTEM, TEXT};
use crate::people;
use crate::people::CULTURES;
use crate::phrases;
use crate::server::{Account, Server};

const MINUTE_MS: Ms = 60_000;
const DAY_MS: Ms = 86_400_000;
/// Before this, nobody wrote messages on LinkedIn (spring 2003).
const BEGINNING_MS: Ms = 1_052_000_000_000;

/// The API key of [`server`].
pub const API_KEY: &str = "fake-api-key";

/// What an invented mailbox is like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SynthOptions {
    /// How many conversations.
    pub conversations: usize,
    /// The most messages in one; most have far fewer.
    pub max_messages: usize,
    /// The present: nothing is newer.
    pub now_ms: Ms,
    /// How many years back conversations reach.
    pub years: u32,
}

impl SynthOptions {
    /// Sixty conversations of up to 400 messages, over eight years.
    #[must_use]
    pub fn at(now_ms: Ms) -> Self {
        Self { conversations: 60, max_messages: 400, now_ms, years: 8 }
    }
}

/// A server with the key [`API_KEY`] and one account, `me`, over an invented mailbox.
#[must_use]
pub fn server(seed: u64, options: &SynthOptions) -> Server {
    let mut server = Server::new(API_KEY);
    server.faults.seed(seed);
    server.add_account(Account::new("me", mailbox(seed, options)));
    server
}

/// An invented mailbox.
#[must_use]
pub fn mailbox(seed: u64, options: &SynthOptions) -> Mailbox {
    let mut rng = fastrand::Rng::with_seed(seed);
    let mut owner = Person::named("Olivia", "Owner");
    owner.headline = "Keeper of an archive at Example Ltd".to_owned();
    owner.id = crate::urn::profile_id(seed ^ 0x0b_5e55ed);
    let mut mailbox = Mailbox::new(owner);
    for number in 0..options.conversations {
        invent(&mut mailbox, &mut rng, number, options);
    }
    mailbox
}

/// Adds one conversation with its whole history.
fn invent(mailbox: &mut Mailbox, rng: &mut fastrand::Rng, number: usize, options: &SynthOptions) {
    let conversation = begin(mailbox, rng, u64::try_from(number).unwrap_or_default());
    // The product of three: many short conversations, few long ones; the first is as long as any.
    let thousandths: usize = (0..3).map(|_| rng.usize(0..=1_000)).product::<usize>() / 1_000_000;
    let share = if number == 0 { 1_000 } else { thousandths };
    let count = 1 + options.max_messages.saturating_sub(1) * share / 1_000;
    for at_ms in times(rng, count, options) {
        let draft = draft(mailbox, conversation, rng, at_ms);
        if let Some(index) = mailbox.deliver(conversation, draft) {
            age(mailbox, conversation, index, rng);
        }
    }
    let last = mailbox.conversation(conversation).and_then(|c| c.last()).map(|m| (m.at_ms, m.author));
    if let (Some(c), Some((at_ms, author))) = (mailbox.conversation_mut(conversation), last) {
        c.unread = if author == Author::Owner || rng.u8(..4) > 0 { 0 } else { rng.u32(1..4) };
        c.last_seen_at = (rng.u8(..3) > 0).then(|| at_ms + rng.i64(-DAY_MS..DAY_MS));
    }
}

/// Begins a conversation with somebody or a few.
fn begin(mailbox: &mut Mailbox, rng: &mut fastrand::Rng, number: u64) -> usize {
    // Languages take turns, so that a small mailbox has them all; in a group they mix.
    let turn = CULTURES.get(usize::try_from(number).unwrap_or_default() % CULTURES.len());
    let some = |rng: &mut fastrand::Rng, n: u64| {
        let culture = if n == 0 { turn } else { rng.choice(&CULTURES) };
        match culture.filter(|_| rng.u8(..40) > 0) {
            Some(culture) => people::invent(rng, culture, number * 64 + n),
            None => people::gone(number * 64 + n),
        }
    };
    let group = rng.u8(..8) == 0;
    let size = if group { rng.u64(2..7) } else { 1 };
    let others = (0..size).map(|n| some(rng, n)).collect();
    let conversation = mailbox.new_conversation(others);
    if let Some(c) = mailbox.conversation_mut(conversation) {
        if group {
            c.title = rng.choice(phrases::TITLES).map(|t| (*t).to_owned());
        } else if rng.u8(..12) == 0 {
            c.kind = Cow::Borrowed("INMAIL");
        }
        c.in_inbox = rng.u8(..16) > 0;
    }
    conversation
}

/// The times of so many messages, oldest first: busy days, quiet years, ties.
fn times(rng: &mut fastrand::Rng, count: usize, options: &SynthOptions) -> Vec<Ms> {
    let span = i64::from(options.years) * 365 * DAY_MS;
    // Recent activity is commoner than old.
    let quiet = rng.i64(0..=span.max(1)) / rng.i64(1..=40);
    let mut at_ms = options.now_ms - quiet - rng.i64(0..MINUTE_MS);
    let mut times = Vec::with_capacity(count);
    for _ in 0..count {
        times.push(at_ms);
        let pause = match rng.u8(..100) {
            0..4 => 0,
            4..70 => rng.i64(1_500..20 * MINUTE_MS),
            70..90 => rng.i64(20 * MINUTE_MS..DAY_MS),
            90..98 => rng.i64(DAY_MS..20 * DAY_MS),
            98 => rng.i64(20 * DAY_MS..200 * DAY_MS),
            _ => rng.i64(200 * DAY_MS..700 * DAY_MS),
        };
        // Near the beginning of all things, long pauses become short ones.
        at_ms =
            if at_ms - pause > BEGINNING_MS { at_ms - pause } else { (at_ms - 1_000).max(1_000_000_000_000) };
    }
    times.reverse();
    times
}

fn draft(mailbox: &Mailbox, conversation: usize, rng: &mut fastrand::Rng, at_ms: Ms) -> Draft {
    let others = mailbox.conversation(conversation).map_or(0, |c| c.others.len());
    let author = if rng.bool() || others == 0 { Author::Owner } else { Author::Other(rng.usize(..others)) };
    let system = others > 1 && rng.u8(..25) == 0;
    let text = match rng.u8(..100) {
        _ if system => rng.choice(phrases::SYSTEM).map_or(String::new(), |t| (*t).to_owned()),
        0..14 => rng.choice(phrases::ODD).map_or(String::new(), |t| (*t).to_owned()),
        14..22 => long_text(rng),
        _ => phrase(mailbox, conversation, author, rng),
    };
    let extra = (rng.u8(..30) == 0).then(|| {
        let mut extra = serde_json::Map::new();
        extra.insert("attachments".into(), json!([{"name": "offer.pdf", "size": rng.u32(1..9_000_000)}]));
        Box::new(extra)
    });
    Draft { author, at_ms, kind: Cow::Borrowed(if system { SYSTEM } else { TEXT }), text, extra }
}

/// Something that the author's people say; the owner answers in the language of the other side.
fn phrase(mailbox: &Mailbox, conversation: usize, author: Author, rng: &mut fastrand::Rng) -> String {
    let index = if let Author::Other(index) = author { index } else { 0 };
    let role =
        mailbox.conversation(conversation).and_then(|c| c.others.get(index)).map(|p| p.headline.as_str());
    let phrases = CULTURES.iter().find(|c| Some(c.role) == role).map_or(phrases::ENGLISH, |c| c.phrases);
    rng.choice(phrases).map_or(String::new(), |p| (*p).to_owned())
}

/// Several paragraphs in several languages.
fn long_text(rng: &mut fastrand::Rng) -> String {
    let paragraphs = (0..rng.usize(2..12)).map(|_| {
        let sentences = (0..rng.usize(1..8)).filter_map(|_| {
            let culture = rng.choice(&CULTURES)?;
            rng.choice(culture.phrases).copied()
        });
        sentences.collect::<Vec<_>>().join(" ")
    });
    paragraphs.collect::<Vec<_>>().join("\n\n")
}

/// What may have happened to a message since it was sent.
fn age(mailbox: &mut Mailbox, conversation: usize, index: usize, rng: &mut fastrand::Rng) {
    match rng.u8(..100) {
        0..2 => {
            let text = "(corrected) 👌".to_owned() + &long_text(rng);
            mailbox.edit(conversation, index, &text);
        }
        2 => {
            mailbox.recall(conversation, index);
        }
        3 => {
            mailbox.delete(conversation, index);
        }
        _ => {}
    }
}

/// What happened in a step of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Happening {
    /// A message arrived or was sent.
    Message,
    /// A message was edited.
    Edit,
    /// A message was recalled.
    Recall,
    /// A message vanished.
    Delete,
    /// Somebody read what there was to read.
    Read,
    /// A new conversation began.
    Conversation,
    /// Nothing.
    Nothing,
}

impl Happening {
    /// One word for it.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Message => "message",
            Self::Edit => "edit",
            Self::Recall => "recall",
            Self::Delete => "delete",
            Self::Read => "read",
            Self::Conversation => "conversation",
            Self::Nothing => "nothing",
        }
    }
}

/// One thing happens in one of the server's mailboxes at about `now_ms`. A message never comes before those that
/// are already there: with a clock that stands still, it comes a few milliseconds late, or in the same one.
pub fn live(server: &mut Server, rng: &mut fastrand::Rng, now_ms: Ms) -> Happening {
    if server.accounts().is_empty() {
        return Happening::Nothing;
    }
    let account = rng.usize(..server.accounts().len());
    server.mailbox_mut(account).map_or(Happening::Nothing, |mailbox| bustle(mailbox, rng, now_ms))
}

/// One thing happens in this mailbox: see [`live`].
pub fn bustle(mailbox: &mut Mailbox, rng: &mut fastrand::Rng, now_ms: Ms) -> Happening {
    let all = mailbox.conversations().len();
    if all == 0 || rng.u8(..50) == 0 {
        let conversation = begin(mailbox, rng, u64::try_from(all).unwrap_or_default());
        return say(mailbox, conversation, rng, now_ms, Happening::Conversation);
    }
    // Two draws, the later one wins: what was recently begun is livelier.
    let conversation = rng.usize(..all).max(rng.usize(..all));
    let messages = mailbox.conversation(conversation).map_or(0, |c| c.messages().len());
    if messages == 0 {
        return say(mailbox, conversation, rng, now_ms, Happening::Message);
    }
    let recent = messages - 1 - rng.usize(..messages.min(30));
    let done = |done: bool, what| if done { what } else { Happening::Nothing };
    match rng.u8(..100) {
        0..8 => {
            let text = phrase(mailbox, conversation, Author::Owner, rng) + " (edited)";
            done(mailbox.edit(conversation, recent, &text), Happening::Edit)
        }
        8..11 => done(mailbox.recall(conversation, recent), Happening::Recall),
        11..13 => done(mailbox.delete(conversation, recent), Happening::Delete),
        13..22 => {
            if let Some(c) = mailbox.conversation_mut(conversation) {
                (c.unread, c.last_seen_at) = (0, Some(now_ms));
            }
            Happening::Read
        }
        _ => say(mailbox, conversation, rng, now_ms, Happening::Message),
    }
}

fn say(
    mailbox: &mut Mailbox,
    conversation: usize,
    rng: &mut fastrand::Rng,
    now_ms: Ms,
    what: Happening,
) -> Happening {
    let newest = mailbox.conversation(conversation).and_then(|c| c.messages().last()).map(|m| m.at_ms);
    let late = if rng.u8(..8) == 0 { 0 } else { rng.i64(1..60) };
    let at_ms = newest.map_or(now_ms, |newest| now_ms.max(newest + late));
    let draft = draft(mailbox, conversation, rng, at_ms);
    match mailbox.deliver(conversation, draft) {
        Some(_) => what,
        None => Happening::Nothing,
    }
}

#[cfg(test)]
mod tests;
