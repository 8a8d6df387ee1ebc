//! The strict reading of one document: serde finds what is wrong with it, one problem after another.
//!
//! serde stops at the first error, and its messages repeat values, which may be secrets. So the document is read
//! through a deserializer whose errors say only what and where; the key in error is left out, and it is read again.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::{self, Display};

use serde::de::{
    Deserialize as _, DeserializeSeed, Deserializer, Error, Expected, IntoDeserializer as _, MapAccess,
    SeqAccess, Unexpected, Visitor,
};
use serde::forward_to_deserialize_any;
use toml::Spanned;
use toml::de::DeValue;

use super::problem::{Location, Problem, known_keys, nearest};
use super::settings::Document;

/// Where each key and each element of a document was written, by its path.
pub(super) type Places = BTreeMap<String, Location>;

/// Everything that is wrong with a document, in no particular order.
pub(super) fn problems(document: &DeValue<'_>, places: &Places) -> Vec<Problem> {
    let (mut left_out, mut problems) = (BTreeSet::new(), Vec::new());
    // A key that is left out is missing next; its table is left out then, in which nothing else is wrong.
    while let Err(wrong) = Document::deserialize(StrictReader::new(document, &left_out)) {
        let path = wrong.path.clone().unwrap_or_default();
        problems.extend(wrong.into_problem(places, &left_out));
        if path.is_empty() || !left_out.insert(path) {
            break;
        }
    }
    problems
}

/// The document as the `config` crate takes it.
pub(super) fn to_layer(document: &DeValue<'_>) -> Result<config::Map<String, config::Value>, Problem> {
    let nothing = BTreeSet::new();
    let layer = config::Map::<String, config::Value>::deserialize(StrictReader::new(document, &nothing));
    layer.map_err(|_| Problem::new("the configuration cannot be read"))
}

/// Notes where the keys and elements below a value were written; `place` tells it by their position in the text.
pub(super) fn note_places(
    value: &DeValue<'_>,
    path: &str,
    place: &dyn Fn(usize) -> Location,
    places: &mut Places,
) {
    match value {
        DeValue::Table(table) => {
            for (key, value) in table {
                let path = join(path, key.get_ref());
                // The key's own line: a value may begin further down, and a section's span is not its header's.
                places.insert(path.clone(), place(key.span().start));
                note_places(value.get_ref(), &path, place, places);
            }
        }
        DeValue::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                let path = format!("{path}[{index}]");
                places.insert(path.clone(), place(item.span().start));
                note_places(item.get_ref(), &path, place, places);
            }
        }
        _ => {}
    }
}

/// The path of a key. A name that is too long for a key may be a secret on the wrong side of its equals sign.
pub(super) fn join(path: &str, key: &str) -> String {
    let key = match key.chars().count() {
        0..=32 => key.escape_debug().to_string(),
        n => format!("(a name of {n} characters)"),
    };
    if path.is_empty() { key } else { format!("{path}.{key}") }
}

/// A string in quotes, control characters escaped, cut when it is long.
pub(super) fn quoted(text: &str) -> String {
    const MOST: usize = 80;
    let cut = if text.chars().count() > MOST { "…" } else { "" };
    format!("{:?}", text.chars().take(MOST).chain(cut.chars()).collect::<String>())
}

/// A value in a document.
struct StrictReader<'a> {
    value: &'a DeValue<'a>,
    path: String,
    left_out: &'a BTreeSet<String>,
}

impl<'a> StrictReader<'a> {
    fn new(document: &'a DeValue<'a>, left_out: &'a BTreeSet<String>) -> Self {
        Self { value: document, path: String::new(), left_out }
    }

    fn inner(&self, value: &'a DeValue<'a>, path: String) -> Option<Self> {
        let left_out = self.left_out;
        (!left_out.contains(&path)).then_some(Self { value, path, left_out })
    }

