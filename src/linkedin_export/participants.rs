//! The participants of an export's threads, and which of them is the member whose export it is.

use std::collections::{BTreeMap, BTreeSet};

use crate::core::linkedin_export::coverage::Span;
use crate::core::model::urn::profile_slug;
use crate::core::owner::in_nearly_all;
use crate::linkedin_export::scan::RowLocation;
use crate::store::ImportThread;

/// How LinkedIn calls everybody who has left: no name, and not one person.
const LEFT: &str = "linkedin member";

/// A thread of the export.
#[derive(Debug)]
pub(crate) struct Thread {
    /// Its id, without base64 padding.
    pub(crate) key: String,
    /// Its rows, newest first.
    pub(crate) places: Vec<RowLocation>,
    /// From its oldest to its newest message, drafts and advertisements aside.
    pub(crate) span: Option<Span>,
    title: String,
    people: BTreeMap<PersonKey, ExportedPerson>,
    /// Those whom a row was sent to, as written: the first such text of each sender.
    sent_to: BTreeMap<PersonKey, String>,
}

/// One side of a row: names and profile URLs, each possibly a list.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Party<'a> {
    pub(crate) names: &'a str,
    pub(crate) urls: &'a str,
}

/// What tells one person from another: `in/` and what identifies a profile, else the name in small letters.
pub(crate) type PersonKey = String;

fn is_name(key: &str) -> bool {
    !key.starts_with("in/") && key != LEFT
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct ExportedPerson {
    name: String,
    url: Option<String>,
}

/// The member whose export it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ExportOwner {
    pub(crate) key: PersonKey,
    /// Their display name; may be empty.
    pub(crate) name: String,
}

pub(crate) fn folded(name: &str) -> String {
    name.to_lowercase().split_whitespace().collect::<Vec<_>>().join(" ")
}

impl Party<'_> {
    /// Its members. Names are joined by commas without a space, and may have commas with one in them; who has left has
    /// no URL. Where URLs cannot be told to names, the names are missing.
    fn members(&self) -> Vec<(PersonKey, ExportedPerson)> {
        let urls: Vec<&str> =
            self.urls.split([',', ';', ' ']).map(str::trim).filter(|url| !url.is_empty()).collect();
        let parts = |list: Vec<String>| list.into_iter().filter(|n| !n.is_empty()).collect::<Vec<_>>();
        let whole = parts(vec![self.names.trim().to_owned()]);
        let joined = parts(split_joined(self.names));
        let all = parts(self.names.split([',', ';']).map(|name| name.trim().to_owned()).collect());
        let with_urls = |names: &Vec<String>| names.iter().filter(|name| folded(name) != LEFT).count();
        let readings = if urls.is_empty() { vec![joined] } else { vec![whole, joined, all] };
        let fits = |names: &&Vec<String>| urls.is_empty() || with_urls(names) == urls.len();
        let names = readings.iter().find(fits).cloned().unwrap_or_else(|| match urls.len() {
            1 => vec![self.names.trim().to_owned()],
            n => vec![String::new(); n],
        });
        let mut urls = urls.into_iter();
        let person = |name: String| {
            let url = if folded(&name) == LEFT { None } else { urls.next() };
            let key = url.and_then(profile_slug).map_or_else(|| folded(&name), |slug| format!("in/{slug}"));
            (key, ExportedPerson { name, url: url.map(str::to_owned) })
        };
        let people = names.into_iter().map(person);
        people.filter(|(key, _)| !key.is_empty()).collect()
    }
}

/// The text cut at semicolons and at commas that no space follows.
fn split_joined(names: &str) -> Vec<String> {
    let mut parts = vec![String::new()];
    let mut chars = names.chars().peekable();
    while let Some(c) = chars.next() {
        let cuts = c == ';' || c == ',' && chars.peek().is_some_and(|next| !next.is_whitespace());
        match parts.last_mut() {
            Some(last) if !cuts => last.push(c),
            _ => parts.push(String::new()),
        }
    }
    parts.iter().map(|part| part.trim().to_owned()).collect()
}

impl Thread {
    pub(crate) fn new(key: String) -> Self {
        Self {
            key,
            places: Vec::new(),
            span: None,
            title: String::new(),
            people: BTreeMap::new(),
            sent_to: BTreeMap::new(),
        }
    }

    /// Takes title and participants from a row.
    pub(crate) fn meet(&mut self, title: &str, from: &Party<'_>, to: &Party<'_>) {
        if self.title.is_empty() {
            title.trim().clone_into(&mut self.title);
        }
        let senders = from.members();
        if let [(sender, _)] = senders.as_slice()
            && !self.sent_to.contains_key(sender)
        {
            self.sent_to.insert(sender.clone(), to.names.trim().to_owned());
        }
        for (key, person) in senders.into_iter().chain(to.members()) {
            let known = self.people.entry(key).or_default();
            if known.name.is_empty() {
                known.name = person.name;
            }
            known.url = known.url.take().or(person.url);
        }
    }

