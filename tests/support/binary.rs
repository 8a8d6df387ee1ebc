//! The real program in a folder of its own, against a fake API that the test serves and can look into.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::OpenOptionsExt as _;
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, mpsc};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use archiver::clock::{Clock as _, SystemClock};
use archiver::core::Ms;
use archiver::core::timeline::invariants;
use archiver::store::Reader;
use archiver::store::verify::{Depth, verify};
use fake_linkup::server::Server;
use fake_linkup::{Account, Mailbox, Person, serve};
use rusqlite::{Connection, OpenFlags};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tempfile::TempDir;
use tokio::sync::oneshot;

/// The API key of [`server`].
pub(crate) const KEY: &str = "sk-the-api-key-of-the-tests";
/// 2021-01-01: when the mailboxes of the tests begin. All they hold is of that year, which tells it from the
/// present in reports.
pub(crate) const START: Ms = 1_609_459_200_000;
pub(crate) const HOUR: Ms = 3_600_000;

/// No run of a test takes so long, unless it hangs.
const TOO_LONG: Duration = Duration::from_secs(60);

/// A server with one account, `me`, over a mailbox with these people and numbers of messages, an hour apart.
pub(crate) fn server(conversations: &[(&str, usize)]) -> Server {
    let mut server = Server::new(KEY);
    server.add_account(account("me", ("Olivia", "Owner"), conversations));
    server
}

/// An account over such a mailbox.
pub(crate) fn account(name: &str, owner: (&str, &str), conversations: &[(&str, usize)]) -> Account {
    let mut mailbox = Mailbox::of(owner.0, owner.1);
    for (number, (other, messages)) in (0..).zip(conversations) {
        let (first, last) = other.split_once(' ').unwrap();
        mailbox.with_messages(Person::named(first, last), *messages, START + number * 60_000, HOUR);
    }
    Account::new(name, mailbox)
}

type Hook = Arc<Mutex<Option<Box<dyn FnMut() + Send>>>>;

/// A fake API that a thread of the test serves until this is dropped.
pub(crate) struct FakeApi {
    server: Arc<Mutex<Server>>,
    hook: Hook,
    base_url: String,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl FakeApi {
    pub(crate) fn serve(server: Server) -> Self {
        let (server, hook) = (Arc::new(Mutex::new(server)), Hook::default());
        let (tell, told) = mpsc::channel();
        let (stop, stopped) = oneshot::channel::<()>();
        let (shared, called) = (Arc::clone(&server), Arc::clone(&hook));
        let thread = thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                // The server reads its clock when a request has come and before it does anything about it.
                let clock = move || {
                    if let Some(hook) = called.lock().unwrap().as_mut() {
                        hook();
                    }
                    SystemClock.now_ms()
                };
                let running = serve::bind(shared, 0, clock).await.unwrap();
                tell.send(running.base_url()).unwrap();
                // Dropped or told makes no difference: the test is over.
                drop(stopped.await);
                running.stop().await;
            });
        });
        let base_url = told.recv().unwrap();
        Self { server, hook, base_url, stop: Some(stop), thread: Some(thread) }
    }

    /// The server, to look at or to change.
    pub(crate) fn server(&self) -> MutexGuard<'_, Server> {
        self.server.lock().unwrap()
    }

    /// The server for a hook, which may lock it.
    pub(crate) fn shared(&self) -> Arc<Mutex<Server>> {
        Arc::clone(&self.server)
    }

    /// Has this called whenever a request has come, before anything is done about it.
    pub(crate) fn at_each_request(&self, hook: impl FnMut() + Send + 'static) {
        *self.hook.lock().unwrap() = Some(Box::new(hook));
    }

    /// Tells of each request when it has come, before anything is done about it.
    pub(crate) fn requests_as_they_come(&self) -> mpsc::Receiver<()> {
        let (tell, told) = mpsc::channel();
        // A test that has seen enough no longer listens.
        self.at_each_request(move || tell.send(()).unwrap_or_default());
        told
    }

    /// Calls nothing any more.
    pub(crate) fn at_no_request(&self) {
        *self.hook.lock().unwrap() = None;
    }

    pub(crate) fn base_url(&self) -> &str {
        &self.base_url
    }

    /// Requests that came so far.
    pub(crate) fn requests(&self) -> usize {
        self.server().meter.rows().len()
    }

    pub(crate) fn charged(&self) -> i64 {
        i64::try_from(self.server().meter.charged()).unwrap()
    }
}

