//! Tells a monitoring service that a run has begun and how it has ended, as Healthchecks wants it.

use std::time::Duration;

use reqwest::Client;
use url::Url;

use super::error::BuildError;
use super::network::Network;
use super::transport::client;
use crate::secret::Secret;

/// No call takes longer.
const PATIENCE: Duration = Duration::from_secs(10);

/// What a ping says of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RunSign {
    /// It has begun.
    Start,
    /// It has gone well.
    Success,
    /// It has not.
    Failure,
}

/// The monitoring service's address. Neither key nor token ever goes there.
#[derive(Clone)]
pub struct Ping {
    client: Client,
    url: Url,
}

impl Ping {
    /// Prepares calls; nothing is sent.
    ///
    /// # Errors
    /// When the URL or the network's settings cannot be used.
    pub fn new(url: &Secret, network: &Network) -> Result<Self, BuildError> {
        let unusable = |_| BuildError::Client("ping_url: no such URL".to_owned());
        let url = Url::parse(url.expose()).map_err(unusable)?;
        Ok(Self { client: client(url.scheme() == "https", PATIENCE, network)?, url })
    }

    /// Sends this. A ping that fails fails nothing else: the monitoring service misses it, and says so.
    pub async fn tell(&self, sign: RunSign) {
        let mut url = self.url.clone();
        let ending = match sign {
            RunSign::Start => Some("start"),
            RunSign::Success => None,
            RunSign::Failure => Some("fail"),
        };
        if let (Some(ending), Ok(mut segments)) = (ending, url.path_segments_mut()) {
            segments.pop_if_empty().push(ending);
        }
        let answer = self.client.get(url).send().await.and_then(reqwest::Response::error_for_status);
        if let Err(error) = answer {
            // Whoever knows the URL can call it.
            let error = error.without_url();
            tracing::warn!(%error, ?sign, "the ping has not been delivered");
        }
    }
}
