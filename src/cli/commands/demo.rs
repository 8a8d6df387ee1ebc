//! `archiver demo`: a guided first run of the real engine, over real HTTP, against the built-in fake API.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::app::{Context, replace, runtime, wiring};
use crate::cli::commands::status::{self, StatusArgs};
use crate::cli::commands::sync;
use crate::cli::ui::charts::Glyphs;
use crate::cli::ui::output::Output;
use crate::clock::{Clock as _, SystemClock};
use crate::config::Config;
use crate::core::format::{counted, plural};
use crate::core::model::urn::thread_key;
use crate::error::Failure;
use crate::store::{MessageRow, Reader, Scope, Trigger};
use crate::sync::{NoProgress, Report, Stopper};
use fake_linkup::compare::{Archived, Comparison, compare};
use fake_linkup::meanwhile::{self, Meanwhile};
use fake_linkup::serve;
use fake_linkup::server::Server;
use fake_linkup::synth::{self, SynthOptions};

/// What `--help` ends with.
pub(crate) const EXAMPLES: &str = "\
Examples:
  archiver demo   takes a few seconds and leaves ./archiver-demo";

/// The folder that the demo makes where it is started.
const FOLDER: &str = "archiver-demo";
/// Tells a folder of the demo from one of somebody else's.
const MARK: &str = "made-by-archiver-demo";
/// What the first run may spend: too little on purpose.
const FIRST_BUDGET: u32 = 15;
const SEED: u64 = 2887;
const OPTIONS: SynthOptions = SynthOptions { conversations: 12, max_messages: 110, now_ms: 0, years: 8 };
/// The conversation that the inbox does not show.
const HIDDEN: usize = 7;

pub(crate) fn run(context: &Context) -> Result<(), Failure> {
    let mut out = Output::stdout(&context.env);
    out.line("This is the real program against a made-up LinkupAPI on this machine: no key, no credits, no network.")?;
    let folder = context.env.cwd().join(FOLDER);
    if folder.exists() && !folder.join(MARK).exists() {
        return Err(Failure::usage(
            format!("{} already exists and was not made by a demo", folder.display()),
            "start the demo in another folder",
        ));
    }
    prepare(&folder).map_err(|source| Failure::file(&folder, source))?;
    runtime()?.block_on(guide(&folder, &mut out, Glyphs::of(&context.env)))
}

/// Makes the folder; one that an earlier demo left is made anew.
fn prepare(folder: &Path) -> io::Result<()> {
    if folder.exists() {
        fs::remove_dir_all(folder)?;
    }
    fs::create_dir(folder)?;
    fs::write(folder.join(MARK), "")
}

/// The mailbox of the demo: one of its conversations is not in the inbox.
fn made_up_server() -> Server {
    let mut server = synth::server(SEED, &SynthOptions { now_ms: SystemClock.now_ms(), ..OPTIONS });
    if let Some(mailbox) = server.mailbox_mut(0) {
        for index in 0..OPTIONS.conversations {
            if let Some(conversation) = mailbox.conversation_mut(index) {
                conversation.in_inbox = index != HIDDEN;
            }
        }
    }
    server
}

async fn guide(folder: &Path, out: &mut Output, glyphs: Glyphs) -> Result<(), Failure> {
    let server = Arc::new(Mutex::new(made_up_server()));
    let running = serve::bind(Arc::clone(&server), 0, || SystemClock.now_ms())
        .await
        .map_err(|e| Failure::ApiUnreachable(format!("cannot listen on 127.0.0.1: {e}")))?;
    let config = configure(folder, &locked(&server), None)?;
    let mut demo =
        Demo { folder, out, server: &server, config, archived: vec![], never_served: deleted(&server) };

    demo.title(&format!("1. A first run with a budget of {FIRST_BUDGET} credits, which is too small"))?;
    demo.sync(Some(FIRST_BUDGET)).await?;

    demo.title("2. What is missing is on record: `archiver status`")?;
    status::report(&demo.config, demo.out, glyphs, &StatusArgs { all: true, ..StatusArgs::default() })?;

    demo.title("3. The next run continues where the budget ended")?;
    demo.sync(None).await?;

    demo.title("4. Time passes at LinkedIn, then another run")?;
    demo.let_time_pass()?;
    demo.sync(None).await?;

    demo.title("5. A run when nothing is new")?;
    demo.sync(None).await?;

    demo.title("6. Is everything there? The archive against the made-up server")?;
    demo.find_what_is_missing()?;
    demo.sync(None).await?;

    demo.title("7. Compared again, message by message")?;
    demo.conclude()?;
    running.stop().await;

    demo.title("What to try next")?;
    demo.next_steps()
}

