//! `archiver fake-api`: runs the fake LinkupAPI alone, for a configuration or another client.

use std::sync::{Arc, Mutex};

use clap::Args;

use crate::app::{Context, runtime};
use crate::cli::ui::interrupt::StopSignals;
use crate::cli::ui::output::Output;
use crate::clock::{Clock as _, SystemClock};
use crate::error::Failure;
use fake_linkup::serve;
use fake_linkup::synth::{self, SynthOptions};

#[derive(Debug, Clone, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct FakeApiArgs {
    /// Port on 127.0.0.1; 0 picks a free one
    #[arg(long, value_name = "N", default_value_t = 8910)]
    pub(crate) port: u16,

    /// Seed of the generated conversations
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub(crate) seed: u64,
}

const EXAMPLES: &str = "\
Examples:
  archiver fake-api                    use it as base_url = \"http://127.0.0.1:8910\"
  archiver fake-api --port 0 --seed 7  prints the address it listens on";

/// Runs the command until SIGINT or SIGTERM.
pub(crate) fn run(context: &Context, args: &FakeApiArgs) -> Result<(), Failure> {
    runtime()?.block_on(async {
        let server = synth::server(args.seed, &SynthOptions::at(SystemClock.now_ms()));
        let server = Arc::new(Mutex::new(server));
        let running = serve::bind(Arc::clone(&server), args.port, || SystemClock.now_ms())
            .await
            .map_err(|e| Failure::ApiUnreachable(format!("cannot listen on 127.0.0.1:{}: {e}", args.port)))?;
        let base = running.base_url();
        Output::stdout(&context.env).text(&format!(
            "{base}\n\n\
             Get a configuration:  curl -s {base}/_fake/config > archiver.toml\n\
             List the requests:    curl -s {base}/_fake/log\n\
             Let time pass:        curl -s -X POST {base}/_fake/advance\n\
             Press Ctrl-C to stop.\n"
        ))?;
        StopSignals::of_command().next().await;
        running.stop().await;
        Ok(())
    })
}
