//! What the reading commands share: opening the archive, and the flags that select messages.

use std::path::PathBuf;

use chrono::Local;
use clap::Args;

use crate::app::{Context, wiring};
use crate::cli::ui::dates;
use crate::clock::{Clock as _, SystemClock};
use crate::core::Ms;
use crate::core::model::ids::ConversationId;
use crate::core::planner::target::{self, Candidate};
use crate::error::Failure;
use crate::store::{Queries, Reader, StoreError};

/// Flags that select messages by date.
#[derive(Debug, Clone, Default, Args)]
pub struct SpanArgs {
    /// On or after DATE: 2024-03, yesterday, 7d …
    #[arg(long, value_name = "DATE")]
    pub since: Option<String>,

    /// Up to the end of DATE
    #[arg(long, value_name = "DATE")]
    pub until: Option<String>,
}

impl SpanArgs {
    /// The times (ms) that the dates mean: the first, and the one before which messages are selected.
    ///
    /// # Errors
    /// [`Failure::Usage`] if one is not a date.
    pub fn parse(&self, now: Ms) -> Result<(Option<Ms>, Option<Ms>), Failure> {
        let since = self.since.as_deref().map(|text| dates::parse_since(text, now, &Local)).transpose()?;
        let until = self.until.as_deref().map(|text| dates::parse_until(text, now, &Local)).transpose()?;
        Ok((since, until))
    }
}

/// Flags that select messages by conversation and date.
#[derive(Debug, Clone, Default, Args)]
pub struct ScopeArgs {
    /// Only this conversation
    ///
    /// Its URN, its thread id (2-…), a profile URL, a configured name, or an unambiguous part of the other
    /// person's name.
    #[arg(long = "in", value_name = "CONVERSATION")]
    pub conversation: Option<String>,

    /// By date.
    #[command(flatten)]
    pub span: SpanArgs,
}

/// The messages that the flags select.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Selection {
    /// The conversation's id in the archive.
    pub conversation: Option<ConversationId>,
    /// From this time on (ms).
    pub since: Option<Ms>,
    /// Before this time (ms).
    pub until: Option<Ms>,
}

/// The configured archive, opened for reading.
#[derive(Debug)]
pub struct OpenArchive {
    /// Where it is.
    pub path: PathBuf,
    /// Reads it.
    pub reader: Reader,
    /// When the command began (ms).
    pub now: Ms,
}

impl OpenArchive {
    /// Opens the configured archive.
    ///
    /// # Errors
    /// [`Failure::Config`], or [`Failure::ArchiveRead`] if it does not exist or cannot be read.
    pub fn open(context: &Context) -> Result<Self, Failure> {
        let config = context.config(None)?;
        context.warn(&config);
        let path = config.archive.path;
        let reader = Reader::open(&path).map_err(|e| wiring::read_failure(&path, e))?;
        Ok(Self { path, reader, now: SystemClock.now_ms() })
    }

    /// Its queries.
    #[must_use]
    pub fn queries(&self) -> Queries<'_> {
        self.reader.queries()
    }

    /// The failure that a read error amounts to.
    #[must_use]
    pub fn failed(&self, error: StoreError) -> Failure {
        wiring::read_failure(&self.path, error)
    }

    /// All conversations with their names and ids.
    ///
    /// # Errors
    /// [`Failure::ArchiveRead`].
    pub fn candidates(&self) -> Result<Vec<Candidate>, Failure> {
        self.queries().candidates().map_err(|e| self.failed(e))
    }

    /// What the flags select.
    ///
    /// # Errors
    /// [`Failure::Usage`] if a word names no conversation or several, or is not a date; [`Failure::ArchiveRead`].
    pub fn select(&self, args: &ScopeArgs) -> Result<Selection, Failure> {
        let conversation = match &args.conversation {
            Some(word) => Some(conversation(&self.candidates()?, word)?),
            None => None,
        };
        let (since, until) = args.span.parse(self.now)?;
        Ok(Selection { conversation, since, until })
    }
}

/// The one conversation that a word names.
///
/// # Errors
/// [`Failure::Usage`] if it names none or several.
pub fn conversation(candidates: &[Candidate], word: &str) -> Result<ConversationId, Failure> {
    target::one(candidates, word).map_err(|error| Failure::Usage {
        message: error.to_string(),
        help: "`archiver status --all` lists the conversations".to_owned(),
    })
}