    fn read<V: Visitor<'a>>(&self, visitor: V) -> Result<V::Value, Wrong> {
        let other = |kind| Unexpected::Other(kind);
        match self.value {
            DeValue::String(text) => visitor.visit_str(text),
            DeValue::Integer(n) => match i64::from_str_radix(n.as_str(), n.radix()) {
                Ok(n) => visitor.visit_i64(n),
                Err(_) => Err(Wrong::invalid_type(other("a number out of range"), &visitor)),
            },
            DeValue::Float(n) => match n.as_str().parse() {
                Ok(n) => visitor.visit_f64(n),
                Err(_) => Err(Wrong::invalid_type(other("a number out of range"), &visitor)),
            },
            DeValue::Boolean(on) => visitor.visit_bool(*on),
            DeValue::Datetime(_) => Err(Wrong::invalid_type(other("a date"), &visitor)),
            DeValue::Array(items) => {
                let item = |(index, item): (usize, &'a Spanned<DeValue<'a>>)| {
                    Some(("", self.inner(item.get_ref(), format!("{}[{index}]", self.path))?))
                };
                visitor.visit_seq(Entries { rest: items.iter().enumerate().filter_map(item), value: None })
            }
            DeValue::Table(table) => {
                let entry = |(key, value): (&'a Spanned<Cow<'a, str>>, &'a Spanned<DeValue<'a>>)| {
                    let path = join(&self.path, key.get_ref());
                    Some((key.get_ref().as_ref(), self.inner(value.get_ref(), path)?))
                };
                visitor.visit_map(Entries { rest: table.iter().filter_map(entry), value: None })
            }
        }
    }

    /// Reads the value; an error that does not come from further inside is about this path.
    fn give<S: DeserializeSeed<'a>>(self, seed: S) -> Result<S::Value, Wrong> {
        let (path, value) = (self.path.clone(), self.value);
        seed.deserialize(self).map_err(|wrong| wrong.at(&path, Some(value)))
    }
}

/// What is left of a list or a table.
struct Entries<'a, I> {
    rest: I,
    value: Option<StrictReader<'a>>,
}

impl<'a, I: Iterator<Item = (&'a str, StrictReader<'a>)>> SeqAccess<'a> for Entries<'a, I> {
    type Error = Wrong;

    fn next_element_seed<S: DeserializeSeed<'a>>(&mut self, seed: S) -> Result<Option<S::Value>, Wrong> {
        self.rest.next().map(|(_, item)| item.give(seed)).transpose()
    }
}

impl<'a, I: Iterator<Item = (&'a str, StrictReader<'a>)>> MapAccess<'a> for Entries<'a, I> {
    type Error = Wrong;

    fn next_key_seed<S: DeserializeSeed<'a>>(&mut self, seed: S) -> Result<Option<S::Value>, Wrong> {
        let Some((name, value)) = self.rest.next() else { return Ok(None) };
        let key =
            seed.deserialize(name.into_deserializer()).map_err(|wrong: Wrong| wrong.at(&value.path, None));
        self.value = Some(value);
        key.map(Some)
    }

    fn next_value_seed<S: DeserializeSeed<'a>>(&mut self, seed: S) -> Result<S::Value, Wrong> {
        self.value.take().ok_or_else(|| Wrong::custom("has no value"))?.give(seed)
    }
}

