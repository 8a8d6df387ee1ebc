//! What happens in a made-up mailbox between two runs of the demo: a little of everything, and counted.

use super::model::{Conversation, Mailbox, TEXT};
use super::synth;
use crate::Ms;

/// How many messages arrive in the conversations that the inbox shows; it starts again after the last.
const ARRIVALS: [usize; 6] = [4, 3, 0, 5, 1, 0];

/// How many messages arrive in each conversation that the inbox does not show.
const HIDDEN_ARRIVALS: usize = 3;

/// What happened, in numbers of messages.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Meanwhile {
    /// New ones in conversations that the inbox shows.
    pub shown: usize,
    /// New ones in conversations that it does not show.
    pub hidden: usize,
    /// New ones that were deleted at once, by URN.
    pub withdrawn: Vec<String>,
    /// Older ones that were edited.
    pub edited: usize,
    /// Older ones that were recalled.
    pub recalled: usize,
    /// Older ones that were deleted.
    pub deleted: usize,
}

impl Meanwhile {
    /// All that arrived.
    #[must_use]
    pub fn new_messages(&self) -> usize {
        self.shown + self.hidden + self.withdrawn.len()
    }
}

/// Lets time pass in a mailbox until about `now_ms`.
pub fn pass(mailbox: &mut Mailbox, rng: &mut fastrand::Rng, now_ms: Ms) -> Meanwhile {
    let mut done = Meanwhile::default();
    let shown: Vec<bool> = mailbox.conversations().iter().map(|c| c.in_inbox).collect();
    let mut arrivals = ARRIVALS.iter().copied().cycle();
    for (index, in_inbox) in shown.into_iter().enumerate() {
        if !in_inbox {
            done.hidden += (0..HIDDEN_ARRIVALS).filter(|_| synth::say(mailbox, index, rng, now_ms)).count();
            continue;
        }
        let expected = arrivals.next().unwrap_or_default();
        // Changes come with new messages, close above them: that is where a run looks again.
        match expected {
            5 => {
                done.edited +=
                    usize::from(recent(mailbox, index, 0).is_some_and(|m| synth::edit(mailbox, index, m)));
                done.deleted +=
                    usize::from(recent(mailbox, index, 2).is_some_and(|m| mailbox.delete(index, m)));
            }
            4 => {
                done.recalled +=
                    usize::from(recent(mailbox, index, 1).is_some_and(|m| mailbox.recall(index, m)));
            }
            _ => {}
        }
        let sent = (0..expected).filter(|_| synth::say(mailbox, index, rng, now_ms)).count();
        done.shown += sent;
        if sent == 3 {
            done.withdrawn.extend(withdraw(mailbox, index));
        }
    }
    done.shown -= done.withdrawn.len();
    done
}

/// The place of an ordinary message: the newest but so many.
fn recent(mailbox: &Mailbox, conversation: usize, but: usize) -> Option<usize> {
    let messages = mailbox.conversation(conversation).map(Conversation::messages)?;
    let ordinary = messages.iter().enumerate().rev().filter(|(_, m)| m.kind == TEXT && !m.deleted);
    ordinary.map(|(index, _)| index).nth(but)
}

/// Deletes the newest message of a conversation; its URN.
fn withdraw(mailbox: &mut Mailbox, conversation: usize) -> Option<String> {
    let newest = recent(mailbox, conversation, 0)?;
    mailbox.delete(conversation, newest);
    mailbox.conversation(conversation)?.messages().get(newest).map(|m| m.urn.clone())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::synth::SynthOptions;

    const NOW: Ms = 1_760_000_000_000;

    #[test]
    fn what_is_counted_is_what_happened() {
        for seed in 0..20 {
            let options = SynthOptions { conversations: 12, max_messages: 60, ..SynthOptions::at(NOW) };
            let mut mailbox = synth::mailbox(seed, &options);
            let before = mailbox.clone();
            let done = pass(&mut mailbox, &mut fastrand::Rng::with_seed(seed), NOW + 1);
            let (mut new, mut gone, mut changed) = (0, 0, 0);
            for (was, is) in before.conversations().iter().zip(mailbox.conversations()) {
                new += is.messages().len() - was.messages().len();
                gone += is.messages().iter().filter(|m| m.deleted).count();
                gone -= was.messages().iter().filter(|m| m.deleted).count();
                changed += is.messages().iter().map(|m| m.earlier.len()).sum::<usize>();
                changed -= was.messages().iter().map(|m| m.earlier.len()).sum::<usize>();
            }
            assert_eq!(new, done.new_messages(), "seed {seed}");
            assert_eq!(gone, done.deleted + done.withdrawn.len(), "seed {seed}");
            assert_eq!(changed, done.edited + done.recalled, "seed {seed}");
            assert!(done.shown > 15, "seed {seed}: {done:?}");
        }
    }
}
