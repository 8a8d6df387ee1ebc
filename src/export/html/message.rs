//! The messages of a page, with the days and gaps between them.

use std::collections::VecDeque;

use maud::{Markup, PreEscaped, html};

use super::super::text::{Text, Times};
use crate::core::Ms;
use crate::core::diff::{self, DiffPiece};
use crate::core::model::ids::{MessageId, PersonId};
use crate::core::model::parts::{Attachment, Parts};
use crate::core::search::tokenize::{self, Phrase};
use crate::core::timeline::gap::Gap;
use crate::store::{ConversationRow, ExportRow, FormerVersion, Scope};

/// The gaps of a conversation that are not shown yet, oldest first.
pub(crate) struct Gaps(VecDeque<Gap>);

impl Gaps {
    pub(crate) fn of(row: &ConversationRow, scope: &Scope) -> Self {
        let within = |gap: &&Gap| {
            let after = scope.until_ms.zip(gap.older_ms).is_some_and(|(until, older)| older >= until);
            let before = scope.since_ms.zip(gap.newer_ms).is_some_and(|(since, newer)| newer < since);
            !after && !before
        };
        let mut gaps: Vec<Gap> = row.timeline.gaps.iter().filter(within).cloned().collect();
        gaps.sort_by_key(|gap| gap.newer_ms.unwrap_or(Ms::MAX));
        Self(gaps.into())
    }

    /// None at all.
    pub(crate) fn none() -> Self {
        Self(VecDeque::new())
    }

    /// Those that are left, which leaves none.
    pub(crate) fn take(&mut self) -> Self {
        Self(std::mem::take(&mut self.0))
    }

    /// Those that end before a message of this time.
    pub(crate) fn before(&mut self, sent_at_ms: Ms) -> Vec<Gap> {
        let mut passed = Vec::new();
        while self.0.front().is_some_and(|gap| gap.newer_ms.is_some_and(|newer| newer <= sent_at_ms)) {
            passed.extend(self.0.pop_front());
        }
        passed
    }

    pub(crate) fn rest(&mut self) -> Vec<Gap> {
        self.0.drain(..).collect()
    }
}

/// Where a link of a message leads.
pub(crate) type MessageLink = fn(MessageId) -> String;

/// How messages are shown.
#[derive(Clone, Copy)]
pub(crate) struct Dress<'a> {
    pub(crate) times: Times,
    /// Where the link of a message leads.
    pub(crate) permalink: MessageLink,
    /// What is marked in texts.
    pub(crate) wanted: &'a [Phrase],
    /// Characters of a text that are shown at most, and where the link to all of it leads.
    pub(crate) cut: Option<(usize, MessageLink)>,
    /// What else there is to say of a gap.
    pub(crate) of_gap: &'a dyn Fn(&Gap) -> Option<String>,
}

impl Dress<'_> {
    /// As in a file: links within the page, and texts as a whole.
    pub(crate) fn new(times: Times) -> Self {
        Self { times, permalink: |id| format!("#m{id}"), wanted: &[], cut: None, of_gap: &|_| None }
    }
}

/// The messages of a page, with those of a day together and the gaps between them.
pub(crate) struct MessageList<'a> {
    dress: Dress<'a>,
    /// The finished days and gaps.
    done: String,
    /// The messages of the day that is not finished.
    of_day: String,
    /// Its time (ms).
    day_ms: Option<Ms>,
    /// Who wrote the last message.
    sender: Option<PersonId>,
}

impl<'a> MessageList<'a> {
    pub(crate) fn new(dress: Dress<'a>) -> Self {
        Self { dress, done: String::new(), of_day: String::new(), day_ms: None, sender: None }
    }

    /// Everything added since the last call.
    pub(crate) fn take(&mut self) -> Markup {
        self.end_day();
        PreEscaped(std::mem::take(&mut self.done))
    }

    pub(crate) fn gaps(&mut self, gaps: Vec<Gap>) {
        for gap in gaps {
            self.end_day();
            let day = |ms: Option<Ms>| ms.map(|ms| self.dress.times.long_day(ms));
            let span = match (day(gap.older_ms), day(gap.newer_ms)) {
                (None, None) => "nothing of this conversation has been fetched yet".to_owned(),
                (None, Some(newer)) => format!("what was written before {newer}"),
                (Some(older), None) => format!("what was written after {older}"),
                (Some(older), Some(newer)) => format!("between {older} and {newer}"),
            };
            let note = html! {
                p.gap role="note" id={ "gap" (gap.id) } {
                    strong { "Messages may be missing here:" }
                    " " (span)
                    @if let Some(why) = &gap.stalled { " (" (Text(&why.to_string())) ")" }
                    @if let Some(more) = (self.dress.of_gap)(&gap) { ". " (Text(&more)) }
                }
            };
            self.done.push_str(&note.into_string());
        }
    }

