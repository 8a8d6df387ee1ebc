//! `archiver serve`: the archive in a browser, read-only.

use std::fs;
use std::io::{self, Write as _};
use std::net::{Ipv4Addr, SocketAddr};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use chrono_tz::Tz;
use clap::Args;

use crate::app::{Context, runtime_with, wiring};
use crate::cli::ui::interrupt::StopSignals;
use crate::cli::ui::output::{Output, note};
use crate::config::Env;
use crate::error::Failure;
use crate::secret::Secret;
use crate::web::listen::{ListenAt, Listening};
use crate::web::{AccessKey, Hosts, PORT, SHORTEST, Site, SiteOptions, THREADS};

const EXAMPLES: &str = "\
Examples:
  archiver serve                         open the address that it prints
  archiver serve --listen 127.0.0.1:0    on any free port
  archiver serve --key-file web.key      keep the key, so that bookmarks work";

#[derive(Debug, Clone, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct ServeArgs {
    /// Address and port, or unix:PATH [default: 127.0.0.1:8924]
    ///
    /// Port 0 picks a free one. A socket in the file system is for a reverse proxy.
    #[arg(long, value_name = "ADDRESS", value_parser = address)]
    pub(crate) listen: Option<ListenAt>,

    /// Allow an address that other machines can reach
    ///
    /// The connection is not encrypted: anyone who can intercept it can read the key and the messages. Put a reverse
    /// proxy with TLS in front of it.
    #[arg(long)]
    pub(crate) allow_remote: bool,

    /// Keep the key in PATH; created if it does not exist
    ///
    /// Without it, every start makes a new key, and browsers need the printed address again.
    #[arg(long, value_name = "PATH")]
    pub(crate) key_file: Option<PathBuf>,

    /// Also answer to this name, for a reverse proxy
    ///
    /// As browsers send it, with the port unless it is the default one. Repeatable.
    #[arg(long, value_name = "NAME", hide_short_help = true)]
    pub(crate) host: Vec<String>,
}

fn address(text: &str) -> Result<ListenAt, String> {
    if let Some(path) = text.strip_prefix("unix:").filter(|path| !path.is_empty()) {
        return Ok(ListenAt::Unix(PathBuf::from(path)));
    }
    let (name, port) = text.rsplit_once(':').unwrap_or((text, ""));
    let port: u16 =
        if port.is_empty() { PORT } else { port.parse().map_err(|_| format!("{port:?} is no port"))? };
    if name.eq_ignore_ascii_case("localhost") {
        return Ok(ListenAt::Tcp(SocketAddr::from((Ipv4Addr::LOCALHOST, port))));
    }
    let literal = name.strip_prefix('[').and_then(|name| name.strip_suffix(']')).unwrap_or(name);
    let ip =
        literal.parse().map_err(|_| "use an IP address and a port, such as 127.0.0.1:8924".to_owned())?;
    Ok(ListenAt::Tcp(SocketAddr::new(ip, port)))
}

/// Runs the command until SIGINT or SIGTERM.
pub(crate) fn run(context: &Context, args: &ServeArgs) -> Result<(), Failure> {
    let config = context.config_with_readable_secrets()?;
    let default = ListenAt::Tcp(SocketAddr::from((Ipv4Addr::LOCALHOST, PORT)));
    let at = args.listen.clone().unwrap_or(default);
    may_listen(&at, args.allow_remote, &context.env)?;
    let key = key(context, args.key_file.as_deref())?;
    runtime_with(THREADS)?.block_on(async {
        // From here on signals end it in an orderly way.
        let mut signals = StopSignals::of_command();
        let listening = Listening::begin(&at).await.map_err(|error| cannot_listen(&at, &error))?;
        let (tcp, base) = match listening.at() {
            ListenAt::Tcp(address) => (Some(*address), format!("http://{}", shown(*address))),
            ListenAt::Unix(path) => (None, format!("unix:{}", path.display())),
        };
        let archive = config.archive.path.clone();
        let site = Site::new(SiteOptions {
            hosts: Hosts::new(tcp, args.host.clone()),
            timezone: timezone(&context.env),
            port: tcp.map_or(0, |address| address.port()),
            key: key.clone(),
            config,
        });
        let site = site.map_err(|error| wiring::read_failure(&archive, error))?;
        let line = format!("{base}/#key={}\n", key.expose());
        Output::stdout(&context.env).text(&line)?;
        let stop = async {
            signals.next().await;
        };
        listening.serve(site, stop).await;
        Ok(())
    })
}

