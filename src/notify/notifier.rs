//! The service's notifier: a thread of its own, in which every sink is a task, so that nothing here can delay anything else.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::task::LocalSet;

use super::carrier::SinkCarrier;
use super::courier::{Courier, CourierStep};
use crate::clock::{Clock as _, SystemClock};
use crate::config::{Config, Env, Sink};
use crate::core::Ms;
use crate::store::{Outbox, StoreError};

/// How often the archive is looked at for changes: a look at a number in memory.
const EVERY: Duration = Duration::from_secs(1);

/// The wait after an archive that could not be read or written.
const AFTER_ERROR: Duration = Duration::from_secs(30);

/// No wait is longer: the clock may be set.
const LONGEST_WAIT: Ms = 60_000;

/// How long a delivery under way may still take once the service stops.
const GRACE: Duration = Duration::from_millis(600);

/// The sinks and what they need.
type Routes = Vec<(Sink, SinkCarrier)>;

/// Sends events to the sinks of a configuration until it is stopped.
#[derive(Debug, Default)]
pub struct Notifier(Option<Running>);

#[derive(Debug)]
struct Running {
    routes: mpsc::UnboundedSender<Routes>,
    thread: JoinHandle<()>,
}

fn routes(config: &Config, env: &Env) -> Routes {
    config.sinks.iter().map(|sink| (sink.clone(), SinkCarrier::new(sink, config, env))).collect()
}

impl Notifier {
    /// Starts with a configuration, or switches to another one. Without sinks there is no thread. A delivery under way is
    /// finished first.
    ///
    /// # Errors
    /// When the archive cannot be opened.
    pub fn adopt(
        &mut self,
        config: &Config,
        env: &Env,
        outbox: impl FnOnce() -> Result<Outbox, StoreError>,
    ) -> Result<(), StoreError> {
        let routes = routes(config, env);
        match &self.0 {
            Some(running) if !running.thread.is_finished() => {
                running.routes.send(routes).unwrap_or_default();
                Ok(())
            }
            _ if routes.is_empty() => Ok(()),
            _ => {
                let mut outbox = outbox()?;
                super::register(&config.sinks, &mut outbox)?;
                self.0 = start(outbox, routes);
                Ok(())
            }
        }
    }

    /// Stops. A delivery under way has a moment to end; one that does not is made again by the next start.
    pub async fn stop(&mut self) {
        let Some(Running { routes, thread }) = self.0.take() else { return };
        drop(routes);
        let ended = tokio::task::spawn_blocking(move || thread.join());
        if tokio::time::timeout(GRACE.saturating_mul(3), ended).await.is_err() {
            tracing::warn!("the notifier did not end in time");
        }
    }
}

fn start(outbox: Outbox, first: Routes) -> Option<Running> {
    let (routes, orders) = mpsc::unbounded_channel();
    let work = move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        match runtime {
            Ok(runtime) => {
                LocalSet::new().block_on(&runtime, serve(outbox, first, orders));
                // A mail server that does not answer holds a thread; nobody waits for it.
                runtime.shutdown_background();
            }
            Err(error) => {
                tracing::error!(%error, "no notifications are sent: cannot start the async runtime")
            }
        }
    };
    let spawned = std::thread::Builder::new().name("notify".to_owned()).stack_size(1024 * 1024).spawn(work);
    match spawned {
        Ok(thread) => Some(Running { routes, thread }),
        Err(error) => {
            tracing::error!(%error, "no notifications are sent: cannot start a thread");
            None
        }
    }
}

/// Runs a task for each sink, and new ones whenever other sinks are ordered.
async fn serve(outbox: Outbox, first: Routes, mut orders: mpsc::UnboundedReceiver<Routes>) {
    let outbox = Rc::new(RefCell::new(outbox));
    let (changed, changes) = watch::channel(0_i64);
    let changed = Rc::new(changed);
    // Without sinks nobody wants to know.
    let mut looking: Option<tokio::task::JoinHandle<()>> = None;
    let mut tasks: BTreeMap<String, tokio::task::JoinHandle<()>> = BTreeMap::new();
    let mut next = Some(first);
    let mut retire = watch::channel(()).0;
    while let Some(routes) = next {
        // Those of before end with what they are doing; the one that follows in a sink's place waits for that.
        let now = watch::channel(());
        retire = now.0;
        match (routes.is_empty(), &looking) {
            (true, Some(task)) => {
                task.abort();
                looking = None;
            }
            (false, None) => {
                let look = look(Rc::clone(&outbox), Rc::clone(&changed));
                looking = Some(tokio::task::spawn_local(look));
            }
            _ => {}
        }
        for (sink, carrier) in routes {
            let before = tasks.remove(&sink.name);
            let (name, outbox, changes, retired) =
                (sink.name.clone(), Rc::clone(&outbox), changes.clone(), now.1.clone());
            let task = tokio::task::spawn_local(async move {
                if let Some(before) = before {
                    drop(before.await);
                }
                run_sink(sink, carrier, outbox, changes, retired).await;
            });
            tasks.insert(name, task);
        }
        next = orders.recv().await;
    }
    drop(retire);
    let all = futures_util::future::join_all(tasks.into_values());
    drop(tokio::time::timeout(GRACE, all).await);
    if let Some(task) = looking {
        task.abort();
    }
}

/// Looks whether somebody has written to the archive.
async fn look(outbox: Rc<RefCell<Outbox>>, changed: Rc<watch::Sender<i64>>) {
    loop {
        let version = outbox.borrow().queries().data_version();
        // What cannot be read is said by whoever wants to read it.
        if let Ok(version) = version {
            changed.send_if_modified(|seen| std::mem::replace(seen, version) != version);
        }
        tokio::time::sleep(EVERY).await;
    }
}

/// Sends events to one sink, until the notifier stops or gets another configuration.
async fn run_sink(
    sink: Sink,
    carrier: SinkCarrier,
    outbox: Rc<RefCell<Outbox>>,
    mut changes: watch::Receiver<i64>,
    mut retired: watch::Receiver<()>,
) {
    let mut courier = None;
    let mut failing = false;
    loop {
        if retired.has_changed().is_err() {
            return;
        }
        changes.borrow_and_update();
        let wait = match step(&sink, &mut courier, &outbox, &carrier).await {
            Ok(CourierStep::Delivered | CourierStep::Failed) => {
                failing = false;
                continue;
            }
            Ok(CourierStep::Idle(until)) => {
                failing = false;
                until.map(|until| (until - SystemClock.now_ms()).clamp(0, LONGEST_WAIT))
            }
            Err(error) => {
                if !failing {
                    tracing::warn!(sink = sink.name, %error, "the archive cannot be read or written; the sink waits");
                }
                failing = true;
                Ms::try_from(AFTER_ERROR.as_millis()).ok()
            }
        };
        let wait = Duration::from_millis(u64::try_from(wait.unwrap_or(LONGEST_WAIT)).unwrap_or_default());
        tokio::select! {
            _ = changes.changed(), if !failing => {}
            _ = retired.changed() => return,
            () = tokio::time::sleep(wait) => {}
        }
    }
}

async fn step(
    sink: &Sink,
    courier: &mut Option<Courier>,
    outbox: &RefCell<Outbox>,
    carrier: &SinkCarrier,
) -> Result<CourierStep, StoreError> {
    let courier = match courier {
        Some(courier) => courier,
        None => {
            let new = Courier::new(sink, &mut outbox.borrow_mut())?;
            courier.insert(new)
        }
    };
    courier.step(outbox, carrier, &SystemClock, fastrand::f64()).await
}
