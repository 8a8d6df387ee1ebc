//! What the service manager is told: sd_notify(3), over its datagram socket.

use std::io;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

use crate::config::Env;

/// The service manager, if there is one that wants to be told.
#[derive(Debug)]
pub(crate) struct Manager {
    socket: Option<(UnixDatagram, SocketAddr)>,
    watchdog: Option<Duration>,
}

impl Manager {
    /// As the environment says. Programs that the service starts are not given these variables.
    pub(crate) fn of(env: &Env) -> Self {
        let socket = env.text("NOTIFY_SOCKET").and_then(|name| match connect(name) {
            Ok(socket) => Some(socket),
            Err(error) => {
                tracing::warn!(%error, "the service manager cannot be told anything");
                None
            }
        });
        // The variables may be meant for another process.
        let mine = env.text("WATCHDOG_PID").is_none_or(|pid| pid.parse() == Ok(std::process::id()));
        let watchdog = env.text("WATCHDOG_USEC").filter(|_| mine && socket.is_some());
        let watchdog = watchdog.and_then(|usec| usec.parse().ok()).map(Duration::from_micros);
        Self { socket, watchdog: watchdog.filter(|time| !time.is_zero()) }
    }

    /// How often it wants to see a sign of life, if at all: three signs in the time that it allows.
    pub(crate) fn sign_of_life_every(&self) -> Option<Duration> {
        self.watchdog.map(|time| time / 3)
    }

    pub(crate) fn ready(&self, status: &str) {
        self.tell(&format!("READY=1\nSTATUS={}", one_line(status)));
    }

    pub(crate) fn reloading(&self) {
        let now = clock_gettime(ClockId::Monotonic);
        let usec = i128::from(now.tv_sec) * 1_000_000 + i128::from(now.tv_nsec) / 1_000;
        self.tell(&format!("RELOADING=1\nMONOTONIC_USEC={usec}\nSTATUS=Reading the configuration"));
    }

    pub(crate) fn stopping(&self) {
        self.tell("STOPPING=1\nSTATUS=Ending at the next page border");
    }

    pub(crate) fn status(&self, status: &str) {
        self.tell(&format!("STATUS={}", one_line(status)));
    }

    pub(crate) fn sign_of_life(&self) {
        if self.watchdog.is_some() {
            self.tell("WATCHDOG=1");
        }
    }

    fn tell(&self, message: &str) {
        let Some((socket, address)) = &self.socket else { return };
        // The work does not depend on whether the manager listens.
        if let Err(error) = socket.send_to_addr(message.as_bytes(), address) {
            tracing::debug!(%error, "the service manager could not be told");
        }
    }
}

fn one_line(text: &str) -> String {
    text.replace('\n', " ")
}

fn connect(name: &str) -> io::Result<(UnixDatagram, SocketAddr)> {
    let address = match name.strip_prefix('@') {
        Some(name) => abstract_address(name)?,
        None => SocketAddr::from_pathname(name)?,
    };
    let socket = UnixDatagram::unbound()?;
    // A manager that does not read keeps nobody waiting.
    socket.set_nonblocking(true)?;
    Ok((socket, address))
}

#[cfg(target_os = "linux")]
fn abstract_address(name: &str) -> io::Result<SocketAddr> {
    use std::os::linux::net::SocketAddrExt as _;
    SocketAddr::from_abstract_name(name)
}

#[cfg(not(target_os = "linux"))]
fn abstract_address(_: &str) -> io::Result<SocketAddr> {
    Err(io::ErrorKind::Unsupported.into())
}

#[cfg(test)]
#[cfg(target_os = "linux")]
mod tests {
    use super::*;
    use std::os::linux::net::SocketAddrExt as _;
    use std::path::Path;

    fn manager(vars: &[(&str, &str)]) -> Manager {
        Manager::of(&Env::fixed(Path::new("/"), vars.iter().copied()))
    }

    fn received(socket: &UnixDatagram) -> String {
        let mut bytes = [0; 256];
        let length = socket.recv(&mut bytes).unwrap();
        String::from_utf8(bytes[..length].to_vec()).unwrap()
    }

    #[test]
    fn a_socket_may_be_a_file_or_abstract() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("notify");
        let name = format!("archiver-test-{}", std::process::id());
        let abstract_socket =
            UnixDatagram::bind_addr(&SocketAddr::from_abstract_name(name.as_bytes()).unwrap()).unwrap();
        let file_socket = UnixDatagram::bind(&file).unwrap();
        for (socket, variable) in
            [(file_socket, file.to_str().unwrap().to_owned()), (abstract_socket, format!("@{name}"))]
        {
            manager(&[("NOTIFY_SOCKET", &variable)]).ready("two\nlines");
            assert_eq!(received(&socket), "READY=1\nSTATUS=two lines");
        }
    }

    #[test]
    fn without_a_socket_or_with_another_process_meant_nothing_is_told() {
        manager(&[]).ready("nobody listens");
        manager(&[("NOTIFY_SOCKET", "/nowhere/notify")]).sign_of_life();
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("notify");
        let _socket = UnixDatagram::bind(&file).unwrap();
        let socket = ("NOTIFY_SOCKET", file.to_str().unwrap());
        let every = |vars: &[(&str, &str)]| manager(vars).sign_of_life_every();
        assert_eq!(every(&[socket, ("WATCHDOG_USEC", "3000000")]), Some(Duration::from_secs(1)));
        assert_eq!(every(&[socket, ("WATCHDOG_USEC", "3000000"), ("WATCHDOG_PID", "1")]), None);
        assert_eq!(every(&[("WATCHDOG_USEC", "3000000")]), None);
        assert_eq!(every(&[socket]), None);
    }
}
