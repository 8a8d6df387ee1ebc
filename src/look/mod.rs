//! One consistent look at the archive for one request of others, and what is remembered between requests.

mod listed;
mod pool;
#[cfg(feature = "mcp")]
mod unfilled;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;
use chrono_tz::Tz;
use tokio::sync::Semaphore;
use tokio::time::timeout;

use self::pool::{Cached, Freshness, GivenUp, Pool};
use crate::app::outlook::{self, Outlook};
use crate::clock::{Clock as _, SystemClock};
use crate::config::Config;
use crate::core::Ms;
use crate::core::model::ids::PersonId;
use crate::core::people::{Contact, Human, humans};
#[cfg(feature = "mcp")]
use crate::core::planner::target::Candidate;
use crate::core::search::tokenize;
use crate::error::Failure;
use crate::export::text::Times;
use crate::store::{ConversationHead, Queries, Reader, Scope, Search, StoreError};
use crate::view::search::{explain, senders_named};
use crate::view::stats::Stats;
use crate::view::status::{Facts, Listing};

pub(crate) use self::listed::{Listed, label};
#[cfg(feature = "mcp")]
pub(crate) use self::unfilled::{AskedAccount, OpenGap, Unfilled};

/// Requests that read the archive at once.
const READERS: usize = 2;
/// Threads for what blocks: one for each of them, and one that looks for changes.
pub const THREADS: usize = READERS + 1;
/// How long a request waits for its turn, and how long its reading may then take.
const TURN: Duration = Duration::from_secs(10);
const READING: Duration = Duration::from_secs(10);

/// What is shown of the present: anew with each change, but not more than once in three seconds.
const PRESENT: Freshness = Freshness { unchanged: 60_000, changed: 3_000 };
/// What is cheap enough to be gathered with each change.
const EXACT: Freshness = Freshness { unchanged: 3_600_000, changed: -1 };
/// What takes a second for a million messages.
const FIGURES: Freshness = Freshness { unchanged: 3_600_000, changed: 300_000 };

/// What all requests share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) config: Config,
    pub(crate) times: Times,
    pool: Pool,
    facts: Cached<Facts>,
    /// Those as they are sent: many ask at once, and a thousand conversations are some 400 kB.
    status: Cached<Bytes>,
    overview: Cached<Facts>,
    outlook: Cached<Outlook>,
    heads: Cached<Vec<ConversationHead>>,
    figures: Cached<WebFigures>,
    #[cfg(feature = "mcp")]
    candidates: Cached<Vec<Candidate>>,
    #[cfg(feature = "mcp")]
    open: Cached<Unfilled>,
    /// Whether the configuration has been applied.
    #[cfg(feature = "mcp")]
    applied: Cached<bool>,
}

/// What one walk over all messages tells.
#[derive(Debug)]
pub(crate) struct WebFigures {
    /// When they were gathered (ms).
    #[cfg(feature = "mcp")]
    pub(crate) as_of: Ms,
    pub(crate) people: People,
    pub(crate) stats: Stats,
}

/// Everybody who wrote, and how they are found.
#[derive(Debug)]
pub(crate) struct People {
    pub(crate) everybody: Vec<Human>,
    pub(crate) owner_known: bool,
    pub(crate) contacts: Vec<Contact>,
    /// The senders that a human is, by the human's index.
    pub(crate) senders: BTreeMap<usize, BTreeSet<PersonId>>,
    /// The human that a sender is.
    pub(crate) humans: BTreeMap<PersonId, usize>,
}

impl People {
    /// Those whose names contain a part, however it is written.
    pub(crate) fn named(&self, part: &str) -> Vec<&Contact> {
        let part = tokenize::fold(part);
        let fits = |contact: &&Contact| {
            let human = self.everybody.get(contact.human);
            human.is_some_and(|human| {
                part.is_empty() || human.names.iter().any(|name| tokenize::fold(name).contains(&part))
            })
        };
        self.contacts.iter().filter(fits).collect()
    }
}

/// Why no look was taken, or none that came to an end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unseen {
    /// Others are asking already.
    Busy,
    /// It took too long.
    Slow,
    /// A fault of this program, which the log tells of.
    Fault,
}

/// Looks at one archive, a few at a time, each for a bounded time.
#[derive(Debug, Clone)]
pub(crate) struct Looks {
    pub(crate) shared: Arc<Shared>,
    readers: Arc<Semaphore>,
}

/// Tells work that nobody waits for it any more, when it is dropped.
struct GiveUp(GivenUp);

impl Drop for GiveUp {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

impl Looks {
    /// Looks at the configuration's archive, if that can be read.
    pub(crate) fn new(config: Config, timezone: Tz) -> Result<Self, StoreError> {
        let shared = Shared::new(config, timezone);
        shared.version()?;
        Ok(Self { shared: Arc::new(shared), readers: Arc::new(Semaphore::new(READERS)) })
    }

