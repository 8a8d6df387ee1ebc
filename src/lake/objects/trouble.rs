//! Why a bucket cannot be used, in words that hold no secret: what the server said is noted where it comes in, and the
//! errors of `object_store`, which repeat URLs and whole answers, are not shown.

use std::fmt;
use std::sync::{Mutex, PoisonError};

use http::StatusCode;

use crate::secret::Secret;

/// No message of a server is shown longer, in characters.
const MOST: usize = 300;

/// Why a bucket cannot be used, and what to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Trouble {
    pub(super) message: String,
    pub(super) help: String,
}

impl Trouble {
    pub(super) fn new(message: impl Into<String>, help: impl Into<String>) -> Self {
        Self { message: message.into(), help: help.into() }
    }
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        if self.help.is_empty() { Ok(()) } else { write!(f, "; {}", self.help) }
    }
}

impl std::error::Error for Trouble {}

/// What became of the last request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Last {
    /// An answer came.
    Answer {
        /// By whom.
        host: String,
        /// With this status.
        status: StatusCode,
        /// What S3 calls the error.
        code: String,
        /// How S3 explains it.
        message: String,
        /// In which region the bucket is, if the answer says so.
        region: Option<String>,
    },
    /// None came.
    Lost {
        /// From whom.
        host: String,
        /// Why.
        why: String,
    },
    /// The machine that gives credentials to those that run in the cloud cannot be reached.
    NoMetadata,
}

tokio::task_local! {
    /// What became of the last request of the call that is being made.
    pub(super) static TRAIL: Trail;
}

/// Remembers the last request of a call.
#[derive(Debug, Default)]
pub(super) struct Trail(Mutex<Option<Last>>);

impl Trail {
    /// Notes what became of a request.
    pub(super) fn note(last: Last) {
        TRAIL.try_with(|trail| *trail.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(last)).ok();
    }

    /// What became of the last one.
    pub(super) fn last() -> Option<Last> {
        let last = TRAIL.try_with(|trail| trail.0.lock().unwrap_or_else(PoisonError::into_inner).clone());
        last.ok().flatten()
    }

    /// The status of the last one.
    pub(super) fn status() -> Option<StatusCode> {
        match Self::last() {
            Some(Last::Answer { status, .. }) => Some(status),
            _ => None,
        }
    }

    /// What S3 called the last error.
    pub(super) fn is(wanted: &str) -> bool {
        matches!(Self::last(), Some(Last::Answer { code, .. }) if code == wanted)
    }
}

/// What S3 says in the body of an answer that is no success: code, message and region. Other parts of it repeat the
/// request, and with it tokens and signatures.
pub(super) fn read_error(body: &[u8]) -> (String, String, Option<String>) {
    let body = String::from_utf8_lossy(body);
    let part = |name: &str| {
        let (_, rest) = body.split_once(&format!("<{name}>"))?;
        let (text, _) = rest.split_once(&format!("</{name}>"))?;
        let text = text.replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", "\"");
        let text = text.replace("&apos;", "'").replace("&amp;", "&");
        Some(text.chars().filter(|c| !c.is_control()).take(MOST).collect::<String>())
    };
    (part("Code").unwrap_or_default(), part("Message").unwrap_or_default(), part("Region"))
}

/// What is known of a bucket and must be said or hidden when it fails.
pub(super) struct BucketWords {
    pub(super) bucket: String,
    pub(super) region: String,
    pub(super) endpoint: Option<String>,
    pub(super) secrets: Vec<Secret>,
}

impl BucketWords {
    /// Why a call failed, by its last request; `error` is shown only if none was made.
    pub(super) fn explain(&self, error: &object_store::Error) -> Trouble {
        let Trouble { message, help } = match Trail::last() {
            Some(Last::NoMetadata) => no_credentials(),
            Some(Last::Lost { host, why }) => Trouble::new(
                format!("no answer from {host}: {why}"),
                "check the network, lake.endpoint or AWS_ENDPOINT_URL, and api.proxy if there is one",
            ),
            Some(Last::Answer { host, status, .. }) if status.is_success() => {
                Trouble::new(format!("the answer of {host} makes no sense"), "check that S3 is spoken there")
            }
            Some(Last::Answer { host, status, code, message, region }) => {
                self.refusal(&host, status, &code, &message, region)
            }
            None => Trouble::new(error.to_string(), ""),
        };
        Trouble { message: self.clean(&message), help }
    }