impl<'de> Deserializer<'de> for StrictReader<'de> {
    type Error = Wrong;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Wrong> {
        self.read(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Wrong> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Wrong> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Wrong> {
        match self.value {
            DeValue::String(text) => visitor.visit_enum(text.as_ref().into_deserializer()),
            _ => Err(Wrong::unknown_variant("", variants)),
        }
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit unit_struct
        seq tuple tuple_struct map struct identifier ignored_any
    }
}

/// What serde found wrong, without the value unless it may be shown.
#[derive(Debug)]
struct Wrong {
    path: Option<String>,
    value: Option<String>,
    what: WrongKind,
}

#[derive(Debug)]
enum WrongKind {
    Said(String),
    Type { wanted: String, found: String },
    Missing(&'static str),
    UnknownKey(&'static [&'static str]),
}

impl Wrong {
    fn new(what: WrongKind) -> Self {
        Self { path: None, value: None, what }
    }

    fn at(mut self, path: &str, value: Option<&DeValue<'_>>) -> Self {
        if self.path.is_none() {
            self.path = Some(path.to_owned());
            self.value = value.filter(|value| self.may_show(path, value)).and_then(shown);
        }
        self
    }

    /// Whether the value is certainly no secret.
    fn may_show(&self, path: &str, value: &DeValue<'_>) -> bool {
        let in_accounts = path.starts_with("accounts");
        if path.contains("api_key") || path.contains("login_token") {
            return false;
        }
        match (&self.what, value) {
            (WrongKind::Missing(_) | WrongKind::UnknownKey(_), _) => false,
            // Anything may be where a table or an account's text belongs.
            (WrongKind::Type { .. }, _) => !in_accounts && path.contains('.'),
            // User name and password of a URL are secrets, and its query may hold one.
            (WrongKind::Said(_), DeValue::String(text)) => {
                in_accounts || !(text.contains('@') || text.contains("://") && text.contains(['?', '#']))
            }
            (WrongKind::Said(_), _) => true,
        }
    }

    /// The problem to report; `None` for a key that may be missing, or is because it was left out.
    fn into_problem(self, places: &Places, left_out: &BTreeSet<String>) -> Option<Problem> {
        let path = self.path.unwrap_or_default();
        let wrong_type = matches!(self.what, WrongKind::Type { .. });
        let (key, what) = match self.what {
            WrongKind::Missing(name) => {
                let key = join(&path, name);
                if !path.starts_with("accounts") || left_out.contains(&key) {
                    return None;
                }
                (key, "is missing".to_owned())
            }
            WrongKind::UnknownKey(siblings) => {
                let what = unknown_key(&path, siblings);
                (path.clone(), what)
            }
            WrongKind::Type { wanted, found } => {
                let what = format!("must be {}, not {found}", described(&path, wanted));
                (path.clone(), what)
            }
            WrongKind::Said(what) => (path.clone(), what),
        };
        let problem = Problem::new(what).key(key).of_wrong_type(wrong_type);
        let problem = self.value.into_iter().fold(problem, Problem::value);
        Some(places.get(&path).into_iter().fold(problem, Problem::at))
    }
}

/// Looks for what was meant in the same table and in the others.
fn unknown_key(path: &str, siblings: &[&str]) -> String {
    let without_index = |part: &str| part.split_once(']').map_or(part, |(_, rest)| rest).to_owned();
    let path: String = path.split('[').map(without_index).collect();
    let parent = path.rsplit_once('.').map_or("", |(parent, _)| parent);
    let known: Vec<String> = siblings.iter().map(|name| join(parent, name)).chain(known_keys()).collect();
    match nearest(&path, known.iter().map(String::as_str)) {
        Some(near) => {
            let name = near.strip_prefix(parent).and_then(|rest| rest.strip_prefix('.')).unwrap_or(near);
            format!("unknown key; did you mean `{name}`?")
        }
        None => "unknown key".to_owned(),
    }
}

/// What a value must be, from what serde calls it.
fn described(path: &str, wanted: String) -> String {
    match wanted.as_str() {
        "a boolean" => "true or false".to_owned(),
        "a sequence" if path == "accounts" => "a list of tables, each begun by [[accounts]]".to_owned(),
        "a sequence" => "a list in brackets".to_owned(),
        "a string" => "a string in quotes".to_owned(),
        name if name.starts_with("struct ") && !path.contains(['.', '[']) => {
            format!("a table, begun by [{path}]")
        }
        name if name.starts_with("struct ") => "a table".to_owned(),
        _ => wanted,
    }
}

/// A value for an error message, short and on one line.
fn shown(value: &DeValue<'_>) -> Option<String> {
    match value {
        DeValue::String(text) => Some(quoted(text)),
        DeValue::Integer(n) => Some(n.to_string()),
        DeValue::Float(n) => Some(n.to_string()),
        DeValue::Boolean(on) => Some(on.to_string()),
        DeValue::Datetime(_) | DeValue::Array(_) | DeValue::Table(_) => None,
    }
}

impl Error for Wrong {
    fn custom<T: Display>(what: T) -> Self {
        Self::new(WrongKind::Said(what.to_string()))
    }

    fn invalid_type(found: Unexpected<'_>, wanted: &dyn Expected) -> Self {
        let found = match found {
            Unexpected::Str(_) => "a string",
            Unexpected::Signed(_) | Unexpected::Float(_) => "a number",
            Unexpected::Bool(_) => "true or false",
            Unexpected::Seq => "a list",
            Unexpected::Map => "a table",
            Unexpected::Other(kind) => kind,
            _ => "something else",
        };
        Self::new(WrongKind::Type { wanted: wanted.to_string(), found: found.to_owned() })
    }

    fn unknown_variant(_: &str, variants: &'static [&'static str]) -> Self {
        Self::custom(format!("must be one of: {}", variants.join(", ")))
    }

    fn unknown_field(_: &str, siblings: &'static [&'static str]) -> Self {
        Self::new(WrongKind::UnknownKey(siblings))
    }

    fn missing_field(name: &'static str) -> Self {
        Self::new(WrongKind::Missing(name))
    }
}

impl Display for Wrong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the configuration cannot be read")
    }
}

impl std::error::Error for Wrong {}