    /// Reads the archive on another thread, for a bounded time.
    pub(crate) async fn look<T, E>(
        &self,
        work: impl FnOnce(&Glance<'_>) -> Result<T, E> + Send + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<StoreError> + From<Unseen> + Send + 'static,
    {
        let turn = timeout(TURN, Arc::clone(&self.readers).acquire_owned()).await;
        let Ok(Ok(turn)) = turn else { return Err(Unseen::Busy.into()) };
        let given_up = GivenUp::default();
        let waiting = GiveUp(Arc::clone(&given_up));
        let shared = Arc::clone(&self.shared);
        let job = tokio::task::spawn_blocking(move || {
            let done = shared.look(&given_up, work);
            drop(turn);
            done
        });
        let done = timeout(READING, job).await;
        drop(waiting);
        match done {
            Ok(Ok(done)) => done,
            Ok(Err(error)) => {
                tracing::error!(%error, "a request failed");
                Err(Unseen::Fault.into())
            }
            Err(_) => Err(Unseen::Slow.into()),
        }
    }
}

/// One look.
pub(crate) struct Glance<'a> {
    pub(crate) reader: &'a Reader,
    pub(crate) queries: Queries<'a>,
    pub(crate) shared: &'a Shared,
    pub(crate) now: Ms,
    version: u64,
}

impl Shared {
    fn new(config: Config, timezone: Tz) -> Self {
        let pool = Pool::new(config.archive.path.clone());
        Self {
            config,
            times: Times(timezone),
            pool,
            facts: Cached::default(),
            status: Cached::default(),
            overview: Cached::default(),
            outlook: Cached::default(),
            heads: Cached::default(),
            figures: Cached::default(),
            #[cfg(feature = "mcp")]
            candidates: Cached::default(),
            #[cfg(feature = "mcp")]
            open: Cached::default(),
            #[cfg(feature = "mcp")]
            applied: Cached::default(),
        }
    }

    /// A number that grows whenever the archive has changed.
    pub(crate) fn version(&self) -> Result<u64, StoreError> {
        self.pool.version()
    }

    fn look<T, E: From<StoreError>>(
        &self,
        given_up: &GivenUp,
        work: impl FnOnce(&Glance<'_>) -> Result<T, E>,
    ) -> Result<T, E> {
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
    pub(crate) fn version(&self) -> u64 {
        self.version
    }

    pub(crate) fn times(&self) -> Times {
        self.shared.times
    }

    /// What the status is made of, without the conversations that nothing is wrong with.
    pub(crate) fn overview(&self) -> Result<Arc<Facts>, StoreError> {
        let gather = || Facts::read(&self.shared.config, self.reader, Listing::Notable(0), self.now);
        self.shared.overview.get(self.version, self.now, PRESENT, gather)
    }

    /// What the status is made of, with all conversations.
    pub(crate) fn facts(&self) -> Result<Arc<Facts>, StoreError> {
        let gather = || Facts::read(&self.shared.config, self.reader, Listing::All, self.now);
        self.shared.facts.get(self.version, self.now, PRESENT, gather)
    }

    /// The same as text, which all who ask share.
    pub(crate) fn status<E: From<StoreError>>(
        &self,
        write: impl FnOnce(&Facts) -> Result<Bytes, E>,
    ) -> Result<Bytes, E> {
        let facts = self.facts()?;
        let of_facts = facts.now.cast_unsigned();
        let text = self.shared.status.get(of_facts, self.now, EXACT, || write(&facts))?;
        Ok(Bytes::clone(&text))
    }

    /// The forecast.
    pub(crate) fn outlook(&self) -> Result<Arc<Outlook>, Failure> {
        let gather = || outlook::outlook_of(&self.shared.config, Some(self.reader), &[], self.now);
        self.shared.outlook.get(self.version, self.now, PRESENT, gather)
    }

    /// All conversations, most recently active first.
    pub(crate) fn heads(&self) -> Result<Arc<Vec<ConversationHead>>, StoreError> {
        let gather = || self.queries.conversation_heads();
        self.shared.heads.get(self.version, self.now, EXACT, gather)
    }

    /// All conversations by all that they are called.
    #[cfg(feature = "mcp")]
    pub(crate) fn candidates(&self) -> Result<Arc<Vec<Candidate>>, StoreError> {
        self.shared.candidates.get(self.version, self.now, EXACT, || self.queries.candidates())
    }

    /// Why a search found nothing, one line per reason.
    pub(crate) fn reasons(&self, search: &Search, zone: Tz) -> Result<Vec<String>, StoreError> {
        let why = self.queries.why_nothing(search)?;
        let elsewhere = why.gaps.is_some() && self.overview()?.census.asked.gaps_elsewhere > 0;
        let mut lines = explain(&why, search, elsewhere, |at| Times(zone).minute(at));
        let senders = self.queries.senders()?;
        lines.extend(senders_named(search, senders.iter().map(|sender| sender.name.as_str())));
        Ok(lines)
    }

    /// People and statistics.
    pub(crate) fn figures(&self) -> Result<Arc<WebFigures>, StoreError> {
        let gather = || {
            let (stats, tally) = Stats::with_correspondence(&self.queries, &Scope::default())?;
            let (_, of) = humans(&self.queries.senders()?);
            let mut senders: BTreeMap<usize, BTreeSet<PersonId>> = BTreeMap::new();
            for (sender, human) in &of {
                senders.entry(*human).or_default().insert(*sender);
            }
            let (contacts, owner_known) = (tally.contacts(), tally.owner_known());
            let everybody = tally.into_humans();
            let people = People { everybody, owner_known, contacts, senders, humans: of };
            Ok(WebFigures {
                #[cfg(feature = "mcp")]
                as_of: self.now,
                people,
                stats,
            })
        };
        // What was counted before an erasure names people that it took.
        let erased_ms = self.queries.erasures()?.1;
        let recently =
            erased_ms.is_some_and(|at| self.now.saturating_sub(at) <= FIGURES.changed.saturating_mul(2));
        let freshness = if recently { EXACT } else { FIGURES };
        self.shared.figures.get(self.version, self.now, freshness, gather)
    }
}