fn locked(server: &Mutex<Server>) -> MutexGuard<'_, Server> {
    server.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Writes the demo's configuration and loads it as any other. `conversation` is the one that it names, if any.
fn configure(folder: &Path, server: &Server, conversation: Option<&str>) -> Result<Config, Failure> {
    let path = folder.join("archiver.toml");
    let (text, secrets) = server.config_and_secrets("v1", "discover", "none");
    for (name, secret) in secrets {
        let path = folder.join(name);
        // Made-up secrets are kept as real ones should be.
        let written = replace::begin(&path).and_then(|file| replace::finish(file, &path, &secret));
        written.map_err(|source| Failure::file(&path, source))?;
    }
    let text = conversation.map_or(text.clone(), |id| text.replace(&conversations(""), &conversations(id)));
    let text = format!(
        "# Made by `archiver demo`. The API that it names stopped with the demo; the archive stays readable.\n{text}"
    );
    fs::write(&path, &text).map_err(|source| Failure::file(&path, source))?;
    let mut config = Config::parse(&text, &path)?;
    config.load_secrets()?;
    Ok(config)
}

/// The line of the configuration that names a conversation, or none.
fn conversations(id: &str) -> String {
    if id.is_empty() { "conversations = []".to_owned() } else { format!("conversations = [\"{id}\"]") }
}

/// The URNs of all messages that the server does not show.
fn deleted(server: &Mutex<Server>) -> BTreeSet<String> {
    let server = locked(server);
    let all = server.mailbox(0).into_iter().flat_map(|m| m.conversations());
    all.flat_map(|c| c.messages()).filter(|m| m.deleted).map(|m| m.urn.clone()).collect()
}

struct Demo<'a> {
    folder: &'a Path,
    out: &'a mut Output,
    server: &'a Mutex<Server>,
    config: Config,
    /// How many messages each run so far has archived.
    archived: Vec<u64>,
    /// URNs of messages that were deleted before a run could see them.
    never_served: BTreeSet<String>,
}

