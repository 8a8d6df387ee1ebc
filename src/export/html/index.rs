//! The first page: search, and the conversations.

use super::super::text::{self, html};
use super::{Conversation, Export, begin};
use crate::core::format::plural;

pub(super) fn page(export: &Export<'_>, conversations: &[Conversation], messages: u64) -> String {
    let several = conversations.iter().any(|c| Some(&c.account) != conversations.first().map(|c| &c.account));
    let items: String = conversations.iter().map(|c| item(c, several)).collect();
    format!(
        "{}<body class=\"home\">\n<a class=\"skip\" href=\"#conversations\">Skip to the conversations</a>\n\
         <header><h1>Conversations</h1>\n<p class=\"sub\">{} in {}, as of {} UTC</p>\n\
         <form id=\"search\" role=\"search\" action=\"index.html\" method=\"get\"><label class=\"hidden\" for=\"q\">Search all \
         messages</label><input id=\"q\" name=\"q\" type=\"search\" placeholder=\"Search all messages\" autocomplete=\"off\" \
         autofocus></form>\n<noscript><p class=\"sub\">Search needs JavaScript; everything else does not.</p></noscript></header>\n\
         <main>\n<section id=\"results\" aria-live=\"polite\" aria-label=\"Results\" hidden></section>\n\
         <section id=\"conversations\" aria-label=\"Conversations\"><ul>\n{items}</ul></section>\n</main>\n\
         <script src=\"app.js\"></script>\n</body>\n</html>\n",
        begin("Conversations", "", true),
        plural(messages, "message"),
        plural(conversations.len(), "conversation"),
        text::minute(export.job.now),
    )
}

fn item(c: &Conversation, several: bool) -> String {
    let last = c.pages.len().saturating_sub(1);
    let when = match c.pages.last() {
        Some(page) if c.messages > 0 => {
            let day = text::day(page.last_ms);
            format!("<time datetime=\"{day}\">{}</time>", text::long_day(page.last_ms))
        }
        _ => String::new(),
    };
    let account = if several { format!(" · {}", html(&c.account)) } else { String::new() };
    let gaps = match c.gaps {
        0 => String::new(),
        n => format!(" · <span class=\"missing\">{}</span>", plural(n, "gap")),
    };
    // The newest page, as people open a conversation where it ended.
    format!(
        "<li><a href=\"{}\"><span class=\"name\" dir=\"auto\">{}</span>{when}<span class=\"sub\">{}{account}{gaps}</span></a></li>\n",
        c.file(last),
        html(&c.name),
        plural(c.messages, "message"),
    )
}
