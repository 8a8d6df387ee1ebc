//! What the reading commands share: opening the archive, and the flags that select messages.

use std::io::{self, IsTerminal as _};
use std::path::PathBuf;

use chrono::Local;
use clap::Args;

use crate::app::census::AskedFor;
use crate::app::{Context, wiring};
use crate::cli::ui::table::{number, table, text};
use crate::cli::ui::terminal::Terminal;
use crate::clock::{Clock as _, SystemClock};
use crate::config::Config;
use crate::core::Ms;
use crate::core::format::{plural, thousands};
use crate::core::model::ids::ConversationId;
use crate::core::people::{Author, Correspondence, SentMessage};
use crate::core::planner::target::{self, Candidate, SelectError};
use crate::error::Failure;
use crate::store::{ConversationRow, Queries, Reader, Scope, StoreError};
use crate::view::local_time::span;
use crate::view::{self, dates, label};

/// Conversations that a choice lists at most.
const LISTED: usize = 20;

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
    config: Config,
    pub(crate) path: PathBuf,
    pub(crate) reader: Reader,
    /// When the command began (ms).
    pub(crate) now: Ms,
}

impl OpenArchive {
    pub(crate) fn open(context: &Context) -> Result<Self, Failure> {
        let config = context.reading_config()?;
        let path = config.archive.path.clone();
        let reader = Reader::open(&path).map_err(|e| wiring::read_failure(&path, e))?;
        Ok(Self { config, path, reader, now: SystemClock.now_ms() })
    }

    pub(crate) fn queries(&self) -> Queries<'_> {
        self.reader.queries()
    }

    /// The failure that a read error amounts to.
    pub(crate) fn failed(&self, error: StoreError) -> Failure {
        wiring::read_failure(&self.path, error)
    }

    /// What runs ask for.
    pub(crate) fn asked(&self) -> Result<AskedFor, Failure> {
        AskedFor::of(&self.config, &self.queries()).map_err(|e| self.failed(e))
    }

    /// All conversations with their names and ids.
    pub(crate) fn candidates(&self) -> Result<Vec<Candidate>, Failure> {
        self.queries().candidates().map_err(|e| self.failed(e))
    }

    pub(crate) fn select(&self, args: &ScopeArgs) -> Result<Scope, Failure> {
        let conversation = match &args.conversation {
            Some(word) => Some(self.conversation(&self.candidates()?, word)?),
            None => None,
        };
        let (since_ms, until_ms) = args.span.parse(self.now)?;
        Ok(Scope { conversation, since_ms, until_ms, ..Scope::default() })
    }

    /// Who wrote how much to whom in what the flags select; `each` sees every message.
    pub(crate) fn correspondence(
        &self,
        args: &ScopeArgs,
        each: impl FnMut(Author, SentMessage),
    ) -> Result<Correspondence, Failure> {
        let scope = self.select(args)?;
        view::correspondence(&self.queries(), &scope, each).map_err(|e| self.failed(e))
    }

    /// The one conversation that a word names. If it names several, whoever sits at a terminal chooses.
    pub(crate) fn conversation(
        &self,
        candidates: &[Candidate],
        word: &str,
    ) -> Result<ConversationId, Failure> {
        let error = match target::one(candidates, word) {
            Ok(id) => return Ok(id),
            Err(SelectError::Several { .. }) => {
                return self.choose(&target::matching(candidates, word), word);
            }
            Err(error) => error.to_string(),
        };
        Err(Failure::usage(error, "`archiver status --all` lists the conversations"))
    }

    fn choose(&self, found: &[&Candidate], word: &str) -> Result<ConversationId, Failure> {
        let rows = self.queries().conversations().map_err(|e| self.failed(e))?;
        // As recent as they are: the order of the rows.
        let found: Vec<&ConversationRow> =
            rows.iter().filter(|row| found.iter().any(|c| c.id == row.id)).collect();
        let shown = found.iter().zip(1..).take(LISTED).map(|(row, n)| {
            let timeline = &row.timeline;
            let span = span(timeline.oldest_ms, timeline.newest_ms);
            let id = row.thread.clone().unwrap_or_default();
            vec![n.to_string(), label(row), thousands(timeline.messages), span, id]
        });
        let columns = [number(""), text("Conversation"), number("Messages"), text("From – to"), text("Id")];
        let list = table(&columns, &shown.collect::<Vec<_>>(), None);
        let more = found.len().saturating_sub(LISTED);
        let more = if more > 0 { format!("\nand {} more", thousands(more)) } else { String::new() };
        let question = format!("{word:?} may mean {}:\n{list}{more}", plural(found.len(), "conversation"));
        let Some(mut terminal) = Terminal::open().filter(|_| io::stdin().is_terminal()) else {
            return Err(Failure::usage(question, "pass the id in the last column instead"));
        };
        terminal.say(&format!("{question}\n"))?;
        let answer = terminal.ask("Number (empty to cancel): ")?;
        let chosen = answer.parse::<usize>().ok().and_then(|n| found.get(n.checked_sub(1)?));
        chosen
            .map(|row| row.id)
            .ok_or_else(|| Failure::usage("no conversation was chosen", "pass its id, or more of its name"))
    }
}
