//! The list of accounts: read whole from one layer, since a list cannot be merged key by key.

use std::collections::BTreeSet;

use super::node::{Node, Plain, quoted, shown_name};
use super::problem::{Place, Problem, nearest};
use super::target::{conversation_id, profile_url};
use super::types::{AccountConfig, ConversationTarget, ProfileTarget};
use crate::core::budget::Caps;
use crate::core::inbox::filter::Wanted;
use crate::core::model::urn;

/// The keys of one account.
pub(super) const ACCOUNT_KEYS: &[&str] = &[
    "name",
    "country",
    "own_name",
    "account_id",
    "account_id_file",
    "login_token",
    "login_token_file",
    "profiles",
    "conversations",
    "include",
    "exclude",
    "credits_per_run",
    "credits_per_day",
    "credits_per_month",
];

/// The countries that the API documents for its proxies.
const COUNTRIES: &[&str] = &["US", "UK", "FR", "DE", "NL", "IT", "IL", "CA", "BR", "ES", "IN"];

const DEFAULT_COUNTRY: &str = "FR";

/// A secret or the name of its file, and where that was written. There is no `Debug`.
pub(super) struct Written {
    pub(super) place: Place,
    pub(super) text: String,
}

/// One account, and where its login token and its id are said to be.
pub(super) struct Account {
    pub(super) config: AccountConfig,
    pub(super) id_file: Option<Written>,
    pub(super) token: Option<Written>,
    pub(super) token_file: Option<Written>,
}

/// What came up while reading.
#[derive(Default)]
pub(super) struct Findings {
    pub(super) problems: Vec<Problem>,
    pub(super) warnings: Vec<String>,
}

/// Reads `[[accounts]]`. With a problem among the findings the result is not to be used.
pub(super) fn read(list: &Node, findings: &mut Findings) -> Vec<Account> {
    let Plain::List(items) = &list.value else {
        let what = format!("must be a list, begun by [[accounts]], not {}", list.value.kind());
        findings.problems.push(Problem::new(what).at(&list.place).key("accounts"));
        return Vec::new();
    };
    let mut names = BTreeSet::new();
    let mut accounts = Vec::new();
    for (index, item) in items.iter().enumerate() {
        let path = format!("accounts[{index}]");
        let Plain::Table(entries) = &item.value else {
            let what = format!("must be a table, not {}", item.value.kind());
            findings.problems.push(Problem::new(what).at(&item.place).key(path));
            continue;
        };
        let mut fields = Fields { path, place: &item.place, entries, findings };
        let account = fields.account();
        if !account.config.name.is_empty() && !names.insert(account.config.name.to_lowercase()) {
            let name = account.config.name.clone();
            fields.problem("name", Some(quoted(&name)), "another account has this name already");
        }
        accounts.push(account);
    }
    accounts
}

/// The entries of one table, and where complaints about them go.
struct Fields<'a, 'f> {
    path: String,
    place: &'a Place,
    entries: &'a [(String, Node)],
    findings: &'f mut Findings,
}

