//! Whether one message is found by a search, for those who see messages one by one.

use super::Search;
use super::match_expr::Match;
use super::walk::{Checks, Walk};
use crate::core::search::query::Query;
use crate::store::read::message::MessageRow;
use crate::store::{Queries, Result};

/// A search that is held against single messages. People and types that come later are not known to it.
pub struct Matcher<'a> {
    queries: Queries<'a>,
    /// The search without what looks into the text.
    filters: Search,
    link: Option<bool>,
    /// `None`: nothing can match.
    checks: Option<Checks>,
    text: Match,
}

impl<'a> Queries<'a> {
    /// Prepares a search for single messages.
    pub fn matcher(self, search: &Search) -> Result<Matcher<'a>> {
        let filters = Search { query: Query::default(), link: None, ..search.clone() };
        let checks = Checks::of_filters(self.db(), &filters)?;
        Ok(Matcher { queries: self, filters, link: search.link, checks, text: Match::by_hand(&search.query) })
    }
}

impl Matcher<'_> {
    /// Whether the search finds this message, by the text that is given here.
    pub fn fits(&self, message: &MessageRow) -> Result<bool> {
        let Some(checks) = &self.checks else { return Ok(false) };
        let (nothing, db) = (Match::default(), self.queries.db());
        let by_row = Walk { db, search: &self.filters, matched: &nothing, checks, bound: 1 };
        if !by_row.fits(message.id)?.0 {
            return Ok(false);
        }
        let of_text = Search { link: self.link, ..Search::default() };
        let by_text = Walk { db, search: &of_text, matched: &self.text, checks, bound: 1 };
        Ok(by_text.text_fits(&searched(message)))
    }
}

/// What is searched of a message, as the view `message_searched` has it.
fn searched(message: &MessageRow) -> String {
    let mut text = message.parts.subject.as_ref().map_or_else(String::new, |subject| format!("{subject}\n"));
    text.push_str(&message.message.text);
    if let Some(names) = message.parts.attachment_names() {
        text.push('\n');
        text.push_str(&names);
    }
    text
}
