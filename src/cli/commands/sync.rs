//! `archiver sync`: starts the service, asks it for a run, or makes one run and reports it.

use std::io::IsTerminal as _;
use std::time::Duration;

use clap::Args;

use crate::api::{Api as _, ApiError, Rate};
use crate::app::attendant::Attendant;
use crate::app::metrics::{self, Metrics};
use crate::app::outlook::{outlook, renamed};
use crate::app::{Context, retention, runtime, wiring};
use crate::cli::commands::plan;
use crate::cli::ui::interrupt::{Interrupt, StopSignals};
use crate::cli::ui::output::{Output, note};
use crate::cli::ui::progress::Meter;
use crate::cli::ui::table::{number, text};
use crate::clock::{Clock as _, SystemClock};
use crate::config::{Config, Env, Sink};
use crate::core::format::{plural, thousands};
use crate::core::planner::step::Step;
use crate::core::printable::one_line;
use crate::error::Failure;
use crate::notify;
use crate::service::ping::RunPing;
use crate::service::{self, alerts};
use crate::store::{Committed, Outcome, Store, StoreError, Trigger};
#[cfg(feature = "lake")]
use crate::sync::Stop;
use crate::sync::watch::{self, Unended};
use crate::sync::{self, Observer, Report, Stopper};
use crate::view::local_time::{local_minute, local_minute_of};

/// How long events may be sent at the end of a run; what is left is sent by the next one.
const LONGEST_DELIVERY: Duration = Duration::from_secs(30);

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
        announce(context);
        return service::serve(context);
    }
    if args.dry_run {
        return dry_run(context, args);
    }
    let config = context.config_with_secrets(args.budget)?;
    let (report, abandoned) = once(&config, &context.env, args.only.clone(), !args.json)?;
    let mut out = Output::stdout(&context.env);
    if args.json { out.json(&report) } else { show(&mut out, &report) }?;
    if abandoned.has_come() {
        return Err(abandoned.failure("what was stored is kept, what was asked for counts as spent"));
    }
    outcome(&report)
}

/// Tells whoever started the service at a terminal what it waits for.
fn announce(context: &Context) {
    // What is wrong with the configuration, the service says.
    let Ok(config) = context.config(None) else { return };
    if std::io::stderr().is_terminal() {
        let next =
            config.schedule.slots.next(SystemClock.now_ms()).map_or_else(|| "never".to_owned(), local_minute);
        let first =
            if config.schedule.run_at_start { "The first run begins now if one is due. " } else { "" };
        let text = format!("{first}Next run at {next}; Ctrl-C ends. For one run: archiver sync --once");
        note(&text, &context.env);
    }
}

