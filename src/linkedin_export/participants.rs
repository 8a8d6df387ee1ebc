//! Who takes part in the threads of an export, and with whom the exported member talks in each.

use std::collections::BTreeMap;

use crate::core::linkedin_export::rows::Span;
use crate::core::model::urn::profile_slug;
use crate::core::owner::in_nearly_all;
use crate::linkedin_export::scan::Place;
use crate::store::ImportThread;

/// A thread of the export.
#[derive(Debug)]
pub(crate) struct Thread {
    /// Its own id, without padding.
    pub(crate) key: String,
    /// Its rows, newest first.
    pub(crate) places: Vec<Place>,
    /// From when to when its messages are, drafts and advertisements aside.
    pub(crate) span: Option<Span>,
    title: String,
    people: BTreeMap<String, Person>,
}

/// What a row says of one side: names and the addresses of their profiles, each perhaps several with commas between.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Party<'a> {
    pub(crate) names: &'a str,
    pub(crate) urls: &'a str,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Person {
    name: String,
    url: Option<String>,
}

impl Party<'_> {
    /// Its members by what tells them apart: the profile's address, or the name where there is none.
    fn members(&self) -> Vec<(String, Person)> {
        let urls: Vec<&str> = self.urls.split([',', ' ']).map(str::trim).filter(|u| !u.is_empty()).collect();
        let names: Vec<&str> = self.names.split(',').map(str::trim).filter(|n| !n.is_empty()).collect();
        let names: Vec<&str> = match urls.len() {
            // A single name may hold a comma itself.
            0 | 1 if !self.names.trim().is_empty() => vec![self.names.trim()],
            n if n == names.len() => names,
            n => vec![""; n],
        };
        let urls = urls.into_iter().map(Some).chain(std::iter::repeat(None));
        names
            .into_iter()
            .zip(urls)
            .map(|(name, url)| {
                let key = url.and_then(profile_slug).unwrap_or_else(|| name.to_lowercase());
                (key, Person { name: name.to_owned(), url: url.map(str::to_owned) })
            })
            .filter(|(key, _)| !key.is_empty())
            .collect()
    }
}

impl Thread {
    pub(crate) fn new(key: String) -> Self {
        Self { key, places: Vec::new(), span: None, title: String::new(), people: BTreeMap::new() }
    }

    /// Notes what a row says of title and people.
    pub(crate) fn meet(&mut self, title: &str, from: &Party<'_>, to: &Party<'_>) {
        if self.title.is_empty() {
            title.trim().clone_into(&mut self.title);
        }
        for (key, person) in from.members().into_iter().chain(to.members()) {
            let known = self.people.entry(key).or_default();
            if known.name.is_empty() {
                known.name = person.name;
            }
            known.url = known.url.take().or(person.url);
        }
    }

    /// The thread as the archive takes it, seen from this owner.
    pub(crate) fn described(&self, owner: Option<&str>) -> ImportThread {
        let others: Vec<&Person> =
            self.people.iter().filter(|(key, _)| owner != Some(key.as_str())).map(|(_, p)| p).collect();
        let names: Vec<&str> = others.iter().map(|p| p.name.as_str()).filter(|n| !n.is_empty()).collect();
        let group = owner.is_some() && others.len() > 1;
        let name = match owner {
            Some(_) if !names.is_empty() && (self.title.is_empty() || !group) => names.join(", "),
            _ => self.title.clone(),
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

/// Whose export it is: who takes part in nearly all threads that have two sides, or who is called as configured.
pub(crate) fn owner(threads: &[Thread], owner_name: Option<&str>) -> Option<String> {
    let owner_name = owner_name.map(str::to_lowercase);
    let called = |(_, p): &(&String, &Person)| Some(p.name.to_lowercase()) == owner_name;
    if let Some((key, _)) = threads.iter().flat_map(|t| &t.people).find(called) {
        return Some(key.clone());
    }
    in_nearly_all(threads.iter().map(|t| t.people.keys().map(String::as_str).collect())).map(str::to_owned)
}
