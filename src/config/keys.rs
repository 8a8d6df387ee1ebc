//! The keys there are. `archiver.toml` shows each of them once, with its default or an example, and of that kind a value
//! for it must be.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::LazyLock;

use config::Value;
use serde::Deserialize as _;
use serde::de::IntoDeserializer as _;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::DEFAULT_TOML;

/// The keys by their path, in which a place in a list is `[]`.
pub(super) static KEYS: LazyLock<BTreeMap<String, KnownKey>> = LazyLock::new(|| {
    let text: Vec<Cow<'_, str>> = DEFAULT_TOML.lines().map(with_its_example).collect();
    let mut keys = BTreeMap::new();
    if let Ok(table) = DeTable::parse(&text.join("\n")) {
        note(&mut Spanned::new(0..0, DeValue::Table(table.into_inner())), "", &mut keys);
    }
    keys
});

/// Lists in which a text stands for a table with this one key.
const SHORT_FORMS: [(&str, &str); 2] =
    [("accounts[].profiles[]", "url"), ("accounts[].conversations[]", "id")];

/// What the default file shows of a key.
#[derive(Debug)]
pub(super) struct KnownKey {
    /// More than one where it may be written in several ways.
    pub(super) kinds: Vec<KeyKind>,
    /// A value that is certainly right.
    pub(super) example: Value,
}

/// The kind of a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum KeyKind {
    Text,
    Number,
    Truth,
    List,
    Table,
    Date,
}

impl KeyKind {
    pub(super) fn of(value: &DeValue<'_>) -> Self {
        match value {
            DeValue::String(_) => Self::Text,
            DeValue::Integer(_) | DeValue::Float(_) => Self::Number,
            DeValue::Boolean(_) => Self::Truth,
            DeValue::Datetime(_) => Self::Date,
            DeValue::Array(_) => Self::List,
            DeValue::Table(_) => Self::Table,
        }
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Text => "a string",
            Self::Number => "a number",
            Self::Truth => "true or false",
            Self::List => "a list",
            Self::Table => "a table",
            Self::Date => "a date",
        }
    }
}

impl KnownKey {
    /// What a value of this key must be.
    pub(super) fn wanted(&self, path: &str) -> String {
        match self.kinds.as_slice() {
            [KeyKind::Text] => "a string in quotes".to_owned(),
            [KeyKind::List] if path == "accounts" || path == "notify" => {
                format!("a list of tables, each begun by [[{path}]]")
            }
            [KeyKind::List] => "a list in brackets".to_owned(),
            [KeyKind::Table] if !path.contains('[') => format!("a table, begun by [{path}]"),
            kinds => kinds.iter().map(|kind| kind.name()).collect::<Vec<_>>().join(" or "),
        }
    }
}

/// A line of the default file; where it is an example, as if that were not commented out.
pub(super) fn with_its_example(line: &str) -> Cow<'_, str> {
    let is_example = |line: &str| {
        line.starts_with("[[") || line.split_once(" = ").is_some_and(|(key, _)| !key.contains(' '))
    };
    Cow::Borrowed(line.strip_prefix("# ").filter(|rest| is_example(rest)).unwrap_or(line))
}

fn note(value: &mut Spanned<DeValue<'_>>, path: &str, keys: &mut BTreeMap<String, KnownKey>) {
    let kind = KeyKind::of(value.get_ref());
    match value.get_mut() {
        DeValue::Table(table) => {
            table.iter_mut().for_each(|(name, value)| note(value, &join(path, name.get_ref()), keys));
        }
        DeValue::Array(items) => items.iter_mut().for_each(|item| note(item, &format!("{path}[]"), keys)),
        _ => {}
    }
    write_out(value, path);
    let example = to_config(value.get_ref()).unwrap_or_else(|| Value::new(None, config::ValueKind::Nil));
    let key = keys.entry(path.to_owned()).or_insert_with(|| KnownKey { kinds: Vec::new(), example });
    if !key.kinds.contains(&kind) {
        key.kinds.push(kind);
    }
}

/// Makes a table of a text that stands for one.
pub(super) fn write_out(value: &mut Spanned<DeValue<'_>>, path: &str) {
    if let Some((_, key)) = SHORT_FORMS.iter().find(|(list, _)| *list == anywhere(path))
        && value.get_ref().is_str()
    {
        let text = std::mem::replace(value.get_mut(), DeValue::Boolean(false));
        *value.get_mut() = DeValue::Table(document(key, Spanned::new(value.span(), text)));
    }
}

