//! What the keys do, and how to search.

use maud::html;

use crate::core::search::query::FILTERS;
use crate::look::Glance;
use crate::web::asked::WebRequest;
use crate::web::reply::{Refused, SiteReply};
use crate::web::shell::Shell;

const KEYS: [(&str, &str); 10] = [
    ("/", "search"),
    ("j  k", "next and previous message, conversation or result"),
    ("Enter", "open it"),
    ("n  p", "newer or next page, older or previous page"),
    ("d", "go to a date"),
    ("g h", "home"),
    ("g c", "conversations"),
    ("g p", "people"),
    ("?", "this page"),
    ("Esc", "leave a field; then back to the page above"),
];

const EXAMPLES: [(&str, &str); 8] = [
    ("word \"a phrase\" begin*", "case and accents make no difference"),
    ("a OR b", "either one"),
    ("-a", "not this one"),
    ("from:ada", "by Ada; from:me is you"),
    ("in:contract", "in a conversation"),
    ("after:2024 before:2024-06 on:yesterday", "by date"),
    ("has:link has:attachment is:edited is:gone", "by what is special about a message"),
    ("-from:me", "a minus before a filter turns it around"),
];

pub(in crate::web) fn page(look: &Glance<'_>, _: &WebRequest) -> Result<SiteReply, Refused> {
    let main = html! {
        h1 { "Keys and search" }
        table.plain {
            caption { "Keys" }
            tbody { @for (key, what) in KEYS { tr { th scope="row" { kbd { (key) } } td { (what) } } } }
        }
        table.plain {
            caption { "Searching" }
            tbody { @for (query, what) in EXAMPLES { tr { th scope="row" { code { (query) } } td { (what) } } } }
        }
        p.sub { "All filters: " (FILTERS) }
    };
    let shell = Shell { title: "Keys and search", at: "/help", live: false, query: "" };
    Ok(SiteReply::page(shell.around(look, "wide", &main)))
}
