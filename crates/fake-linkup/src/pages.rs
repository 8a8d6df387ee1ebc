//! The two endpoints that everything is about: a page of a conversation, a page of the inbox.

use serde_json::{Map, Value, json};

use crate::ask::{ConversationAsk, InboxAsk};
use crate::behaviour::{Behaviour, EndCursor, ParticipantForm, Pricing};
use crate::inbox::InboxCursor;
use crate::meter::price;
use crate::mischief;
use crate::model::{Author, Conversation, Mailbox};
use crate::refusal::{Cause, Generation, Refusal};
use crate::server::{Answered, Call, Handled, Server};
use crate::wire::{self, PageAnswer};

/// What so many results cost, asked for so many.
pub(super) fn credits(generation: Generation, behaviour: &Behaviour, asked: u32, returned: u32) -> u32 {
    let by_request = generation == Generation::V1 && behaviour.v1_pricing == Pricing::Requested;
    price(if by_request { asked } else { returned }, behaviour.empty_charge)
}

pub(super) fn conversation(server: &mut Server, ask: &ConversationAsk, call: &mut Call<'_>) -> Handled {
    let answered = conversation_page(server, ask, call)?;
    if call.body.pointer("/params/mark_as_read").is_some()
        && let Some(c) = server.mailbox_mut(ask.account).and_then(|m| m.conversation_mut(ask.conversation))
    {
        c.unread = 0;
    }
    Ok(answered)
}

fn conversation_page(server: &Server, ask: &ConversationAsk, call: &Call<'_>) -> Handled {
    let behaviour = &server.behaviour;
    let mailbox = server.mailbox(ask.account).ok_or_else(|| Refusal::plain(Cause::Account))?;
    let count = ask.count.min(behaviour.page_limit.unwrap_or(u32::MAX));
    let bent = mischief::page(
        call.fault.as_ref(),
        mailbox,
        ask.conversation,
        ask.cursor,
        to_usize(count),
        behaviour.inclusive(),
    );
    let conversation =
        mailbox.conversation(bent.conversation).ok_or_else(|| Refusal::plain(Cause::Conversation))?;
    let returned = u32::try_from(bent.page.messages.len()).unwrap_or(u32::MAX);
    let credits = credits(call.generation, behaviour, ask.count, returned);
    if !server.meter.pays(credits) {
        return Err(Refusal::plain(Cause::Credits));
    }
    let answer = PageAnswer {
        generation: call.generation,
        mailbox,
        conversation,
        page: &bent.page,
        profile_url: ask.profile_url.as_deref(),
        force_has_next: bent.force_has_next,
        credits,
        about: call.about(server),
    };
    Ok(Answered { body: answer.body(behaviour), returned, credits })
}

pub(super) fn inbox(server: &Server, ask: &InboxAsk, call: &mut Call<'_>) -> Handled {
    let behaviour = &server.behaviour;
    let v1 = call.generation == Generation::V1;
    if ask.count > behaviour.inbox_limit {
        call.notes.push(format!("{} inbox rows were asked for", ask.count));
        if !v1 {
            let message = format!("count must be at most {}", behaviour.inbox_limit);
            return Err(Refusal::new(Cause::Params, message));
        }
        let credits = credits(call.generation, behaviour, ask.count, 0);
        return Ok(Answered { body: wire::v1_data(&json!([])), returned: 0, credits });
    }
    let mailbox = server.mailbox(ask.account).ok_or_else(|| Refusal::plain(Cause::Account))?;
    let count = to_usize(ask.count);
    let page = mischief::inbox(call.fault.as_ref(), mailbox, ask.category, ask.cursor.as_ref(), count);
    let returned = u32::try_from(page.rows.len()).unwrap_or(u32::MAX);
    let credits = credits(call.generation, behaviour, ask.count, returned);
    if !server.meter.pays(credits) {
        return Err(Refusal::plain(Cause::Credits));
    }
    let rows: Vec<Value> = page.rows.iter().map(|(_, c)| row(mailbox, c, behaviour, v1)).collect();
    let mut data = Map::new();
    data.insert("total_results".into(), rows.len().into());
    data.insert("conversations".into(), rows.into());
    match (page.next_cursor.as_ref().map(InboxCursor::encode), behaviour.end_cursor) {
        (Some(cursor), _) => data.insert("next_cursor".into(), cursor.into()),
        (None, EndCursor::Null) => data.insert("next_cursor".into(), Value::Null),
        (None, EndCursor::Empty) => data.insert("next_cursor".into(), "".into()),
        (None, EndCursor::Absent) => None,
    };
    let data = Value::Object(data);
    let body =
        if v1 { wire::v1_data(&data) } else { wire::v2_data(&data, credits, call.about(server), behaviour) };
    Ok(Answered { body, returned, credits })
}

/// A conversation as the inbox shows it.
fn row(mailbox: &Mailbox, c: &Conversation, behaviour: &Behaviour, v1: bool) -> Value {
    let last = c.last();
    let is_me = last.map(|m| m.author == Author::Owner).filter(|_| !v1);
    let mut row = json!({
        "conversation_id": c.urn,
        "last_message": {
            "text": last.map(|m| m.text.as_str()),
            "time": last.map(|m| m.at_ms),
            "sender": last.map(|m| wire::member(mailbox.author(c, m.author), is_me)),
        },
        "unread": c.unread,
        "type": c.kind,
    });
    if let (Value::Object(fields), Some(participant)) = (&mut row, participant(c, behaviour)) {
        fields.insert("participant".into(), participant);
        if behaviour.extra_fields {
            fields.insert("title".into(), json!(c.title));
        }
    }
    row
}

fn participant(c: &Conversation, behaviour: &Behaviour) -> Option<Value> {
    let first = || c.others.first().map(|p| wire::member(p, None)).unwrap_or_default();
    if c.others.len() < 2 {
        return Some(first());
    }
    match behaviour.participants {
        ParticipantForm::ArrayForGroups => Some(c.others.iter().map(|p| wire::member(p, None)).collect()),
        ParticipantForm::First => Some(first()),
        ParticipantForm::NullForGroups => Some(Value::Null),
        ParticipantForm::AbsentForGroups => None,
    }
}

pub(super) fn to_usize(count: u32) -> usize {
    usize::try_from(count).unwrap_or(usize::MAX)
}
