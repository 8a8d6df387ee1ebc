//! The first page: search, and the list of conversations.

use maud::{Markup, html};

use super::super::text::{Text, Times};
use super::{ConversationPages, Export, document};
use crate::core::format::plural;

pub(super) fn page(export: &Export<'_>, conversations: &[ConversationPages], messages: u64) -> Markup {
    let times = export.job.times();
    let several = conversations.iter().any(|c| Some(&c.account) != conversations.first().map(|c| &c.account));
    let count = plural(conversations.len(), "conversation");
    document(
        "Conversations",
        "",
        true,
        &html! {
            body.home {
                a.skip href="#conversations" { "Skip to the conversations" }
                header {
                    h1 { "Conversations" }
                    p.sub { (plural(messages, "message")) " in " (count) ", as of " (times.minute(export.job.now)) " " (times.0.name()) }
                    form #search role="search" action="index.html" method="get" {
                        label.hidden for="q" { "Search all messages" }
                        input #q name="q" type="search" placeholder="Search all messages" autocomplete="off" autofocus;
                    }
                    noscript { p.sub { "Search needs JavaScript; everything else does not." } }
                }
                main {
                    section #results aria-live="polite" aria-label="Results" hidden {}
                    section #conversations aria-label="Conversations" {
                        ul { @for conversation in conversations { (item(conversation, several, times)) } }
                    }
                }
                script src="app.js" {}
            }
        },
    )
}

fn item(c: &ConversationPages, several: bool, times: Times) -> Markup {
    let newest = c.pages.last().filter(|_| c.messages > 0).map(|page| page.last_ms);
    html! {
        li {
            // The newest page: people open a conversation where it ended.
            a href=(c.file(c.pages.len().saturating_sub(1))) {
                span.name dir="auto" { (Text(&c.name)) }
                @if let Some(at) = newest { time datetime=(times.day(at)) { (times.long_day(at)) } }
                span.sub {
                    (plural(c.messages, "message"))
                    @if several { " · " (Text(&c.account)) }
                    @if c.gaps > 0 { " · " span.missing { (plural(c.gaps, "gap")) } }
                }
            }
        }
    }
}
