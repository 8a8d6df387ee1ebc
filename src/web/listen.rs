//! Where the site listens, and the bounds on connections: how many, how long they may be silent, how much they may send.

use std::convert::Infallible;
use std::fs;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::{FileTypeExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, UnixListener, UnixStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::Site;
use super::patience::Patient;

/// Connections at once; whoever comes then waits.
const CONNECTIONS: usize = 256;
/// Until a request's head must be there, from the connection's beginning or the last answer on.
const HEAD: Duration = Duration::from_secs(15);
/// Bytes of a request's head.
const HEAD_BYTES: usize = 16 * 1024;
/// Headers of a request.
const HEADERS: usize = 64;
/// How long answers that are under way may take to be sent when the site stops.
const STOPPING: Duration = Duration::from_secs(3);
/// After a failure to accept a connection, such as for want of file descriptors.
const PAUSE: Duration = Duration::from_millis(100);

/// Where to listen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ListenAt {
    /// An address and port; port 0 is any free one.
    Tcp(SocketAddr),
    /// A socket in the file system.
    Unix(PathBuf),
}

/// A socket that listens.
#[derive(Debug)]
pub struct Listening {
    socket: Socket,
    /// The address, once the port is known.
    at: ListenAt,
}

#[derive(Debug)]
enum Socket {
    Tcp(TcpListener),
    Unix(UnixListener, PathBuf),
}

impl Listening {
    /// Begins to listen.
    ///
    /// # Errors
    /// When somebody else listens there, or it is not allowed.
    pub async fn begin(at: &ListenAt) -> io::Result<Self> {
        match at {
            ListenAt::Tcp(address) => {
                let listener = TcpListener::bind(address).await?;
                let at = ListenAt::Tcp(listener.local_addr()?);
                Ok(Self { socket: Socket::Tcp(listener), at })
            }
            ListenAt::Unix(path) => {
                remove_abandoned(path).await?;
                let listener = UnixListener::bind(path)?;
                // For its user and group; who else may come here is up to the folder.
                fs::set_permissions(path, fs::Permissions::from_mode(0o660))?;
                Ok(Self { socket: Socket::Unix(listener, path.clone()), at: at.clone() })
            }
        }
    }

    /// Where it listens.
    #[must_use]
    pub fn at(&self) -> &ListenAt {
        &self.at
    }

    /// Serves the site until `stop` is done, then lets answers under way go out.
    pub async fn serve(self, site: Site, stop: impl Future<Output = ()>) {
        let room = Arc::new(Semaphore::new(CONNECTIONS));
        let (stopping, _) = watch::channel(false);
        let mut connections = JoinSet::new();
        let watching = tokio::spawn(site.watch());
        let warming = tokio::spawn({
            let site = site.clone();
            async move { site.warm().await }
        });
        tokio::pin!(stop);
        loop {
            while connections.try_join_next().is_some() {}
            let next = async {
                let place = Arc::clone(&room).acquire_owned().await;
                (place, self.socket.accept().await)
            };
            let (place, stream) = tokio::select! {
                () = &mut stop => break,
                next = next => next,
            };
            match stream {
                Ok(stream) => {
                    let connection = converse(stream, site.clone(), stopping.subscribe());
                    connections.spawn(async move {
                        connection.await;
                        drop(place);
                    });
                }
                Err(error) => {
                    tracing::debug!(%error, "a connection was not accepted");
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
        watching.abort();
        warming.abort();
        stopping.send_replace(true);
        // Whoever has not taken the answer by then does without it.
        let all_gone = async { while connections.join_next().await.is_some() {} };
        if timeout(STOPPING, all_gone).await.is_err() {
            connections.shutdown().await;
        }
        if let Socket::Unix(_, path) = &self.socket {
            // A socket that stays is removed by whoever listens there next.
            fs::remove_file(path).unwrap_or_default();
        }
    }
}

/// Removes a socket on which nobody listens any more. What is no socket stays: nobody answers there either.
async fn remove_abandoned(path: &Path) -> io::Result<()> {
    match fs::symlink_metadata(path) {
        Ok(found) if found.file_type().is_socket() => {}
        Ok(_) => return Err(io::Error::new(io::ErrorKind::AlreadyExists, "it is there, and is no socket")),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    }
    match UnixStream::connect(path).await {
        Ok(_) => Err(io::ErrorKind::AddrInUse.into()),
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => fs::remove_file(path),
        Err(_) => Ok(()),
    }
}

/// Both directions of a connection.
trait Both: AsyncRead + AsyncWrite + Unpin + Send {}

impl<S: AsyncRead + AsyncWrite + Unpin + Send> Both for S {}

impl Socket {
    async fn accept(&self) -> io::Result<Box<dyn Both>> {
        Ok(match self {
            Self::Tcp(listener) => {
                let (stream, _) = listener.accept().await?;
                stream.set_nodelay(true)?;
                Box::new(stream)
            }
            Self::Unix(listener, _) => Box::new(listener.accept().await?.0),
        })
    }
}

/// Answers the requests of one connection.
async fn converse(stream: Box<dyn Both>, site: Site, mut stopping: watch::Receiver<bool>) {
    let service = service_fn(move |request| {
        let site = site.clone();
        async move { Ok::<_, Infallible>(site.answer(request).await) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD)
        .max_buf_size(HEAD_BYTES)
        .max_headers(HEADERS)
        .serve_connection(TokioIo::new(Patient::new(stream)), service);
    tokio::pin!(connection);
    let stop = async { drop(stopping.wait_for(|stopping| *stopping).await) };
    let done = tokio::select! {
        done = connection.as_mut() => done,
        () = stop => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = done {
        tracing::debug!(%error, "a connection ended early");
    }
}
