//! The served JSON of a message, rebuilt from its columns without copying them first.

use crate::core::Ms;
use crate::core::raw::mark;

/// The values that a template's marks stand for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fields<'a> {
    /// The text.
    pub text: &'a str,
    /// The sender's display name.
    pub name: &'a str,
    /// Likewise, where served.
    pub first_name: Option<&'a str>,
    /// Likewise.
    pub last_name: Option<&'a str>,
    /// Likewise.
    pub profile_url: Option<&'a str>,
    /// The type.
    pub kind: &'a str,
    /// The parts that make up the URN.
    pub urn: Option<[&'a str; 3]>,
    /// Members that no column models.
    pub extra: Option<&'a str>,
}

/// Appends the JSON that a template and these values make: the same that the view `message_log` makes in SQL.
pub fn render(template: &str, sent_at_ms: Ms, fields: &Fields<'_>, out: &mut Vec<u8>) {
    let mut from = 0;
    let bytes = template.as_bytes();
    for (at, byte) in bytes.iter().enumerate().filter(|(_, b)| **b < 0x20) {
        out.extend_from_slice(bytes.get(from..at).unwrap_or_default());
        from = at.saturating_add(1);
        match char::from(*byte) {
            mark::TEXT => quote(fields.text, out),
            mark::TIME => out.extend_from_slice(sent_at_ms.to_string().as_bytes()),
            mark::NAME => quote(fields.name, out),
            mark::FIRST => quote(fields.first_name.unwrap_or_default(), out),
            mark::LAST => quote(fields.last_name.unwrap_or_default(), out),
            mark::PROFILE => quote(fields.profile_url.unwrap_or_default(), out),
            mark::KIND => quote(fields.kind, out),
            mark::URN => quote_parts(&fields.urn.unwrap_or_default(), out),
            mark::EXTRA => out.extend_from_slice(fields.extra.unwrap_or_default().as_bytes()),
            _ => out.push(*byte),
        }
    }
    out.extend_from_slice(bytes.get(from..).unwrap_or_default());
}

/// Appends a text as a JSON string.
pub fn quote(text: &str, out: &mut Vec<u8>) {
    quote_parts(&[text], out);
}

/// Appends texts as one JSON string.
pub fn quote_parts(parts: &[&str], out: &mut Vec<u8>) {
    out.push(b'"');
    for part in parts {
        let mut from = 0;
        let bytes = part.as_bytes();
        for (at, byte) in bytes.iter().enumerate().filter(|(_, b)| **b < 0x20 || **b == b'"' || **b == b'\\')
        {
            out.extend_from_slice(bytes.get(from..at).unwrap_or_default());
            from = at.saturating_add(1);
            escape(*byte, out);
        }
        out.extend_from_slice(bytes.get(from..).unwrap_or_default());
    }
    out.push(b'"');
}

fn escape(byte: u8, out: &mut Vec<u8>) {
    match byte {
        b'"' => out.extend_from_slice(b"\\\""),
        b'\\' => out.extend_from_slice(b"\\\\"),
        b'\n' => out.extend_from_slice(b"\\n"),
        b'\r' => out.extend_from_slice(b"\\r"),
        8 => out.extend_from_slice(b"\\b"),
        12 => out.extend_from_slice(b"\\f"),
        b'\t' => out.extend_from_slice(b"\\t"),
        other => out.extend_from_slice(format!("\\u{other:04x}").as_bytes()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::model::message::{Message, Sender};
    use crate::core::raw::Raw;
    use proptest::prelude::*;

    /// The same in the most obvious way, with what serde_json makes of each value.
    fn plainly(message: &Message) -> String {
        let mut out = String::with_capacity(message.raw.template.len() + message.text.len());
        let quote = |s: &str| serde_json::Value::from(s).to_string();
        let optional = |s: &Option<String>| quote(s.as_deref().unwrap_or_default());
        for c in message.raw.template.chars() {
            match c {
                mark::TEXT => out.push_str(&quote(&message.text)),
                mark::TIME => out.push_str(&message.at_ms.to_string()),
                mark::NAME => out.push_str(&quote(&message.sender.name)),
                mark::FIRST => out.push_str(&optional(&message.sender.first_name)),
                mark::LAST => out.push_str(&optional(&message.sender.last_name)),
                mark::PROFILE => out.push_str(&optional(&message.sender.profile_url)),
                mark::KIND => out.push_str(&quote(&message.kind)),
                mark::URN => out.push_str(&optional(&message.urn)),
                mark::EXTRA => out.push_str(message.raw.extra.as_deref().unwrap_or_default()),
                c => out.push(c),
            }
        }
        out
    }

    proptest! {
        #[test]
        fn rendering_makes_the_same_json_as_serde_json(
            text in any::<String>(), name in any::<String>(), first in proptest::option::of(any::<String>()),
            urn in proptest::option::of("[a-z\"\\\\:é]{0,9}"),
        ) {
            let template = "{\"text\":\u{1},\"timestamp\":\u{2},\"sender\":\u{3},\"f\":\u{4},\"l\":\u{5},\"p\":\u{6},\"message_type\":\u{7},\"u\":\u{8}\u{e}}";
            let extra = ",\"x\": [1 ]";
            let message = Message {
                urn: urn.clone(), at_ms: 1_749_376_800_123, derived_time: false, kind: "TEXT".into(), text: text.clone(),
                sender: Sender { name: name.clone(), first_name: first.clone(), last_name: None, profile_url: None },
                raw: Raw { template: template.into(), extra: Some(extra.into()) },
            };
            let fields = Fields {
                text: &text, name: &name, first_name: first.as_deref(), last_name: None, profile_url: None, kind: "TEXT",
                urn: urn.as_deref().map(|u| [u, "", ""]), extra: Some(extra),
            };
            let mut out = Vec::new();
            render(template, message.at_ms, &fields, &mut out);
            let value = |json: &str| serde_json::from_str::<serde_json::Value>(json).unwrap();
            prop_assert_eq!(value(std::str::from_utf8(&out).unwrap()), value(&plainly(&message)));
        }
    }
}
