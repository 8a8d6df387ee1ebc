//! Which conversation a person means by a word: its URN, thread id, profile URL, name or a part of a name.

use crate::core::model::ids::ConversationId;
use crate::core::model::urn;
use crate::core::search::tokenize;

/// A conversation by all that it is called.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Candidate {
    /// The archive's id.
    pub id: ConversationId,
    /// Its URN or thread id, once known.
    pub conversation_id: Option<String>,
    /// Profile URLs that lead to it.
    pub profile_urls: Vec<String>,
    /// What it is called, the name to show first.
    pub names: Vec<String>,
}

impl Candidate {
    /// What to call it when there is a choice.
    #[must_use]
    pub fn label(&self) -> String {
        let first = |list: &'_ [String]| list.first().cloned();
        let (name, profile) = (first(&self.names), first(&self.profile_urls));
        label(name.as_deref(), profile.as_deref(), self.conversation_id.as_deref(), self.id)
    }
}

/// What a conversation is called: its name, or what identifies it, as short as can be.
#[must_use]
pub fn label(
    name: Option<&str>,
    profile_url: Option<&str>,
    conversation_id: Option<&str>,
    id: ConversationId,
) -> String {
    let identified =
        || profile_url.or(conversation_id).map_or_else(|| format!("conversation {id}"), urn::label);
    name.map_or_else(identified, str::to_owned)
}

/// Why a word does not name exactly one conversation.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SelectError {
    /// None fits.
    #[error("no conversation is called {word:?}{}", nearest(near))]
    None {
        /// The word.
        word: String,
        /// Names that look like it.
        near: Vec<String>,
    },
    /// Several fit.
    #[error("{word:?} may mean {}", several(names))]
    Several {
        /// The word.
        word: String,
        /// What it may mean.
        names: Vec<String>,
    },
}

/// Names that an error lists at most.
const LISTED: usize = 12;

fn several(names: &[String]) -> String {
    let listed = names.get(..LISTED).unwrap_or(names).join(" or ");
    match names.len().saturating_sub(LISTED) {
        0 => listed,
        more => format!("{listed} or {more} others"),
    }
}

fn nearest(near: &[String]) -> String {
    if near.is_empty() { String::new() } else { format!("; there is {}", several(near)) }
}

/// The one conversation that a word names.
///
/// # Errors
/// When none or several fit.
pub fn one(candidates: &[Candidate], word: &str) -> Result<ConversationId, SelectError> {
    let word = word.trim();
    match matching(candidates, word).as_slice() {
        [one] => Ok(one.id),
        [] => Err(SelectError::None { word: word.to_owned(), near: near(candidates, &tokenize::fold(word)) }),
        several => Err(SelectError::Several { word: word.to_owned(), names: labels(several) }),
    }
}

/// All conversations that a word may mean: those that it names exactly, or else those whose name it is a part of.
#[must_use]
pub fn matching<'a>(candidates: &'a [Candidate], word: &str) -> Vec<&'a Candidate> {
    let word = word.trim();
    let (thread, page, folded) = (urn::thread_key(word), urn::profile_slug(word), tokenize::fold(word));
    let exact = |c: &&Candidate| {
        c.conversation_id.as_deref().is_some_and(|id| urn::thread_key(id) == thread)
            || page.is_some() && c.profile_urls.iter().any(|url| urn::profile_slug(url) == page)
            || c.names.iter().any(|name| tokenize::fold(name) == folded)
    };
    let part =
        |c: &&Candidate| !folded.is_empty() && c.names.iter().any(|n| tokenize::fold(n).contains(&folded));
    let found: Vec<&Candidate> = candidates.iter().filter(exact).collect();
    if found.is_empty() { candidates.iter().filter(part).collect() } else { found }
}

/// What several are called: by more than the name where that is the same.
fn labels(several: &[&Candidate]) -> Vec<String> {
    let all: Vec<String> = several.iter().map(|c| c.label()).collect();
    let label = |(c, label): (&&Candidate, &String)| match &c.conversation_id {
        Some(id) if all.iter().filter(|l| *l == label).count() > 1 => {
            format!("{label} ({})", urn::thread_key(id))
        }
        _ => label.clone(),
    };
    several.iter().zip(&all).map(label).collect()
}

/// Names of which a word looks like what was asked for.
fn near(candidates: &[Candidate], folded: &str) -> Vec<String> {
    let like = |name: &str| {
        let best =
            tokenize::fold(name).split(' ').map(|w| strsim::jaro_winkler(w, folded)).fold(0.0, f64::max);
        best.max(strsim::jaro_winkler(&tokenize::fold(name), folded))
    };
    let rated = candidates.iter().filter_map(|c| c.names.first()).map(|name| (like(name), name));
    let mut rated: Vec<_> = rated.filter(|(score, _)| *score > 0.84).collect();
    rated.sort_by(|a, b| b.0.total_cmp(&a.0).then_with(|| a.1.cmp(b.1)));
    rated.into_iter().take(3).map(|(_, name)| name.clone()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn candidate(id: i64, name: &str, urn: &str, url: Option<&str>) -> Candidate {
        Candidate {
            id: ConversationId(id),
            conversation_id: Some(urn.to_owned()),
            profile_urls: url.into_iter().map(str::to_owned).collect(),
            names: vec![name.to_owned()],
        }
    }

    fn find(word: &str) -> Result<ConversationId, String> {
        let all = [
            candidate(
                1,
                "Ada Example",
                "urn:li:msg_conversation:(urn:li:fsd_profile:A,2-QUJD=)",
                Some("https://www.linkedin.com/in/ada-example/"),
            ),
            candidate(2, "Béla, contract", "2-REVG", None),
            candidate(3, "Béla Sample", "2-R0hJ", None),
            candidate(4, "Eve", "2-AAAA", None),
            candidate(5, "Eve", "2-BBBB", None),
        ];
        one(&all, word).map_err(|e| e.to_string())
    }

    #[test]
    fn a_conversation_is_named_by_urn_thread_profile_name_or_part_of_a_name() {
        for word in [
            "urn:li:msg_conversation:(urn:li:fsd_profile:A,2-QUJD=)",
            "2-QUJD",
            "https://linkedin.com/in/Ada-Example?x=1",
            "ada example",
            " ADA ",
        ] {
            assert_eq!(find(word), Ok(ConversationId(1)), "{word}");
        }
        assert_eq!(find("bela sample"), Ok(ConversationId(3)));
        assert_eq!(find("contract"), Ok(ConversationId(2)));
    }

    #[test]
    fn a_word_that_fits_none_or_several_is_refused_with_the_choices() {
        assert_eq!(find("nobody"), Err("no conversation is called \"nobody\"".into()));
        assert_eq!(
            find("exampel"),
            Err("no conversation is called \"exampel\"; there is Ada Example".into())
        );
        assert_eq!(find("béla"), Err("\"béla\" may mean Béla, contract or Béla Sample".into()));
        assert_eq!(find("eve"), Err("\"eve\" may mean Eve (2-AAAA) or Eve (2-BBBB)".into()));
        assert_eq!(find(""), Err("no conversation is called \"\"".into()));
    }
}
