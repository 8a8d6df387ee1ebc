//! A message as a part of a page, and what is between messages: days and gaps.

use std::collections::VecDeque;
use std::fmt::Write as _;

use super::super::text::{self, html};
use crate::core::Ms;
use crate::core::timeline::apply::Gap;
use crate::store::{ConversationRow, ExportRow, FormerVersion, Scope};

/// A conversation's gaps, oldest first, as far as they are not shown yet.
pub(super) struct Gaps(VecDeque<Gap>);

impl Gaps {
    pub(super) fn of(row: &ConversationRow, scope: &Scope) -> Self {
        let within = |gap: &&Gap| {
            let after = scope.until_ms.zip(gap.older_ms).is_some_and(|(until, older)| older >= until);
            let before = scope.since_ms.zip(gap.newer_ms).is_some_and(|(since, newer)| newer < since);
            !after && !before
        };
        let mut gaps: Vec<Gap> = row.timeline.gaps.iter().filter(within).cloned().collect();
        gaps.sort_by_key(|gap| gap.newer_ms.unwrap_or(Ms::MAX));
        Self(gaps.into())
    }

    /// Those above which a message of this time is.
    pub(super) fn before(&mut self, sent_at_ms: Ms) -> Vec<Gap> {
        let mut passed = Vec::new();
        while self.0.front().is_some_and(|gap| gap.newer_ms.is_some_and(|newer| newer <= sent_at_ms)) {
            passed.extend(self.0.pop_front());
        }
        passed
    }

    pub(super) fn rest(&mut self) -> Vec<Gap> {
        self.0.drain(..).collect()
    }
}

/// Writes messages one after the other, those of a day together.
#[derive(Default)]
pub(super) struct Writer {
    out: String,
    day: Option<String>,
    sender: Option<i64>,
}

impl Writer {
    /// What has been written since the last time.
    pub(super) fn take(&mut self) -> String {
        std::mem::take(&mut self.out)
    }

    fn put(&mut self, what: std::fmt::Arguments<'_>) {
        // Writing to a string does not fail.
        self.out.write_fmt(what).unwrap_or_default();
    }

    pub(super) fn gaps(&mut self, gaps: Vec<Gap>) {
        for gap in gaps {
            self.end();
            let day = |ms: Option<Ms>| ms.map(text::long_day);
            let span = match (day(gap.older_ms), day(gap.newer_ms)) {
                (None, None) => "nothing of this conversation has been fetched yet".to_owned(),
                (None, Some(newer)) => format!("what was written before {newer}"),
                (Some(older), None) => format!("what was written after {older}"),
                (Some(older), Some(newer)) => format!("between {older} and {newer}"),
            };
            let why =
                gap.stalled.as_ref().map(|why| format!(" ({})", html(&why.to_string()))).unwrap_or_default();
            self.put(format_args!(
                "<p class=\"gap\" role=\"note\"><strong>Messages may be missing here:</strong> {span}{why}</p>\n"
            ));
        }
    }

    /// Ends the day.
    pub(super) fn end(&mut self) {
        if self.day.take().is_some() {
            self.put(format_args!("</section>\n"));
        }
        self.sender = None;
    }

    pub(super) fn message(&mut self, m: &ExportRow<'_>, former: &[FormerVersion]) {
        let day = text::day(m.sent_at_ms);
        if self.day.as_ref() != Some(&day) {
            self.end();
            let long = text::long_day(m.sent_at_ms);
            self.put(format_args!("<section><h2><time datetime=\"{day}\">{long}</time></h2>\n"));
            self.day = Some(day);
        }
        let mine = if m.from_me == Some(1) { " me" } else { "" };
        let gone = if m.gone_since_ms.is_some() { " gone" } else { "" };
        self.put(format_args!("<article class=\"m{mine}{gone}\" id=\"m{}\">", m.id));
        // Who goes on writing is not named again.
        let hidden = if self.sender == Some(m.sender_row) { " class=\"hidden\"" } else { "" };
        self.sender = Some(m.sender_row);
        let name = if m.fields.name.trim().is_empty() { "Unknown sender" } else { m.fields.name };
        self.put(format_args!("<h3{hidden} dir=\"auto\">{}</h3>", html(name)));
        if m.fields.text.is_empty() {
            let kind = if m.fields.kind.is_empty() { "no type" } else { m.fields.kind };
            self.put(format_args!("<p class=\"none\">No text ({})</p>", html(kind)));
        } else {
            self.put(format_args!("<p class=\"t\" dir=\"auto\" lang=\"\">{}</p>", linked(m.fields.text)));
        }
        self.notes(m, former);
        self.put(format_args!("</article>\n"));
    }

