//! `archiver sync`: starts the service, asks it for a run, or makes one run and reports it.

use std::io;
use std::time::Duration;

use clap::Args;
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::api::ApiError;
use crate::app::metrics::{self, Metrics};
use crate::app::outlook::outlook;
use crate::app::{Context, runtime, wiring};
use crate::cli::commands::plan;
use crate::cli::ui::local_time::local_minute_of;
use crate::cli::ui::output::Output;
use crate::cli::ui::progress::Meter;
use crate::cli::ui::table::{number, text};
use crate::clock::{Clock as _, SystemClock};
use crate::config::{Config, Env};
use crate::core::format::{plural, thousands};
use crate::core::planner::step::Step;
use crate::error::Failure;
use crate::service::ping::RunPing;
use crate::service::{self, alerts};
use crate::store::{Committed, Outcome, Store, Trigger};
use crate::sync::{self, Observer, Report, Stopper};

#[derive(Debug, Clone, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct SyncArgs {
    /// Run once now, then exit
    #[arg(long)]
    pub(crate) once: bool,

    /// Ask the running service to sync now
    #[arg(long, conflicts_with = "once")]
    pub(crate) now: bool,

    /// Spend at most N credits in this run; never raises a configured cap
    #[arg(long, value_name = "N", requires = "once")]
    pub(crate) budget: Option<u32>,

    /// Only this conversation (repeatable)
    ///
    /// Its URN, its thread id (2-…), a profile URL, a configured name, or an unambiguous part of the other
    /// person's name.
    #[arg(long, value_name = "TARGET", requires = "once")]
    pub(crate) only: Vec<String>,

    /// Print the plan and its cost; spend nothing
    #[arg(long, requires = "once")]
    pub(crate) dry_run: bool,

    /// Print one JSON object
    #[arg(long, requires = "once")]
    pub(crate) json: bool,
}

const EXAMPLES: &str = "\
Examples:
  archiver sync                                 run on the configured schedule
  archiver sync --once                          run once, within the budget
  archiver sync --once --dry-run                the plan and its cost
  archiver sync --once --budget 5 --only Béla   5 credits for one conversation
  archiver sync --once --json | jq .horizon     since when nothing is missing";

pub(crate) fn run(context: &Context, args: &SyncArgs) -> Result<(), Failure> {
    if args.now {
        let pid = service::remote::run_now(&context.config(None)?.archive.path)?;
        tracing::info!(pid, "asked the service to sync now");
        return Ok(());
    }
    if !args.once {
        return service::serve(context);
    }
    if args.dry_run {
        return dry_run(context, args);
    }
    let config = context.config_with_secrets(args.budget)?;
    let report = once(&config, &context.env, args.only.clone(), !args.json)?;
    let mut out = Output::stdout(&context.env);
    let shown = if args.json { out.json(&report) } else { show(&mut out, &report) };
    shown.and_then(|()| outcome(&report))
}

/// Makes one run as configured. The secrets must have been loaded.
pub(crate) fn once(config: &Config, env: &Env, only: Vec<String>, progress: bool) -> Result<Report, Failure> {
    let path = &config.archive.path;
    runtime()?.block_on(async {
        let api = wiring::api(config)?;
        let failed = |e| wiring::archive_failure(path, e);
        let mut store = Store::open(path).map_err(failed)?;
        alerts::check_hold(&store, config, SystemClock.now_ms())?;
        let settings = wiring::settings(config, Trigger::Once, only);
        let (stopper, stop) = Stopper::new();
        let signals = tokio::spawn(stop_on_signals(OnceSignals::new(), stopper));
        let meter = if progress { Meter::new() } else { Meter::hidden() };
        let mut run = RunMeter { meter, new_messages: 0 };
        let ping = RunPing::begin(config);
        let report = sync::run(&mut store, &api, &SystemClock, &settings, &stop, &mut run).await;
        drop(run);
        let pinged = ping.end(report.as_ref().ok().map(|report| report.outcome));
        tokio::select! { () = pinged => {}, () = stop.wait() => {} }
        let report = report.map_err(|e| wiring::run_failure(path, e))?;
        let now = SystemClock.now_ms();
        let news = alerts::record(&mut store, config, &report.reception, now).map_err(failed)?;
        metrics::tell(config, || Metrics::take(&store.queries(), config, now));
        // Release the archive before the command for alerts, which may take long and which a signal ends.
        store.close().map_err(failed)?;
        tokio::select! {
            () = alerts::run_command(config.alerts.command.clone(), env, news) => {}
            () = stop.wait() => {}
        }
        signals.abort();
        Ok(report)
    })
}

/// The signals that a single run does not die of, from the moment on that this was made.
struct OnceSignals {
    interrupt: Signal,
    terminate: Signal,
    /// Those of the service. A closed terminal or a misdirected reload must not end a run with an answer under way.
    _ignored: [Signal; 2],
}