/// A document that sets one key.
pub(super) fn document<'a>(path: &'a str, value: Spanned<DeValue<'a>>) -> DeTable<'a> {
    let table = |value, name| {
        let mut table = DeTable::new();
        table.insert(Spanned::new(0..0, Cow::Borrowed(name)), value);
        table
    };
    match path.split_once('.') {
        Some((section, key)) => table(Spanned::new(0..0, DeValue::Table(table(value, key))), section),
        None => table(value, path),
    }
}

/// The value as the `config` crate takes it.
pub(super) fn to_config(value: &DeValue<'_>) -> Option<Value> {
    Value::deserialize(Spanned::new(0..0, value.clone()).into_deserializer()).ok()
}

/// The key of a path, whatever the places in its lists.
pub(super) fn find(path: &str) -> Option<&'static KnownKey> {
    KEYS.get(&anywhere(path))
}

/// The path with `[]` for every place in a list.
pub(super) fn anywhere(path: &str) -> String {
    let without_place =
        |part: &str| part.split_once(']').map_or(part.to_owned(), |(_, rest)| format!("]{rest}"));
    path.split('[').map(without_place).collect::<Vec<_>>().join("[")
}

/// The path of a key. A name that is too long for a key may be a secret on the wrong side of its equals sign.
pub(super) fn join(path: &str, key: &str) -> String {
    let key = match key.chars().count() {
        0..=32 => key.escape_debug().to_string(),
        n => format!("(a name of {n} characters)"),
    };
    if path.is_empty() { key } else { format!("{path}.{key}") }
}

/// What to say of a key that does not exist: what was meant is looked for in the same table and in the others.
pub(super) fn unknown(path: &str) -> String {
    let path = anywhere(path);
    let parent = path.rsplit_once('.').map_or("", |(parent, _)| parent);
    let within = |key: &&str| key.rsplit_once('.').map_or("", |(table, _)| table) == parent;
    let all = || KEYS.keys().map(String::as_str).filter(|key| !key.is_empty() && !key.ends_with(']'));
    let (of_accounts, others): (Vec<&str>, Vec<&str>) = all().partition(|key| key.contains('['));
    match nearest(&path, all().filter(within).chain(others).chain(of_accounts)) {
        Some(near) => {
            let name = near.strip_prefix(parent).and_then(|rest| rest.strip_prefix('.')).unwrap_or(near);
            format!("unknown key; did you mean `{}`?", name.replace("[]", ""))
        }
        None => "unknown key".to_owned(),
    }
}

/// The known name that was probably meant, if any is near enough; of equals the first.
pub(super) fn nearest<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    const NEAR: f64 = 0.5;
    let mut best: Option<(f64, &str)> = None;
    for candidate in known {
        let score = likeness(name, candidate);
        if score >= best.map_or(NEAR, |(top, _)| top + f64::EPSILON) {
            best = Some((score, candidate));
        }
    }
    best.map(|(_, candidate)| candidate)
}

/// How alike two paths are, from 0 to 1.
fn likeness(a: &str, b: &str) -> f64 {
    let alike = strsim::normalized_damerau_levenshtein;
    let split = |path| str::rsplit_once(path, '.').unwrap_or(("", path));
    let ((section_a, name_a), (section_b, name_b)) = (split(a), split(b));
    // The beginning of a name is what people remember of it.
    if name_a.len() >= 3 && name_b.starts_with(name_a) {
        return 0.95;
    }
    if section_a == section_b {
        return alike(name_a, name_b);
    }
    // A dot may be missing. The right name in the wrong section is likelier meant than a distant one in the right one.
    let whole = if section_a.is_empty() || section_b.is_empty() { alike(a, b) } else { 0.0 };
    whole.max(0.9 * alike(name_a, name_b))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_name_is_the_one_that_was_meant() {
        let known = [
            "api",
            "budget",
            "api.timeout_secs",
            "api.retries",
            "budget.credits_per_run",
            "schedule.timezone",
            "sync.inbox",
        ];
        for (wrong, meant) in [
            ("budgt", "budget"),
            ("api.timeout_sec", "api.timeout_secs"),
            ("api.timezone", "schedule.timezone"),
            ("timezone", "schedule.timezone"),
            ("budget_credits_per_run", "budget.credits_per_run"),
            ("budgt.credits_per_rn", "budget.credits_per_run"),
        ] {
            assert_eq!(nearest(wrong, known), Some(meant), "{wrong}");
        }
        assert_eq!(nearest("wxyz", known), None);
    }
}
