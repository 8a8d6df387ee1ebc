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