impl<'a> Fields<'a, '_> {
    fn account(&mut self) -> Account {
        self.refuse_unknown(ACCOUNT_KEYS);
        let config = AccountConfig {
            name: self.name(),
            country: self.country(),
            own_name: self.optional_text("own_name"),
            account_id: self.optional_text("account_id"),
            login_token: None,
            credential_changed_ms: None,
            profiles: self.profiles(),
            conversations: self.conversations(),
            wanted: Wanted { include: self.texts("include"), exclude: self.texts("exclude") },
            caps: Caps {
                run: self.credits("credits_per_run"),
                day: self.credits("credits_per_day"),
                month: self.credits("credits_per_month"),
            },
        };
        Account {
            config,
            id_file: self.written("account_id_file"),
            token: self.written("login_token"),
            token_file: self.written("login_token_file"),
        }
    }

    fn find(&self, key: &str) -> Option<&'a Node> {
        self.entries.iter().find(|(name, _)| name == key).map(|(_, node)| node)
    }

    fn problem(&mut self, key: &str, value: Option<String>, what: impl Into<String>) {
        let place = self.find(key).map_or(self.place, |node| &node.place);
        let problem = Problem::new(what).at(place).key(format!("{}.{key}", self.path));
        self.findings.problems.push(match value {
            Some(value) => problem.value(value),
            None => problem,
        });
    }

    fn refuse_unknown(&mut self, known: &[&str]) {
        for (key, node) in self.entries {
            if !known.contains(&key.as_str()) {
                let near = nearest(key, known.iter().copied()).unwrap_or_default();
                let what = format!("unknown key; the nearest known one is `{near}`");
                let shown = format!("{}.{}", self.path, shown_name(key));
                self.findings.problems.push(Problem::new(what).at(&node.place).key(shown));
            }
        }
    }

    /// A text that is not empty; the value of another kind of thing is not shown, for it may be a secret.
    fn text(&mut self, key: &str) -> Option<&'a str> {
        match &self.find(key)?.value {
            Plain::Text(text) if text.trim().is_empty() => {
                self.problem(key, None, "must not be empty");
                None
            }
            Plain::Text(text) => Some(text.trim()),
            other => {
                self.problem(key, None, format!("must be a text in quotes, not {}", other.kind()));
                None
            }
        }
    }

    fn optional_text(&mut self, key: &str) -> Option<String> {
        self.text(key).map(str::to_owned)
    }

    /// A list of texts.
    fn texts(&mut self, key: &str) -> Vec<String> {
        let Some(node) = self.find(key) else { return Vec::new() };
        let Plain::List(items) = &node.value else {
            self.problem(key, None, format!("must be a list in brackets, not {}", node.value.kind()));
            return Vec::new();
        };
        let mut texts = Vec::new();
        for (index, item) in items.iter().enumerate() {
            match &item.value {
                Plain::Text(text) if !text.trim().is_empty() => texts.push(text.trim().to_owned()),
                other => {
                    let what = format!("must be a text in quotes that is not empty, not {}", other.kind());
                    let path = format!("{}.{key}[{index}]", self.path);
                    self.findings.problems.push(Problem::new(what).at(&item.place).key(path));
                }
            }
        }
        texts
    }

    /// A cap on credits.
    fn credits(&mut self, key: &str) -> Option<u32> {
        let Plain::Whole(n) = self.find(key)?.value else {
            let kind = self.find(key)?.value.kind();
            self.problem(key, None, format!("must be a whole number from 0 to {}, not {kind}", u32::MAX));
            return None;
        };
        let credits = u32::try_from(n).ok();
        if credits.is_none() {
            self.problem(key, Some(n.to_string()), format!("must be from 0 to {}", u32::MAX));
        }
        credits
    }

    fn written(&mut self, key: &str) -> Option<Written> {
        let text = self.text(key)?.to_owned();
        Some(Written { place: self.find(key)?.place.clone(), text })
    }

    /// The account's name; empty when it has none that can be used.
    fn name(&mut self) -> String {
        if self.find("name").is_none() {
            self.problem("name", None, "is missing: every account needs one, such as \"me\"");
        }
        let Some(name) = self.text("name") else { return String::new() };
        // The name is part of a credential's file name and stands in tables and logs.
        if name.chars().count() > 64 || name.chars().any(|c| c.is_control() || c == '/') {
            self.problem("name", Some(quoted(name)), "must have at most 64 characters, none of them a slash");
        }
        name.to_owned()
    }

    fn country(&mut self) -> String {
        let Some(text) = self.text("country") else { return DEFAULT_COUNTRY.into() };
        let country = text.to_uppercase();
        if country.len() != 2 || !country.chars().all(|c| c.is_ascii_alphabetic()) {
            self.problem("country", Some(quoted(text)), "must be a country's two letters, such as \"FR\"");
        } else if !COUNTRIES.contains(&country.as_str()) {
            let place = self.find("country").map_or(self.place, |node| &node.place);
            self.findings.warnings.push(format!(
                "{place}: {}.country = \"{country}\": not among the countries that the API documents ({})",
                self.path,
                COUNTRIES.join(", ")
            ));
        }
        country
    }

    fn profiles(&mut self) -> Vec<ProfileTarget> {
        let targets = self.targets("profiles", "url", profile_url, str::to_owned);
        targets.into_iter().map(|(url, name)| ProfileTarget { url, name }).collect()
    }

    fn conversations(&mut self) -> Vec<ConversationTarget> {
        let targets = self.targets("conversations", "id", conversation_id, urn::thread_key);
        targets.into_iter().map(|(id, name)| ConversationTarget { id, name }).collect()
    }

    /// A list of texts or of tables `{ KEY, name }`. What `identity` makes equal is one target.
    fn targets(
        &mut self,
        list: &str,
        key: &str,
        normal: fn(&str) -> Result<String, String>,
        identity: fn(&str) -> String,
    ) -> Vec<(String, Option<String>)> {
        let Some(node) = self.find(list) else { return Vec::new() };
        let Plain::List(items) = &node.value else {
            self.problem(list, None, format!("must be a list in brackets, not {}", node.value.kind()));
            return Vec::new();
        };
        let mut seen = BTreeSet::new();
        let mut targets = Vec::new();
        for (index, item) in items.iter().enumerate() {
            let path = format!("{}.{list}[{index}]", self.path);
            let Some((text, name)) = self.target(&path, item, key) else { continue };
            match normal(text) {
                Ok(id) if seen.insert(identity(&id)) => targets.push((id, name)),
                Ok(_) => {
                    let twice = format!("{}: {path} = {}: is in the list twice", item.place, quoted(text));
                    self.findings.warnings.push(twice);
                }
                Err(what) => {
                    let problem = Problem::new(what).at(&item.place).key(path).value(quoted(text));
                    self.findings.problems.push(problem);
                }
            }
        }
        targets
    }

    /// One target as it was written, and its name.
    fn target(&mut self, path: &str, item: &'a Node, key: &str) -> Option<(&'a str, Option<String>)> {
        match &item.value {
            Plain::Text(text) => Some((text, None)),
            Plain::Table(entries) => {
                let findings = &mut *self.findings;
                let mut fields = Fields { path: path.to_owned(), place: &item.place, entries, findings };
                fields.refuse_unknown(&[key, "name"]);
                if fields.find(key).is_none() {
                    fields.problem(key, None, "is missing");
                }
                let name = fields.optional_text("name");
                Some((fields.text(key)?, name))
            }
            other => {
                let what =
                    format!("must be a text or a table {{ {key} = …, name = … }}, not {}", other.kind());
                self.findings.problems.push(Problem::new(what).at(&item.place).key(path));
                None
            }
        }
    }
}
