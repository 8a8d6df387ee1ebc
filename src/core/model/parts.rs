//! What comes with a message besides its text: a subject and attachments, read from the members of its JSON that no
//! other column models.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::core::markup::plain_text;

/// Subject and attachments of a message.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Parts {
    /// Of a mail that has one.
    pub subject: Option<String>,
    /// In the order in which they came.
    pub attachments: Vec<Attachment>,
}

/// A file that came with a message. The file itself is not archived.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attachment {
    /// Its name, or what its address ends with.
    pub name: String,
    /// Where it was.
    pub url: Option<String>,
    /// What kind of file it is, as far as that was served.
    #[serde(rename = "type")]
    pub kind: Option<String>,
}

impl Parts {
    /// Reads `extra`: members of a JSON object, without its braces. In an export, names of columns are in capitals and
    /// texts may have markup.
    pub fn of(extra: Option<&str>, exported: bool) -> Self {
        let Some(extra) = extra.filter(|extra| {
            let small = extra.to_ascii_lowercase();
            small.contains("\"subject\"") || small.contains("\"attachments\"")
        }) else {
            return Self::default();
        };
        let object = format!("{{{}}}", extra.trim_matches(','));
        let members: Map<String, Value> = serde_json::from_str(&object).unwrap_or_default();
        let mut parts = Self::default();
        for (name, value) in &members {
            match (name.to_ascii_lowercase().as_str(), value) {
                ("subject", Value::String(text)) => {
                    let text = if exported { plain_text(text) } else { text.clone() };
                    parts.subject = Some(clean(text.trim())).filter(|text| !text.is_empty());
                }
                ("attachments", Value::Array(items)) => {
                    parts.attachments.extend(items.iter().filter_map(Attachment::served));
                }
                ("attachments", Value::String(text)) => parts.attachments.extend(listed(text)),
                _ => {}
            }
        }
        parts
    }

    /// From the columns of the archive.
    pub fn stored(subject: Option<String>, attachments: Option<&str>) -> Self {
        let attachments = attachments.and_then(|json| serde_json::from_str(json).ok()).unwrap_or_default();
        Self { subject, attachments }
    }

    /// The attachments as the archive has them: a JSON array, nothing for none.
    pub fn attachments_json(&self) -> Option<String> {
        (!self.attachments.is_empty()).then(|| serde_json::to_string(&self.attachments).ok())?
    }

    /// The names of the attachments, one a line; nothing for none.
    pub fn attachment_names(&self) -> Option<String> {
        let names: Vec<&str> = self.attachments.iter().map(|attachment| attachment.name.as_str()).collect();
        (!names.is_empty()).then(|| names.join("\n"))
    }

    /// The whole message as a text: subject, text, and a line for each attachment.
    pub fn shown(&self, text: &str) -> String {
        let subject = self.subject.iter().map(|subject| format!("Subject: {subject}"));
        let text = Some(text.to_owned()).filter(|text| !text.is_empty());
        let attachments = self.attachments.iter().map(Attachment::label);
        subject.chain(text).chain(attachments).collect::<Vec<_>>().join("\n")
    }
}

impl Attachment {
    /// `[attachment: offer.pdf]`.
    pub fn label(&self) -> String {
        format!("[attachment: {}]", self.name)
    }

    /// An item of the API's list: an address, a name, or an object with either.
    fn served(item: &Value) -> Option<Self> {
        let object = match item {
            Value::String(text) => return Self::of_text(text),
            Value::Object(object) => object,
            _ => return None,
        };
        let text = |keys: &[&str]| {
            let found = keys.iter().find_map(|key| object.get(*key)?.as_str());
            found.map(|text| clean(text.trim())).filter(|text| !text.is_empty())
        };
        let url = text(&["url", "download_url", "link", "href"]);
        let name = text(&["name", "file_name", "filename", "title"]).or_else(|| url.as_deref().map(end_of));
        let kind = text(&["type", "mime_type", "media_type", "content_type"]);
        Some(Self { name: name.unwrap_or_else(|| "unnamed".to_owned()), url, kind })
    }

    fn of_text(text: &str) -> Option<Self> {
        let text = clean(text.trim());
        let url = text.contains("://").then(|| text.clone());
        let name = url.as_deref().map_or_else(|| text.clone(), end_of);
        (!name.is_empty()).then_some(Self { name, url, kind: None })
    }
}

