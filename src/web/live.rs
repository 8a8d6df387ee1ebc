//! News of changes: the archive's file is looked at, not the API.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::{mpsc, watch};

use crate::look::Shared;

/// How often the file is looked at while a page wants to know.
const LOOK: Duration = Duration::from_secs(1);
/// How often something is sent in any case, so that a connection that is gone is noticed.
const ALIVE: Duration = Duration::from_secs(20);

/// Notes every change of the archive, as long as somebody is told.
pub(super) async fn watch(shared: Arc<Shared>, changes: watch::Sender<u64>) {
    loop {
        tokio::time::sleep(LOOK).await;
        if changes.receiver_count() == 0 {
            continue;
        }
        let looking = Arc::clone(&shared);
        let version = tokio::task::spawn_blocking(move || looking.version()).await;
        if let Ok(Ok(version)) = version {
            changes.send_if_modified(|known| std::mem::replace(known, version) != version);
        }
    }
}

/// Sends an event for every change since `known`, the number that the page was made at, until nobody reads them any
/// more. `now` is the present one.
pub(super) async fn tell(
    mut changes: watch::Receiver<u64>,
    (mut known, now): (u64, u64),
    tell: mpsc::Sender<io::Result<Bytes>>,
) {
    let mut news = Bytes::from_static(b"retry: 3000\n: watching\n\n");
    let mut latest = now;
    loop {
        if tell.send(Ok(news)).await.is_err() {
            return;
        }
        if latest == known {
            tokio::select! {
                () = tell.closed() => return,
                () = tokio::time::sleep(ALIVE) => {}
                changed = changes.changed() => match changed {
                    Ok(()) => latest = *changes.borrow_and_update(),
                    Err(_) => return,
                },
            }
        }
        news = if latest == known {
            Bytes::from_static(b": still here\n\n")
        } else {
            known = latest;
            Bytes::from(format!("event: change\ndata: {latest}\n\n"))
        };
    }
}