/// The address that a browser on this machine opens.
fn shown(address: SocketAddr) -> SocketAddr {
    if address.ip().is_unspecified() {
        SocketAddr::from((Ipv4Addr::LOCALHOST, address.port()))
    } else {
        address
    }
}

fn may_listen(at: &ListenAt, allow_remote: bool, env: &Env) -> Result<(), Failure> {
    match at {
        ListenAt::Tcp(address) if !address.ip().is_loopback() => {
            if !allow_remote {
                return Err(Failure::usage(
                    format!("other machines can reach {address}, and the connection is not encrypted"),
                    "listen on 127.0.0.1 behind a reverse proxy with TLS, or add --allow-remote",
                ));
            }
            note(
                "Other machines can reach this, and nothing is encrypted: whoever listens in reads the key and the messages.",
                env,
            );
            Ok(())
        }
        _ => Ok(()),
    }
}

fn cannot_listen(at: &ListenAt, error: &io::Error) -> Failure {
    let place = match at {
        ListenAt::Tcp(address) => address.to_string(),
        ListenAt::Unix(path) => path.display().to_string(),
    };
    let help = match error.kind() {
        io::ErrorKind::AddrInUse => "somebody listens there already; --listen 127.0.0.1:0 takes a free port",
        io::ErrorKind::PermissionDenied => "choose a port above 1023, or a folder that you may write to",
        _ => "check the address after --listen",
    };
    Failure::NoService { message: format!("cannot listen on {place}: {error}"), help: help.to_owned() }
}

/// The key that is kept in a file, or a new one.
fn key(context: &Context, file: Option<&Path>) -> Result<AccessKey, Failure> {
    let none = || Failure::Machine("the system has no random numbers for a key".to_owned());
    let Some(path) = file.map(|path| context.env.cwd().join(path)) else {
        return AccessKey::random().ok_or_else(none);
    };
    match fs::read_to_string(&path) {
        Ok(text) => AccessKey::kept(Secret::new(&text)).ok_or_else(|| {
            Failure::usage(
                format!("{} holds no key", path.display()),
                format!(
                    "a key has at least {SHORTEST} letters, digits, - or _; delete the file to have one made"
                ),
            )
        }),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let key = AccessKey::random().ok_or_else(none)?;
            let file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path);
            let written = file.and_then(|mut file| writeln!(file, "{}", key.expose()));
            written.map_err(|error| Failure::file(&path, error))?;
            Ok(key)
        }
        Err(error) => Err(Failure::usage(
            format!("cannot read {}: {error}", path.display()),
            "check the path after --key-file and its permissions",
        )),
    }
}

/// The reader's time zone: `TZ`, or the system's.
pub(super) fn timezone(env: &Env) -> Tz {
    let set = env.text("TZ").map(|zone| zone.trim_start_matches(':').to_owned());
    let name = set.or_else(|| iana_time_zone::get_timezone().ok());
    name.and_then(|name| name.parse().ok()).unwrap_or(Tz::UTC)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_have_a_port_or_get_the_usual_one() {
        let at = |text: &str| address(text).map(|at| format!("{at:?}"));
        assert_eq!(at("127.0.0.1:0").unwrap(), "Tcp(127.0.0.1:0)");
        assert_eq!(at("localhost:80").unwrap(), "Tcp(127.0.0.1:80)");
        assert_eq!(at("127.0.0.1").unwrap(), "Tcp(127.0.0.1:8924)");
        assert_eq!(at("[::1]:8924").unwrap(), "Tcp([::1]:8924)");
        assert_eq!(at("unix:/run/a.sock").unwrap(), "Unix(\"/run/a.sock\")");
        for bad in ["", "unix:", "example.org:80", "127.0.0.1:x", "127.0.0.1:70000"] {
            assert!(at(bad).is_err(), "{bad}: {:?}", at(bad));
        }
    }
}
