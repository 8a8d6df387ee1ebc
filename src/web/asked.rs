//! A request, taken apart.

use url::form_urlencoded;

use super::reply::Refused;
use crate::core::model::ids::{ConversationId, MessageId};
use crate::store::MessagePlace;

/// Letters of one value that are looked at.
const LONGEST: usize = 4096;

/// What is asked for.
#[derive(Debug, Clone, Default)]
pub(super) struct WebRequest {
    /// What the route's path leaves open, decoded.
    pub(super) path: Vec<String>,
    query: Vec<(String, String)>,
}

impl WebRequest {
    pub(super) fn new(path: Vec<String>, query: Option<&str>) -> Self {
        let pairs = form_urlencoded::parse(query.unwrap_or_default().as_bytes());
        Self { path, query: pairs.into_owned().take(32).collect() }
    }

    /// A value of the query; an empty one is none.
    pub(super) fn text(&self, name: &str) -> Option<&str> {
        let found = self.query.iter().find(|(key, _)| key == name);
        found.map(|(_, value)| value.trim()).filter(|value| !value.is_empty() && value.len() <= LONGEST)
    }

    fn parsed<T: std::str::FromStr>(&self, name: &'static str) -> Result<Option<T>, Refused> {
        let bad = |value: &str| Refused::bad(format!("{value:?} is no value of {name}"));
        self.text(name).map(|value| value.parse().map_err(|_| bad(value))).transpose()
    }

    pub(super) fn number(&self, name: &'static str) -> Result<Option<i64>, Refused> {
        self.parsed(name)
    }

    /// How many are wanted.
    pub(super) fn limit(&self, default: usize, most: usize) -> Result<usize, Refused> {
        match self.parsed::<usize>("limit")? {
            Some(0) => Err(Refused::bad("limit must be at least 1")),
            Some(limit) => Ok(limit.min(most)),
            None => Ok(default),
        }
    }

    /// The first part of the path that is a number.
    pub(super) fn id(&self, what: &'static str) -> Result<i64, Refused> {
        self.path.first().and_then(|part| part.parse().ok()).ok_or(Refused::NotFound(what))
    }

    pub(super) fn conversation(&self) -> Result<ConversationId, Refused> {
        self.id("such conversation").map(ConversationId)
    }

    /// A cursor among the messages of a conversation.
    pub(super) fn place(&self, name: &'static str) -> Result<Option<MessagePlace>, Refused> {
        let Some(text) = self.text(name) else { return Ok(None) };
        let place = text.split_once('.').and_then(|(at, id)| {
            Some(MessagePlace { at_ms: at.parse().ok()?, id: MessageId(id.parse().ok()?) })
        });
        place.map(Some).ok_or_else(|| Refused::bad(format!("{text:?} is no cursor")))
    }
}

/// The cursor of a place.
pub(super) fn cursor(place: MessagePlace) -> String {
    format!("{}.{}", place.at_ms, place.id)
}

/// A URL of this server with values in its query.
pub(super) fn url(path: &str, query: &[(&str, &str)]) -> String {
    let mut pairs = form_urlencoded::Serializer::new(String::new());
    query.iter().filter(|(_, value)| !value.is_empty()).for_each(|(name, value)| {
        pairs.append_pair(name, value);
    });
    match pairs.finish() {
        query if query.is_empty() => path.to_owned(),
        query => format!("{path}?{query}"),
    }
}
