//! Runs commands of the configuration: without a shell, without secrets, and not for longer than they may take.

use std::io;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::AsyncWriteExt as _;
use tokio::process::{Child, Command};

use crate::config::Env;

/// What a command gets of this process's environment: nothing of it is a secret.
const PASSED_ON: [&str; 7] =
    ["PATH", "HOME", "LANG", "TZ", "USER", "XDG_RUNTIME_DIR", "DBUS_SESSION_BUS_ADDRESS"];

/// A command, and what it gets.
#[derive(Debug)]
pub(crate) struct UserCommand<'c> {
    /// The program and its arguments.
    pub(crate) command: &'c [String],
    /// The environment, of which it gets a part.
    pub(crate) env: &'c Env,
    /// What it gets besides that.
    pub(crate) variables: Vec<(String, String)>,
    /// What it gets on its standard input.
    pub(crate) input: Option<String>,
    /// It is killed if it takes longer.
    pub(crate) timeout: Duration,
}

/// Kills the command and whatever it has started when dropped.
struct ProcessGroup(Option<Pid>);

impl Drop for ProcessGroup {
    fn drop(&mut self) {
        if let Some(group) = self.0 {
            // It may have ended by itself.
            kill_process_group(group, Signal::KILL).unwrap_or_default();
        }
    }
}

impl UserCommand<'_> {
    /// Runs it until it ends. Dropped before that, it is killed with all that it has started.
    ///
    /// # Errors
    /// Why it was not run, or how it failed.
    pub(crate) async fn run(self) -> Result<(), String> {
        let Some((program, arguments)) = self.command.split_first() else {
            return Err("no program is configured".to_owned());
        };
        let mut process = Command::new(program);
        let input = if self.input.is_some() { Stdio::piped() } else { Stdio::null() };
        process.args(arguments).stdin(input).stdout(Stdio::null()).env_clear();
        for name in PASSED_ON {
            process.envs(self.env.text(name).map(|value| (name, value)));
        }
        process.envs(self.variables).process_group(0).kill_on_drop(true);
        let child = process.spawn().map_err(|error| format!("{program} cannot be run: {error}"))?;
        let mut group =
            ProcessGroup(child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw));
        let done = tokio::time::timeout(self.timeout, feed(child, self.input)).await;
        if done.is_ok() {
            // What it left running on purpose goes on, and its number may be another's by now.
            group.0 = None;
        }
        match done {
            Ok(Ok(status)) if status.success() => Ok(()),
            Ok(Ok(status)) => Err(format!("{program}: {status}")),
            Ok(Err(error)) => Err(format!("{program}: {error}")),
            Err(_) => Err(format!("{program} took longer than {} s", self.timeout.as_secs())),
        }
    }
}

async fn feed(mut child: Child, input: Option<String>) -> io::Result<ExitStatus> {
    if let Some(mut stdin) = child.stdin.take() {
        // One that does not read it may still know what to do.
        drop(stdin.write_all(input.unwrap_or_default().as_bytes()).await);
        drop(stdin.write_all(b"\n").await);
    }
    child.wait().await
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::path::Path;
    use tokio::time::Instant;

    /// Waits until this is so.
    async fn until(what: &str, mut is_so: impl FnMut() -> bool) {
        let begun = Instant::now();
        while !is_so() {
            assert!(begun.elapsed() < Duration::from_secs(30), "{what}");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// The process whose number is in this file.
    fn process(file: &Path) -> Option<String> {
        let pid = fs::read_to_string(file).ok()?;
        pid.ends_with('\n').then(|| format!("/proc/{}/stat", pid.trim()))
    }

    fn is_gone(stat: &str) -> bool {
        // Killed, it waits for its parent, if it is there at all.
        fs::read_to_string(stat).map_or(true, |stat| stat.contains(") Z "))
    }

    #[tokio::test]
    async fn one_that_is_called_off_or_takes_too_long_is_killed_with_all_that_it_has_started() {
        for timeout in [Duration::from_secs(600), Duration::from_millis(500)] {
            let dir = tempfile::tempdir().unwrap();
            let pid = dir.path().join("pid");
            let script = format!("sleep 300 & echo $! > {}; wait", pid.display());
            let command = ["sh", "-c", &script].map(str::to_owned);
            let running = tokio::spawn(async move {
                let env = Env::of_process();
                UserCommand { command: &command, env: &env, variables: vec![], input: None, timeout }
                    .run()
                    .await
            });
            until("it begins", || process(&pid).is_some()).await;
            let started = process(&pid).unwrap();
            if timeout > Duration::from_secs(1) {
                assert!(!is_gone(&started));
                running.abort();
            } else {
                assert!(running.await.unwrap().unwrap_err().contains("took longer than"));
            }
            until("it is killed", || is_gone(&started)).await;
        }
    }
}
