//! The one person that a word names, as commands about one person take it.

use std::collections::BTreeSet;

use crate::core::model::ids::PersonId;
use crate::core::model::urn::profile_slug;
use crate::core::people::{Human, LEFT, SenderRow, humans};
use crate::error::Failure;

/// People that an error lists at most.
const LISTED: usize = 10;

/// A person, in all accounts that have heard from them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ChosenPerson {
    /// What they are called.
    pub(crate) name: String,
    /// The archive's ids of the senders that are this person.
    pub(crate) ids: Vec<PersonId>,
    /// Whether this is an account's owner.
    pub(crate) is_me: bool,
}

/// The person of this name or with this profile. A name that several profiles have does not tell who is meant.
///
/// # Errors
/// When nobody or more than one is.
pub(crate) fn choose(senders: &[SenderRow], word: &str) -> Result<ChosenPerson, Failure> {
    let (humans, of) = humans(senders);
    let wanted = profile_slug(word);
    let slugs = |human: &Human| -> BTreeSet<String> {
        human.profile_urls.iter().filter_map(|url| profile_slug(url)).collect()
    };
    let is_meant = |human: &Human| match &wanted {
        Some(slug) => slugs(human).contains(slug),
        None => human.names.iter().any(|name| same_name(name, word)),
    };
    let meant: Vec<&Human> = humans.iter().filter(|human| is_meant(human)).collect();
    let pages: BTreeSet<String> = meant.iter().flat_map(|human| slugs(human)).collect();
    if meant.is_empty() {
        return Err(nobody(&humans, word));
    }
    let left = same_name(LEFT, word);
    if wanted.is_none() && (pages.len() > 1 || left) {
        let several = if left {
            format!("{LEFT:?} is how LinkedIn names everybody who has left, not one person")
        } else {
            format!("{word:?} is the name of several people: {}", listed(pages.into_iter()))
        };
        return Err(Failure::usage(
            several,
            "pass the URL of the profile, https://www.linkedin.com/in/…; `archiver people --json` shows it",
        ));
    }
    // The same profile in another account is the same person, whatever they are called there.
    let same = |human: &Human| is_meant(human) || slugs(human).iter().any(|slug| pages.contains(slug));
    let ids = of.iter().filter(|(_, at)| humans.get(**at).is_some_and(same)).map(|(id, _)| *id).collect();
    let name = meant.iter().flat_map(|human| &human.names).next().cloned();
    Ok(ChosenPerson {
        name: name.unwrap_or_else(|| word.to_owned()),
        ids,
        is_me: humans.iter().filter(|human| same(human)).any(|human| human.is_me == Some(true)),
    })
}

fn same_name(name: &str, word: &str) -> bool {
    name.trim().to_lowercase() == word.trim().to_lowercase()
}

fn nobody(humans: &[Human], word: &str) -> Failure {
    let word_lower = word.trim().to_lowercase();
    let close = |name: &&String| {
        let name = name.to_lowercase();
        name.contains(&word_lower) || strsim::jaro_winkler(&name, &word_lower) > 0.85
    };
    let close: BTreeSet<&String> = humans.iter().flat_map(|human| &human.names).filter(close).collect();
    let help = if close.is_empty() {
        "`archiver people` lists everybody who has written".to_owned()
    } else {
        format!("pass a whole name, such as one of: {}", listed(close.into_iter().cloned()))
    };
    Failure::usage(format!("nobody called {word:?} has written"), help)
}

fn listed(names: impl Iterator<Item = String>) -> String {
    let names: Vec<String> = names.collect();
    let shown: Vec<&str> = names.iter().take(LISTED).map(String::as_str).collect();
    let more = if names.len() > LISTED { ", …" } else { "" };
    format!("{}{more}", shown.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sender(id: i64, account: &str, name: &str, page: Option<&str>) -> SenderRow {
        let profile_url = page.map(|page| format!("https://www.linkedin.com/in/{page}"));
        SenderRow { id: PersonId(id), account: account.into(), name: name.into(), profile_url, is_me: None }
    }

    fn ids(senders: &[SenderRow], word: &str) -> Option<Vec<i64>> {
        Some(choose(senders, word).ok()?.ids.into_iter().map(|id| id.0).collect())
    }

    #[test]
    fn a_person_is_found_by_a_whole_name_or_a_profile_in_every_account() {
        let senders = [
            sender(1, "me", "Ada Example", None),
            sender(2, "me", "Ada Example", Some("ada")),
            sender(3, "other", "Ada E.", Some("ada/")),
            sender(4, "me", "Ben Test", Some("ben")),
        ];
        assert_eq!(ids(&senders, "ada example"), Some(vec![1, 2, 3]));
        assert_eq!(ids(&senders, "https://www.linkedin.com/in/ada"), Some(vec![1, 2, 3]));
        assert_eq!(ids(&senders, "Ada"), None, "part of a name");
        assert_eq!(ids(&senders, "Nobody"), None);
    }

    #[test]
    fn a_name_that_two_profiles_have_names_nobody() {
        let senders = [sender(1, "me", "Ada", Some("one")), sender(2, "me", "Ada", Some("two"))];
        assert_eq!(ids(&senders, "Ada"), None);
        assert_eq!(ids(&senders, "https://linkedin.com/in/two/"), Some(vec![2]));
    }

    #[test]
    fn what_linkedin_calls_everybody_who_has_left_names_nobody() {
        let senders = [sender(1, "me", LEFT, None), sender(2, "other", LEFT, None)];
        for word in [LEFT, " linkedin member"] {
            let refused = choose(&senders, word).unwrap_err().to_string();
            assert!(refused.contains("everybody who has left, not one person"), "{refused}");
        }
    }
}
