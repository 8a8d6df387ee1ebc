//! One consistent look at the archive for one request, and what is remembered between requests.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use chrono_tz::Tz;

use super::pool::{Cached, Freshness, GivenUp, Pool};
use super::reply::Refused;
use crate::app::outlook::{self, Outlook};
use crate::clock::{Clock as _, SystemClock};
use crate::config::Config;
use crate::core::Ms;
use crate::core::model::ids::PersonId;
use crate::core::people::{Contact, Correspondence, humans};
use crate::export::text::Times;
use crate::store::{Queries, Reader, Scope, StoreError};
use crate::view::stats::Stats;
use crate::view::status::Facts;

/// What is shown of the present: anew with each change, but not more than once in two seconds.
const PRESENT: Freshness = Freshness { unchanged: 60_000, changed: 2_000 };
/// What takes a second for a million messages.
const FIGURES: Freshness = Freshness { unchanged: 3_600_000, changed: 60_000 };

/// What all requests share.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) config: Config,
    pub(super) times: Times,
    pool: Pool,
    facts: Cached<Facts>,
    outlook: Cached<Outlook>,
    people: Cached<People>,
    stats: Cached<Stats>,
}

/// Everybody who wrote, and how they are found.
#[derive(Debug)]
pub(super) struct People {
    pub(super) tally: Correspondence,
    pub(super) contacts: Vec<Contact>,
    /// The senders that a human is, by the human's index.
    pub(super) senders: BTreeMap<usize, BTreeSet<PersonId>>,
    /// The human that a sender is.
    pub(super) humans: BTreeMap<PersonId, usize>,
}

/// One look.
pub(super) struct Glance<'a> {
    pub(super) reader: &'a Reader,
    pub(super) queries: Queries<'a>,
    pub(super) shared: &'a Shared,
    pub(super) now: Ms,
    version: u64,
}

impl Shared {
    pub(super) fn new(config: Config, timezone: Tz) -> Self {
        let pool = Pool::new(config.archive.path.clone());
        Self {
            config,
            times: Times(timezone),
            pool,
            facts: Cached::default(),
            outlook: Cached::default(),
            people: Cached::default(),
            stats: Cached::default(),
        }
    }

    /// A number that grows whenever the archive has changed.
    pub(super) fn version(&self) -> Result<u64, StoreError> {
        self.pool.version()
    }

    pub(super) fn look<T>(
        &self,
        given_up: &GivenUp,
        work: impl FnOnce(&Glance<'_>) -> Result<T, Refused>,
    ) -> Result<T, Refused> {
        // Before the look: what is remembered may be newer than its number, but never older.
        let version = self.version()?;
        self.pool.read(given_up, |reader| {
            let now = SystemClock.now_ms();
            work(&Glance { reader, queries: reader.queries(), shared: self, now, version })
        })
    }
}

impl Glance<'_> {
    pub(super) fn times(&self) -> Times {
        self.shared.times
    }

    /// What the status is made of.
    pub(super) fn facts(&self) -> Result<Arc<Facts>, Refused> {
        let gather = || Ok(Facts::read(&self.shared.config, self.reader, self.now)?);
        self.shared.facts.get(self.version, self.now, PRESENT, gather)
    }

    /// The forecast.
    pub(super) fn outlook(&self) -> Result<Arc<Outlook>, Refused> {
        let gather = || Ok(outlook::outlook_of(&self.shared.config, Some(self.reader), &[], self.now)?);
        self.shared.outlook.get(self.version, self.now, PRESENT, gather)
    }

    pub(super) fn people(&self) -> Result<Arc<People>, Refused> {
        let gather = || {
            let tally = crate::view::correspondence(&self.queries, &Scope::default(), |_, _| ())?;
            let (_, of) = humans(&self.queries.senders()?);
            let mut senders: BTreeMap<usize, BTreeSet<PersonId>> = BTreeMap::new();
            for (sender, human) in &of {
                senders.entry(*human).or_default().insert(*sender);
            }
            Ok(People { contacts: tally.contacts(), tally, senders, humans: of })
        };
        self.shared.people.get(self.version, self.now, FIGURES, gather)
    }

    pub(super) fn stats(&self) -> Result<Arc<Stats>, Refused> {
        let gather = || Ok(Stats::gather(&self.queries, &Scope::default())?);
        self.shared.stats.get(self.version, self.now, FIGURES, gather)
    }
}
