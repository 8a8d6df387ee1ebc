//! Calls `alerts.ping_url` when a run begins and when it has ended.

use tokio::task::JoinHandle;

use crate::api::{Ping, RunSign};
use crate::app::wiring;
use crate::config::Config;
use crate::store::Outcome;

/// The calls about one run.
pub struct RunPing(Option<(Ping, JoinHandle<()>)>);

impl RunPing {
    /// A run begins. Nobody waits for the call, which comes after the last one about the run `before`.
    #[must_use]
    pub fn begin(config: &Config, before: Option<JoinHandle<()>>) -> Self {
        let Some(url) = &config.alerts.ping_url else { return Self(None) };
        let ping = Ping::new(url, &wiring::network(config));
        let ping = ping.inspect_err(|error| tracing::warn!(%error, "alerts.ping_url cannot be called"));
        Self(ping.ok().map(|ping| {
            let telling = ping.clone();
            let tell = async move {
                if let Some(before) = before {
                    drop(before.await);
                }
                telling.tell(RunSign::Start).await;
            };
            (ping, tokio::spawn(tell))
        }))
    }

    /// It has ended, like this or with an error. An interrupted run sends nothing, and the silence says so.
    pub async fn end(self, outcome: Option<Outcome>) {
        let Some((ping, started)) = self.0 else { return };
        let sign = match outcome {
            Some(Outcome::Interrupted) => return,
            Some(Outcome::Complete | Outcome::Budget) => RunSign::Success,
            Some(Outcome::Partial | Outcome::Failed | Outcome::NoCredits) | None => RunSign::Failure,
        };
        // In their order; that the first one has failed is logged.
        drop(started.await);
        ping.tell(sign).await;
    }
}