impl OnceSignals {
    fn new() -> io::Result<Self> {
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            _ignored: [signal(SignalKind::hangup())?, signal(SignalKind::user_defined1())?],
        })
    }
}

/// SIGINT and SIGTERM end the run after the current page, and at once when they come again.
async fn stop_on_signals(signals: io::Result<OnceSignals>, stopper: Stopper) {
    let Ok(mut signals) = signals else {
        tracing::warn!("cannot handle signals: stopping the program interrupts the run, which loses nothing");
        return;
    };
    loop {
        tokio::select! {
            _ = signals.interrupt.recv() => {}
            _ = signals.terminate.recv() => {}
        }
        tracing::info!("stopping after the current page; asked again, at once");
        stopper.stop();
    }
}

/// The failure that decides the exit code, if anything failed.
fn outcome(report: &Report) -> Result<(), Failure> {
    let Some(worst) = report.worst else { return Ok(()) };
    let inboxes = report.inboxes.iter().map(|i| (format!("the inbox of {}", i.account), &i.error));
    let conversations = report.conversations.iter().map(|c| (c.name.clone(), &c.error));
    let all = inboxes.chain(conversations);
    let errors: Vec<String> =
        all.filter_map(|(name, error)| Some(format!("{name}: {}", error.as_ref()?))).collect();
    let message = match errors.as_slice() {
        [] => "the API refused a request or failed".to_owned(),
        [one] => one.clone(),
        [first, rest @ ..] => format!("{first} (and {} more)", rest.len()),
    };
    Err(Failure::of_exit(worst, message))
}

struct RunMeter {
    meter: Meter,
    new_messages: u32,
}

impl Observer for RunMeter {
    fn begin(&mut self, conversations: usize, left: Option<u32>) {
        let credits =
            left.map_or_else(|| "no cap".to_owned(), |n| format!("at most {}", plural(n, "credit")));
        self.meter.say(&format!("{}, {credits}", plural(conversations, "conversation")));
    }

    fn asking(&mut self, step: &Step) {
        let so_far = match self.new_messages {
            0 => String::new(),
            n => format!("{} new · ", thousands(n)),
        };
        self.meter.say(&format!("{so_far}{step}"));
    }

    fn stored(&mut self, _: &Step, committed: &Committed, _: u32) {
        self.new_messages = self.new_messages.saturating_add(committed.new_messages);
    }

    fn failed(&mut self, step: &Step, error: &ApiError, again_after: Option<Duration>) {
        let then =
            again_after.map_or_else(String::new, |wait| format!("; retrying in {} s", wait.as_secs().max(1)));
        self.meter.say(&format!("{}: {error}{then}", step.name));
    }
}

pub(crate) fn show(out: &mut Output, report: &Report) -> Result<(), Failure> {
    let touched: Vec<Vec<String>> = report
        .conversations
        .iter()
        .filter(|c| c.new_messages > 0 || c.gaps_left > 0 || c.error.is_some())
        .map(|c| {
            let gaps = if c.gaps_left == 0 { String::new() } else { plural(c.gaps_left, "gap") };
            vec![c.name.clone(), thousands(c.new_messages), gaps, c.error.clone().unwrap_or_default()]
        })
        .collect();
    if !touched.is_empty() {
        out.table(&[text("Conversation"), number("New"), text("Missing"), text("Problem")], &touched)?;
        out.line("")?;
    }
    let mut words = vec![plural(report.new_messages, "new message")];
    if report.changed_messages > 0 {
        words.push(format!("{} edited", thousands(report.changed_messages)));
    }
    if report.gone_messages > 0 {
        words.push(format!("{} gone", thousands(report.gone_messages)));
    }
    words.push(plural(report.requests, "request"));
    words.push(plural(report.credits_spent, "credit"));
    out.line(words.join(", "))?;
    out.line(ending(report))
}

/// How the run ended, in a sentence.
fn ending(report: &Report) -> String {
    let gaps = plural(report.gaps_left, "gap");
    let since =
        report.horizon.as_deref().map(|h| format!("; nothing is missing since {}", local_minute_of(h)));
    let since = since.unwrap_or_default();
    match report.outcome {
        Outcome::Complete => format!("Complete{since}."),
        Outcome::Budget => {
            format!("The budget is used up: {gaps} left{since}. The next run continues from here.")
        }
        Outcome::NoCredits => format!("The LinkupAPI account has no credits left: {gaps} left{since}."),
        Outcome::Interrupted => format!("Stopped: {gaps} left{since}. The next run continues from here."),
        Outcome::Partial => format!("Some requests failed: {gaps} left{since}."),
        Outcome::Failed => format!("The run failed: {gaps} left."),
    }
}

fn dry_run(context: &Context, args: &SyncArgs) -> Result<(), Failure> {
    let config = context.config_warned(args.budget)?;
    let outlook = outlook(&config, &args.only)?;
    let mut out = Output::stdout(&context.env);
    if args.json { out.json(&outlook.next_run) } else { plan::next_run(&mut out, &outlook) }
}
