//! The page that asks for the key. Its script takes the key from the address; without one, it is typed.

use maud::{Markup, html};

use crate::export::text::Text;
use crate::web::shell::document;

/// Asks for the key, then leads `to` a page.
pub(in crate::web) fn page(to: &str, wrong: Option<&str>) -> Markup {
    document(
        "The key",
        &html! {
            body.home {
                main #main {
                    h1 { "The key" }
                    p { "This archive opens with the key in the address that " code { "archiver serve" } " has printed." }
                    @if let Some(wrong) = wrong { p.missing role="alert" #wrong { (wrong) } }
                    form #sign-in method="post" action="/key" {
                        input type="hidden" name="to" value=(Text(to));
                        label for="key" { "Key" }
                        input #key type="password" name="key" autocomplete="off" spellcheck="false" required autofocus
                            aria-describedby=[wrong.map(|_| "wrong")];
                        button type="submit" { "Open the archive" }
                    }
                }
                script src="/app.js" {}
            }
        },
    )
}
