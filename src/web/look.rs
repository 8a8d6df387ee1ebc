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
use crate::core::people::{Contact, Human, humans};
use crate::export::text::Times;
use crate::store::{ConversationHead, Queries, Reader, Scope, StoreError};
use crate::view::stats::Stats;
use crate::view::status::{Facts, Listing};

/// What is shown of the present: anew with each change, but not more than once in three seconds.
const PRESENT: Freshness = Freshness { unchanged: 60_000, changed: 3_000 };
/// What is cheap enough to be gathered with each change.
const EXACT: Freshness = Freshness { unchanged: 3_600_000, changed: -1 };
/// What takes a second for a million messages.
const FIGURES: Freshness = Freshness { unchanged: 3_600_000, changed: 300_000 };

/// What all requests share.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) config: Config,
    pub(super) times: Times,
    pool: Pool,
    facts: Cached<Facts>,
    overview: Cached<Facts>,
    outlook: Cached<Outlook>,
    heads: Cached<Vec<ConversationHead>>,
    figures: Cached<WebFigures>,
}

/// What one walk over all messages tells.
#[derive(Debug)]
pub(super) struct WebFigures {
    pub(super) people: People,
    pub(super) stats: Stats,
}

/// Everybody who wrote, and how they are found.
#[derive(Debug)]
pub(super) struct People {
    pub(super) everybody: Vec<Human>,
    pub(super) owner_known: bool,
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
            overview: Cached::default(),
            outlook: Cached::default(),
            heads: Cached::default(),
            figures: Cached::default(),
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
    /// The number of changes that this look has seen.
    pub(super) fn version(&self) -> u64 {
        self.version
    }

    pub(super) fn times(&self) -> Times {
        self.shared.times
    }

    /// What the status is made of, without the conversations that nothing is wrong with.
    pub(super) fn overview(&self) -> Result<Arc<Facts>, Refused> {
        let gather = || Ok(Facts::read(&self.shared.config, self.reader, Listing::Notable(0), self.now)?);
        self.shared.overview.get(self.version, self.now, PRESENT, gather)
    }

    /// What the status is made of, with all conversations.
    pub(super) fn facts(&self) -> Result<Arc<Facts>, Refused> {
        let gather = || Ok(Facts::read(&self.shared.config, self.reader, Listing::All, self.now)?);
        self.shared.facts.get(self.version, self.now, PRESENT, gather)
    }

    /// The forecast.
    pub(super) fn outlook(&self) -> Result<Arc<Outlook>, Refused> {
        let gather = || Ok(outlook::outlook_of(&self.shared.config, Some(self.reader), &[], self.now)?);
        self.shared.outlook.get(self.version, self.now, PRESENT, gather)
    }

    /// All conversations, most recently active first.
    pub(super) fn heads(&self) -> Result<Arc<Vec<ConversationHead>>, Refused> {
        let gather = || Ok(self.queries.conversation_heads()?);
        self.shared.heads.get(self.version, self.now, EXACT, gather)
    }

    /// People and statistics.
    pub(super) fn figures(&self) -> Result<Arc<WebFigures>, Refused> {
        let gather = || {
            let (stats, tally) = Stats::with_correspondence(&self.queries, &Scope::default())?;
            let (_, of) = humans(&self.queries.senders()?);
            let mut senders: BTreeMap<usize, BTreeSet<PersonId>> = BTreeMap::new();
            for (sender, human) in &of {
                senders.entry(*human).or_default().insert(*sender);
            }
            let (contacts, owner_known) = (tally.contacts(), tally.owner_known());
            let everybody = tally.into_humans();
            Ok(WebFigures { people: People { everybody, owner_known, contacts, senders, humans: of }, stats })
        };
        self.shared.figures.get(self.version, self.now, FIGURES, gather)
    }
}
