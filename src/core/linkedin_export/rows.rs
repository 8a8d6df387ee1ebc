//! Reading a row of the member's own export: its columns, and the message it stands for.

use crate::core::Ms;
use crate::core::markup::plain_text;
use crate::core::model::message::{DRAFT, Message, SPONSORED, Sender};
use crate::core::raw::{Raw, mark};

/// The columns of an export that the archive models; `None` where the file has no such column.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Columns {
    /// `CONVERSATION ID`.
    pub conversation: Option<usize>,
    /// `CONVERSATION TITLE`.
    pub title: Option<usize>,
    /// `FROM`.
    pub from: Option<usize>,
    /// `SENDER PROFILE URL`.
    pub profile: Option<usize>,
    /// `TO`.
    pub to: Option<usize>,
    /// `RECIPIENT PROFILE URLS`.
    pub recipients: Option<usize>,
    /// `DATE`.
    pub date: Option<usize>,
    /// `CONTENT`.
    pub content: Option<usize>,
    /// `FOLDER`.
    pub folder: Option<usize>,
    /// `DIRECTION`: `INCOMING` or `OUTGOING`.
    pub direction: Option<usize>,
    /// `IS MESSAGE DRAFT`.
    pub message_draft: Option<usize>,
    /// `IS CONVERSATION DRAFT`.
    pub conversation_draft: Option<usize>,
}

impl Columns {
    /// The columns of this header, whatever their order and case.
    #[must_use]
    pub fn of(header: &[String]) -> Self {
        let plain = |name: &str| {
            let words = name.trim().trim_start_matches('\u{feff}').to_uppercase().replace(['_', '-'], " ");
            words.split_whitespace().collect::<Vec<_>>().join(" ")
        };
        let at = |wanted: &str| header.iter().position(|name| plain(name) == wanted);
        Self {
            conversation: at("CONVERSATION ID"),
            title: at("CONVERSATION TITLE"),
            from: at("FROM"),
            profile: at("SENDER PROFILE URL"),
            to: at("TO"),
            recipients: at("RECIPIENT PROFILE URLS"),
            date: at("DATE"),
            content: at("CONTENT"),
            folder: at("FOLDER"),
            direction: at("DIRECTION"),
            message_draft: at("IS MESSAGE DRAFT"),
            conversation_draft: at("IS CONVERSATION DRAFT"),
        }
    }

    /// Whether this is what messages can be read from: when, and in which conversation or between whom.
    pub fn are_enough(&self) -> bool {
        self.date.is_some() && (self.conversation.is_some() || self.from.is_some() && self.to.is_some())
    }

    /// The same of most messages of a thread that one person sent, and therefore kept once for all of them.
    fn shared(&self, column: usize) -> bool {
        [self.conversation, self.title, self.to, self.recipients, self.folder].contains(&Some(column))
    }
}

/// One row of an export, with a field for every column of its header.
#[derive(Debug, Clone, Copy)]
pub struct Row<'a> {
    /// Which column is which.
    pub columns: &'a Columns,
    /// Their names, as the file has them.
    pub header: &'a [String],
    /// What the row says in each.
    pub fields: &'a [&'a str],
}

impl<'a> Row<'a> {
    /// A field, empty where there is none.
    #[must_use]
    pub fn field(&self, column: Option<usize>) -> &'a str {
        column.and_then(|c| self.fields.get(c)).copied().unwrap_or_default()
    }

    /// Whether the owner sent it, as far as the columns tell.
    pub fn is_sent(&self) -> Option<bool> {
        let said = |column| self.field(column).trim().to_uppercase();
        match (said(self.columns.direction).as_str(), said(self.columns.folder).as_str()) {
            ("OUTGOING", _) | ("", "SENT") => Some(true),
            ("INCOMING", _) => Some(false),
            _ => None,
        }
    }

    /// The message's type, as far as the columns tell.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        let c = self.columns;
        let folder = self.field(c.folder).trim().to_uppercase();
        let said = |column| matches!(self.field(column).trim().to_lowercase().as_str(), "yes" | "true" | "1");
        if said(c.message_draft) || said(c.conversation_draft) || folder.starts_with("DRAFT") {
            return DRAFT;
        }
        let title = self.field(c.title).trim().to_lowercase();
        if folder.contains("SPONSORED") || title == "sponsored conversation" {
            return SPONSORED;
        }
        "TEXT"
    }

    /// The row as a message of this moment. Every column is in its `raw`, word for word.
    #[must_use]
    pub fn message(&self, at_ms: Ms) -> Message {
        let c = self.columns;
        let text = plain_text(&self.field(c.content).replace('\0', "\u{fffd}"));
        let url = self.field(c.profile).trim();
        Message {
            urn: None,
            at_ms,
            derived_time: false,
            untrusted_ms: None,
            sender: Sender {
                name: self.field(c.from).trim().replace('\0', "\u{fffd}"),
                profile_url: (!url.is_empty()).then(|| url.replace('\0', "\u{fffd}")),
                ..Sender::default()
            },
            kind: self.kind().to_owned(),
            raw: self.raw(&text),
            text,
        }
    }

    /// The row as a JSON object of its columns, told as a template and what is the row's own.
    fn raw(&self, text: &str) -> Raw {
        let c = self.columns;
        let (mut shared, mut own) = (String::new(), String::new());
        for (index, (name, field)) in self.header.iter().zip(self.fields).enumerate() {
            let quoted = |text: &str| serde_json::Value::from(text).to_string();
            // A value that the column holds in another form, such as without markup or the blanks around it, is kept as
            // it is.
            let is_text = c.content == Some(index);
            let exact =
                !field.contains('\0') && if is_text { text == *field } else { field.trim() == *field };
            let marked = match index {
                _ if !exact => None,
                i if c.content == Some(i) => Some(mark::TEXT),
                i if c.from == Some(i) => Some(mark::NAME),
                i if c.profile == Some(i) && !field.is_empty() => Some(mark::PROFILE),
                _ => None,
            };
            let common = field.is_empty() || c.shared(index);
            let (into, value) = match marked {
                Some(mark) => (&mut shared, mark.to_string()),
                None if common => (&mut shared, quoted(field)),
                None => (&mut own, quoted(field)),
            };
            if !into.is_empty() {
                into.push(',');
            }
            into.push_str(&format!("{}:{value}", quoted(name)));
        }
        if own.is_empty() {
            return Raw { template: format!("{{{shared}}}"), extra: None };
        }
        let comma = if shared.is_empty() { "" } else { "," };
        Raw { template: format!("{{{shared}{}}}", mark::EXTRA), extra: Some(format!("{comma}{own}")) }
    }
}

#[cfg(test)]
mod tests;
