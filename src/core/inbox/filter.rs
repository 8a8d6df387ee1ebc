//! Which of the conversations that an inbox shows are wanted.

use crate::core::model::urn;

/// Rules over a conversation's name, the other side's page and its id. Rules are matched without regard to case; a
/// star stands for any text.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Wanted {
    /// Where there are any, only what one of these fits.
    pub include: Vec<String>,
    /// Never what one of these fits.
    pub exclude: Vec<String>,
}

impl Wanted {
    /// Whether a conversation is wanted, by all that is known of it.
    #[must_use]
    pub fn takes(&self, name: Option<&str>, profile_url: Option<&str>, id: Option<&str>) -> bool {
        let any = |rules: &[String]| rules.iter().any(|rule| fits(rule, name, profile_url, id));
        (self.include.is_empty() || any(&self.include)) && !any(&self.exclude)
    }

    /// The rules in one text, so that a change of them can be seen.
    #[must_use]
    pub fn describe(&self) -> String {
        format!("include {:?} exclude {:?}", self.include, self.exclude)
    }
}

fn fits(rule: &str, name: Option<&str>, profile_url: Option<&str>, id: Option<&str>) -> bool {
    let same_thread = |id: &str| rule.contains("2-") && urn::thread_key(rule) == urn::thread_key(id);
    let rule_page = page(rule);
    name.is_some_and(|name| like(&rule.trim().to_lowercase(), &name.trim().to_lowercase()))
        || profile_url.is_some_and(|url| like(&rule_page, &page(url)))
        || id.is_some_and(same_thread)
}

/// The part of a profile's URL that names it: `in/ada-example`.
fn page(url: &str) -> String {
    let lower = url.trim().to_lowercase();
    let bare = lower.split(['?', '#']).next().unwrap_or_default().trim_end_matches('/');
    bare.rsplit_once("linkedin.com/").map_or(bare, |(_, page)| page).to_owned()
}

/// Whether a text is as a pattern says, in which a star stands for any text.
fn like(pattern: &str, text: &str) -> bool {
    let mut parts = pattern.split('*');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = text.strip_prefix(first) else { return false };
    let mut last = None;
    for part in parts {
        if let Some(previous) = last.replace(part) {
            let Some((_, after)) = rest.split_once(previous) else { return false };
            rest = after;
        }
    }
    last.map_or(rest.is_empty(), |last: &str| rest.ends_with(last))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted(include: &[&str], exclude: &[&str]) -> Wanted {
        let own = |rules: &[&str]| rules.iter().map(|r| (*r).to_owned()).collect();
        Wanted { include: own(include), exclude: own(exclude) }
    }

    #[test]
    fn without_rules_everything_is_wanted() {
        assert!(wanted(&[], &[]).takes(None, None, None));
    }

    #[test]
    fn rules_fit_by_name_page_or_id_and_exclusion_wins() {
        let ada = (Some("Ada Example"), Some("https://www.linkedin.com/in/ada-example/"), Some("2-YWRh"));
        let takes = |w: &Wanted| w.takes(ada.0, ada.1, ada.2);
        for rule in [
            "ada example",
            "ADA*",
            "*example",
            "*da*ex*",
            "https://linkedin.com/in/Ada-Example",
            "in/ada-*",
            "2-YWRh",
            "urn:li:msg_conversation:(urn:li:fsd_profile:ACoAAO,2-YWRh)",
        ] {
            assert!(takes(&wanted(&[rule], &[])), "{rule}");
            assert!(!takes(&wanted(&[], &[rule])), "{rule}");
            assert!(!takes(&wanted(&[rule], &["ada*"])), "{rule}");
        }
        for rule in ["ada", "Béla*", "in/ada", "2-Ymxh", ""] {
            assert!(!takes(&wanted(&[rule], &[])), "{rule}");
            assert!(takes(&wanted(&[], &[rule])), "{rule}");
        }
    }

    #[test]
    fn of_an_unknown_name_only_what_is_excluded_by_name_is_wanted() {
        assert!(wanted(&[], &["ada*"]).takes(None, None, Some("2-YQ==")));
        assert!(!wanted(&["ada*"], &[]).takes(None, None, Some("2-YQ==")));
    }
}
