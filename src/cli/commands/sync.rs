//! `archiver sync`: one run, its progress and its report; or the service, or a word to it.

use crate::app::runtime;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;
use tokio::signal::unix::{SignalKind, signal};

use crate::api::ApiError;
use crate::app::Context;
use crate::app::metrics;
use crate::app::metrics::Metrics;
use crate::app::{outlook, wiring};
use crate::cli::args::SyncArgs;
use crate::cli::commands::plan;
use crate::cli::ui::output::{Column, Output, local_of, plural, thousands};
use crate::clock::{Clock as _, SystemClock};
use crate::config::{Config, Env};
use crate::core::planner::step::{PlannedStep, Step};
use crate::error::Failure;
use crate::service;
use crate::service::alerts;
use crate::store::{Committed, Outcome, Store, Trigger};
use crate::sync::{self, NoProgress, Observer, Report, Stop, Stopper};

/// Runs the command.
///
/// # Errors
/// Bad usage or configuration, an archive that fails, or the worst of what the API did.
pub fn run(context: &Context, args: &SyncArgs) -> Result<(), Failure> {
    if args.now {
        let pid = service::remote::run_now(&context.config(None)?.archive.path)?;
        tracing::info!(pid, "asked the service for a run");
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
    if args.json {
        out.json(&report)?;
    } else {
        show(&mut out, &report)?;
    }
    verdict(&report)
}

/// Makes one run as configured. The secrets must have been loaded.
///
/// # Errors
/// When the archive fails or the client cannot be built.
pub fn once(config: &Config, env: &Env, only: Vec<String>, progress: bool) -> Result<Report, Failure> {
    let path = &config.archive.path;
    runtime()?.block_on(async {
        let api = wiring::api(config)?;
        let mut store = Store::open(path).map_err(|e| wiring::archive_failure(path, e))?;
        let settings = wiring::settings(config, Trigger::Once, only);
        let (stopper, stop) = Stopper::new();
        let signals = tokio::spawn(stop_on_signals(stopper));
        let report = watch(&mut store, &api, &settings, &stop, progress).await;
        let report = report.map_err(|e| wiring::run_failure(path, e))?;
        let failed = |e| wiring::archive_failure(path, e);
        let now = SystemClock.now_ms();
        let news = alerts::record(&mut store, config, &report.reception, now).map_err(failed)?;
        metrics::tell(config, || Metrics::take(&store.summary(), config, now));
        // The archive is free again while the command takes its time, which a signal ends.
        store.close().map_err(|e| wiring::archive_failure(path, e))?;
        tokio::select! {
            () = alerts::run_command(config.attention.command.clone(), env, news) => {}
            () = stop.wait() => {}
        }
        signals.abort();
        Ok(report)
    })
}

async fn watch(
    store: &mut Store,
    api: &crate::api::HttpApi<SystemClock>,
    settings: &sync::Settings,
    stop: &Stop,
    progress: bool,
) -> Result<Report, sync::RunError> {
    if progress && std::io::IsTerminal::is_terminal(&std::io::stderr()) {
        let mut bar = Bar::new();
        let report = sync::run(store, api, &SystemClock, settings, stop, &mut bar).await;
        bar.0.finish_and_clear();
        return report;
    }
    sync::run(store, api, &SystemClock, settings, stop, &mut NoProgress).await
}

/// SIGINT and SIGTERM stop the run after the current page.
async fn stop_on_signals(stopper: Stopper) {
    let (Ok(mut interrupt), Ok(mut terminate)) =
        (signal(SignalKind::interrupt()), signal(SignalKind::terminate()))
    else {
        tracing::warn!(
            "signals cannot be caught: stopping the program cuts a run short, which loses nothing"
        );
        return;
    };
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
    tracing::info!("stopping after the current page");
    stopper.stop();
    // The task must live on, or the stop would be taken for never asked for.
    std::future::pending::<()>().await;
}

/// What a report means for the exit code.
fn verdict(report: &Report) -> Result<(), Failure> {
    let Some(worst) = report.worst else { return Ok(()) };
    let inboxes = report.inboxes.iter().map(|i| (format!("the inbox of {}", i.account), &i.error));
    let conversations = report.conversations.iter().map(|c| (c.name.clone(), &c.error));
    let all = inboxes.chain(conversations);
    let errors: Vec<String> =
        all.filter_map(|(name, error)| Some(format!("{name}: {}", error.as_ref()?))).collect();
    let message = match errors.as_slice() {
        [] => "the API refused or failed".to_owned(),
        [one] => one.clone(),
        [first, rest @ ..] => format!("{first} (and {} more)", rest.len()),
    };
    Err(Failure::of_exit(worst, message))
}

/// Progress on a terminal.
struct Bar(ProgressBar);

impl Bar {
    fn new() -> Self {
        let bar = ProgressBar::new_spinner();
        if let Ok(style) = ProgressStyle::with_template("{spinner} {msg}") {
            bar.set_style(style);
        }
        bar.enable_steady_tick(Duration::from_millis(120));
        Self(bar)
    }

    fn tell(&mut self, doing: &str) {
        self.0.set_message(doing.to_owned());
    }
}

impl Observer for Bar {
    fn begin(&mut self, conversations: usize, left: Option<u32>) {
        let credits =
            left.map_or_else(|| "no cap".to_owned(), |n| format!("at most {}", plural(n, "credit")));
        self.tell(&format!("{}, {credits}", plural(conversations, "conversation")));
    }

    fn asking(&mut self, step: &Step) {
        let so_far = self.0.position();
        let total = if so_far == 0 { String::new() } else { format!("{} new · ", thousands(so_far)) };
        self.tell(&format!("{total}{step}"));
    }

    fn stored(&mut self, _: &Step, committed: &Committed, _: u32) {
        self.0.inc(u64::from(committed.new_messages));
    }

    fn failed(&mut self, step: &Step, error: &ApiError, again_after: Option<Duration>) {
        let then =
            again_after.map_or_else(String::new, |wait| format!(", again in {} s", wait.as_secs().max(1)));
        self.tell(&format!("{}: {error}{then}", step.name));
    }
}

/// The report for a person.
///
/// # Errors
/// When it cannot be written.
pub fn show(out: &mut Output, report: &Report) -> Result<(), Failure> {
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
        let columns = [
            Column::text("Conversation"),
            Column::number("New"),
            Column::text("Left"),
            Column::text("Problem"),
        ];
        out.table(&columns, &touched)?;
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

/// How it ended, in a sentence.
fn ending(report: &Report) -> String {
    let gaps = plural(report.gaps_left, "gap");
    let since = report.horizon.as_deref().map(|h| format!("; nothing is missing since {}", local_of(h)));
    let since = since.unwrap_or_default();
    match report.outcome {
        Outcome::Complete => format!("Complete{since}."),
        Outcome::Budget => {
            format!("The budget ended the run: {gaps} left{since}. The next run goes on from there.")
        }
        Outcome::NoCredits => format!("The API says that the credits are used up: {gaps} left{since}."),
        Outcome::Interrupted => format!("Stopped: {gaps} left{since}. The next run goes on from there."),
        Outcome::Partial => format!("Not everything could be asked: {gaps} left{since}."),
        Outcome::Failed => format!("The run failed: {gaps} left."),
    }
}

/// The plan and its cost, as a script reads it.
#[derive(Serialize)]
struct DryRun<'a> {
    steps: &'a [PlannedStep],
    credits_min: u32,
    credits_likely: Option<u32>,
    credits_max: Option<u32>,
    more_to_follow: bool,
}

fn dry_run(context: &Context, args: &SyncArgs) -> Result<(), Failure> {
    let config = context.config(args.budget)?;
    context.warn(&config);
    let ahead = outlook::look(&config, &args.only)?;
    let mut out = Output::stdout(&context.env);
    if !args.json {
        return plan::next_run(&mut out, &ahead);
    }
    let next = &ahead.next_run;
    out.json(&DryRun {
        steps: &next.steps,
        credits_min: next.credits_min,
        credits_likely: next.credits_likely,
        credits_max: next.credits_max,
        more_to_follow: next.more_to_follow,
    })
}
