//! An export as LinkedIn would make it of a fake mailbox.

use std::fmt::Write as _;

use archiver::core::Ms;
use chrono::DateTime;
use fake_linkup::{Mailbox, ServerMessage};

/// Everything that is in the mailbox now, newest first within a thread. Seconds are cut, and a fifth of them is one off
/// in either direction; threads come with and without padding, some texts with markup or other line ends.
pub(super) fn of(mailbox: &Mailbox, seed: u64) -> String {
    let mut rng = fastrand::Rng::with_seed(seed);
    let mut out = String::from(
        "CONVERSATION ID,CONVERSATION TITLE,FROM,SENDER PROFILE URL,TO,RECIPIENT PROFILE URLS,DATE,SUBJECT,CONTENT,FOLDER,ATTACHMENTS\r\n",
    );
    for c in mailbox.conversations() {
        let thread = if rng.bool() { c.thread.as_str() } else { c.thread.trim_end_matches('=') };
        for m in c.visible().rev() {
            let author = mailbox.author(c, m.author);
            let everybody = || std::iter::once(&mailbox.owner).chain(&c.others);
            let to: Vec<_> = everybody().filter(|p| !std::ptr::eq(*p, author)).collect();
            let names = to.iter().map(|p| p.name.as_str()).collect::<Vec<_>>().join(",");
            let urls = to.iter().filter_map(|p| p.profile_url.as_deref()).collect::<Vec<_>>().join(",");
            let fields = [
                thread,
                c.title.as_deref().unwrap_or_default(),
                &author.name,
                author.profile_url.as_deref().unwrap_or_default(),
                &names,
                &urls,
                &date(m.at_ms, &mut rng),
                "",
                &dressed(m, &mut rng),
                "INBOX",
                "",
            ];
            let quoted = fields.map(|f| format!("\"{}\"", f.replace('"', "\"\"")));
            writeln!(out, "{}\r", quoted.join(",")).unwrap();
        }
    }
    out
}

/// A second as an export tells it.
fn date(at_ms: Ms, rng: &mut fastrand::Rng) -> String {
    let drift = match rng.u8(..10) {
        0 => -1,
        1 => 1,
        _ => 0,
    };
    let time = DateTime::from_timestamp(at_ms.div_euclid(1000) + drift, 0).unwrap();
    time.format("%Y-%m-%d %H:%M:%S UTC").to_string()
}

/// The text as an export may write it.
fn dressed(message: &ServerMessage, rng: &mut fastrand::Rng) -> String {
    let text = message.text.as_str();
    match rng.u8(..10) {
        0 => text.replace('\n', "\r\n"),
        1 => format!("{text} \n"),
        2 => format!("<p>{}</p>", text.replace('&', "&amp;").replace('<', "&lt;").replace('\n', "<br>")),
        _ => text.to_owned(),
    }
}
