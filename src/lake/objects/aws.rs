//! Which server of S3, in which region, with whose credentials: configuration, environment, profile, and else the cloud.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use object_store::aws::{AmazonS3, AmazonS3Builder, AmazonS3ConfigKey, S3ConditionalPut};
use object_store::{BackoffConfig, ClientOptions, RetryConfig};
use url::Url;

use super::ObjectAccess;
use super::http::Connector;
use super::profile::Profile;
use super::trouble::{BucketWords, Trouble, no_credentials, of_building};
use crate::api;
use crate::secret::Secret;

/// A request that a server refuses for now is sent again so often, and no longer than that.
const RETRIES: RetryConfig = RetryConfig {
    backoff: BackoffConfig {
        init_backoff: Duration::from_millis(100),
        max_backoff: Duration::from_secs(10),
        base: 2.0,
    },
    max_retries: 8,
    retry_timeout: Duration::from_secs(60),
};

/// Variables that are not passed on as they are.
const OWN: [&str; 13] = [
    "aws_access_key_id",
    "aws_secret_access_key",
    "aws_session_token",
    "aws_token",
    "aws_bucket",
    "aws_bucket_name",
    "aws_region",
    "aws_default_region",
    "aws_endpoint",
    "aws_endpoint_url",
    "aws_endpoint_url_s3",
    "aws_conditional_put",
    "aws_allow_http",
];

/// The variables of the environment that tools for clouds read: those that begin with `AWS_`, and `HOME`.
#[derive(Clone, Default)]
pub struct CloudEnv(BTreeMap<String, String>);

impl CloudEnv {
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    fn is_true(&self, name: &str) -> bool {
        self.get(name)
            .is_some_and(|value| ["1", "true", "on", "yes", "y"].contains(&value.to_lowercase().as_str()))
    }
}

impl<N: Into<String>, V: Into<String>> FromIterator<(N, V)> for CloudEnv {
    fn from_iter<T: IntoIterator<Item = (N, V)>>(vars: T) -> Self {
        let vars = vars.into_iter().map(|(name, value)| (name.into(), value.into()));
        Self(vars.filter(|(name, _)| name == "HOME" || name.starts_with("AWS_")).collect())
    }
}