impl Drop for FakeApi {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
            && !thread::panicking()
        {
            panic!("the fake API's thread panicked");
        }
    }
}

/// What a finished process left.
#[derive(Debug)]
pub(crate) struct Ran {
    /// Its exit code; `None` when a signal ended it.
    pub(crate) code: Option<i32>,
    pub(crate) signal: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Ran {
    /// Its standard output as the one JSON value that it must be.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|e| panic!("{e}: {self:?}"))
    }

    /// Itself, when it ended with this code.
    #[track_caller]
    pub(crate) fn expect(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "{self:#?}");
        self
    }
}

/// A process of the program. Dropped, it is killed.
pub(crate) struct Process {
    child: Option<Child>,
}

impl Process {
    pub(crate) fn start(command: &mut Command) -> Self {
        let child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
        Self::of(child.unwrap())
    }

    /// One that was started otherwise.
    pub(crate) fn of(child: Child) -> Self {
        Self { child: Some(child) }
    }

    pub(crate) fn pid(&self) -> Pid {
        Pid::from_child(self.child.as_ref().unwrap())
    }

    pub(crate) fn child(&mut self) -> &mut Child {
        self.child.as_mut().unwrap()
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(self.pid(), signal).unwrap();
    }

    pub(crate) fn is_running(&mut self) -> bool {
        self.child().try_wait().unwrap().is_none()
    }

    /// Waits for its end.
    pub(crate) fn finish(mut self) -> Ran {
        let child = self.child.take().unwrap();
        let pid = Pid::from_child(&child);
        let (done, over) = mpsc::channel::<()>();
        let watchdog = thread::spawn(move || {
            if over.recv_timeout(TOO_LONG) == Err(mpsc::RecvTimeoutError::Timeout) {
                kill_process(pid, Signal::KILL).unwrap();
            }
        });
        let output = child.wait_with_output().unwrap();
        drop(done);
        watchdog.join().unwrap();
        Ran {
            code: output.status.code(),
            signal: output.status.signal(),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            // It may have ended by itself, and what is left of it is of no interest.
            drop(child.kill());
            drop(child.wait());
        }
    }
}

/// A folder with a configuration, in which the program runs with an environment of its own.
pub(crate) struct Home {
    dir: TempDir,
    env: BTreeMap<String, String>,
    /// How many conversations of an account are configured.
    targets: usize,
}

impl Home {
    /// An empty folder.
    pub(crate) fn empty() -> Self {
        Self { dir: tempfile::tempdir().unwrap(), env: BTreeMap::new(), targets: usize::MAX }
    }

    /// Configures only so many conversations of each account and leaves the others to the inbox.
    pub(crate) fn discovers(&mut self, targets: usize) {
        self.targets = targets;
        self.env("ARCHIVER_SYNC__INBOX", "discover");
    }

    /// A folder with a configuration for everything that this API holds.
    pub(crate) fn of(api: &FakeApi, version: &str) -> Self {
        let home = Self::empty();
        home.point_at(api, version);
        home
    }

