//! `archiver demo`: a guided first run of the real engine, over real HTTP, against the built-in fake API.

use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use crate::app::{Context, runtime, wiring};
use crate::cli::commands::status::{self, StatusArgs};
use crate::cli::commands::sync;
use crate::cli::ui::charts::Glyphs;
use crate::cli::ui::output::Output;
use crate::clock::{Clock as _, SystemClock};
use crate::config::Config;
use crate::core::format::plural;
use crate::error::Failure;
use crate::store::{Store, Trigger};
use crate::sync::{NoProgress, Report, Stopper};
use fake_linkup::serve;
use fake_linkup::server::Server;
use fake_linkup::synth;
use fake_linkup::synth::{Happening, SynthOptions};

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
const SEED: u64 = 7;

/// Runs the command.
///
/// # Errors
/// When the folder cannot be made, or a port, or the archive fails.
pub fn run(context: &Context) -> Result<(), Failure> {
    let folder = context.env.cwd().join(FOLDER);
    prepare(&folder)?;
    let mut out = Output::stdout(&context.env);
    runtime()?.block_on(guide(&folder, &mut out, Glyphs::of(&context.env)))
}

/// Makes the folder; one that an earlier demo left is made anew.
fn prepare(folder: &Path) -> Result<(), Failure> {
    let failed = |path: PathBuf| move |source| Failure::File { path, source };
    if folder.exists() {
        if !folder.join(MARK).exists() {
            return Err(Failure::Usage {
                message: format!("{} is there already and was not made by a demo", folder.display()),
                help: "start the demo in another folder".to_owned(),
            });
        }
        fs::remove_dir_all(folder).map_err(failed(folder.to_owned()))?;
    }
    fs::create_dir(folder).map_err(failed(folder.to_owned()))?;
    fs::write(folder.join(MARK), "").map_err(failed(folder.join(MARK)))
}

async fn guide(folder: &Path, out: &mut Output, glyphs: Glyphs) -> Result<(), Failure> {
    let options =
        SynthOptions { conversations: 9, max_messages: 160, ..SynthOptions::at(SystemClock.now_ms()) };
    let server = Arc::new(Mutex::new(synth::server(SEED, &options)));
    let running = serve::bind(Arc::clone(&server), 0, || SystemClock.now_ms())
        .await
        .map_err(|e| Failure::ApiUnreachable(format!("cannot listen on 127.0.0.1: {e}")))?;
    let config = configure(folder, &server)?;
    let title = |out: &mut Output, text: &str| {
        let text = out.style().bold(text);
        out.line(format!("\n{text}\n"))
    };

    out.line("This is the real program against a made-up LinkupAPI on this machine: no key, no credits, no network.")?;
    title(out, &format!("1. A first run that may spend {FIRST_BUDGET} credits, which is too little"))?;
    sync::show(out, &sync_once(&config, Some(FIRST_BUDGET)).await?)?;

    title(out, "2. What is missing is known: `archiver status`")?;
    status::report(&config, out, glyphs, &StatusArgs { json: false, html: None, all: true })?;

    title(out, "3. The next run goes on where the budget ended")?;
    sync::show(out, &sync_once(&config, None).await?)?;

    title(out, "4. Time passes at LinkedIn, then another run")?;
    out.line(let_time_pass(&server))?;
    sync::show(out, &sync_once(&config, None).await?)?;

    title(out, "5. A run when nothing is new")?;
    sync::show(out, &sync_once(&config, None).await?)?;
    let charged = server.lock().unwrap_or_else(PoisonError::into_inner).meter.charged();
    out.line(format!("In all, the made-up API charged {}.", plural(charged, "credit")))?;
    running.stop().await;

    title(out, "What to try next")?;
    out.text(&next_steps())
}

/// Writes the demo's configuration and loads it as any other.
fn configure(folder: &Path, server: &Mutex<Server>) -> Result<Config, Failure> {
    let path = folder.join("archiver.toml");
    let server = server.lock().unwrap_or_else(PoisonError::into_inner);
    let (text, secrets) = server.config_and_secrets("v1", "discover", "none");
    drop(server);
    for (name, secret) in secrets {
        let path = folder.join(name);
        write_privately(&path, &secret).map_err(|source| Failure::File { path, source })?;
    }
    let text = format!(
        "# Made by `archiver demo`. The API it names ended with the demo; the archive stays and can be read.\n{text}"
    );
    fs::write(&path, &text).map_err(|source| Failure::File { path: path.clone(), source })?;
    let mut config = Config::parse(&text, &path)?;
    config.load_secrets()?;
    Ok(config)
}

/// Made-up secrets are kept as real ones should be.
fn write_privately(path: &Path, text: &str) -> io::Result<()> {
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?.write_all(text.as_bytes())
}

async fn sync_once(config: &Config, budget: Option<u32>) -> Result<Report, Failure> {
    let path = &config.archive.path;
    let api = wiring::api(config)?;
    let mut store = Store::open(path).map_err(|e| wiring::archive_failure(path, e))?;
    let mut settings = wiring::settings(config, Trigger::Once, Vec::new());
    settings.caps.run = budget.or(Some(1000));
    settings.caps.day = None;
    let (_stopper, stop) = Stopper::new();
    let report = crate::sync::run(&mut store, &api, &SystemClock, &settings, &stop, &mut NoProgress).await;
    let report = report.map_err(|e| wiring::run_failure(path, e))?;
    store.close().map_err(|e| wiring::archive_failure(path, e))?;
    Ok(report)
}

/// Things happen in the made-up mailbox; says which.
fn let_time_pass(server: &Mutex<Server>) -> String {
    let mut server = server.lock().unwrap_or_else(PoisonError::into_inner);
    let mut rng = fastrand::Rng::with_seed(SEED);
    let (mut messages, mut edits, mut withdrawn) = (0, 0, 0);
    for _ in 0..40 {
        match synth::live(&mut server, &mut rng, SystemClock.now_ms()) {
            Happening::Message | Happening::Conversation => messages += 1,
            Happening::Edit => edits += 1,
            Happening::Recall | Happening::Delete => withdrawn += 1,
            Happening::Read | Happening::Nothing => {}
        }
    }
    format!(
        "Meanwhile: {}, {}, {withdrawn} recalled or deleted.",
        plural(messages, "new message"),
        plural(edits, "edit")
    )
}

fn next_steps() -> String {
    format!(
        "  archiver --config {FOLDER}/archiver.toml status\n  \
           sqlite3 {FOLDER}/archive.db \"SELECT sent_at, sender, text FROM message_log ORDER BY sent_at_ms DESC LIMIT 10\"\n  \
           sqlite3 {FOLDER}/archive.db \"SELECT m.sent_at, m.sender, m.text FROM messages_fts f JOIN message_log m ON m.message_id = f.rowid WHERE f.text MATCH 'thursday' ORDER BY f.rowid DESC\"\n  \
           sqlite3 {FOLDER}/archive.db \"SELECT * FROM request_log\"\n\n\
         For your own conversations: `archiver default-config > archiver.toml`, fill in ten lines, `archiver check`,\n\
         `archiver sync --once --dry-run`, `archiver sync --once`.\n"
    )
}