    fn end_day(&mut self) {
        self.sender = None;
        let Some(at) = self.day_ms.take() else { return };
        let messages = PreEscaped(std::mem::take(&mut self.of_day));
        let section = html! {
            section {
                h2 { time datetime=(self.dress.times.day(at)) { (self.dress.times.long_day(at)) } }
                (messages)
            }
        };
        self.done.push_str(&section.into_string());
    }

    pub(crate) fn message(&mut self, m: &ExportRow<'_>, former: &[FormerVersion]) {
        if self.day_ms.is_none_or(|at| self.dress.times.day(at) != self.dress.times.day(m.sent_at_ms)) {
            self.end_day();
            self.day_ms = Some(m.sent_at_ms);
        }
        // Consecutive messages of one sender show the name once.
        let same_sender = self.sender.replace(m.sender_row) == Some(m.sender_row);
        self.of_day.push_str(&message(m, former, same_sender, self.dress).into_string());
    }
}

/// A message. Where its sender wrote the one before, too, the name is there for those who listen only.
pub(crate) fn message(
    m: &ExportRow<'_>,
    former: &[FormerVersion],
    same_sender: bool,
    dress: Dress<'_>,
) -> Markup {
    let name = if m.fields.name.trim().is_empty() { "Unknown sender" } else { m.fields.name };
    let parts = m.parts();
    let kind = if m.fields.kind.is_empty() { "no type" } else { m.fields.kind };
    let (text, cut) = shortened(m, dress);
    html! {
        article.m.me[m.from_me == Some(1)].gone[m.gone_since_ms.is_some()].system[is_system(m)] id={ "m" (m.id) } tabindex="-1" {
            h3 class=[same_sender.then_some("hidden")] dir="auto" { (Text(name)) }
            @if let Some(subject) = &parts.subject { p.t.subject dir="auto" lang="" { strong { (marked(subject, dress.wanted)) } } }
            @if !m.fields.text.is_empty() {
                p.t dir="auto" lang="" { (linked(text, dress.wanted)) @if cut.is_some() { "…" } }
                @if let Some(whole) = cut { p.none { a href=(whole) { "Show the whole message" } } }
            } @else if parts == Parts::default() {
                p.none { "No text (" (Text(kind)) ")" }
            }
            @for attachment in &parts.attachments { p.t.attachment dir="auto" { (attached(attachment, dress.wanted)) } }
            (notes(m, dress))
            (history(former, m.fields.text, dress.times))
        }
    }
}

/// The text as far as it is shown, and where all of it is.
fn shortened<'a>(m: &ExportRow<'a>, dress: Dress<'_>) -> (&'a str, Option<String>) {
    let all = m.fields.text;
    let Some((most, whole)) = dress.cut else { return (all, None) };
    match all.char_indices().nth(most) {
        Some((end, _)) => (all.get(..end).unwrap_or(all), Some(whole(m.id))),
        None => (all, None),
    }
}

/// Whether nobody wrote it.
fn is_system(m: &ExportRow<'_>) -> bool {
    m.fields.kind == "SYSTEM"
}

/// Letters of two versions together whose differences are looked for.
const COMPARED: usize = 100_000;

/// What a message was before its edits, oldest first, with the words that each edit took out or put in.
fn history(former: &[FormerVersion], now: &str, times: Times) -> Markup {
    if former.is_empty() {
        return html! {};
    }
    let later = former.iter().skip(1).map(|version| version.text.as_str()).chain([now]);
    html! {
        details.was {
            summary { "What it said before" }
            @for (version, later) in former.iter().zip(later) {
                p.t dir="auto" lang="" { (difference(&version.text, later)) }
                p.note { "until " (times.minute(version.replaced_ms)) " or earlier" }
            }
        }
    }
}

fn difference(old: &str, new: &str) -> Markup {
    if old.len().saturating_add(new.len()) > COMPARED {
        return linked(old, &[]);
    }
    html! {
        @for change in diff::changes(old, new).chunk_by(|a, b| std::mem::discriminant(a) == std::mem::discriminant(b)) {
            @match change.first() {
                Some(DiffPiece::Removed(_)) => del { (Text(&joined(change))) },
                Some(DiffPiece::Added(_)) => ins { (Text(&joined(change))) },
                _ => (Text(&joined(change))),
            }
        }
    }
}