    /// Writes a configuration for everything that this API holds.
    pub(crate) fn point_at(&self, api: &FakeApi, version: &str) {
        let server = api.server();
        let mut text = format!(
            "[api]\nbase_url = \"{}\"\nversion = \"{version}\"\nrequests_per_minute = 60000\nretries = 1\n\
             retry_base_secs = 0.01\nretry_max_secs = 0.05\ntimeout_secs = 20\n\n\
             [budget]\ncredits_per_run = 1000\nreconcile = false\n\n[sync]\ninbox = \"off\"\n",
            api.base_url()
        );
        self.write_secret("api_key", KEY);
        for account in server.accounts() {
            self.write_secret(&format!("token.{}", account.name), &account.login_token);
            text.push_str(&of_account(account, self.targets));
        }
        self.write("archiver.toml", &text);
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub(crate) fn dir(&self) -> &Path {
        self.dir.path()
    }

    pub(crate) fn write(&self, name: &str, text: &str) {
        fs::write(self.path(name), text).unwrap();
    }

    pub(crate) fn write_secret(&self, name: &str, text: &str) {
        let mut options = fs::OpenOptions::new();
        let file = options.write(true).create(true).truncate(true).mode(0o600).open(self.path(name));
        std::io::Write::write_all(&mut file.unwrap(), text.as_bytes()).unwrap();
    }

    /// Replaces a part of the configuration, which must be there.
    pub(crate) fn edit(&self, from: &str, to: &str) {
        let text = fs::read_to_string(self.path("archiver.toml")).unwrap();
        assert!(text.contains(from), "{from:?} is not in {text}");
        self.write("archiver.toml", &text.replace(from, to));
    }

    /// Sets an environment variable for all that runs here from now on.
    pub(crate) fn env(&mut self, name: &str, value: &str) {
        self.env.insert(name.to_owned(), value.to_owned());
    }

    /// Another folder with the same files: the archive must not be in use.
    pub(crate) fn copy(&self) -> Self {
        let copy = Self { dir: tempfile::tempdir().unwrap(), env: self.env.clone(), targets: self.targets };
        for file in fs::read_dir(self.dir()).unwrap() {
            let file = file.unwrap();
            fs::copy(file.path(), copy.dir().join(file.file_name())).unwrap();
        }
        copy
    }

    /// The program, ready to be started with these arguments.
    pub(crate) fn archiver(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_archiver"));
        command.args(args);
        self.prepare(&mut command);
        command
    }

    /// The program, started by a shell after these commands.
    pub(crate) fn archiver_after(&self, shell: &str, args: &[&str]) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", &format!("{shell}; exec \"$@\""), "sh", env!("CARGO_BIN_EXE_archiver")]);
        command.args(args);
        self.prepare(&mut command);
        command
    }

    /// The program, started by another one with these arguments.
    pub(crate) fn archiver_with(&self, starter: &str, before: &[&str], args: &[&str]) -> Command {
        let mut command = Command::new(starter);
        command.args(before).arg(env!("CARGO_BIN_EXE_archiver")).args(args);
        self.prepare(&mut command);
        command
    }

    fn prepare(&self, command: &mut Command) {
        command.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default()).env("TZ", "UTC");
        command.envs(&self.env).current_dir(self.dir());
    }

    /// Runs the program to its end.
    pub(crate) fn run(&self, args: &[&str]) -> Ran {
        Process::start(&mut self.archiver(args)).finish()
    }

    /// One run, which must go well: its report.
    #[track_caller]
    pub(crate) fn sync(&self) -> Value {
        self.run(&["sync", "--once", "--json"]).expect(0).json()
    }

    /// Runs until nothing is missing.
    #[track_caller]
    pub(crate) fn sync_until_complete(&self) {
        for _ in 0..5 {
            let report = self.sync();
            if report["outcome"] == "complete" {
                return;
            }
        }
        panic!("not complete after five runs: {}", self.sync());
    }

    pub(crate) fn archive(&self) -> PathBuf {
        self.path("archive.db")
    }

    /// The names of the files here.
    pub(crate) fn files(&self) -> Vec<String> {
        let names = fs::read_dir(self.dir()).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap());
        let mut names: Vec<String> = names.collect();
        names.sort();
        names
    }

    /// The first column of all that this query finds in the archive.
    pub(crate) fn sql<T: rusqlite::types::FromSql>(&self, query: &str) -> Vec<T> {
        let db = Connection::open_with_flags(self.archive(), OpenFlags::SQLITE_OPEN_READ_ONLY).unwrap();
        let mut statement = db.prepare(query).unwrap();
        let rows = statement.query_map([], |row| row.get(0)).unwrap();
        rows.collect::<Result<_, _>>().unwrap()
    }

    pub(crate) fn count(&self, query: &str) -> i64 {
        self.sql(query)[0]
    }
}

