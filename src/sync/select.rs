//! Which of the configured conversations a person means by the words on the command line.

use crate::core::planner::target::{self, Candidate, SelectError};
use crate::store::Target;

/// Keeps the conversations that the words name, each word exactly one: a full URN, a bare thread id, a profile URL, a
/// configured name, or an unambiguous part of a name. No word keeps all.
///
/// # Errors
/// When a word fits none or several.
pub fn select(targets: Vec<Target>, words: &[String]) -> Result<Vec<Target>, SelectError> {
    if words.is_empty() {
        return Ok(targets);
    }
    let candidate = |t: &Target| Candidate {
        id: t.plan.id,
        conversation_id: t.conversation_id.clone(),
        profile_urls: t.profile_url.iter().cloned().collect(),
        names: vec![t.plan.name.clone()],
    };
    let candidates: Vec<Candidate> = targets.iter().map(candidate).collect();
    let mut keep = std::collections::BTreeSet::new();
    for word in words {
        keep.insert(target::one(&candidates, word)?);
    }
    Ok(targets.into_iter().filter(|t| keep.contains(&t.plan.id)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::model::ids::{AccountId, ConversationId};
    use crate::core::planner::state::Conversation;
    use crate::core::timeline::gap::Timeline;

    fn target(id: i64, name: &str) -> Target {
        Target {
            account_id: AccountId(1),
            conversation_id: Some(format!("2-{id}")),
            profile_url: None,
            plan: Conversation::new(ConversationId(id), 0, name.to_owned(), Timeline::default()),
        }
    }

    #[test]
    fn each_word_keeps_one_and_no_word_all() {
        let ids = |words: &[&str]| {
            let targets =
                vec![target(1, "Ada Example"), target(2, "Béla, contract"), target(3, "Béla Sample")];
            let words: Vec<String> = words.iter().map(|w| (*w).to_owned()).collect();
            Ok(select(targets, &words)?.into_iter().map(|t| t.plan.id.0).collect::<Vec<_>>())
        };
        assert_eq!(ids(&["contract", "ada"]), Ok(vec![1, 2]));
        assert_eq!(ids(&[]), Ok(vec![1, 2, 3]));
        assert!(matches!(ids(&["béla"]), Err(SelectError::Several { .. })));
    }
}
