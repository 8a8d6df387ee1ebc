//! The permanent link of a message, and a long message as a whole.

use maud::html;

use super::conversation;
use crate::core::model::ids::MessageId;
use crate::export::html::message;
use crate::export::text::Text;
use crate::look::Glance;
use crate::store::StoreError;
use crate::web::asked::WebRequest;
use crate::web::reply::{Refused, SiteReply};
use crate::web::shell::Shell;

/// Leads to a message among those around it.
pub(in crate::web) fn link(look: &Glance<'_>, asked: &WebRequest) -> Result<SiteReply, Refused> {
    let id = MessageId(asked.id("such message")?);
    let (conversation, _) = look.queries.place_of(id)?.ok_or(Refused::NotFound("such message"))?;
    Ok(SiteReply::see_other(&format!("/c/{conversation}?around={id}#m{id}")))
}

pub(in crate::web) fn whole(look: &Glance<'_>, asked: &WebRequest) -> Result<SiteReply, Refused> {
    let id = MessageId(asked.id("such message")?);
    let mut shown = None;
    look.queries.message_row(id, |row| {
        let former = look.queries.former_versions(id)?;
        let named = row.conversation.unwrap_or("conversation").to_owned();
        shown =
            Some((named, row.sent_at_ms, message::message(row, &former, false, conversation::dress(look))));
        Ok::<_, StoreError>(())
    })?;
    let (name, at, message) = shown.ok_or(Refused::NotFound("such message"))?;
    let main = html! {
        h1 { "One message" }
        p { a href={ "/m/" (id) } { "Among the others in " bdi { (Text(&name)) } } }
        h2 { (look.times().long_day(at)) }
        (message)
    };
    let shell = Shell { title: "One message", at: "", live: false, query: "" };
    Ok(SiteReply::page(shell.around(look, "talk", &main)))
}
