//! What the commands have in common that only read the archive: opening it, and the flags that choose messages.

use std::path::PathBuf;

use chrono::Local;
use clap::Args;

use crate::app::Context;
use crate::app::wiring;
use crate::cli::ui::dates;
use crate::clock::{Clock as _, SystemClock};
use crate::core::Ms;
use crate::core::planner::target;
use crate::core::planner::target::Candidate;
use crate::error::Failure;
use crate::store::{Queries, Reader, StoreError};

/// Dates between which messages are looked at.
#[derive(Debug, Clone, Default, Args)]
pub struct SpanArgs {
    /// From this date on: 2024-03, yesterday, 7d …
    #[arg(long, value_name = "DATE")]
    pub since: Option<String>,

    /// Up to the end of this date
    #[arg(long, value_name = "DATE")]
    pub until: Option<String>,
}

impl SpanArgs {
    /// The moments (ms) that the dates mean: from when on, and before when.
    ///
    /// # Errors
    /// Bad usage, when one is no date.
    pub fn understood(&self, now: Ms) -> Result<(Option<Ms>, Option<Ms>), Failure> {
        let since = self.since.as_deref().map(|text| dates::parse_since(text, now, &Local)).transpose()?;
        let until = self.until.as_deref().map(|text| dates::parse_until(text, now, &Local)).transpose()?;
        Ok((since, until))
    }
}

/// Which messages are looked at.
#[derive(Debug, Clone, Default, Args)]
pub struct ScopeArgs {
    /// Only this conversation
    ///
    /// A conversation's URN, its thread id (2-…), a profile URL, a configured name, or a part of the other side's
    /// name that fits only one.
    #[arg(long = "in", value_name = "CONVERSATION")]
    pub conversation: Option<String>,

    /// Between which dates.
    #[command(flatten)]
    pub span: SpanArgs,
}

/// The same, understood.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Scope {
    /// The archive's id of the conversation.
    pub conversation: Option<i64>,
    /// From this moment on (ms).
    pub since: Option<Ms>,
    /// Before this moment (ms).
    pub until: Option<Ms>,
}

/// The archive of the configuration, opened for reading.
#[derive(Debug)]
pub struct Archive {
    /// Where it is.
    pub path: PathBuf,
    /// It.
    pub reader: Reader,
    /// When the command began (ms).
    pub now: Ms,
}

impl Archive {
    /// Opens the archive that the configuration names.
    ///
    /// # Errors
    /// Bad configuration, or an archive that is not there or cannot be read.
    pub fn open(context: &Context) -> Result<Self, Failure> {
        let config = context.config(None)?;
        context.warn(&config);
        let path = config.archive.path;
        let reader = Reader::open(&path).map_err(|e| wiring::read_failure(&path, e))?;
        Ok(Self { path, reader, now: SystemClock.now_ms() })
    }

    /// What can be asked.
    #[must_use]
    pub fn queries(&self) -> Queries<'_> {
        self.reader.queries()
    }

    /// What a failure of it means for the program.
    #[must_use]
    pub fn failed(&self, error: StoreError) -> Failure {
        wiring::read_failure(&self.path, error)
    }

    /// All conversations by all that they are called.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn candidates(&self) -> Result<Vec<Candidate>, Failure> {
        self.queries().candidates().map_err(|e| self.failed(e))
    }

    /// What the flags choose.
    ///
    /// # Errors
    /// Bad usage, when a word names no conversation or several, or is no date; or when it cannot be read.
    pub fn scope(&self, args: &ScopeArgs) -> Result<Scope, Failure> {
        let conversation = match &args.conversation {
            Some(word) => Some(conversation(&self.candidates()?, word)?),
            None => None,
        };
        let (since, until) = args.span.understood(self.now)?;
        Ok(Scope { conversation, since, until })
    }
}

/// The one conversation that a word names.
///
/// # Errors
/// Bad usage, when it names none or several.
pub fn conversation(candidates: &[Candidate], word: &str) -> Result<i64, Failure> {
    target::one(candidates, word).map_err(|error| Failure::Usage {
        message: error.to_string(),
        help: "`archiver status` lists the conversations and what they are called".to_owned(),
    })
}
