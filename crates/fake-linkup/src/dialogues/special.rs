//! Conversations that any archive must stand: testers who send each other tricky texts, and people of few words.

use super::{Language, a, b};

/// Two testers at work. The rest of this module is plain English around what they send.
pub(crate) static TEST_DATA: Language = Language {
    openings: &[&[
        a(
            "Hi {b}, I'll send you the samples for the import test one by one. Please archive each exactly as it is.",
        ),
        b("Ready when you are, {a}."),
        a("<script>alert('archived')</script>"),
        b("Shown as text, nothing ran."),
    ]],
    dialogues: &[
        &[
            a("Markup first:"),
            a("<b>not bold</b> & <img src=x onerror=alert(1)>"),
            b("Not bold, no picture."),
            a("**not** _markdown_ `code` [link](https://example.org) | table |"),
            b("Fine, too."),
        ],
        &[
            a("Now for the database:"),
            a("'; DROP TABLE message; --"),
            b("All tables are still here."),
            a("\"quoted\", with, commas\tand a tab"),
            a("=HYPERLINK(\"https://example.org\",\"click\")"),
            b("The spreadsheet shows it as text. Well done."),
        ],
        &[
            a("Two addresses:"),
            a("https://example.org/path?q=a%20b&lang=de#part-2"),
            a(
                "See https://www.example.com/very/long/path/that/nobody/would/type/by/hand/0123456789?utm_source=test",
            ),
            b("Both can be clicked, the second one is cut at the end of the line."),
        ],
        &[
            a("Line ends of two kinds:"),
            a("one line\nanother line\n\n  indented after an empty one"),
            a("Windows line\r\nends"),
            b("Kept as sent."),
        ],
        &[
            a("Invisible things. Tell me if one gets lost:"),
            a("zero\u{200b}width, no\u{a0}break, soft\u{ad}hyphen"),
            a("e\u{301} is not é until it is normalised"),
            a("left \u{202e}thgir\u{202c} left"),
            b("All there, byte for byte."),
            a(" "),
            b("A single space. Very funny."),
        ],
        &[
            a("What about these?"),
            a("Z͑ͫ̓͢a̴ḷ͠g̶o̕"),
            a("ﷺ ffi ligature Ⅷ ½"),
            a("👩‍👩‍👧‍👦 🏳️‍🌈 👍🏽 🇨🇭"),
            b("The family is one character wide, as it should be."),
        ],
        &[
            a("Escapes:"),
            a("100 % sure, 50 / 50, \\ and \\n are two characters"),
            a("{\"json\": [1, 2.50, null], \"quote\": \"\\\"\"}"),
            b("2.50 is still 2.50."),
        ],
        &[
            a("The last one is long, and in many languages:"),
            a(
                "The quick brown fox jumps over the lazy dog. Zwölf Boxkämpfer jagen Viktor quer über den großen Sylter Deich. \
                 Voix ambiguë d'un cœur qui au zéphyr préfère les jattes de kiwis.\n\n\
                 El pingüino Wenceslao hizo kilómetros bajo exhaustiva lluvia y frío. Zażółć gęślą jaźń. \
                 Árvíztűrő tükörfúrógép. Pijamalı hasta yağız şoföre çabucak güvendi.\n\n\
                 Съешь же ещё этих мягких французских булок, да выпей чаю. Ξεσκεπάζω την ψυχοφθόρα βδελυγμία. \
                 いろはにほへと ちりぬるを。 키스의 고유조건은 입술끼리 만나야 하고. 天地玄黄，宇宙洪荒。\n\n\
                 نص حكيم له سر قاطع وذو شأن عظيم. דג סקרן שט בים מאוכזב ולפתע מצא חברה. \
                 เป็นมนุษย์สุดประเสริฐเลิศคุณค่า.\n\n    end of the sample",
            ),
            b("Every letter arrived. I call the test passed."),
        ],
    ],
    days: &["Monday", "Tuesday", "Wednesday", "Thursday", "Friday"],
    projects: &["Escape"],
    titles: &["Ada, Béla & 3 others"],
    edited: "(sample corrected)",
};

/// People who write in pictures.
pub(crate) static EMOJI: Language = Language {
    openings: &[&[a("👋"), b("👋😀"), a("🤝")]],
    dialogues: &[
        &[a("☕❓"), b("⏰❓"), a("🕙"), b("👍")],
        &[a("🎂🎉🎈"), b("🙏😊"), a("🍰❓"), b("😋")],
        &[a("📄✍️❓"), b("👀").hours_later(), b("✅").days_later(), a("🙌")],
        &[a("✈️🏖️☀️"), b("😎🌊"), a("🏠😢").days_later(), b("🫂")],
        &[a("😃"), b("😃😃"), a("🤣")],
    ],
    days: &["📅"],
    projects: &["🧭"],
    titles: &["🎨✨"],
    edited: "✏️",
};
