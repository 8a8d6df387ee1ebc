//! Takes an event to where a sink leads, and brings back whether it was accepted.

use std::cell::OnceCell;
use std::path::PathBuf;
use std::time::Duration;

use super::parcel::Parcel;
use super::{command, email, signature};
use crate::api::{BuildError, Hook, HookSettings, Network};
use crate::config::{Config, Env, Sink, SinkMeans, WebhookMeans};
use crate::core::Ms;

/// What became of an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Delivered {
    /// The receiver has it.
    Accepted,
    /// The receiver does not have it, or did not say so.
    Failed {
        /// Why, without secrets.
        why: String,
        /// How long the receiver asks to wait (ms).
        retry_after_ms: Option<Ms>,
    },
    /// The receiver wants no more, ever.
    Ended(String),
}

impl Delivered {
    /// A failure without a wait.
    pub fn failed(why: impl Into<String>) -> Self {
        Self::Failed { why: why.into(), retry_after_ms: None }
    }
}

/// Whoever takes events somewhere.
pub trait Carrier {
    /// Takes one there, and waits for the answer no longer than the sink may take.
    fn deliver(&self, parcel: &Parcel, now: Ms) -> impl Future<Output = Delivered>;
}

/// Takes events to where the configuration says.
#[derive(Debug, Clone)]
pub struct SinkCarrier {
    sink: Sink,
    env: Env,
    ca_file: Option<PathBuf>,
    /// Kept, so that events that follow each other go through one connection.
    hook: OnceCell<Hook>,
}

impl SinkCarrier {
    /// That of a sink.
    #[must_use]
    pub fn new(sink: &Sink, config: &Config, env: &Env) -> Self {
        Self {
            sink: sink.clone(),
            env: env.clone(),
            ca_file: config.api.ca_file.clone(),
            hook: OnceCell::new(),
        }
    }

    fn hook(&self, means: &WebhookMeans) -> Result<&Hook, BuildError> {
        if let Some(hook) = self.hook.get() {
            return Ok(hook);
        }
        let settings = HookSettings {
            url: means.url.clone(),
            private_addresses: means.private_addresses,
            timeout: self.sink.timeout,
            network: Network {
                proxy: means.proxy.clone(),
                ca_file: self.ca_file.clone(),
                ignored_proxy: None,
            },
        };
        let hook = Hook::new(&settings)?;
        Ok(self.hook.get_or_init(|| hook))
    }

    async fn post(&self, means: &WebhookMeans, parcel: &Parcel, now: Ms) -> Delivered {
        // Read anew for each, so that a secret is changed by changing its file.
        let secrets = match means.secret.read() {
            Ok(secrets) => secrets,
            Err(why) => return Delivered::failed(why),
        };
        let hook = match self.hook(means) {
            Ok(hook) => hook,
            Err(error) => return Delivered::failed(error.to_string()),
        };
        let body = parcel.body();
        let headers = signature::signed_headers(&parcel.id, now, &body, &secrets);
        match hook.post(&headers, body, now).await {
            Err(why) => Delivered::failed(why),
            Ok(answer) => of_status(answer.status, answer.retry_after),
        }
    }
}

fn of_status(status: u16, retry_after: Option<Duration>) -> Delivered {
    let why = match status {
        200..=299 => return Delivered::Accepted,
        410 => return Delivered::Ended("the receiver answered 410: it wants no more".to_owned()),
        300..=399 => format!("the receiver answered {status}: redirects are not followed"),
        _ => format!("the receiver answered {status}"),
    };
    let retry_after_ms = retry_after.and_then(|wait| Ms::try_from(wait.as_millis()).ok());
    Delivered::Failed { why, retry_after_ms }
}

impl Carrier for SinkCarrier {
    async fn deliver(&self, parcel: &Parcel, now: Ms) -> Delivered {
        let timeout = self.sink.timeout;
        match &self.sink.means {
            SinkMeans::Webhook(means) => self.post(means, parcel, now).await,
            SinkMeans::Command(command) => {
                command::run(command, &self.env, parcel.body_with_id(), timeout).await
            }
            SinkMeans::Email(means) => email::send(means, self.ca_file.clone(), parcel, timeout).await,
        }
    }
}
