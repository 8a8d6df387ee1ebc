//! The participants of an export's threads, and which of them is the member whose export it is.

use std::collections::BTreeMap;

use crate::core::linkedin_export::coverage::Span;
use crate::core::model::urn::profile_slug;
use crate::core::owner::in_nearly_all;
use crate::linkedin_export::scan::RowLocation;
use crate::store::ImportThread;

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
    people: BTreeMap<String, ExportedParticipant>,
}

/// One side of a row: names and profile URLs, each possibly a list with commas.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Party<'a> {
    pub(crate) names: &'a str,
    pub(crate) urls: &'a str,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct ExportedParticipant {
    name: String,
    url: Option<String>,
}

impl Party<'_> {
    /// Its members by profile slug, or by name where there is none.
    fn members(&self) -> Vec<(String, ExportedParticipant)> {
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
                (key, ExportedParticipant { name: name.to_owned(), url: url.map(str::to_owned) })
            })
            .filter(|(key, _)| !key.is_empty())
            .collect()
    }
}

impl Thread {
    pub(crate) fn new(key: String) -> Self {
        Self { key, places: Vec::new(), span: None, title: String::new(), people: BTreeMap::new() }
    }

    /// Takes title and participants from a row.
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

    /// The thread as the store takes it, described from the owner's side.
    pub(crate) fn described(&self, owner: Option<&str>) -> ImportThread {
        let others: Vec<&ExportedParticipant> =
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

/// The owner of the export: whoever has the configured name, or takes part in nearly all threads with two sides.
pub(crate) fn owner(threads: &[Thread], owner_name: Option<&str>) -> Option<String> {
    let owner_name = owner_name.map(str::to_lowercase);
    let called = |(_, p): &(&String, &ExportedParticipant)| Some(p.name.to_lowercase()) == owner_name;
    if let Some((key, _)) = threads.iter().flat_map(|t| &t.people).find(called) {
        return Some(key.clone());
    }
    in_nearly_all(threads.iter().map(|t| t.people.keys().map(String::as_str).collect())).map(str::to_owned)
}
