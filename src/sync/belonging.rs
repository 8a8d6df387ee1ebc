//! Whether an answer belongs to what was asked for: to the account's own mailbox, and to the conversation's own thread.

use std::collections::BTreeMap;

use tracing::warn;

use crate::api::{Answer, Api, ApiError, FailureKind};
use crate::clock::Clock;
use crate::core::model::ids::AccountId;
use crate::core::model::page::Page;
use crate::core::model::urn;
use crate::store::Owners;
use crate::sync::Archive;
use crate::sync::engine::Engine;
use crate::sync::request::Got;
use crate::sync::run_state::Addressee;
use crate::sync::settings::RunError;

/// Whose mailbox each account is, as far as this run has asked.
pub(super) type KnownOwners = BTreeMap<AccountId, Owners>;

impl<R: Archive, A: Api, C: Clock> Engine<'_, R, A, C> {
    /// The answer as the account's own: one from another person's mailbox is a refusal, of which nothing is stored, and
    /// messages of other threads are set aside.
    pub(super) fn own(
        &mut self,
        addressee: &Addressee,
        answer: Answer<Got>,
    ) -> Result<Answer<Got>, RunError> {
        let Ok(got) = answer.outcome else { return Ok(answer) };
        let (account, archive) = (addressee.account_id, &mut self.archive);
        let known = match self.owners.entry(account) {
            std::collections::btree_map::Entry::Occupied(known) => known.into_mut(),
            std::collections::btree_map::Entry::Vacant(place) => place.insert(archive.owners(account)?),
        };
        let known = match &got {
            Got::Page(_) => &mut known.of_messages,
            Got::Inbox(_) => &mut known.of_inbox,
        };
        // Both the whole answer and what is left of it: messages of other threads can outnumber an imposter's.
        let whole = of_owner(got, known.as_deref());
        let outcome = whole.and_then(|got| of_owner(of_thread(addressee, got), known.as_deref()));
        if let Ok(got) = &outcome {
            *known = known.take().or_else(|| owner(got).map(str::to_owned));
        }
        Ok(Answer { outcome, ..answer })
    }
}

fn owner(got: &Got) -> Option<&str> {
    match got {
        Got::Page(page) => page.owner(),
        Got::Inbox(page) => page.owner(),
    }
}

fn of_owner(got: Got, known: Option<&str>) -> Result<Got, ApiError> {
    match (owner(&got), known) {
        (Some(told), Some(known)) if told != known => Err(stranger(told, known)),
        _ => Ok(got),
    }
}

fn stranger(told: &str, known: &str) -> ApiError {
    let message = format!(
        "this session is another person's: it shows the mailbox of {told}, and the archive holds that of {known}; log \
         in as the owner of this account again, or give the other mailbox an account of its own"
    );
    ApiError::new(FailureKind::Account, message)
}

fn of_thread(addressee: &Addressee, mut got: Got) -> Got {
    if let (Got::Page(page), Some((_, name))) = (&mut got, &addressee.conversation) {
        let thread = name.id().map(str::to_owned).or_else(|| page.conversation_urn.clone());
        if let Some(thread) = thread.or_else(|| most_named(page)) {
            let before = page.oddities.len();
            page.set_strangers_aside(&thread);
            let strangers = page.oddities.len().saturating_sub(before);
            if strangers > 0 {
                warn!(conversation = %thread, strangers, "messages of other conversations were set aside");
            }
        }
    }
    got
}

/// The thread that most of a page's messages name, where nothing else tells whose page it is.
fn most_named(page: &Page) -> Option<String> {
    let mut named: BTreeMap<String, usize> = BTreeMap::new();
    for thread in page.messages.iter().filter_map(|m| urn::thread_of_message(m.urn.as_deref()?)) {
        *named.entry(thread).or_default() += 1;
    }
    named.into_iter().max_by_key(|(_, messages)| *messages).map(|(thread, _)| thread)
}