    fn notes(&mut self, m: &ExportRow<'_>, former: &[FormerVersion]) {
        let iso = text::iso(m.sent_at_ms).unwrap_or_default();
        self.put(format_args!("<footer><time datetime=\"{iso}\">{}</time>", text::clock(m.sent_at_ms)));
        if m.derived_time.is_some() {
            self.put(format_args!(" <span class=\"note\">about: no time was served</span>"));
        }
        // Without a text the type stands in its place.
        if !matches!(m.fields.kind, "" | "TEXT") && !m.fields.text.is_empty() {
            self.put(format_args!(" <span class=\"note\">{}</span>", html(m.fields.kind)));
        }
        if m.versions > 1 {
            self.put(format_args!(" <span class=\"note\">edited</span>"));
        }
        if let Some(since) = m.gone_since_ms {
            self.put(format_args!(
                " <span class=\"note\">vanished from LinkedIn, noticed on {}</span>",
                text::long_day(since)
            ));
        }
        if m.source.is_some() {
            self.put(format_args!(" <span class=\"note\">from LinkedIn's own export</span>"));
        }
        self.put(format_args!("</footer>"));
        if !former.is_empty() {
            self.put(format_args!("<details class=\"was\"><summary>What it said before</summary>"));
            for version in former {
                let until = text::minute(version.replaced_ms);
                let said = linked(&version.text);
                self.put(format_args!("<p class=\"t\" dir=\"auto\" lang=\"\">{said}</p><p class=\"note\">until {until} or earlier</p>"));
            }
            self.put(format_args!("</details>"));
        }
    }
}

/// The text as HTML, in which addresses of the web are links.
fn linked(text: &str) -> String {
    let mut out = String::with_capacity(text.len().saturating_add(32));
    let mut rest = text;
    while let Some(at) = next_address(rest) {
        let (before, from) = rest.split_at(at);
        out.push_str(&html(before));
        let address = from.get(..address_length(from)).unwrap_or_default();
        let is_web = url::Url::parse(address)
            .is_ok_and(|url| matches!(url.scheme(), "http" | "https") && url.host().is_some());
        if is_web {
            let address = html(address);
            out.push_str(&format!(
                "<a href=\"{address}\" rel=\"noopener noreferrer nofollow\" target=\"_blank\">{address}</a>"
            ));
        } else {
            out.push_str(&html(address));
        }
        rest = from.get(address.len()..).unwrap_or_default();
    }
    out.push_str(&html(rest));
    out
}

fn next_address(text: &str) -> Option<usize> {
    let first = |scheme: &str| text.find(scheme);
    first("https://").into_iter().chain(first("http://")).min()
}

/// How far an address reaches: up to what no address holds, without the punctuation of the sentence around it.
fn address_length(text: &str) -> usize {
    let ends = |c: char| c.is_whitespace() || c.is_control() || "<>\"'`{}|\\^".contains(c);
    let whole = text.get(..text.find(ends).unwrap_or(text.len())).unwrap_or_default();
    let mut address = whole.trim_end_matches(['.', ',', ';', ':', '!', '?', '…', '*', '_']);
    while let Some(shorter) =
        address.strip_suffix(')').filter(|a| a.matches('(').count() < address.matches(')').count())
    {
        address = shorter.trim_end_matches(['.', ',', ';', ':', '!', '?']);
    }
    // At least the scheme, so that the search goes on behind it.
    address.len().max("http://".len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_the_web_and_nothing_else_are_links() {
        let link = |a: &str| {
            format!("<a href=\"{a}\" rel=\"noopener noreferrer nofollow\" target=\"_blank\">{a}</a>")
        };
        assert_eq!(
            linked("see https://example.org/a_(b)."),
            format!("see {}.", link("https://example.org/a_(b)"))
        );
        assert_eq!(linked("(http://example.org)"), format!("({})", link("http://example.org")));
        assert_eq!(linked("https://e.org/?a=1&b=2"), link("https://e.org/?a=1&amp;b=2"));
        for text in [
            "javascript:alert(1)",
            "data:text/html,x",
            "//e.org",
            "ftp://e.org",
            "http://",
            "https://",
            "xhttp://",
        ] {
            assert!(!linked(text).contains("<a"), "{text}");
        }
        assert_eq!(
            linked("https://e.org/\"onclick=\"x"),
            format!("{}&quot;onclick=&quot;x", link("https://e.org/"))
        );
        assert_eq!(linked("<script>"), "&lt;script&gt;");
    }
}
