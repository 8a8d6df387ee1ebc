//! The one renderer of served JSON against the most obvious way to write it.

use archiver::core::model::message::{Message, Sender};
use archiver::core::raw::Raw;
use archiver::core::raw::mark;
use archiver::core::raw::render::*;
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
            urn: urn.clone(), at_ms: 1_749_376_800_123, derived_time: false, untrusted_ms: None, kind: "TEXT".into(), text: text.clone(),
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
