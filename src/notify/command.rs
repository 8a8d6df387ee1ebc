//! Delivers to a command: it gets the event on its standard input, and its exit status is the answer.

use std::time::Duration;

use super::carrier::Delivered;
use crate::app::user_command::UserCommand;
use crate::config::Env;

/// Runs the command with this on its standard input.
pub(super) async fn run(command: &[String], env: &Env, input: String, timeout: Duration) -> Delivered {
    let command = UserCommand { command, env, variables: Vec::new(), input: Some(input), timeout };
    match command.run().await {
        Ok(()) => Delivered::Accepted,
        Err(why) => Delivered::failed(why),
    }
}
