//! Notifications: sends what has changed to the sinks of `[[notify]]`, each at its own pace and in order, from the change feed
//! of the archive.

mod backlog;
mod carrier;
mod command;
mod courier;
mod email;
mod notifier;
mod parcel;
mod signature;

use std::cell::RefCell;
use std::time::Duration;

use futures_util::future::join_all;

use crate::clock::{Clock as _, SystemClock};
use crate::config::{Config, Env, Sink};
use crate::core::Ms;
use crate::error::Failure;
use crate::notify::backlog::Backlog;
use crate::store::{Outbox, Queries, SinkRow, StoreError};

pub use carrier::{Carrier, Delivered, SinkCarrier};
pub use courier::{Courier, CourierStep};
pub use notifier::Notifier;
pub use parcel::Parcel;

/// Checks what the configuration alone cannot: the dates in queries.
///
/// # Errors
/// [`Failure::Config`], which says what is wrong with which sink.
pub fn check(config: &Config) -> Result<(), Failure> {
    for sink in &config.sinks {
        let Some(query) = &sink.query else { continue };
        backlog::check(query, SystemClock.now_ms()).map_err(|failure| {
            Failure::from(config.refuse_sink(&sink.name, "query", &failure.to_string()))
        })?;
    }
    Ok(())
}

/// Makes sure that the archive knows every sink: what happens from now on is for them.
///
/// # Errors
/// When the archive cannot be written.
pub fn register(sinks: &[Sink], outbox: &mut Outbox) -> Result<(), StoreError> {
    sinks.iter().try_for_each(|sink| Courier::new(sink, outbox).map(|_| ()))
}

/// Sends what waits to the sinks, all at once, until nothing does, an attempt of each has failed, or the time is up.
///
/// # Errors
/// When the archive cannot be read or written.
pub async fn deliver(
    sinks: &[&Sink],
    config: &Config,
    env: &Env,
    mut outbox: Outbox,
    longest: Duration,
) -> Result<(), StoreError> {
    let couriers = sinks.iter().map(|sink| Courier::new(sink, &mut outbox)).collect::<Result<Vec<_>, _>>()?;
    let outbox = RefCell::new(outbox);
    let work = sinks.iter().zip(couriers).map(async |(sink, mut courier)| {
        let carrier = SinkCarrier::new(sink, config, env);
        while courier.step(&outbox, &carrier, &SystemClock, fastrand::f64()).await? == CourierStep::Delivered
        {
        }
        Ok::<(), StoreError>(())
    });
    match tokio::time::timeout(longest, join_all(work)).await {
        Ok(done) => done.into_iter().collect(),
        Err(_) => {
            tracing::warn!("not every event was delivered in time; the rest is sent after the next run");
            Ok(())
        }
    }
}

/// How many events wait for a sink; of very many, as many as are read at once.
///
/// # Errors
/// When the archive cannot be read.
pub fn waiting(sink: &Sink, queries: Queries<'_>, row: &SinkRow, now: Ms) -> Result<i64, StoreError> {
    let mut backlog = Backlog::default();
    backlog.delivered_to(row.change);
    while backlog.read(queries, sink, now)? {}
    backlog.waiting(queries, sink, row)
}

/// Drops what waits for a sink. Returns how many events that were.
///
/// # Errors
/// When the archive cannot be read or written.
pub fn skip(sink: &Sink, outbox: &mut Outbox, now: Ms) -> Result<i64, StoreError> {
    let skipped = waiting(sink, outbox.queries(), &outbox.sink(&sink.name)?, now)?;
    let (change, notice) = (outbox.queries().last_change()?, outbox.queries().last_notice()?);
    outbox.update(&sink.name, |row| {
        (row.change, row.notice) = (row.change.max(change), row.notice.max(notice));
        row.set_open(None);
        row.forgive();
        row.waiting = 0;
    })?;
    Ok(skipped)
}
