//! Sends mail: plain text, by one connection for each letter.

use std::fs;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

use lettre::message::header::ContentType;
use lettre::message::{Mailbox, Message};
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Certificate, Tls, TlsParameters};
use lettre::{SmtpTransport, Transport as _};

use super::carrier::Delivered;
use super::parcel::Parcel;
use crate::config::{EmailMeans, MailProtection};

const TOO_LONG: &str = "the mail server took too long to answer";

/// Sends a letter. The time is for each step of the conversation and, twice that, for all of it.
pub(super) async fn send(
    means: &EmailMeans,
    ca_file: Option<PathBuf>,
    parcel: &Parcel,
    timeout: Duration,
) -> Delivered {
    let message = match letter(means, parcel) {
        Ok(message) => message,
        Err(why) => return Delivered::failed(why),
    };
    let means = means.clone();
    let work = move || {
        let transport = transport(&means, ca_file, timeout)?;
        transport.send(&message).map_err(|error| innermost(&error))
    };
    // The library's own connection waits in a thread.
    match tokio::time::timeout(timeout.saturating_mul(2), tokio::task::spawn_blocking(work)).await {
        Ok(Ok(Ok(answer))) if answer.is_positive() => Delivered::Accepted,
        Ok(Ok(Ok(answer))) => Delivered::failed(format!("the mail server answered {}", answer.code())),
        Ok(Ok(Err(why))) => Delivered::failed(why),
        Ok(Err(_)) => Delivered::failed("sending the mail was interrupted"),
        Err(_) => Delivered::failed(TOO_LONG),
    }
}

/// The letter. Its id is the event's, so that a mailbox knows one that comes twice.
fn letter(means: &EmailMeans, parcel: &Parcel) -> Result<Message, String> {
    let domain = means.from.email.domain();
    let mut builder = Message::builder()
        .message_id(Some(format!("<{}@{domain}>", parcel.id)))
        .from(means.from.clone())
        .subject(parcel.subject.clone())
        .header(ContentType::TEXT_PLAIN);
    for to in &means.to {
        let to: Mailbox = to.clone();
        builder = builder.to(to);
    }
    builder.body(parcel.text.clone()).map_err(|error| format!("cannot build the mail: {error}"))
}

fn transport(
    means: &EmailMeans,
    ca_file: Option<PathBuf>,
    timeout: Duration,
) -> Result<SmtpTransport, String> {
    let mut tls = TlsParameters::builder(means.host.clone());
    if let Some(path) = ca_file {
        let failed = |why: String| format!("ca_file {}: {why}", path.display());
        let pem = fs::read(&path).map_err(|error| failed(error.to_string()))?;
        tls = tls.add_root_certificate(Certificate::from_pem(&pem).map_err(|e| failed(innermost(&e)))?);
    }
    let protected = || tls.build().map_err(|error| innermost(&error));
    let tls = match means.protection {
        MailProtection::Tls => Tls::Wrapper(protected()?),
        MailProtection::StartTls => Tls::Required(protected()?),
        MailProtection::Plain => Tls::None,
    };
    // "Dangerous" as long as nothing is said of TLS, which is said here.
    let mut builder =
        SmtpTransport::builder_dangerous(&means.host).port(means.port).timeout(Some(timeout)).tls(tls);
    if let Some((user, password)) = &means.login {
        let password = password.read()?;
        let password = password.first().map(|secret| secret.expose().to_owned()).unwrap_or_default();
        builder = builder.credentials(Credentials::new(user.clone(), password));
    }
    Ok(builder.build())
}

/// The library's own words, and why.
fn innermost(error: &dyn std::error::Error) -> String {
    let mut cause = error.source();
    while let Some(deeper) = cause.and_then(std::error::Error::source) {
        cause = Some(deeper);
    }
    let kind = cause.and_then(|cause| cause.downcast_ref::<io::Error>()).map(io::Error::kind);
    if matches!(kind, Some(io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut)) {
        return TOO_LONG.to_owned();
    }
    match cause {
        Some(cause) if !error.to_string().contains(&cause.to_string()) => format!("{error}: {cause}"),
        _ => error.to_string(),
    }
}