/// The attachments that a column of an export lists: addresses with something between them, or names.
fn listed(text: &str) -> Vec<Attachment> {
    let between: fn(char) -> bool = if text.contains("://") {
        |c| c.is_whitespace() || matches!(c, ',' | ';')
    } else {
        |c| matches!(c, '\n' | ';')
    };
    text.split(between).filter_map(Attachment::of_text).collect()
}

/// The last part of an address's path, as a name.
fn end_of(url: &str) -> String {
    let path = url.split(['?', '#']).next().unwrap_or_default();
    let last = path.trim_end_matches('/').rsplit('/').next().unwrap_or_default();
    let mut bytes = Vec::with_capacity(last.len());
    let mut rest = last.bytes();
    while let Some(byte) = rest.next() {
        let mut ahead = rest.clone();
        let mut digit = || ahead.next().and_then(|b| char::from(b).to_digit(16));
        let code = (byte == b'%').then(|| Some(digit()? * 16 + digit()?)).flatten();
        match code.and_then(|code| u8::try_from(code).ok()) {
            Some(code) => {
                bytes.push(code);
                rest = ahead;
            }
            None => bytes.push(byte),
        }
    }
    clean(&String::from_utf8_lossy(&bytes))
}

/// A name on one line.
fn clean(text: &str) -> String {
    text.split(|c: char| c.is_control()).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn attachment(name: &str, url: Option<&str>, kind: Option<&str>) -> Attachment {
        Attachment { name: name.into(), url: url.map(str::to_owned), kind: kind.map(str::to_owned) }
    }

    #[test]
    fn an_api_item_lists_attachments_in_several_forms() {
        let extra = r#","subject":"An offer","attachments":[{"name":"offer.pdf","url":"https://e.org/x","type":"application/pdf"},
            {"url":"https://e.org/a/b%20c.png?x=1"},"https://e.org/d.txt","plain.doc",{"media_type":"image"},7,null]"#;
        let parts = Parts::of(Some(extra), false);
        assert_eq!(parts.subject.as_deref(), Some("An offer"));
        assert_eq!(
            parts.attachments,
            [
                attachment("offer.pdf", Some("https://e.org/x"), Some("application/pdf")),
                attachment("b c.png", Some("https://e.org/a/b%20c.png?x=1"), None),
                attachment("d.txt", Some("https://e.org/d.txt"), None),
                attachment("plain.doc", None, None),
                attachment("unnamed", None, Some("image")),
            ]
        );
        let json = parts.attachments_json().unwrap();
        assert!(
            json.starts_with(r#"[{"name":"offer.pdf","url":"https://e.org/x","type":"application/pdf"}"#)
        );
        assert_eq!(Parts::stored(parts.subject.clone(), Some(&json)), parts);
    }

    #[test]
    fn an_export_names_subject_and_attachments_in_its_columns() {
        let extra = r#""SUBJECT":"A role at Example &amp; Co","ATTACHMENTS":"https://e.org/1/contract.pdf, https://e.org/2""#;
        let parts = Parts::of(Some(extra), true);
        assert_eq!(parts.subject.as_deref(), Some("A role at Example & Co"));
        assert_eq!(
            parts.attachments.iter().map(|a| a.name.as_str()).collect::<Vec<_>>(),
            ["contract.pdf", "2"]
        );
        assert_eq!(
            parts.shown("text"),
            "Subject: A role at Example & Co\ntext\n[attachment: contract.pdf]\n[attachment: 2]"
        );
        let names = Parts::of(Some(r#""Attachments":"my offer, final.pdf;b.pdf""#), true);
        assert_eq!(names.shown(""), "[attachment: my offer, final.pdf]\n[attachment: b.pdf]");
    }

    #[test]
    fn what_is_neither_is_nothing() {
        for extra in
            [None, Some(""), Some(r#","attachments":3"#), Some(r#""subject":"  ""#), Some("\"subject\":{")]
        {
            let parts = Parts::of(extra, false);
            assert_eq!((&parts, parts.attachments_json()), (&Parts::default(), None), "{extra:?}");
            assert_eq!(parts.shown("text"), "text");
        }
    }
}
