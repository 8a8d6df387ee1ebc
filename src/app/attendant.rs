//! A thread that attends to what must not wait, such as signals, while another one works and may be busy with the archive
//! for seconds.

use std::sync::mpsc;
use std::thread::JoinHandle;

use tokio::sync::oneshot;

use crate::error::Failure;

/// Stack of the thread (bytes).
const STACK: usize = 512 * 1024;

/// The thread. Dropped, it ends.
#[derive(Debug)]
pub(crate) struct Attendant {
    /// Dropped, this calls off what the thread does.
    cancel: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Attendant {
    /// Begins on the thread, in a runtime of its own, and returns when it has begun. What that returns goes on until it is
    /// done or the attendant is dropped.
    ///
    /// # Errors
    /// What `begin` fails with, and [`Failure::Machine`] where there is no thread to be had.
    pub(crate) fn start<F: Future<Output = ()>>(
        begin: impl FnOnce() -> Result<F, Failure> + Send + 'static,
    ) -> Result<Self, Failure> {
        let refused = |error: std::io::Error| Failure::Machine(format!("cannot start a thread: {error}"));
        let (cancel, cancelled) = oneshot::channel::<()>();
        let (tell, told) = mpsc::sync_channel(1);
        let attend = move || {
            // Made here: where there is no thread to be had, a runtime must not be dropped within the caller's.
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            let runtime = match runtime.map_err(refused) {
                Ok(runtime) => runtime,
                Err(failure) => return tell.send(Err(failure)).unwrap_or_default(),
            };
            runtime.block_on(async {
                let begun = begin();
                let (begun, attending) = match begun {
                    Ok(attending) => (Ok(()), Some(attending)),
                    Err(failure) => (Err(failure), None),
                };
                // Whoever started this waits for it.
                tell.send(begun).unwrap_or_default();
                if let Some(attending) = attending {
                    tokio::select! { () = attending => {}, _ = cancelled => {} }
                }
            });
        };
        let thread = std::thread::Builder::new().name("attendant".to_owned()).stack_size(STACK).spawn(attend);
        let attendant = Self { cancel: Some(cancel), thread: Some(thread.map_err(refused)?) };
        match told.recv() {
            Ok(begun) => begun.map(|()| attendant),
            Err(_) => Err(Failure::Machine("a thread ended before it began".to_owned())),
        }
    }
}

impl Drop for Attendant {
    fn drop(&mut self) {
        drop(self.cancel.take());
        if let Some(thread) = self.thread.take() {
            // A panic there has been told of.
            drop(thread.join());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::pending;

    #[test]
    fn it_ends_when_it_is_dropped() {
        let (held, released) = mpsc::channel::<()>();
        let attendant = Attendant::start(move || {
            Ok(async move {
                let _held = held;
                pending::<()>().await;
            })
        });
        drop(attendant.unwrap());
        assert_eq!(released.try_recv(), Err(mpsc::TryRecvError::Disconnected));
    }

    #[test]
    fn what_it_cannot_begin_is_told_at_once() {
        let failed =
            Attendant::start(|| Err::<std::future::Pending<()>, _>(Failure::Machine("no".to_owned())));
        assert_eq!(failed.unwrap_err().to_string(), Failure::Machine("no".to_owned()).to_string());
    }
}
