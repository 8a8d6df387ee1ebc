//! Which of the configured conversations a person means by a word on the command line.

use crate::core::urn;
use crate::store::Target;

/// Why a word does not name exactly one conversation.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SelectError {
    /// None fits.
    #[error("no configured conversation is called {0:?}")]
    None(String),
    /// Several fit.
    #[error("{word:?} may mean {}", several(names))]
    Several {
        /// The word.
        word: String,
        /// What it may mean.
        names: Vec<String>,
    },
}

fn several(names: &[String]) -> String {
    names.join(" or ")
}

/// Keeps the conversations that the words name, each word exactly one: a full URN, a bare thread id, a profile URL, a
/// configured name, or an unambiguous part of a name. No word keeps all.
///
/// # Errors
/// When a word fits none or several.
pub fn select(targets: Vec<Target>, words: &[String]) -> Result<Vec<Target>, SelectError> {
    if words.is_empty() {
        return Ok(targets);
    }
    let mut keep = std::collections::BTreeSet::new();
    for word in words {
        keep.insert(one(&targets, word)?);
    }
    Ok(targets.into_iter().filter(|t| keep.contains(&t.plan.id)).collect())
}

fn one(targets: &[Target], word: &str) -> Result<i64, SelectError> {
    let wanted = word.trim().to_lowercase();
    let exact = |t: &&Target| {
        t.conversation_id.as_deref().is_some_and(|id| urn::thread_key(id) == urn::thread_key(word.trim()))
            || t.profile_url.as_deref().is_some_and(|url| slug(url) == slug(word))
            || t.plan.name.to_lowercase() == wanted
    };
    let part = |t: &&Target| t.plan.name.to_lowercase().contains(&wanted);
    let mut found: Vec<&Target> = targets.iter().filter(exact).collect();
    if found.is_empty() {
        found = targets.iter().filter(part).collect();
    }
    match found.as_slice() {
        [one] => Ok(one.plan.id),
        [] => Err(SelectError::None(word.to_owned())),
        several => Err(SelectError::Several {
            word: word.to_owned(),
            names: several.iter().map(|t| t.plan.name.clone()).collect(),
        }),
    }
}

/// What tells one profile URL from another.
fn slug(url: &str) -> Option<String> {
    let slug = url.split("/in/").nth(1)?.split(['/', '?', '#']).next()?;
    (!slug.is_empty()).then(|| slug.to_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::plan::{Conversation, Hints, Recheck};
    use crate::core::timeline::Timeline;

    fn target(id: i64, name: &str, urn: &str, url: Option<&str>) -> Target {
        Target {
            account_id: 1,
            conversation_id: Some(urn.to_owned()),
            profile_url: url.map(str::to_owned),
            plan: Conversation {
                id,
                account: 0,
                name: name.to_owned(),
                timeline: Timeline::default(),
                head_tried_ms: None,
                head_tried_run: 0,
                silent_looks: 0,
                listed: false,
                troubled: false,
                hints: Hints::default(),
                recheck: Recheck::default(),
            },
        }
    }

    fn ids(words: &[&str]) -> Result<Vec<i64>, SelectError> {
        let targets = vec![
            target(
                1,
                "Ada Example",
                "urn:li:msg_conversation:(urn:li:fsd_profile:A,2-QUJD=)",
                Some("https://www.linkedin.com/in/ada-example/"),
            ),
            target(2, "Béla, contract", "2-REVG", None),
            target(3, "Béla Sample", "2-R0hJ", None),
        ];
        let words: Vec<String> = words.iter().map(|w| (*w).to_owned()).collect();
        Ok(select(targets, &words)?.into_iter().map(|t| t.plan.id).collect())
    }

    #[test]
    fn a_conversation_is_named_by_urn_thread_profile_name_or_part_of_a_name() {
        for word in [
            "urn:li:msg_conversation:(urn:li:fsd_profile:A,2-QUJD=)",
            "2-QUJD",
            "https://linkedin.com/in/Ada-Example?x=1",
            "ada example",
            "ADA",
        ] {
            assert_eq!(ids(&[word]), Ok(vec![1]), "{word}");
        }
        assert_eq!(ids(&["contract", "ada"]), Ok(vec![1, 2]));
        assert_eq!(ids(&[]), Ok(vec![1, 2, 3]));
    }

    #[test]
    fn a_word_that_fits_none_or_several_is_refused_with_the_choices() {
        assert_eq!(ids(&["nobody"]), Err(SelectError::None("nobody".into())));
        assert_eq!(
            ids(&["béla"]).unwrap_err().to_string(),
            "\"béla\" may mean Béla, contract or Béla Sample"
        );
    }
}