fn joined(changes: &[DiffPiece<'_>]) -> String {
    let text = |change: &DiffPiece<'_>| match *change {
        DiffPiece::Kept(text) | DiffPiece::Removed(text) | DiffPiece::Added(text) => text.to_owned(),
    };
    changes.iter().map(text).collect()
}

/// The name of an attachment, as a link to where it was if that is on the web.
fn attached(attachment: &Attachment, wanted: &[Phrase]) -> Markup {
    let label = attachment.label();
    let url = attachment.url.as_deref().filter(|url| is_web(url));
    html! {
        @if let Some(url) = url {
            a href=(Text(url)) rel="noopener noreferrer nofollow" target="_blank" { (marked(&label, wanted)) }
        } @else {
            (marked(&label, wanted))
        }
    }
}

/// Whether this is the address of a page.
pub(crate) fn is_web(address: &str) -> bool {
    url::Url::parse(address).is_ok_and(|url| matches!(url.scheme(), "http" | "https") && url.host().is_some())
}

fn notes(m: &ExportRow<'_>, dress: Dress<'_>) -> Markup {
    let times = dress.times;
    // A message without text shows its type in place of the text.
    let kind = Some(m.fields.kind).filter(|kind| !matches!(*kind, "" | "TEXT") && !m.fields.text.is_empty());
    html! {
        footer {
            a.at href=((dress.permalink)(m.id)) {
                time datetime=(times.iso(m.sent_at_ms).unwrap_or_default()) { (times.clock(m.sent_at_ms)) }
            }
            @if m.derived_time.is_some() { " " span.note { "about: no time was served" } }
            @if let Some(kind) = kind { " " span.note { (Text(kind)) } }
            @if m.versions > 1 { " " span.note { "edited" } }
            @if let Some(since) = m.gone_since_ms {
                " " span.note { "vanished from LinkedIn, noticed on " (times.long_day(since)) }
            }
            @if m.source.is_some() { " " span.note { "from LinkedIn's own export" } }
        }
    }
}

/// The text with its web addresses as links, and with what is wanted marked.
pub(crate) fn linked(text: &str, wanted: &[Phrase]) -> Markup {
    html! {
        @for (piece, is_link) in pieces(text) {
            @if is_link {
                a href=(Text(piece)) rel="noopener noreferrer nofollow" target="_blank" { (marked(piece, wanted)) }
            } @else {
                (marked(piece, wanted))
            }
        }
    }
}

/// The text with what is wanted marked.
pub(crate) fn marked(text: &str, wanted: &[Phrase]) -> Markup {
    if wanted.is_empty() {
        return html! { (Text(text)) };
    }
    let (hits, _) = tokenize::hits(text, wanted);
    let starts = [0].into_iter().chain(hits.iter().map(|hit| hit.end));
    let ends = hits.iter().map(|hit| hit.start).chain([text.len()]);
    let mut marks = hits.iter();
    html! {
        @for (start, end) in starts.zip(ends) {
            (Text(text.get(start..end).unwrap_or_default()))
            @if let Some(hit) = marks.next() { mark { (Text(text.get(hit.clone()).unwrap_or_default())) } }
        }
    }
}

/// The text in pieces, each with whether it is a web address.
fn pieces(text: &str) -> Vec<(&str, bool)> {
    let mut pieces = Vec::new();
    let mut rest = text;
    while let Some(at) = next_address(rest) {
        let (before, from) = rest.split_at(at);
        let (address, after) = from.split_at(address_length(from));
        let is_link = is_web(address);
        pieces.extend([(before, false), (address, is_link)]);
        rest = after;
    }
    pieces.push((rest, false));
    pieces
}

fn next_address(text: &str) -> Option<usize> {
    let first = |scheme: &str| text.find(scheme);
    first("https://").into_iter().chain(first("http://")).min()
}

/// How long the address at the beginning is: up to a character that no address contains, without the punctuation of the
/// sentence around it.
fn address_length(text: &str) -> usize {
    let ends = |c: char| c.is_whitespace() || c.is_control() || "<>\"'`{}|\\^".contains(c);
    let whole = text.get(..text.find(ends).unwrap_or(text.len())).unwrap_or_default();
    let mut address = whole.trim_end_matches(['.', ',', ';', ':', '!', '?', '…', '*', '_']);
    while let Some(shorter) =
        address.strip_suffix(')').filter(|a| a.matches('(').count() < address.matches(')').count())
    {
        address = shorter.trim_end_matches(['.', ',', ';', ':', '!', '?']);
    }
    // At least the scheme, so that the search continues behind it.
    address.len().max("http://".len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_web_addresses_are_links() {
        let linked = |text: &str| linked(text, &[]).into_string();
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
