//! Objects that are put while others are made: a few at a time, each on a thread of its own.

use std::collections::VecDeque;
use std::thread::JoinHandle;

use crate::lake::LakeError;

/// How many there are at once, and how many bytes of them are in memory.
const MOST: usize = 4;
const MOST_BYTES: usize = 16 * 1024 * 1024;

/// An object on its way.
struct Upload {
    bytes: usize,
    thread: JoinHandle<Result<(), LakeError>>,
}

/// Those that are on their way, in the order in which they were begun.
#[derive(Default)]
pub(super) struct Uploads(VecDeque<Upload>);

impl Uploads {
    /// Begins one of so many bytes, when there is room for it. Fails when one before it did.
    pub(super) fn begin(
        &mut self,
        bytes: usize,
        put: impl FnOnce() -> Result<(), LakeError> + Send + 'static,
    ) -> Result<(), LakeError> {
        while self.0.len() >= MOST || (!self.0.is_empty() && self.bytes().saturating_add(bytes) > MOST_BYTES)
        {
            self.end_first()?;
        }
        let thread = std::thread::Builder::new().name("upload".to_owned()).spawn(put);
        let thread = thread.map_err(|error| LakeError::storage("", error))?;
        self.0.push_back(Upload { bytes, thread });
        Ok(())
    }

    /// Waits until all have ended. Fails when any did.
    pub(super) fn end(&mut self) -> Result<(), LakeError> {
        let mut ended = Ok(());
        while !self.0.is_empty() {
            ended = ended.and(self.end_first());
        }
        ended
    }

    fn bytes(&self) -> usize {
        self.0.iter().map(|upload| upload.bytes).sum()
    }

    fn end_first(&mut self) -> Result<(), LakeError> {
        let Some(first) = self.0.pop_front() else { return Ok(()) };
        first.thread.join().unwrap_or_else(|_| Err(LakeError::storage("", "putting an object was cut short")))
    }
}

impl Drop for Uploads {
    fn drop(&mut self) {
        // Nothing is to appear in the storage once its owner has gone.
        self.end().ok();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[test]
    fn no_more_are_under_way_than_there_is_room_for_and_all_end() {
        let (now, most, done) =
            (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)), Arc::default());
        let mut uploads = Uploads::default();
        for number in 0..40 {
            let (now, most, done): (_, _, Arc<AtomicUsize>) = (now.clone(), most.clone(), Arc::clone(&done));
            let bytes = if number % 10 == 0 { 2 * MOST_BYTES } else { 1 };
            uploads
                .begin(bytes, move || {
                    let together = now.fetch_add(1, Ordering::SeqCst) + 1;
                    most.fetch_max(together, Ordering::SeqCst);
                    std::thread::yield_now();
                    now.fetch_sub(1, Ordering::SeqCst);
                    done.fetch_add(1, Ordering::SeqCst);
                    Ok(())
                })
                .unwrap();
        }
        uploads.end().unwrap();
        assert_eq!(done.load(Ordering::SeqCst), 40);
        assert!(most.load(Ordering::SeqCst) <= MOST);
    }

    #[test]
    fn one_that_fails_is_told_once_and_the_others_end_nevertheless() {
        let done = Arc::new(AtomicUsize::new(0));
        let mut uploads = Uploads::default();
        uploads.begin(1, || Err(LakeError::storage("a", "the line is down"))).unwrap();
        for _ in 0..2 {
            let done = Arc::clone(&done);
            uploads
                .begin(1, move || {
                    done.fetch_add(1, Ordering::SeqCst);
                    Ok(())
                })
                .unwrap();
        }
        assert!(uploads.end().is_err());
        assert!(uploads.end().is_ok());
        assert_eq!(done.load(Ordering::SeqCst), 2);
    }
}
