//! Delivers to a program: it gets the event on its standard input, and its exit status is the answer.

use std::process::Stdio;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::AsyncWriteExt as _;
use tokio::process::{Child, Command};

use super::carrier::Delivered;
use crate::app::process::PASSED_ON;
use crate::config::Env;

/// Ends the program and whatever it has started when dropped.
struct ProcessGroup(Option<Pid>);

impl Drop for ProcessGroup {
    fn drop(&mut self) {
        if let Some(group) = self.0 {
            // It may have ended by itself.
            kill_process_group(group, Signal::KILL).unwrap_or_default();
        }
    }
}

/// Runs the program with this on its standard input. It gets no secret: none is in the environment that it is given.
pub(super) async fn run(command: &[String], env: &Env, input: String, timeout: Duration) -> Delivered {
    let Some((program, arguments)) = command.split_first() else {
        return Delivered::failed("no program is configured");
    };
    let mut process = Command::new(program);
    process.args(arguments).stdin(Stdio::piped()).stdout(Stdio::null()).env_clear();
    for name in PASSED_ON {
        process.envs(env.text(name).map(|value| (name, value)));
    }
    process.process_group(0).kill_on_drop(true);
    let child = match process.spawn() {
        Ok(child) => child,
        Err(error) => return Delivered::failed(format!("{program} cannot be run: {error}")),
    };
    let id = child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
    let group = ProcessGroup(id);
    let done = tokio::time::timeout(timeout, feed(child, input)).await;
    drop(group);
    match done {
        Ok(Ok(status)) if status.success() => Delivered::Accepted,
        Ok(Ok(status)) => Delivered::failed(format!("{program}: {status}")),
        Ok(Err(error)) => Delivered::failed(format!("{program}: {error}")),
        Err(_) => Delivered::failed(format!("{program} took longer than {} s", timeout.as_secs())),
    }
}

async fn feed(mut child: Child, input: String) -> std::io::Result<std::process::ExitStatus> {
    if let Some(mut stdin) = child.stdin.take() {
        // One that does not read it may still know what to do.
        drop(stdin.write_all(input.as_bytes()).await);
        drop(stdin.write_all(b"\n").await);
    }
    child.wait().await
}
