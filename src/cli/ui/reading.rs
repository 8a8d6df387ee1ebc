//! What the reading commands share: opening the archive, and the flags that select messages.

use std::path::PathBuf;

use chrono::Local;
use clap::Args;

use crate::app::{Context, wiring};
use crate::cli::ui::dates;
use crate::clock::{Clock as _, SystemClock};
use crate::core::Ms;
use crate::core::model::ids::ConversationId;
use crate::core::people::{Author, Correspondence, SentMessage};
use crate::core::planner::target::{self, Candidate};
use crate::error::Failure;
use crate::store::{Queries, Reader, Scope, StoreError};

/// Flags that select messages by date.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct SpanArgs {
    /// On or after DATE: 2024-03, yesterday, 7d …
    #[arg(long, value_name = "DATE")]
    pub(crate) since: Option<String>,

    /// Up to the end of DATE
    #[arg(long, value_name = "DATE")]
    pub(crate) until: Option<String>,
}

impl SpanArgs {
    /// The times (ms) that the dates mean: the first, and the one before which messages are selected.
    pub(crate) fn parse(&self, now: Ms) -> Result<(Option<Ms>, Option<Ms>), Failure> {
        let period =
            |text: &Option<String>| text.as_deref().map(|text| dates::parse(text, now, &Local)).transpose();
        Ok((period(&self.since)?.map(|(first, _)| first), period(&self.until)?.map(|(_, after)| after)))
    }
}

/// Flags that select messages by conversation and date.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct ScopeArgs {
    /// Only this conversation
    ///
    /// Its URN, its thread id (2-…), a profile URL, a configured name, or an unambiguous part of the other
    /// person's name.
    #[arg(long = "in", value_name = "CONVERSATION")]
    pub(crate) conversation: Option<String>,

    #[command(flatten)]
    pub(crate) span: SpanArgs,
}

/// The configured archive, opened for reading.
#[derive(Debug)]
pub(crate) struct OpenArchive {
    pub(crate) path: PathBuf,
    pub(crate) reader: Reader,
    /// When the command began (ms).
    pub(crate) now: Ms,
}

impl OpenArchive {
    pub(crate) fn open(context: &Context) -> Result<Self, Failure> {
        let path = context.config_warned(None)?.archive.path;
        let reader = Reader::open(&path).map_err(|e| wiring::read_failure(&path, e))?;
        Ok(Self { path, reader, now: SystemClock.now_ms() })
    }

    pub(crate) fn queries(&self) -> Queries<'_> {
        self.reader.queries()
    }

    /// The failure that a read error amounts to.
    pub(crate) fn failed(&self, error: StoreError) -> Failure {
        wiring::read_failure(&self.path, error)
    }

    /// All conversations with their names and ids.
    pub(crate) fn candidates(&self) -> Result<Vec<Candidate>, Failure> {
        self.queries().candidates().map_err(|e| self.failed(e))
    }

    pub(crate) fn select(&self, args: &ScopeArgs) -> Result<Scope, Failure> {
        let conversation = match &args.conversation {
            Some(word) => Some(conversation(&self.candidates()?, word)?),
            None => None,
        };
        let (since_ms, until_ms) = args.span.parse(self.now)?;
        Ok(Scope { conversation, since_ms, until_ms, ..Scope::default() })
    }

    /// Who wrote how much to whom in what the flags select; `each` sees every message.
    pub(crate) fn correspondence(
        &self,
        args: &ScopeArgs,
        mut each: impl FnMut(Author, SentMessage),
    ) -> Result<Correspondence, Failure> {
        let Scope { conversation, since_ms, until_ms, .. } = self.select(args)?;
        let queries = self.queries();
        let mut tally = Correspondence::new(&queries.senders().map_err(|e| self.failed(e))?);
        let add = |line| each(tally.add(line), line);
        queries.lines(conversation, since_ms, until_ms, add).map_err(|e| self.failed(e))?;
        Ok(tally)
    }
}

/// The one conversation that a word names.
pub(crate) fn conversation(candidates: &[Candidate], word: &str) -> Result<ConversationId, Failure> {
    let help = "`archiver status --all` lists the conversations";
    target::one(candidates, word).map_err(|error| Failure::usage(error.to_string(), help))
}