impl Demo<'_> {
    fn title(&mut self, text: &str) -> Result<(), Failure> {
        let text = self.out.style().bold(text);
        self.out.line(format!("\n{text}\n"))
    }

    async fn sync(&mut self, budget: Option<u32>) -> Result<(), Failure> {
        let path = &self.config.archive.path;
        let api = wiring::api(&self.config)?;
        let mut store = wiring::store(&self.config)?;
        let mut settings = wiring::settings(&self.config, Trigger::Once, Vec::new());
        settings.caps.run = budget.or(Some(1000));
        settings.caps.day = None;
        let (_stopper, stop) = Stopper::new();
        let report =
            crate::sync::run(&mut store, &api, &SystemClock, &settings, &stop, &mut NoProgress).await;
        let report: Report = report.map_err(|e| wiring::run_failure(path, e))?;
        store.close().map_err(|e| wiring::archive_failure(path, e))?;
        self.archived.push(u64::from(report.new_messages));
        sync::show(self.out, &report)
    }

    /// Things happen in the made-up mailbox; says which.
    fn let_time_pass(&mut self) -> Result<(), Failure> {
        let mut rng = fastrand::Rng::with_seed(SEED);
        let mut server = locked(self.server);
        let mailbox = server.mailbox_mut(0);
        let done = mailbox.map(|m| meanwhile::pass(m, &mut rng, SystemClock.now_ms())).unwrap_or_default();
        drop(server);
        self.out.line(told(&done))?;
        self.never_served.extend(done.withdrawn);
        Ok(())
    }

    /// Every message of the archive against the server's.
    fn compare(&self) -> Result<Comparison, Failure> {
        let path = &self.config.archive.path;
        let failed = |e| wiring::read_failure(path, e);
        let mut rows = Vec::new();
        let reader = Reader::open(path).map_err(failed)?;
        let read = reader.queries().messages::<()>(
            &Scope::default(),
            None,
            |MessageRow { message, gone_since_ms, .. }| {
                rows.push(Archived {
                    urn: message.urn.unwrap_or_default(),
                    at_ms: message.at_ms,
                    sender: message.sender.name,
                    text: message.text,
                    gone: gone_since_ms.is_some(),
                });
                ControlFlow::Continue(())
            },
        );
        read.map_err(failed)?;
        let server = locked(self.server);
        Ok(server.mailbox(0).map(|m| compare(m, &self.never_served, rows)).unwrap_or_default())
    }

    /// Compares, says which conversation is missing and why, and names it in the configuration.
    fn find_what_is_missing(&mut self) -> Result<(), Failure> {
        let found = self.compare()?;
        let server = locked(self.server);
        let hidden = server.mailbox(0).and_then(|m| m.conversation(HIDDEN));
        let others = hidden.map(|c| c.others.iter().map(|p| p.name.as_str()).collect::<Vec<_>>().join(", "));
        let others = others.unwrap_or_default();
        let id = hidden.map(|c| thread_key(&c.thread)).unwrap_or_default();
        self.config = configure(self.folder, &server, Some(&id))?;
        drop(server);
        let missing = found.missing.get(&HIDDEN).copied().unwrap_or_default();
        if missing == 0 || found.missing.len() > 1 || !found.different.is_empty() {
            return self.complain(&found);
        }
        self.out.line(format!(
            "{} of {} are in the archive, identical. {missing} are not: the whole conversation with\n\
             {others}. It was archived on LinkedIn, so the inbox does not show it and no run can discover it.\n\
             \"Complete\" above speaks of the conversations that the runs know.\n\n\
             Name it in the configuration, by the id in the address that a browser shows for it, and sync again:\n\n  \
             [[accounts]]\n  {}\n",
            found.right(),
            plural(found.expected(), "message"),
            conversations(&id),
        ))
    }

    /// Compares a last time and adds up.
    fn conclude(&mut self) -> Result<(), Failure> {
        let found = self.compare()?;
        if !found.identical() {
            return self.complain(&found);
        }
        let runs: Vec<String> = self.archived.iter().map(u64::to_string).collect();
        let all: u64 = self.archived.iter().sum();
        let charged = locked(self.server).meter.charged();
        self.out.line(format!(
            "{} of {}, identical: URN, time, sender and text.\n\n\
             The runs archived {} = {}.\n\
             LinkedIn still shows {} of them. {} deleted there since; the archive keeps them and marks them as gone.\n\
             {} not counted.\n\
             In all, the made-up API charged {}.",
            found.right(),
            plural(found.expected(), "message"),
            runs.join(" + "),
            plural(all, "message"),
            found.same,
            counted(found.kept, "was", "were"),
            counted(
                found.never_served,
                "was deleted before a run could see them and is",
                "were deleted before a run could see them and are",
            ),
            plural(charged, "credit"),
        ))
    }

    /// Says what differs, and fails.
    fn complain(&mut self, found: &Comparison) -> Result<(), Failure> {
        self.out.line(format!(
            "The archive differs from the server: {} of {} are identical.",
            found.right(),
            plural(found.expected(), "message")
        ))?;
        for (conversation, count) in &found.missing {
            self.out.line(format!("  conversation {conversation}: {} missing", plural(*count, "message")))?;
        }
        for what in &found.different {
            self.out.line(format!("  {what}"))?;
        }
        Err(Failure::CheckFailed("the archive differs from the made-up server".to_owned()))
    }

    fn next_steps(&mut self) -> Result<(), Failure> {
        let server = locked(self.server);
        let first = server.mailbox(0).and_then(|m| m.conversation(0)).and_then(|c| c.others.first());
        let name = first.map(|p| p.name.clone()).unwrap_or_default();
        drop(server);
        let archiver = format!("{} --config {FOLDER}/archiver.toml", program());
        self.out.text(&format!(
            "  {archiver} status\n  \
               {archiver} search thursday report\n  \
               {archiver} show \"{name}\" --limit 20\n  \
               {archiver} sql \"SELECT conversation, count(*) FROM message_log GROUP BY conversation\"\n  \
               {archiver} serve\n\n\
             For your own conversations: `archiver default-config > archiver.toml`, fill in ten lines, `archiver check`,\n\
             `archiver sync --once --dry-run`, `archiver sync --once`.\n"
        ))
    }
}

/// What happened, in two sentences whose numbers add up.
fn told(done: &Meanwhile) -> String {
    format!(
        "Meanwhile, {} arrived: {} in conversations that the inbox shows, {} in one that it does not show,\n\
         and {} deleted again at once. Of the older ones, {} edited, {} recalled\n\
         (which a run counts as edited, too) and {} deleted.\n",
        plural(done.new_messages(), "message"),
        done.shown,
        done.hidden,
        counted(done.withdrawn.len(), "that was", "that were"),
        counted(done.edited, "was", "were"),
        done.recalled,
        done.deleted,
    )
}

/// How this program was started, so that the commands that the demo proposes work as they stand.
fn program() -> String {
    let first = std::env::args_os().next().and_then(|name| name.into_string().ok()).unwrap_or_default();
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-".contains(c);
    if first.is_empty() || !first.chars().all(plain) { "archiver".to_owned() } else { first }
}