    fn refusal(
        &self,
        host: &str,
        status: StatusCode,
        code: &str,
        message: &str,
        region: Option<String>,
    ) -> Trouble {
        let said = match (code, message) {
            ("", _) => format!("{host} answered {}", status.as_u16()),
            (code, "") => code.to_owned(),
            (code, message) => format!("{code}: {message}"),
        };
        let bucket = &self.bucket;
        let elsewhere =
            ["PermanentRedirect", "AuthorizationHeaderMalformed", "IllegalLocationConstraintException"];
        match (code, status.as_u16()) {
            ("NoSuchBucket", _) => Trouble::new(
                format!("there is no bucket {bucket}"),
                "create it, or correct its name or the region",
            ),
            ("InvalidAccessKeyId" | "SignatureDoesNotMatch" | "InvalidToken", _) => Trouble::new(
                format!("the credentials are refused ({code})"),
                "check AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN, or the profile in ~/.aws/credentials",
            ),
            ("ExpiredToken" | "TokenRefreshRequired", _) => {
                Trouble::new("the credentials have expired", "get new ones, for instance by `aws sso login`")
            }
            ("RequestTimeTooSkewed", _) => Trouble::new(said, "set the clock of this machine"),
            ("", 300..=399) => self.elsewhere(region),
            (code, _) if elsewhere.contains(&code) => self.elsewhere(region),
            (_, 401 | 403) => Trouble::new(
                format!("access to the bucket {bucket} is denied ({said})"),
                "allow s3:ListBucket on the bucket, and s3:GetObject, s3:PutObject and s3:DeleteObject on its objects",
            ),
            (_, 501) => Trouble::new(
                said,
                "use a storage that supports conditional writes, such as AWS S3, Cloudflare R2 or a recent MinIO",
            ),
            (_, 429 | 500..=599) => Trouble::new(said, "try again later"),
            _ => Trouble::new(said, ""),
        }
    }

    fn elsewhere(&self, region: Option<String>) -> Trouble {
        let (bucket, ours) = (&self.bucket, &self.region);
        if let Some(region) = region {
            let help = format!("set lake.region or AWS_REGION to {region}");
            return Trouble::new(format!("the bucket {bucket} is in {region}, not in {ours}"), help);
        }
        let help = match self.endpoint {
            None => "set lake.region or AWS_REGION to the bucket's region",
            Some(_) => {
                "set lake.region and lake.endpoint (or AWS_REGION and AWS_ENDPOINT_URL) to where it is"
            }
        };
        Trouble::new(format!("the bucket {bucket} is not in the region {ours}"), help)
    }

    /// The text without any of the secrets.
    fn clean(&self, text: &str) -> String {
        self.secrets.iter().fold(text.to_owned(), |text, secret| text.replace(secret.expose(), "***"))
    }
}

/// Builds a client, whose errors are about variables of the environment.
pub(super) fn of_building<T>(build: object_store::Result<T>, words: &BucketWords) -> Result<T, Trouble> {
    build.map_err(|error| {
        Trouble::new(words.clean(&error.to_string()), "correct the variables that begin with AWS_")
    })
}

/// Nothing says with what a request could be signed.
pub(super) fn no_credentials() -> Trouble {
    Trouble::new(
        "there are no credentials: neither in the environment, nor in ~/.aws, nor from the cloud's metadata",
        "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE to a profile of ~/.aws/credentials",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words() -> BucketWords {
        let secrets = vec![Secret::exact("MARKERKEY")];
        BucketWords { bucket: "letters".to_owned(), region: "us-east-1".to_owned(), endpoint: None, secrets }
    }

    fn explained(status: u16, body: &str) -> String {
        let (code, message, region) = read_error(body.as_bytes());
        let status = StatusCode::from_u16(status).unwrap();
        words().refusal("s3.example", status, &code, &message, region).to_string()
    }

    #[test]
    fn a_refusal_says_what_to_do() {
        for (status, body, wanted) in [
            (404, "<Error><Code>NoSuchBucket</Code></Error>", "there is no bucket letters; create it"),
            (403, "<Error><Code>InvalidAccessKeyId</Code></Error>", "check AWS_ACCESS_KEY_ID"),
            (403, "<Error><Code>AccessDenied</Code><Message>No.</Message></Error>", "s3:ListBucket"),
            (301, "", "is not in the region us-east-1; set lake.region"),
            (
                400,
                "<Error><Code>AuthorizationHeaderMalformed</Code><Region>eu-west-3</Region></Error>",
                "is in eu-west-3",
            ),
            (503, "<Error><Code>SlowDown</Code></Error>", "SlowDown; try again later"),
            (418, "", "s3.example answered 418"),
        ] {
            let shown = explained(status, body);
            assert!(shown.contains(wanted), "{shown}");
        }
    }

    #[test]
    fn of_an_answer_only_the_code_and_the_message_are_shown() {
        let body =
            "<Error><Code>ExpiredToken</Code><Message>a &amp; b</Message><Token-0>MARKER</Token-0></Error>";
        assert_eq!(read_error(body.as_bytes()), ("ExpiredToken".to_owned(), "a & b".to_owned(), None));
    }

    #[tokio::test]
    async fn secrets_are_removed_from_whatever_is_shown() {
        let error = object_store::Error::Generic { store: "S3", source: "with MARKERKEY inside".into() };
        let shown = TRAIL.scope(Trail::default(), async { words().explain(&error).to_string() }).await;
        assert!(shown.contains("with *** inside"), "{shown}");
    }
}
