//! The arguments of tools: one list is both the schema that a client is given and what a call is held to.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::failure::ToolFailure;
use crate::core::hash;

/// Bytes of an argument that is text.
const LONGEST: usize = 4096;

/// An argument of a tool.
#[derive(Debug, Clone, Copy)]
pub(super) struct Argument {
    pub(super) name: &'static str,
    pub(super) kind: ArgumentKind,
    pub(super) required: bool,
    pub(super) about: &'static str,
}

/// What an argument may be.
#[derive(Debug, Clone, Copy)]
pub(super) enum ArgumentKind {
    Text,
    /// What something is called, by words or by its number.
    Name,
    /// A whole number between two others, and what it is unless given.
    Number {
        least: u64,
        most: u64,
        default: u64,
    },
    /// The number of something in the archive.
    Id,
    Flag,
    Choice(&'static [&'static str]),
}

/// Where the next page begins.
pub(super) const CURSOR: Argument = Argument {
    name: "cursor",
    kind: ArgumentKind::Text,
    required: false,
    about: "A cursor from an earlier answer of this tool, with the other arguments as they were then.",
};

/// The cap on an answer.
pub(super) const MAX_BYTES: Argument = Argument {
    name: "max_bytes",
    kind: ArgumentKind::Number { least: 24_576, most: 262_144, default: 65_536 },
    required: false,
    about: "Bytes of the whole answer at most, both of its forms (text and structured) together.",
};

/// How much of a message's text is given.
pub(super) const MAX_TEXT_BYTES: Argument = Argument {
    name: "max_text_bytes",
    kind: ArgumentKind::Number { least: 100, most: 32_768, default: 2_000 },
    required: false,
    about: "Bytes of each text at most. A text that is cut says how long it is and has a cursor to the rest.",
};

/// Those that say how much of the answer to give, and not what is asked for.
const AMOUNTS: [&str; 4] = ["cursor", "limit", "max_bytes", "max_text_bytes"];

/// The arguments of a call, which are those of its tool.
#[derive(Debug)]
pub(super) struct Arguments {
    of: &'static [Argument],
    given: BTreeMap<&'static str, Value>,
}

/// The JSON Schema of a tool's arguments.
pub(super) fn schema(arguments: &[Argument]) -> Map<String, Value> {
    let property = |argument: &Argument| {
        let mut property = match argument.kind {
            ArgumentKind::Text => json!({"type": "string", "minLength": 1, "maxLength": LONGEST}),
            ArgumentKind::Number { least, most, default } => {
                json!({"type": "integer", "minimum": least, "maximum": most, "default": default})
            }
            ArgumentKind::Name => {
                let text = json!({"type": "string", "minLength": 1, "maxLength": LONGEST});
                json!({"anyOf": [text, {"type": "integer", "minimum": 1}]})
            }
            ArgumentKind::Id => json!({"type": "integer", "minimum": 1}),
            ArgumentKind::Flag => json!({"type": "boolean", "default": false}),
            ArgumentKind::Choice(words) => json!({"type": "string", "enum": words, "default": words.first()}),
        };
        if let Some(property) = property.as_object_mut() {
            property.insert("description".to_owned(), argument.about.into());
        }
        (argument.name.to_owned(), property)
    };
    let properties: Map<String, Value> = arguments.iter().map(property).collect();
    let required: Vec<&str> = arguments.iter().filter(|a| a.required).map(|a| a.name).collect();
    let schema = json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "type": "object",
        "properties": properties,
        "required": required,
        "additionalProperties": false,
    });
    schema.as_object().cloned().unwrap_or_default()
}

impl Arguments {
    /// Takes what was given for what the tool accepts; null is as good as left out.
    pub(super) fn read(of: &'static [Argument], given: Map<String, Value>) -> Result<Self, ToolFailure> {
        let mut known = BTreeMap::new();
        for (name, value) in given.into_iter().filter(|(_, value)| !value.is_null()) {
            let Some(argument) = of.iter().find(|argument| argument.name == name) else {
                return Err(unknown(of, &name));
            };
            if let Some(expected) = wrong(argument.kind, &value) {
                return Err(ToolFailure::argument(argument.name, expected));
            }
            // A number is as good as its digits.
            let is_digits = matches!(argument.kind, ArgumentKind::Name) && value.is_number();
            known.insert(argument.name, if is_digits { value.to_string().into() } else { value });
        }
        match of.iter().find(|argument| argument.required && !known.contains_key(argument.name)) {
            Some(missing) => Err(ToolFailure::argument(missing.name, "it is required".to_owned())),
            None => Ok(Self { of, given: known }),
        }
    }

    pub(super) fn text(&self, name: &str) -> Option<&str> {
        self.given.get(name).and_then(Value::as_str).map(str::trim).filter(|text| !text.is_empty())
    }

    pub(super) fn flag(&self, name: &str) -> bool {
        self.given.get(name).and_then(Value::as_bool).unwrap_or_default()
    }

