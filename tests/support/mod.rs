//! What the tests are written with, for both binaries: `it`, which needs nothing but a compiler, and `foreign`.

use std::time::Duration;

pub(crate) mod bench;
pub(crate) mod binary;
pub(crate) mod export;
#[cfg(feature = "lake")]
pub(crate) mod lake;

/// Of so many cases, those that are run: a twentieth, so that `cargo test` is soon done, or all with
/// `ARCHIVER_TEST_ALL`, as `.ci/run` sets it.
pub(crate) fn share(cases: usize) -> usize {
    if all() { cases } else { cases.div_ceil(20) }
}

/// Of these cases one in `step`, or all of them. Where cases alternate, a step that is prime takes some of each kind.
pub(crate) fn sample<T>(cases: Vec<T>, step: usize) -> Vec<T> {
    cases.into_iter().step_by(if all() { 1 } else { step }).collect()
}

/// What this thread has worked so far: a busy machine may leave it waiting, which says nothing of the program.
pub(crate) fn worked() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    Duration::try_from(time).unwrap()
}

fn all() -> bool {
    std::env::var_os("ARCHIVER_TEST_ALL").is_some()
}
