//! What a text in HTML says: exports and some mails come with tags and character references.

/// The text without markup, as a person reads it. Only what is certainly markup goes: a `<` that begins no tag known
/// here stays, and so does a reference that stands for nothing.
pub fn plain_text(html: &str) -> String {
    if !html.contains(['<', '&']) {
        return html.to_owned();
    }
    let mut out = String::with_capacity(html.len());
    let (mut rest, mut tags) = (html, false);
    while let Some((before, after)) = rest.split_once('<') {
        out.push_str(&decoded(before));
        match tag(after) {
            Some((name, is_end, then)) => {
                tags = true;
                apply(name, is_end, &mut out);
                rest = then;
            }
            None => {
                out.push('<');
                rest = after;
            }
        }
    }
    out.push_str(&decoded(rest));
    if tags { out.trim_matches(['\n', '\r', ' ']).to_owned() } else { out }
}

/// What a tag does to the lines.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Tag {
    Block,
    Item,
    Break,
    Inline,
}

fn tag(text: &str) -> Option<(Tag, bool, &str)> {
    let (is_end, body) = text.strip_prefix('/').map_or((false, text), |body| (true, body));
    let length = body.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(body.len());
    let (name, attributes) = body.split_at(length);
    let tag = match name.to_ascii_lowercase().as_str() {
        "br" => Tag::Break,
        "li" => Tag::Item,
        "p" | "div" | "ul" | "ol" | "h1" | "h2" | "h3" | "h4" | "h5" | "h6" | "blockquote" | "pre"
        | "table" | "tr" | "hr" => Tag::Block,
        "a" | "abbr" | "b" | "big" | "code" | "del" | "em" | "font" | "i" | "img" | "ins" | "mark" | "s"
        | "small" | "span" | "strike" | "strong" | "sub" | "sup" | "td" | "th" | "u" => Tag::Inline,
        _ => return None,
    };
    // Of a tag that is never closed it is not sure that it is one.
    let (inside, then) = attributes.split_once('>')?;
    let plain = inside.is_empty() || inside.starts_with(|c: char| c == '/' || c.is_ascii_whitespace());
    plain.then_some((tag, is_end, then))
}

fn apply(tag: Tag, is_end: bool, out: &mut String) {
    let at_line_start = out.is_empty() || out.ends_with('\n');
    match (tag, is_end) {
        (Tag::Inline, _) => {}
        (Tag::Break, _) => out.push('\n'),
        (Tag::Block | Tag::Item, _) if !at_line_start => out.push('\n'),
        (Tag::Block | Tag::Item, _) => {}
    }
    if tag == Tag::Item && !is_end {
        out.push_str("- ");
    }
}

/// Character references as the characters they stand for; what is none stays as it is.
pub fn decoded(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('&') {
        out.push_str(before);
        let end = after.bytes().take(9).position(|byte| byte == b';');
        let reference = end.and_then(|end| Some((after.get(..end)?, after.get(end.saturating_add(1)..)?)));
        match reference.and_then(|(name, then)| Some((character(name)?, then))) {
            Some((character, then)) => {
                out.push(character);
                rest = then;
            }
            None => {
                out.push('&');
                rest = after;
            }
        }
    }
    out.push_str(rest);
    out
}

/// References by name; all others come as numbers.
const NAMED: [(&str, char); 20] = [
    ("amp", '&'),
    ("lt", '<'),
    ("gt", '>'),
    ("quot", '"'),
    ("apos", '\''),
    ("nbsp", ' '),
    ("hellip", '…'),
    ("mdash", '—'),
    ("ndash", '–'),
    ("lsquo", '\u{2018}'),
    ("rsquo", '\u{2019}'),
    ("ldquo", '\u{201c}'),
    ("rdquo", '\u{201d}'),
    ("laquo", '«'),
    ("raquo", '»'),
    ("bull", '•'),
    ("middot", '·'),
    ("euro", '€'),
    ("copy", '©'),
    ("reg", '®'),
];

fn character(reference: &str) -> Option<char> {
    if let Some(number) = reference.strip_prefix('#') {
        let code = match number.strip_prefix(['x', 'X']) {
            Some(hex) => u32::from_str_radix(hex, 16).ok()?,
            None => number.parse().ok()?,
        };
        return char::from_u32(code).filter(|c| *c != '\0');
    }
    NAMED.iter().find(|(name, _)| *name == reference).map(|(_, character)| *character)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn markup_is_read_as_a_person_sees_it() {
        for (html, plain) in [
            ("plain, as it is \r\n\n", "plain, as it is \r\n\n"),
            (
                "<p class=\"x\">Hi&nbsp;Olivia,</p><p class=\"x\"><br></p><p>we look for an <strong>archivist</strong> \
                 &amp; more. <a href=\"https://example.com/?a=1&amp;b=2\">Read on</a></p>",
                "Hi Olivia,\n\nwe look for an archivist & more. Read on",
            ),
            ("Q&amp;A: I don&#39;t know, 5 &lt; 6", "Q&A: I don't know, 5 < 6"),
            ("one<br/>two<BR />three", "one\ntwo\nthree"),
            ("<ul><li>a</li><li>b</li></ul>c", "- a\n- b\nc"),
            ("&lt;b&gt;bold&lt;/b&gt;", "<b>bold</b>"),
            ("&amp;lt;", "&lt;"),
            ("a < b > c, <3, <unknown>, <b", "a < b > c, <3, <unknown>, <b"),
            ("R&D; &x; & &#0; &#x1F389;", "R&D; &x; & &#0; 🎉"),
            ("&äöü;", "&äöü;"),
        ] {
            assert_eq!(plain_text(html), plain, "{html}");
        }
    }

    proptest! {
        #[test]
        fn text_without_markup_is_not_touched(text in "[^<&]{0,40}") {
            prop_assert_eq!(plain_text(&text), text);
        }

        #[test]
        fn escaped_text_comes_back(text in "[ -~äé🎉\n]{0,40}") {
            let escaped = text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
            prop_assert_eq!(plain_text(&escaped), text);
        }
    }
}