    /// The thread as the store takes it, described from the owner's side.
    pub(crate) fn described(&self, owner: Option<&str>) -> ImportThread {
        let others: Vec<&ExportedPerson> =
            self.people.iter().filter(|(key, _)| owner != Some(key.as_str())).map(|(_, p)| p).collect();
        let group = owner.is_some() && others.len() > 1;
        let names: Vec<&str> = others.iter().map(|p| p.name.as_str()).collect();
        let name = match owner {
            Some(_) if !self.title.is_empty() && group => self.title.clone(),
            Some(_) if !names.is_empty() && !names.contains(&"") => names.join(", "),
            // Names that cannot be told apart are still what the owner wrote to.
            Some(owner) => self.sent_to.get(owner).cloned().unwrap_or_else(|| self.title.clone()),
            None => self.title.clone(),
        };
        ImportThread {
            thread: self.key.clone(),
            name: (!name.is_empty()).then_some(name),
            profile_url: match others.as_slice() {
                [one] if owner.is_some() => one.url.clone(),
                _ => None,
            },
            is_group: owner.map(|_| group),
        }
    }
}

/// Joins a name without a URL to the URL that the same name has elsewhere: first within its thread, then in all of them,
/// where only one person has the name.
pub(crate) fn join(threads: &mut [Thread]) {
    let mut everywhere = Pages::default();
    threads.iter().for_each(|thread| everywhere.take(&thread.people));
    for thread in threads {
        let mut within = Pages::default();
        within.take(&thread.people);
        let joined =
            |key: &str| within.of(key).or_else(|| if within.knows(key) { None } else { everywhere.of(key) });
        let mut people: BTreeMap<PersonKey, ExportedPerson> = BTreeMap::new();
        for (key, person) in std::mem::take(&mut thread.people) {
            let (key, url) = joined(&key).unwrap_or((key, None));
            let known = people.entry(key).or_default();
            if known.name.is_empty() {
                known.name = person.name;
            }
            known.url = known.url.take().or(person.url).or(url);
        }
        thread.people = people;
        let sent_to = std::mem::take(&mut thread.sent_to).into_iter();
        thread.sent_to = sent_to.map(|(key, to)| (joined(&key).map_or(key, |(key, _)| key), to)).collect();
    }
}

/// The profiles that people of a name have.
#[derive(Default)]
struct Pages(BTreeMap<String, BTreeMap<PersonKey, Option<String>>>);

impl Pages {
    fn take(&mut self, people: &BTreeMap<PersonKey, ExportedPerson>) {
        for (key, person) in
            people.iter().filter(|(key, person)| key.starts_with("in/") && !person.name.is_empty())
        {
            self.0.entry(folded(&person.name)).or_default().insert(key.clone(), person.url.clone());
        }
    }

    fn knows(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    /// The one profile of a name.
    fn of(&self, name: &str) -> Option<(PersonKey, Option<String>)> {
        let pages = self.0.get(name).filter(|pages| is_name(name) && pages.len() == 1)?;
        pages.iter().next().map(|(key, url)| (key.clone(), url.clone()))
    }
}

/// The owner of the export: whom the file names as such, whoever takes part in nearly all threads with two sides, or
/// who has the configured name.
pub(crate) fn owner(
    threads: &[Thread],
    named: &BTreeSet<String>,
    configured: Option<&str>,
) -> Option<ExportOwner> {
    let people = || threads.iter().flat_map(|thread| &thread.people);
    let called = |name: &str| {
        let (key, person) = people().find(|(_, person)| folded(&person.name) == name)?;
        Some(ExportOwner { key: key.clone(), name: person.name.clone() })
    };
    let by_count = || {
        // Those who have left are somebody else in each thread.
        let key_of =
            |thread: &'_ Thread, key: &'_ str| if key == LEFT { thread.key.clone() } else { key.to_owned() };
        let keys: Vec<Vec<PersonKey>> =
            threads.iter().map(|t| t.people.keys().map(|key| key_of(t, key)).collect()).collect();
        let key = in_nearly_all(keys.iter().map(|keys| keys.iter().map(String::as_str).collect()))?;
        let name = people().find(|(other, person)| *other == key && !person.name.is_empty());
        let name = name.map(|(_, person)| person.name.clone()).unwrap_or_default();
        Some(ExportOwner { key: key.to_owned(), name })
    };
    let only = named.iter().next().filter(|_| named.len() == 1);
    only.and_then(|name| called(name)).or_else(by_count).or_else(|| called(&folded(configured?)))
}
