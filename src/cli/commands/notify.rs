//! `archiver notify`: tests the sinks of notifications, shows their state, and retries them.

use std::time::Duration;

use clap::{Args, Subcommand};
use serde_json::json;

use crate::app::{Context, runtime, wiring};
use crate::cli::ui::output::Output;
use crate::cli::ui::table::{number, text};
use crate::clock::{Clock as _, SystemClock};
use crate::config::{Config, Sink};
use crate::core::format::{IsoTime, counted, thousands};
use crate::core::printable::one_line;
use crate::error::Failure;
use crate::notify::{self, Carrier as _, Delivered, Parcel, SinkCarrier};
use crate::store::{Outbox, Reader, StoreError};
use crate::view::local_time::local_minute;
use crate::view::sinks::{SinkState, SinkStatus, sinks};

#[derive(Debug, Clone, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct NotifyArgs {
    /// What to do.
    #[command(subcommand)]
    pub(crate) what: NotifyWhat,
}

const EXAMPLES: &str = "\
Examples:
  archiver notify test crm       send a test event now
  archiver notify status         show what is waiting and what failed
  archiver notify retry          retry every failing sink now
  archiver notify skip crm       drop what is waiting for it";

#[derive(Debug, Clone, Subcommand)]
pub(crate) enum NotifyWhat {
    /// Send a test event to a sink
    Test(TestSinkArgs),
    /// Show what is waiting for each sink, and what failed
    Status(SinkStatusArgs),
    /// Retry failing and ended sinks now
    Retry(RetryArgs),
    /// Drop what is waiting for a sink
    Skip(SkipArgs),
}

#[derive(Debug, Clone, Args)]
#[command(after_help = "\
Examples:
  archiver notify test crm

Sends one event of type \"test\" now, without touching what is waiting for the sink.
Exits with 1 if the sink does not accept it.")]
pub(crate) struct TestSinkArgs {
    /// The sink's name
    #[arg(value_name = "SINK")]
    pub(crate) sink: String,

    /// Print one JSON object
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Clone, Args)]
#[command(after_help = "\
Examples:
  archiver notify status
  archiver notify status --json | jq '.sinks[] | select(.state != \"working\")'")]
pub(crate) struct SinkStatusArgs {
    /// Print one JSON object
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Clone, Args)]
#[command(after_help = "\
Examples:
  archiver notify retry          every sink
  archiver notify retry crm

If the service or another run is using the archive, that process does the sending
and this command exits with 0 at once. Otherwise this command sends, and exits
with 1 if a sink still fails.")]
pub(crate) struct RetryArgs {
    /// The sink's name [default: all]
    #[arg(value_name = "SINK")]
    pub(crate) sink: Option<String>,

    /// Print one JSON object
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Clone, Args)]
#[command(after_help = "\
Examples:
  archiver notify skip crm

Nothing is lost: `archiver changes` still prints it.")]
pub(crate) struct SkipArgs {
    /// The sink's name
    #[arg(value_name = "SINK")]
    pub(crate) sink: String,

    /// Print one JSON object
    #[arg(long)]
    pub(crate) json: bool,
}

/// How long `retry` sends at the most.
const LONGEST_RETRY: Duration = Duration::from_secs(300);

pub(crate) fn run(context: &Context, args: &NotifyArgs) -> Result<(), Failure> {
    match &args.what {
        NotifyWhat::Test(args) => test(context, args),
        NotifyWhat::Status(args) => status(context, args),
        NotifyWhat::Retry(args) => retry(context, args),
        NotifyWhat::Skip(args) => skip(context, args),
    }
}

fn find<'c>(config: &'c Config, name: &str) -> Result<&'c Sink, Failure> {
    let names: Vec<&str> = config.sinks.iter().map(|sink| sink.name.as_str()).collect();
    config.sinks.iter().find(|sink| sink.name == name).ok_or_else(|| {
        let help = match names.as_slice() {
            [] => "add [[notify]] to the configuration; `archiver default-config` shows how".to_owned(),
            names => format!("the configuration has: {}", names.join(", ")),
        };
        Failure::usage(format!("there is no sink {name:?}"), help)
    })
}

fn test(context: &Context, args: &TestSinkArgs) -> Result<(), Failure> {
    let mut config = context.config(None)?;
    let checked = config.check_sink_secrets();
    context.warn(&config);
    checked?;
    notify::check(&config)?;
    let sink = find(&config, &args.sink)?;
    let parcel = Parcel::of_test("test", &sink.name, SystemClock.now_ms());
    let carrier = SinkCarrier::new(sink, &config, &context.env);
    let delivered = runtime()?.block_on(carrier.deliver(&parcel, SystemClock.now_ms()));
    let error = match delivered {
        Delivered::Accepted => None,
        Delivered::Failed { why, .. } | Delivered::Ended(why) => Some(why),
    };
    let mut out = Output::stdout(&context.env);
    let name = &sink.name;
    if args.json {
        out.json(&json!({ "sink": name, "id": parcel.id, "delivered": error.is_none(), "error": error }))?;
    } else {
        match &error {
            None => out.line(format!("{name}: accepted the test event ({})", parcel.id))?,
            Some(why) => out.line(format!("{name}: {}", one_line(why)))?,
        }
    }
    match error {
        None => Ok(()),
        Some(_) => Err(Failure::CheckFailed(format!("sink {name:?} did not accept the test event"))),
    }
}

