//! Who the account's owner is, worked out from who takes part in its conversations.
//!
//! The v1 API names senders and says no more. The owner is the one name in (nearly) all conversations; if there is only
//! one conversation, the profile it was requested by may name the other side. Otherwise the owner stays unknown.

use std::collections::{BTreeMap, BTreeSet};

use crate::core::model::urn;

/// The names that wrote in a conversation.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Participants {
    /// The other side's profile, if known.
    pub profile_url: Option<String>,
    /// The names.
    pub names: BTreeSet<String>,
}

impl Participants {
    /// The name of the other side, or of the others of a group; `None` if they are unknown.
    #[must_use]
    pub fn other_side(&self, owner: Option<&str>) -> Option<String> {
        let named = match owner {
            Some(owner) => self
                .names
                .iter()
                .map(String::as_str)
                .filter(|name| *name != owner)
                .collect::<Vec<_>>()
                .join(", "),
            None => self.names.iter().find(|name| self.is_profiles(name)).cloned().unwrap_or_default(),
        };
        (!named.is_empty()).then_some(named)
    }

    /// Whether the profile's URL spells out this name: each word of the name is a word of the URL.
    fn is_profiles(&self, name: &str) -> bool {
        let Some(slug) = self.profile_url.as_deref().and_then(urn::profile_slug) else { return false };
        let (slug, name) = (words(&slug), words(name));
        !name.is_empty() && name.iter().all(|word| slug.contains(word))
    }
}

/// The owner's name: as configured if anyone has that name, else as the conversations suggest.
#[must_use]
pub fn owner(conversations: &[Participants], configured: Option<&str>) -> Option<String> {
    // A configured name that nobody has is a mistake.
    let known = |name: &&str| conversations.iter().any(|c| c.names.contains(*name));
    configured
        .filter(known)
        .or_else(|| in_nearly_all(conversations.iter().map(|c| c.names.iter().map(String::as_str).collect())))
        .map(str::to_owned)
        .or_else(|| by_profile(conversations))
}

/// The one name in nine of ten conversations that have several, if it is in at least two.
#[must_use]
pub fn in_nearly_all<'a>(conversations: impl Iterator<Item = BTreeSet<&'a str>>) -> Option<&'a str> {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    let mut total = 0_usize;
    for names in conversations.filter(|names| names.len() > 1) {
        total = total.saturating_add(1);
        for name in names {
            *counts.entry(name).or_default() += 1;
        }
    }
    let (name, most) = counts.iter().max_by_key(|(_, n)| **n)?;
    let alone = counts.values().filter(|n| *n == most).count() == 1;
    (alone && *most >= 2 && most * 10 >= total * 9).then_some(*name)
}

/// Of two names in a conversation that was requested by profile, the one that is not the profile's.
fn by_profile(conversations: &[Participants]) -> Option<String> {
    conversations.iter().filter(|c| c.names.len() == 2).find_map(|c| {
        let mut others = c.names.iter().filter(|name| !c.is_profiles(name));
        others.next().filter(|_| others.next().is_none()).cloned()
    })
}

fn words(text: &str) -> BTreeSet<String> {
    let plain: String = text.to_lowercase().chars().map(unaccented).collect();
    plain.split(|c: char| !c.is_alphanumeric()).filter(|w| !w.is_empty()).map(str::to_owned).collect()
}

/// The letter that a profile's URL has for an accented one.
fn unaccented(c: char) -> char {
    match c {
        'à'..='å' => 'a',
        'ç' => 'c',
        'è'..='ë' => 'e',
        'ì'..='ï' => 'i',
        'ñ' => 'n',
        'ò'..='ö' | 'ø' => 'o',
        'ù'..='ü' => 'u',
        'ý' | 'ÿ' => 'y',
        c => c,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(names: &[&str], slug: Option<&str>) -> Participants {
        Participants {
            profile_url: slug.map(|slug| format!("https://www.linkedin.com/in/{slug}/")),
            names: names.iter().map(|n| (*n).to_owned()).collect(),
        }
    }

    #[test]
    fn the_owner_is_in_nearly_all_conversations_or_is_not_the_profile() {
        let me = |conversations: &[Participants], configured| owner(conversations, configured);
        let many = [with(&["Ada", "Me"], None), with(&["Béla", "Me"], None), with(&["Me"], None)];
        assert_eq!(me(&many, None).as_deref(), Some("Me"));
        assert_eq!(me(&many, Some("Ada")).as_deref(), Some("Ada"));
        assert_eq!(me(&many, Some("Typo")).as_deref(), Some("Me"));
        assert_eq!(me(&many[..1], None), None);
        let one = [with(&["Zoé Example", "Me"], Some("zoe-example-1a2b"))];
        assert_eq!(me(&one, None).as_deref(), Some("Me"));
        assert_eq!(one[0].other_side(Some("Me")).as_deref(), Some("Zoé Example"));
        assert_eq!(one[0].other_side(None).as_deref(), Some("Zoé Example"));
        assert_eq!(many[0].other_side(None), None);
    }
}
