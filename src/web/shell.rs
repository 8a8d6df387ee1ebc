//! What every page has around it.

use maud::{DOCTYPE, Markup, html};

use crate::export::text::Text;
use crate::look::Glance;

/// A page.
pub(super) struct Shell<'a> {
    /// Its name, for the window and the history.
    pub(super) title: &'a str,
    /// Where it is in the navigation.
    pub(super) at: &'a str,
    /// Whether its `main` is loaded anew when the archive has changed.
    pub(super) live: bool,
    /// What is in the field of the search.
    pub(super) query: &'a str,
}

const PLACES: [(&str, &str); 6] = [
    ("/", "Home"),
    ("/conversations", "Conversations"),
    ("/people", "People"),
    ("/stats", "Statistics"),
    ("/ledger", "Credits"),
    ("/coverage", "Coverage"),
];

impl<'a> Shell<'a> {
    /// A page that shows the present.
    pub(super) fn live(title: &'a str, at: &'a str) -> Self {
        Self { title, at, live: true, query: "" }
    }

    pub(super) fn around(&self, look: &Glance<'_>, class: &str, main: &Markup) -> Markup {
        let times = look.times();
        document(
            self.title,
            &html! {
                body class=(class) data-live=[self.live.then(|| look.version())] {
                    a.skip href="#main" { "Skip to the content" }
                    header.bar {
                        nav aria-label="Archive" {
                            @for (path, name) in PLACES {
                                a href=(path) aria-current=[(path == self.at).then_some("page")] { (name) }
                            }
                        }
                        form role="search" action="/search" method="get" {
                            label.hidden for="q" { "Search all messages" }
                            input #q name="q" type="search" value=(Text(self.query)) placeholder="Search" autocomplete="off"
                                enterkeyhint="search" data-search;
                        }
                    }
                    main #main tabindex="-1" { (main) }
                    p #news.hidden role="status" aria-live="polite" {}
                    footer.end {
                        "All times are " (times.0.name()) ". As of " (times.minute(look.now)) ". "
                        a href="/help" { "Keys and search" } "."
                    }
                    script src="/app.js" {}
                }
            },
        )
    }
}

/// A whole document.
pub(super) fn document(title: &str, body: &Markup) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { (Text(title)) " · archiver" }
                link rel="icon" href="/icon.svg" type="image/svg+xml";
                link rel="stylesheet" href="/style.css";
            }
            (body)
        }
    }
}

/// Links to the pages before and after this one.
pub(super) fn pager(earlier: Option<(String, &str)>, later: Option<(String, &str)>) -> Markup {
    labelled_pager("Pages", earlier, later)
}

/// The same above what the page shows, where there is one below, too.
pub(super) fn upper_pager(earlier: Option<(String, &str)>, later: Option<(String, &str)>) -> Markup {
    labelled_pager("Pages, at the top", earlier, later)
}

fn labelled_pager(label: &str, earlier: Option<(String, &str)>, later: Option<(String, &str)>) -> Markup {
    if earlier.is_none() && later.is_none() {
        return html! {};
    }
    html! {
        nav.pager aria-label=(label) {
            @if let Some((href, words)) = &earlier { a rel="prev" href=(href) { "← " (words) } }
            @if let Some((href, words)) = &later { a rel="next" href=(href) { (words) " →" } }
        }
    }
}