fn of_account(account: &Account, targets: usize) -> String {
    let name = &account.name;
    let (mut profiles, mut conversations) = (Vec::new(), Vec::new());
    // By profile, by URN, by thread id: all the ways to name one.
    for (i, c) in account.mailbox.conversations().iter().enumerate().take(targets) {
        match i % 3 {
            0 => profiles.push(format!("{:?}", c.others[0].profile_url.as_ref().unwrap())),
            1 => conversations.push(format!("{:?}", c.urn)),
            _ => conversations.push(format!("{:?}", c.thread)),
        }
    }
    format!(
        "\n[[accounts]]\nname = {name:?}\nlogin_token_file = \"token.{name}\"\naccount_id = {:?}\n\
         profiles = [{}]\nconversations = [{}]\n",
        account.account_id,
        profiles.join(", "),
        conversations.join(", ")
    )
}

/// What must hold of an archive at any time, also after its process was killed.
#[track_caller]
pub(crate) fn assert_sound(home: &Home, charged: i64) {
    let reader = Reader::open(&home.archive()).unwrap();
    for row in reader.queries().conversations().unwrap() {
        assert_eq!(invariants::broken(&row.timeline), Vec::<String>::new(), "{row:?}");
    }
    drop(reader);
    let verification = verify(&home.archive(), Depth::Full, &mut |_| ()).unwrap();
    assert_eq!(verification.broken(), 0, "{:#?}", verification.findings);
    assert_eq!(home.sql::<String>("PRAGMA integrity_check"), ["ok"]);
    assert_eq!(home.count("SELECT count(*) FROM pragma_foreign_key_check"), 0);
    let counted = home.count("SELECT ifnull(sum(ifnull(credits_spent, credits_reserved)), 0) FROM request");
    assert!(counted >= charged, "the ledger counts {counted}, the API charged {charged}");
    let wrong = "SELECT count(*) FROM conversation c
       WHERE messages <> (SELECT count(*) FROM message m WHERE m.conversation = c.id)";
    assert_eq!(home.count(wrong), 0, "a conversation's number of messages is wrong");
}

/// The archive holds what the server holds: every message once, as it is, with no gap and searchable.
#[track_caller]
pub(crate) fn assert_complete(home: &Home, server: &Server) {
    for account in server.accounts() {
        for conversation in account.mailbox.conversations() {
            let theirs: Vec<String> = conversation
                .visible()
                .map(|m| {
                    let sender = &account.mailbox.author(conversation, m.author).name;
                    format!("{} {} {sender} {} {}", m.urn, m.at_ms, m.kind, m.text)
                })
                .collect();
            let ours: Vec<String> = home.sql(&format!(
                "SELECT concat_ws(' ', entity_urn, sent_at_ms, sender, message_type, text) FROM message_log
                 WHERE conversation_id = '{}' AND gone_since IS NULL ORDER BY sent_at_ms, message_id",
                conversation.urn
            ));
            let lost: Vec<&String> = theirs.iter().filter(|m| !ours.contains(m)).collect();
            assert!(lost.is_empty(), "{} of {} are missing: {lost:#?}", lost.len(), theirs.len());
            assert_eq!(ours.len(), theirs.len(), "some are there twice: {ours:#?}");
        }
    }
    assert_eq!(home.count("SELECT count(*) FROM conversation_log WHERE complete = 0 OR gaps > 0"), 0);
    assert_eq!(home.count("SELECT count(*) FROM run_log WHERE outcome IS NULL"), 0);
    let twice = "SELECT count(*) - count(DISTINCT entity_urn) FROM message_log WHERE entity_urn IS NOT NULL";
    assert_eq!(home.count(twice), 0);
    // Compares the index with the texts, which takes a connection that might write.
    let db = Connection::open(home.archive()).unwrap();
    db.execute("INSERT INTO messages_fts (messages_fts, rank) VALUES ('integrity-check', 1)", []).unwrap();
    assert_eq!(home.count("SELECT count(*) FROM messages_unindexed"), 0);
    drop(db);
    let verification = verify(&home.archive(), Depth::Full, &mut |_| ()).unwrap();
    assert_eq!(verification.findings, [], "of a complete archive");
}

/// Runs a test for each of these cases, several at a time: they mostly wait for the disk.
pub(crate) fn for_each_case<T: Send>(cases: Vec<T>, test: impl Fn(T) + Sync) {
    let cases = Mutex::new(cases);
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                loop {
                    let case = cases.lock().unwrap().pop();
                    let Some(case) = case else { return };
                    test(case);
                }
            });
        }
    });
}