impl fmt::Debug for CloudEnv {
    /// Names only: values may be secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

/// A client of the bucket, and what its errors are worded with.
pub(super) fn connect(bucket: &str, access: &ObjectAccess) -> Result<(AmazonS3, BucketWords), Trouble> {
    let env = &access.env;
    // Who gives everything by the environment has no use for a profile, and may have none that can be read.
    let profile = match env.get("AWS_ACCESS_KEY_ID") {
        Some(_) if env.get("AWS_PROFILE").is_none() => Profile::read(env).unwrap_or_default(),
        _ => Profile::read(env)?,
    };
    let of = |own: &Option<String>, variables: &[&str], key: &str| {
        let set = || variables.iter().find_map(|name| env.get(name));
        own.as_deref().or_else(set).or_else(|| profile.get(key)).map(str::to_owned)
    };
    let region = of(&access.region, &["AWS_REGION", "AWS_DEFAULT_REGION"], "region");
    let region = region.unwrap_or_else(|| "us-east-1".to_owned());
    let variables = ["AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "AWS_ENDPOINT"];
    let endpoint = of(&access.endpoint, &variables, "endpoint_url");
    let may_be_plain = match &endpoint {
        Some(endpoint) => check_endpoint(endpoint, env.is_true("AWS_ALLOW_HTTP"))?,
        None => false,
    };
    let connector = Connector { network: access.network.clone(), patience: access.patience };
    if !may_be_plain {
        connector.check().map_err(|why| Trouble::new(why, "correct api.proxy or api.ca_file"))?;
    }
    let words = BucketWords {
        bucket: bucket.to_owned(),
        region: region.clone(),
        endpoint: endpoint.clone(),
        secrets: secrets(env, &profile),
    };
    let mut builder = with_credentials(passed_on(env), env, &profile)?
        .with_bucket_name(bucket)
        .with_region(region)
        .with_client_options(ClientOptions::new().with_allow_http(may_be_plain))
        .with_conditional_put(S3ConditionalPut::ETagMatch)
        .with_disable_bulk_delete(true)
        .with_retry(RETRIES)
        .with_http_connector(connector);
    if let Some(endpoint) = endpoint {
        builder = builder.with_endpoint(endpoint);
    }
    let built = of_building(builder.build(), &words)?;
    Ok((built, words))
}

/// What else variables say, such as how objects are encrypted.
fn passed_on(env: &CloudEnv) -> AmazonS3Builder {
    let others = env.0.iter().map(|(name, value)| (name.to_lowercase(), value));
    let others = others.filter(|(name, value)| !value.is_empty() && !OWN.contains(&name.as_str()));
    others.fold(AmazonS3Builder::new(), |builder, (name, value)| match name.parse::<AmazonS3ConfigKey>() {
        Ok(key) if name.starts_with("aws_") => builder.with_config(key, value),
        _ => builder,
    })
}

/// The keys of the environment, else those of the profile, else whatever the cloud gives.
fn with_credentials(
    builder: AmazonS3Builder,
    env: &CloudEnv,
    profile: &Profile,
) -> Result<AmazonS3Builder, Trouble> {
    let names = ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"];
    let mut keys = names.map(|name| env.get(name));
    let mut place = "the environment".to_owned();
    if let [None, None, _] = keys {
        keys = names.map(|name| profile.get(&name.to_lowercase()));
        place = format!("the profile {:?}", profile.name);
    }
    match keys {
        [Some(id), Some(secret), token] => {
            let builder = builder.with_access_key_id(id).with_secret_access_key(secret);
            Ok(token.map_or(builder.clone(), |token| builder.with_token(token)))
        }
        [None, None, _] => without_keys(builder, env, profile),
        [id, ..] => {
            let missing = if id.is_some() { names[1] } else { names[0] };
            let what = format!("{place} has half of the credentials: {missing} is missing");
            Err(Trouble::new(what, "add it there"))
        }
    }
}

fn without_keys(
    builder: AmazonS3Builder,
    env: &CloudEnv,
    profile: &Profile,
) -> Result<AmazonS3Builder, Trouble> {
    let of_cloud = [
        "AWS_WEB_IDENTITY_TOKEN_FILE",
        "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
        "AWS_CONTAINER_CREDENTIALS_FULL_URI",
    ];
    if env.is_true("AWS_SKIP_SIGNATURE") || of_cloud.iter().any(|name| env.get(name).is_some()) {
        return Ok(builder);
    }
    if let (Some(file), Some(role)) = (profile.get("web_identity_token_file"), profile.get("role_arn")) {
        let builder = builder.with_config(AmazonS3ConfigKey::WebIdentityTokenFile, file);
        return Ok(builder.with_config(AmazonS3ConfigKey::RoleArn, role));
    }
    if let Some(key) = profile.not_followed() {
        let name = &profile.name;
        return Err(Trouble::new(
            format!("the profile {name:?} gets its credentials by {key}, which is not supported"),
            format!(
                "put them into the environment: eval \"$(aws configure export-credentials --profile {name} --format env)\""
            ),
        ));
    }
    if env.is_true("AWS_EC2_METADATA_DISABLED") { Err(no_credentials()) } else { Ok(builder) }
}

/// Whether plain http may be spoken with this server.
fn check_endpoint(endpoint: &str, is_allowed: bool) -> Result<bool, Trouble> {
    let wrong = |what: &str| {
        let help =
            "correct lake.endpoint, AWS_ENDPOINT_URL_S3, AWS_ENDPOINT_URL or endpoint_url of the profile";
        Trouble::new(format!("the endpoint {what}"), help)
    };
    let url = Url::parse(endpoint).map_err(|error| wrong(&format!("is not a URL: {error}")))?;
    if !url.username().is_empty() || url.password().is_some() {
        return Err(wrong("must not contain a user name or a password"));
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err(wrong("must end with its path, without `?` or `#`"));
    }
    match url.scheme() {
        "https" => Ok(false),
        "http" if api::is_loopback(&url) || is_allowed => Ok(true),
        "http" => Err(Trouble::new(
            "the endpoint must be https, except on this machine: plain http shows everybody what is stored",
            "begin it with https://, or set AWS_ALLOW_HTTP=true if you trust the network",
        )),
        _ => Err(wrong("must begin with https://")),
    }
}

/// What no message may show.
fn secrets(env: &CloudEnv, profile: &Profile) -> Vec<Secret> {
    const SHORTEST: usize = 6;
    let is_secret = |name: &str| ["KEY", "TOKEN", "SECRET"].iter().any(|part| name.contains(part));
    let of_env = env.0.iter().filter(|(name, _)| is_secret(name) && !name.ends_with("_FILE"));
    let keys = ["aws_access_key_id", "aws_secret_access_key", "aws_session_token"];
    let of_profile = keys.iter().filter_map(|key| profile.get(key));
    let all = of_env.map(|(_, value)| value.as_str()).chain(of_profile);
    all.filter(|value| value.len() >= SHORTEST).map(Secret::exact).collect()
}
