//! The async runtime that commands and the service run on.

use crate::app::process::check_files;
use crate::error::Failure;

/// A runtime on the current thread. Dropped, it waits for nothing that still blocks, such as a name server that does not
/// answer: the process is about to end.
#[derive(Debug)]
pub struct Runtime(Option<tokio::runtime::Runtime>);

impl Runtime {
    /// What a future comes to.
    pub fn block_on<F: Future>(&self, future: F) -> F::Output {
        match &self.0 {
            Some(runtime) => runtime.block_on(future),
            None => unreachable!("it is only taken when this is dropped"),
        }
    }
}

impl Drop for Runtime {
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}

/// Makes one.
///
/// # Errors
/// [`Failure::Machine`], when the system refuses the resources for it.
pub fn runtime() -> Result<Runtime, Failure> {
    runtime_with(512)
}

/// The same with so many threads for what blocks, at most. Each may come to hold memory of its own.
///
/// # Errors
/// As for [`runtime`].
pub(crate) fn runtime_with(blocking: usize) -> Result<Runtime, Failure> {
    check_files()?;
    let mut builder = tokio::runtime::Builder::new_current_thread();
    let runtime = builder.enable_all().max_blocking_threads(blocking).build();
    let runtime =
        runtime.map_err(|error| Failure::Machine(format!("cannot start the async runtime: {error}")))?;
    Ok(Runtime(Some(runtime)))
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    #[test]
    fn what_blocks_keeps_no_process_from_ending() {
        #[expect(clippy::disallowed_methods, reason = "measures how long dropping takes")]
        let begun = Instant::now();
        let runtime = super::runtime().unwrap();
        runtime.block_on(async {
            let resolving = tokio::task::spawn_blocking(|| std::thread::sleep(Duration::from_secs(30)));
            tokio::time::timeout(Duration::from_millis(50), resolving).await.unwrap_err();
        });
        drop(runtime);
        assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
    }
}
