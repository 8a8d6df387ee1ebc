//! The pages, one file for each kind.

pub(super) mod conversation;
pub(super) mod conversations;
pub(super) mod coverage;
pub(super) mod help;
pub(super) mod home;
pub(super) mod ledger;
pub(super) mod message;
pub(super) mod people;
pub(super) mod search;
pub(super) mod sign_in;
pub(super) mod stats;

use maud::{Markup, html};

use super::reply::Refused;
use super::shell::document;
use crate::export::text::Text;

/// What is shown instead of a page.
pub(super) fn refused(refusal: &Refused, url: &str) -> Markup {
    if matches!(refusal, Refused::Key) {
        return sign_in::page(url, None);
    }
    let title = match refusal {
        Refused::NotFound(_) => "Not found",
        Refused::CrossSite => "Go on?",
        _ => "Not shown",
    };
    document(
        title,
        &html! {
            body.home {
                main #main {
                    h1 { (title) }
                    p { (Text(&refusal.to_string())) }
                    @match refusal {
                        // A link of this page's own is no request of another site's.
                        Refused::CrossSite => p { a href=(Text(url)) { "Open it" } },
                        Refused::Misdirected => {},
                        _ => p { a href="/" { "Home" } },
                    }
                }
            }
        },
    )
}
