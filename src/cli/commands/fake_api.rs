//! `archiver fake-api`: the stand-in for LinkupAPI alone, to point a configuration or another client at.

use crate::app::runtime;
use crate::cli::ui::output::Output;
use std::sync::{Arc, Mutex};

use tokio::signal::unix::{SignalKind, signal};

use crate::app::Context;
use crate::cli::args::FakeApiArgs;
use crate::clock::{Clock as _, SystemClock};
use crate::error::Failure;
use fake_linkup::serve;
use fake_linkup::synth;
use fake_linkup::synth::SynthOptions;

/// Runs the command until SIGINT or SIGTERM.
///
/// # Errors
/// When the port cannot be had.
pub fn run(context: &Context, args: &FakeApiArgs) -> Result<(), Failure> {
    let unusable = |what: &str, error: std::io::Error| Failure::ApiUnreachable(format!("{what}: {error}"));
    runtime()?.block_on(async {
        let server = synth::server(args.seed, &SynthOptions::at(SystemClock.now_ms()));
        let server = Arc::new(Mutex::new(server));
        let running = serve::bind(Arc::clone(&server), args.port, || SystemClock.now_ms())
            .await
            .map_err(|e| unusable(&format!("port {} of 127.0.0.1 cannot be had", args.port), e))?;
        let base = running.base_url();
        let mut interrupt =
            signal(SignalKind::interrupt()).map_err(|e| unusable("signals cannot be caught", e))?;
        let mut terminate =
            signal(SignalKind::terminate()).map_err(|e| unusable("signals cannot be caught", e))?;
        Output::stdout(&context.env).text(&format!(
            "{base}\n\n\
             A configuration for it:  curl -s {base}/_fake/config > archiver.toml\n\
             What it was asked for:   curl -s {base}/_fake/log\n\
             Let time pass:           curl -s -X POST {base}/_fake/advance\n\
             Stop it with Ctrl-C.\n"
        ))?;
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
        running.stop().await;
        Ok(())
    })
}
