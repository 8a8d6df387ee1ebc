//! Reads a body that is no JSON because of single items in it: what the other items cost was paid.
//!
//! The text is walked as if it were JSON, but a value may be any word (`NaN`), a string may hold raw line breaks, and
//! an item of a list may be anything up to where the next one begins. Items that are no JSON come out as a marked
//! object that holds their text word for word.

use serde::de::IgnoredAny;
use serde_json::value::RawValue;

/// The lists whose items stand alone.
const LISTS: [&str; 2] = ["messages", "conversations"];
/// The name of the only member of an item that was no JSON.
const MARK: &str = "\u{0}not JSON";
/// No honest answer is nested deeper.
const DEEPEST: u32 = 64;
/// Places that are looked at for the end of an item before the answer is given up.
const MOST_TRIES: u32 = 1_000;

/// The body as JSON; `None` where that cannot be made of it.
pub(super) fn repair(text: &str) -> Option<String> {
    let mut walk = LenientWalk { text, at: 0, tries: MOST_TRIES };
    let repaired = walk.value(0, "")?;
    walk.skip_space();
    (walk.at == text.len()).then_some(repaired)
}

/// The text of an item that was no JSON.
pub(super) fn original(item: &RawValue) -> Option<String> {
    // A body that says such a thing by itself is answered with what it says.
    let marked: std::collections::BTreeMap<String, String> = Some(item.get())
        .filter(|json| json.contains("not JSON"))
        .and_then(|j| serde_json::from_str(j).ok())?;
    marked.into_iter().find(|(name, _)| name == MARK).map(|(_, text)| text)
}

struct LenientWalk<'a> {
    text: &'a str,
    at: usize,
    tries: u32,
}

impl LenientWalk<'_> {
    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn skip_space(&mut self) {
        while self.peek().is_some_and(|b| b.is_ascii_whitespace()) {
            self.at += 1;
        }
    }

    /// Goes past this byte, if it is next.
    fn take(&mut self, byte: u8) -> bool {
        self.skip_space();
        let taken = self.peek() == Some(byte);
        self.at += usize::from(taken);
        taken
    }

    /// The value that begins here, the member of that name of an object, as JSON.
    fn value(&mut self, depth: u32, name: &str) -> Option<String> {
        self.skip_space();
        match self.peek()? {
            _ if depth > DEEPEST => None,
            b'{' => self.object(depth),
            b'[' => self.list(depth, LISTS.contains(&name)),
            b'"' => self.string(),
            _ => self.word(),
        }
    }

    fn object(&mut self, depth: u32) -> Option<String> {
        self.at += 1;
        let mut out = String::from("{");
        if self.take(b'}') {
            return Some("{}".to_owned());
        }
        loop {
            self.skip_space();
            let name = if self.peek() == Some(b'"') { self.string()? } else { return None };
            if !self.take(b':') {
                return None;
            }
            let value = self.value(depth + 1, name.trim_matches('"'))?;
            out.extend([name.as_str(), ":", &value]);
            if self.take(b'}') {
                return Some(out + "}");
            }
            if !self.take(b',') {
                return None;
            }
            out.push(',');
        }
    }

    fn list(&mut self, depth: u32, stands_alone: bool) -> Option<String> {
        self.at += 1;
        let mut out = String::from("[");
        if self.take(b']') {
            return Some("[]".to_owned());
        }
        loop {
            let item = if stands_alone { self.item(depth)? } else { self.value(depth + 1, "")? };
            out.push_str(&item);
            if self.take(b']') {
                return Some(out + "]");
            }
            if !self.take(b',') {
                return None;
            }
            out.push(',');
        }
    }

    /// An item of a list whose items stand alone: itself, or marked where it is no JSON.
    fn item(&mut self, depth: u32) -> Option<String> {
        self.skip_space();
        let start = self.at;
        let read = self.value(depth + 1, "");
        let end = self.at;
        self.skip_space();
        if read.is_some() && matches!(self.peek(), Some(b',' | b']')) {
            self.at = end;
        } else {
            self.at = self.end_of_broken(start, depth)?;
        }
        let item = self.text.get(start..self.at)?;
        if serde_json::from_str::<IgnoredAny>(item).is_ok() {
            return Some(item.to_owned());
        }
        Some(serde_json::json!({ MARK: item }).to_string())
    }

    /// Where an item ends that cannot be walked through: at the first brace behind which a sound item follows, or the
    /// end of the list.
    fn end_of_broken(&mut self, start: usize, depth: u32) -> Option<usize> {
        let braces = self.text.get(start..)?.match_indices('}').map(|(at, _)| start + at + 1);
        let candidates: Vec<usize> = braces.take(self.tries as usize + 1).collect();
        candidates.into_iter().find(|end| {
            self.tries = self.tries.saturating_sub(1);
            let mut next = LenientWalk { text: self.text, at: *end, tries: 0 };
            if next.take(b']') {
                next.skip_space();
                return matches!(next.peek(), Some(b',' | b'}'));
            }
            next.take(b',') && next.take(b'{') && {
                next.at -= 1;
                let from = next.at;
                let sound = next.value(depth + 1, "").is_some();
                let item = self.text.get(from..next.at).unwrap_or_default();
                sound && serde_json::from_str::<IgnoredAny>(item).is_ok()
            }
        })
    }

    /// A string, its raw control characters escaped.
    fn string(&mut self) -> Option<String> {
        let start = self.at;
        let mut escaped = false;
        for (offset, c) in self.text.get(start + 1..)?.char_indices() {
            match c {
                _ if escaped => escaped = false,
                '\\' => escaped = true,
                '"' => {
                    self.at = start + 1 + offset + 1;
                    let string = self.text.get(start..self.at)?;
                    return Some(string.chars().map(escape).collect());
                }
                _ => {}
            }
        }
        None
    }

    /// A number, a truth value or null; anything else becomes null.
    fn word(&mut self) -> Option<String> {
        let rest = self.text.get(self.at..)?;
        let length = rest.find(|c: char| matches!(c, ',' | ']' | '}') || c.is_ascii_whitespace())?;
        let word = rest.get(..length).filter(|word| !word.is_empty())?;
        self.at += length;
        let sound = serde_json::from_str::<IgnoredAny>(word).is_ok();
        Some(if sound { word } else { "null" }.to_owned())
    }
}