fn status(context: &Context, args: &SinkStatusArgs) -> Result<(), Failure> {
    let config = context.config_warned(None)?;
    notify::check(&config)?;
    let all = now(&config)?;
    show(&mut Output::stdout(&context.env), &all, args.json)
}

/// The sinks as they are, with all that waits for them.
fn now(config: &Config) -> Result<Vec<SinkStatus>, Failure> {
    let path = &config.archive.path;
    let failed = |error: StoreError| wiring::read_failure(path, error);
    let reader = Reader::open(path).map_err(failed)?;
    let queries = reader.queries();
    let rows = queries.sinks().map_err(failed)?;
    let mut all = sinks(config, &rows);
    for (status, sink) in all.iter_mut().zip(&config.sinks) {
        if let Some(row) = rows.iter().find(|row| row.name == sink.name) {
            status.waiting = notify::waiting(sink, queries, row, SystemClock.now_ms()).map_err(failed)?;
        }
    }
    Ok(all)
}

fn show(out: &mut Output, all: &[SinkStatus], as_json: bool) -> Result<(), Failure> {
    if as_json {
        return out.json(&json!({ "sinks": all }));
    }
    if all.is_empty() {
        return out.line("No sinks are configured: add [[notify]] to the configuration.");
    }
    let columns = [
        text("Sink"),
        text("Kind"),
        text("State"),
        number("Waiting"),
        number("Delivered"),
        text("Last delivered"),
        text("Problem"),
    ];
    let time = |at: Option<IsoTime>| at.map_or_else(String::new, |IsoTime(at)| local_minute(at));
    let row = |sink: &SinkStatus| {
        let state = match sink.state {
            SinkState::Working => "working".to_owned(),
            SinkState::Ended => "ended".to_owned(),
            SinkState::Failing => format!("failing, next try {}", time(sink.next_try_at)),
        };
        vec![
            sink.name.clone(),
            sink.kind.to_owned(),
            state,
            thousands(sink.waiting),
            thousands(sink.delivered),
            time(sink.delivered_at),
            one_line(sink.last_error.as_deref().unwrap_or_default()),
        ]
    };
    out.table(&columns, &all.iter().map(row).collect::<Vec<_>>())
}

fn retry(context: &Context, args: &RetryArgs) -> Result<(), Failure> {
    let mut config = context.config(None)?;
    let checked = config.check_sink_secrets();
    context.warn(&config);
    checked?;
    notify::check(&config)?;
    let chosen: Vec<&Sink> = match &args.sink {
        Some(name) => vec![find(&config, name)?],
        None => config.sinks.iter().collect(),
    };
    let path = &config.archive.path;
    // One that is not there is not made.
    drop(Reader::open(path).map_err(|error| wiring::read_failure(path, error))?);
    let failed = |error: StoreError| wiring::archive_failure(path, error);
    let mut outbox = Outbox::open(path).map_err(failed)?;
    notify::register(&config.sinks, &mut outbox).map_err(failed)?;
    for sink in &chosen {
        outbox
            .update(&sink.name, |row| {
                // What was refused keeps its id, and the waits begin anew.
                row.attempts = row.attempts.min(1);
                (row.next_try_ms, row.ended_ms) = (None, None);
            })
            .map_err(failed)?;
    }
    drop(outbox);
    match wiring::store_or_why(&config) {
        Ok(store) => {
            let outbox = store.outbox().map_err(failed)?;
            let delivery = notify::deliver(&chosen, &config, &context.env, outbox, LONGEST_RETRY);
            runtime()?.block_on(delivery).map_err(failed)?;
            store.close().map_err(failed)?;
        }
        Err(StoreError::Busy(_)) => {
            tracing::info!("the process that is using the archive retries now; see `archiver notify status`");
            return show(&mut Output::stdout(&context.env), &now(&config)?, args.json);
        }
        Err(error) => return Err(failed(error)),
    }
    let all = now(&config)?;
    show(&mut Output::stdout(&context.env), &all, args.json)?;
    let is_chosen = |status: &&SinkStatus| chosen.iter().any(|sink| sink.name == status.name);
    let left = all.iter().filter(is_chosen).filter(|status| status.state != SinkState::Working).count();
    match left {
        0 => Ok(()),
        n => Err(Failure::CheckFailed(counted(n, "sink still fails", "sinks still fail"))),
    }
}

fn skip(context: &Context, args: &SkipArgs) -> Result<(), Failure> {
    let config = context.config_warned(None)?;
    notify::check(&config)?;
    let sink = find(&config, &args.sink)?;
    let path = &config.archive.path;
    drop(Reader::open(path).map_err(|error| wiring::read_failure(path, error))?);
    let failed = |error: StoreError| wiring::archive_failure(path, error);
    let mut outbox = Outbox::open(path).map_err(failed)?;
    notify::register(std::slice::from_ref(sink), &mut outbox).map_err(failed)?;
    let skipped = notify::skip(sink, &mut outbox, SystemClock.now_ms()).map_err(failed)?;
    let mut out = Output::stdout(&context.env);
    match args.json {
        true => out.json(&json!({ "sink": sink.name, "skipped": skipped })),
        false => out.line(format!("{}: {}", sink.name, counted(skipped, "event skipped", "events skipped"))),
    }
}