/// Makes one run as configured, and tells whether it was abandoned. The secrets must have been loaded.
fn once(
    config: &Config,
    env: &Env,
    only: Vec<String>,
    progress: bool,
) -> Result<(Report, Interrupt), Failure> {
    let path = &config.archive.path;
    notify::check(config)?;
    runtime()?.block_on(async {
        let rate = Rate::new(config.api.requests_per_minute);
        let api = wiring::api_at(config, &rate)?;
        let failed = |e| wiring::archive_failure(path, e);
        let mut store = wiring::store(config)?;
        if let Some(warning) = renamed(&store.queries().accounts_in_use().map_err(failed)?, config) {
            tracing::warn!("{warning}");
        }
        alerts::check_hold(&store, config, SystemClock.now_ms())?;
        // What this run brings is for every sink that is configured now.
        if !config.sinks.is_empty() {
            notify::register(&config.sinks, &mut store.outbox().map_err(failed)?).map_err(failed)?;
        }
        let newest = retention::prepare(&mut store, config, SystemClock.now_ms()).map_err(failed)?;
        let settings = wiring::settings(config, Trigger::Once, only);
        let (stopper, stop) = Stopper::new();
        let abandoned = Interrupt::default();
        let noted = abandoned.clone();
        let attendant = Attendant::start(move || Ok(stop_on_signals(StopSignals::of_run(), stopper, noted)))?;
        let meter = if progress { Meter::new() } else { Meter::hidden() };
        let mut run = RunMeter { meter, rate, new_messages: 0 };
        // Watches of the service go on without it, and so do their days.
        let unended = &mut Unended::default();
        let kept = watch::keep(&mut store, &api, &settings, &SystemClock, &stop, unended).await;
        kept.map_err(|e| wiring::run_failure(path, e))?;
        let ping = RunPing::begin(config, None);
        let report = sync::run(&mut store, &api, &SystemClock, &settings, &stop, &mut run).await;
        drop(run);
        let pinged = ping.end(report.as_ref().ok().map(|report| report.outcome));
        tokio::select! { () = pinged => {}, () = stop.wait() => {} }
        let report = report.map_err(|e| wiring::run_failure(path, e))?;
        let now = SystemClock.now_ms();
        let news = alerts::record_run(&mut store, config, &report.reception, now).map_err(failed)?;
        let witnesses = retention::Witnesses::of(&report, api.ahead_ms(), newest);
        retention::apply(&mut store, config, Trigger::Once, witnesses, now).map_err(failed)?;
        metrics::tell(config, || {
            let closed = metrics::closed(&store.queries(), config, now)?;
            Metrics::take(&store.queries(), config, closed, now)
        });
        if !config.sinks.is_empty() {
            let told = tell_sinks(config, env, &store);
            tokio::select! { told = told => told.map_err(failed)?, () = stop.wait() => {} }
        }
        // Release the archive before the command for alerts, which may take long and which a signal ends.
        store.close().map_err(failed)?;
        #[cfg(feature = "lake")]
        push_to_lake(config, env, &stop).await;
        let command = alerts::run_command(config.alerts.command.clone(), env, news);
        tokio::select! {
            () = command => {}
            () = stop.wait() => {}
        }
        drop(attendant);
        Ok((report, abandoned))
    })
}

/// Sends what the run has brought to the sinks.
async fn tell_sinks(config: &Config, env: &Env, store: &Store) -> Result<(), StoreError> {
    let sinks: Vec<&Sink> = config.sinks.iter().collect();
    notify::deliver(&sinks, config, env, store.outbox()?, LONGEST_DELIVERY).await
}

/// Pushes what the run has brought, until a signal comes: the next push goes on from there.
#[cfg(feature = "lake")]
async fn push_to_lake(config: &Config, env: &Env, stop: &Stop) {
    let mut pusher = crate::app::lake::LakePusher::default();
    let stopper = pusher.stopper();
    pusher.after_run(config, env);
    let pushing = tokio::task::spawn_blocking(move || pusher.wait());
    tokio::pin!(pushing);
    tokio::select! {
        // Whatever became of it has been logged.
        done = &mut pushing => drop(done),
        () = stop.wait() => {
            stopper.store(true, std::sync::atomic::Ordering::Relaxed);
            drop(pushing.await);
        }
    }
}

/// A signal ends the run after the current page, and at once when one comes again, which is noted.
async fn stop_on_signals(mut signals: StopSignals, stopper: Stopper, abandoned: Interrupt) {
    signals.next().await;
    tracing::info!("stopping after the current page; press Ctrl-C again to stop at once");
    stopper.stop();
    loop {
        abandoned.note(signals.next().await);
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
        all.filter_map(|(name, error)| Some(format!("{}: {}", one_line(&name), error.as_ref()?))).collect();
    let message = match errors.as_slice() {
        [] => "the API refused a request or failed".to_owned(),
        [one] => one.clone(),
        [first, rest @ ..] => format!("{first} (and {} more)", rest.len()),
    };
    Err(Failure::of_exit(worst, message))
}

struct RunMeter {
    meter: Meter,
    rate: Rate,
    new_messages: u32,
}

impl Observer for RunMeter {
    fn begin(&mut self, left: Option<u32>) {
        let credits =
            left.map_or_else(|| "no cap".to_owned(), |n| format!("at most {}", plural(n, "credit")));
        self.meter.say(&format!("looking for news, {credits}"));
    }

    fn asking(&mut self, step: &Step) {
        let so_far = match self.new_messages {
            0 => String::new(),
            n => format!("{} new · ", thousands(n)),
        };
        match self.rate.wait(SystemClock.now_ms()) {
            Duration::ZERO => self.meter.say(&format!("{so_far}{step}")),
            wait => self.meter.say(&format!(
                "{so_far}waiting {} s: request limit (api.requests_per_minute)",
                wait.as_secs().max(1)
            )),
        }
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