fn escape(c: char) -> std::borrow::Cow<'static, str> {
    if c.is_control() && c.is_ascii() {
        format!("\\u{:04x}", u32::from(c)).into()
    } else {
        c.to_string().into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The list of messages in a page with these items, and the texts of those that were no JSON.
    fn items(list: &str) -> Option<Vec<Result<String, String>>> {
        let body = repair(&format!(r#"{{"data": {{"messages": [{list}], "next_cursor": "9"}}}}"#))?;
        let body: serde_json::Value = serde_json::from_str(&body).unwrap();
        assert_eq!(body["data"]["next_cursor"], "9");
        let raw = |item: &serde_json::Value| RawValue::from_string(item.to_string()).unwrap();
        let read = |item| original(&raw(item)).map_or_else(|| Ok(item.to_string()), Err);
        Some(body["data"]["messages"].as_array().unwrap().iter().map(read).collect())
    }

    #[test]
    fn an_item_that_is_no_json_is_set_apart_word_for_word_and_the_others_are_read() {
        for broken in [
            r#"{"text":"a","weight":NaN}"#,
            r#"{"text":"a","weight": -Infinity }"#,
            "{\"text\":\"two\nlines\"}",
            "{\"text\":\"a tab\t and a bell\u{7}\"}",
            r#"{"text":"an "unescaped" quote, and more"}"#,
            r#"{"text":"never ends}"#,
            r#"{"text":"a",}"#,
            r#"{"text":'a'}"#,
            r#"{"text":"a" "sender":"b"}"#,
            r#"{"text":"a\x41"}"#,
            "undefined",
        ] {
            let sound = r#"{"text":"b"}"#;
            for (list, at) in [
                (format!("{sound}, {broken}, {sound}"), 1),
                (format!("{broken},{sound}"), 0),
                (format!("{sound},{broken}"), 1),
            ] {
                let items = items(&list).unwrap_or_else(|| panic!("{list}"));
                for (index, item) in items.iter().enumerate() {
                    let expected = if index == at { Err(broken.to_owned()) } else { Ok(sound.to_owned()) };
                    assert_eq!(*item, expected, "{list}");
                }
            }
        }
    }

    #[test]
    fn beside_the_items_what_is_no_json_becomes_null() {
        let repaired = repair("{\"data\":{\"total\":NaN,\"note\":\"a\nb\",\"messages\":[]}} ").unwrap();
        assert_eq!(repaired, r#"{"data":{"total":null,"note":"a\u000ab","messages":[]}}"#);
    }

    #[test]
    fn what_is_cut_or_no_object_is_not_repaired() {
        for text in
            ["", "<html>", r#"{"data":{"messages":[{"text":"a"}"#, r#"{"data":{"messages":[{"te"#, "{}}"]
        {
            assert_eq!(repair(text), None, "{text}");
        }
        assert_eq!(repair(&"[".repeat(100_000)), None);
        let endless = format!(r#"{{"messages":[{}"#, r#"},{""#.repeat(200_000));
        assert_eq!(repair(&endless), None);
    }
}