    pub(super) fn id(&self, name: &str) -> Option<i64> {
        self.given.get(name).and_then(Value::as_i64)
    }

    /// A number, or what it is unless given.
    pub(super) fn number(&self, name: &str) -> usize {
        let argument = self.of.iter().find(|argument| argument.name == name);
        let default = match argument.map(|argument| argument.kind) {
            Some(ArgumentKind::Number { default, .. }) => default,
            _ => 0,
        };
        let number = self.given.get(name).and_then(Value::as_u64).unwrap_or(default);
        usize::try_from(number).unwrap_or(usize::MAX)
    }

    /// What tells this question from others, however much of its answer is wanted.
    pub(super) fn question(&self) -> i64 {
        let asked: BTreeMap<_, _> = self.given.iter().filter(|(name, _)| !AMOUNTS.contains(name)).collect();
        hash::of_text(&format!("{asked:?}"))
    }
}

/// What the value should have been, if it is not.
fn wrong(kind: ArgumentKind, value: &Value) -> Option<String> {
    match kind {
        ArgumentKind::Text => match value.as_str() {
            Some(text) if text.len() <= LONGEST => None,
            _ => Some(format!("it must be text of at most {LONGEST} bytes")),
        },
        ArgumentKind::Name if value.as_u64().is_some() => None,
        ArgumentKind::Name => wrong(ArgumentKind::Text, value),
        ArgumentKind::Number { least, most, .. } => match value.as_u64() {
            Some(number) if (least..=most).contains(&number) => None,
            _ => Some(format!("it must be a whole number from {least} to {most}")),
        },
        ArgumentKind::Id => match value.as_i64() {
            Some(1..) => None,
            _ => Some("it must be a number that an earlier answer gave".to_owned()),
        },
        ArgumentKind::Flag => (!value.is_boolean()).then(|| "it must be true or false".to_owned()),
        ArgumentKind::Choice(words) => {
            let fits = value.as_str().is_some_and(|word| words.contains(&word));
            (!fits).then(|| format!("it must be one of: {}", words.join(", ")))
        }
    }
}

fn unknown(of: &[Argument], name: &str) -> ToolFailure {
    let names: Vec<&str> = of.iter().map(|argument| argument.name).collect();
    let most_like = names.iter().max_by(|a, b| {
        let alike = |known: &str| strsim::jaro_winkler(known, name);
        alike(a).total_cmp(&alike(b))
    });
    let meant = match most_like.filter(|known| strsim::jaro_winkler(known, name) > 0.8) {
        Some(known) => format!("this tool has no such argument; did you mean `{known}`?"),
        None if names.is_empty() => "this tool takes no arguments".to_owned(),
        None => format!("this tool has no such argument, only: {}", names.join(", ")),
    };
    ToolFailure::argument(name, meant)
}

#[cfg(test)]
mod tests {
    use super::*;

    const OF: &[Argument] = &[
        Argument { name: "query", kind: ArgumentKind::Text, required: true, about: "" },
        Argument {
            name: "order",
            kind: ArgumentKind::Choice(&["newest", "best"]),
            required: false,
            about: "",
        },
        MAX_BYTES,
        CURSOR,
    ];

    fn read(given: &Value) -> Result<Arguments, String> {
        Arguments::read(OF, given.as_object().unwrap().clone()).map_err(|failure| failure.to_string())
    }

    #[test]
    fn what_is_wrong_is_named_with_what_would_be_right() {
        for (given, expected) in [
            (json!({}), "argument `query`: it is required"),
            (json!({"query": 1}), "argument `query`: it must be text of at most 4096 bytes"),
            (
                json!({"query": "a", "querry": "b"}),
                "argument `querry`: this tool has no such argument; did you mean `query`?",
            ),
            (
                json!({"query": "a", "path": "/etc/passwd"}),
                "argument `path`: this tool has no such argument, only: query, order, max_bytes, cursor",
            ),
            (json!({"query": "a", "order": "worst"}), "argument `order`: it must be one of: newest, best"),
            (
                json!({"query": "a", "max_bytes": 1.5}),
                "argument `max_bytes`: it must be a whole number from 24576 to 262144",
            ),
            (
                json!({"query": "a", "max_bytes": -1}),
                "argument `max_bytes`: it must be a whole number from 24576 to 262144",
            ),
        ] {
            assert_eq!(read(&given).unwrap_err(), expected);
        }
        assert_eq!(read(&json!({"query": "a", "cursor": null})).unwrap().number("max_bytes"), 65_536);
    }

    #[test]
    fn a_question_is_the_same_however_much_of_its_answer_is_wanted() {
        let question = |given: Value| read(&given).unwrap().question();
        let one = question(json!({"query": "a"}));
        assert_eq!(one, question(json!({"query": "a", "cursor": "x", "max_bytes": 30_000})));
        assert_ne!(one, question(json!({"query": "b"})));
        assert_ne!(one, question(json!({"query": "a", "order": "best"})));
    }
}
