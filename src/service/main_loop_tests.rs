//! Tests of `main_loop.rs`: the loop over work that only takes time, under a paused clock.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use chrono_tz::Tz;
use tokio::sync::mpsc;
use tokio::task::{JoinHandle, LocalSet};

use super::*;
use crate::service::desk::desk;
use crate::service::signals::{CommandSource, ServiceCommand};
use crate::service::watchdog::Heartbeat;
use crate::sync::Stop;

/// 2026-03-02T00:00:00Z.
const MIDNIGHT: Ms = 1_772_409_600_000;
const MINUTE: Ms = 60_000;
const HOUR: Ms = 60 * MINUTE;
const EVERY_HALF_HOUR: &str = "0 */30 * * * *";
/// Once in four years, and not soon.
const HARDLY_EVER: &str = "0 0 0 29 2 *";

/// A clock that goes with the runtime's and can be set.
#[derive(Clone)]
struct TestClock {
    began: Instant,
    set_by: Rc<Cell<Ms>>,
}

impl Clock for TestClock {
    fn now_ms(&self) -> Ms {
        MIDNIGHT + self.set_by.get() + Ms::try_from(self.began.elapsed().as_millis()).unwrap()
    }

    async fn sleep(&self, duration: Duration) {
        tokio::time::sleep(duration).await;
    }
}

impl CommandSource for mpsc::UnboundedReceiver<ServiceCommand> {
    async fn next(&mut self) -> ServiceCommand {
        self.recv().await.unwrap()
    }
}

/// Wakes in time, or never.
struct TestWakeup {
    clock: TestClock,
    comes: bool,
}

impl Wakeup for TestWakeup {
    async fn at(&self, moment: Ms) {
        match self.comes {
            true => tokio::time::sleep(duration(moment - self.clock.now_ms())).await,
            false => std::future::pending().await,
        }
    }
}

/// What the work does, and what it was asked to do.
struct Script {
    wakeup_comes: bool,
    runs_at_start: bool,
    may_run: bool,
    run_takes: Duration,
    /// After how long each run that fails is made up for, the last one first.
    again_after: Vec<Duration>,
    event_interval: Option<Duration>,
    news: bool,
    /// What the next reload changes.
    new_schedule: Option<Schedule>,
    /// Each thing done, and when it began, in ms since midnight.
    log: Vec<(&'static str, Ms)>,
}

struct TestWork {
    script: Rc<RefCell<Script>>,
    /// As the configuration has it at present.
    schedule: Schedule,
    clock: TestClock,
}

impl TestWork {
    fn log(&self, what: &'static str) {
        self.script.borrow_mut().log.push((what, self.clock.now_ms() - MIDNIGHT));
    }

    /// Takes as long as it takes, unless it is asked to end.
    async fn work(&self, end: &Stop, ended: &'static str) {
        let takes = self.script.borrow().run_takes;
        tokio::select! {
            () = tokio::time::sleep(takes) => {}
            () = end.wait() => self.log(ended),
        }
    }
}

impl Work for TestWork {
    fn schedule(&self) -> &Schedule {
        &self.schedule
    }

    fn start_delay(&self) -> Ms {
        0
    }

    fn runs_at_start(&self, _: Ms) -> Result<bool, Failure> {
        Ok(self.script.borrow().runs_at_start)
    }

    fn again_after(&self, _: Ms) -> Result<Option<Duration>, Failure> {
        Ok(self.script.borrow_mut().again_after.pop())
    }

    fn event_interval(&self) -> Option<Duration> {
        self.script.borrow().event_interval
    }

    fn longest_request(&self) -> Duration {
        Duration::from_secs(60)
    }

    fn may_run(&mut self, _: Ms) -> Result<bool, Failure> {
        Ok(self.script.borrow().may_run)
    }

    async fn sync(&mut self, trigger: Trigger, under_way: &UnderWay) -> Result<(), Failure> {
        self.log(match trigger {
            Trigger::Start => "start",
            Trigger::Schedule => "schedule",
            Trigger::Once => "once",
        });
        self.work(under_way.stop(), "stopped").await;
        Ok(())
    }

    async fn read_events(&mut self, under_way: &UnderWay) -> Result<bool, Failure> {
        self.log("events");
        self.work(under_way.hurry(), "hurried").await;
        Ok(self.script.borrow().news)
    }

    fn reload(&mut self) {
        self.log("reload");
        if let Some(schedule) = self.script.borrow_mut().new_schedule.take() {
            self.schedule = schedule;
        }
    }

    fn publish(&self, _: Option<Ms>) -> String {
        String::new()
    }
}

/// The loop in a task of its own, and what it is made to do.
struct Bench {
    commands: mpsc::UnboundedSender<ServiceCommand>,
    script: Rc<RefCell<Script>>,
    clock: TestClock,
    tasks: LocalSet,
    task: JoinHandle<()>,
}

fn schedule(line: &str) -> Schedule {
    Schedule::new(line, Tz::UTC).unwrap()
}

impl Bench {
    fn start(line: &str, change: impl FnOnce(&mut Script)) -> Self {
        let clock = TestClock { began: Instant::now(), set_by: Rc::default() };
        let mut script = Script {
            wakeup_comes: true,
            runs_at_start: false,
            may_run: true,
            run_takes: Duration::from_secs(10),
            again_after: Vec::new(),
            event_interval: None,
            news: false,
            new_schedule: None,
            log: Vec::new(),
        };
        change(&mut script);
        let wakeup = TestWakeup { clock: clock.clone(), comes: script.wakeup_comes };
        let script = Rc::new(RefCell::new(script));
        let work = TestWork { script: Rc::clone(&script), schedule: schedule(line), clock: clock.clone() };
        let (commands, received) = mpsc::unbounded_channel();
        let (desk, bell) = desk();
        let mut main_loop = MainLoop::new(work, desk, clock.clone(), wakeup);
        let tasks = LocalSet::new();
        tasks.spawn_local(bell.attend(received, Heartbeat::every(None), || {}));
        let task = tasks.spawn_local(async move { main_loop.run().await.unwrap() });
        Self { commands, script, clock, tasks, task }
    }

    fn send(&self, command: ServiceCommand) {
        self.commands.send(command).unwrap();
    }

    /// Lets time pass.
    async fn pass(&self, ms: Ms) {
        self.tasks.run_until(tokio::time::sleep(duration(ms))).await;
    }

    /// What was done, and when.
    fn log(&self) -> Vec<(&'static str, Ms)> {
        self.script.borrow().log.clone()
    }

    fn done(&self) -> Vec<&'static str> {
        self.log().into_iter().map(|(what, _)| what).collect()
    }

    async fn stop(&mut self) {
        self.send(ServiceCommand::Stop);
        self.tasks.run_until(&mut self.task).await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn runs_begin_at_their_slots() {
    let bench = Bench::start(EVERY_HALF_HOUR, |_| {});
    bench.pass(HOUR + MINUTE).await;
    assert_eq!(bench.log(), [("schedule", 30 * MINUTE), ("schedule", HOUR)]);
}

#[tokio::test(start_paused = true)]
async fn a_wakeup_that_never_comes_delays_a_run_by_a_second() {
    let bench = Bench::start(EVERY_HALF_HOUR, |script| script.wakeup_comes = false);
    bench.pass(HOUR + MINUTE).await;
    assert_eq!(bench.log(), [("schedule", 30 * MINUTE + 1_000), ("schedule", HOUR + 1_000)]);
}

#[tokio::test(start_paused = true)]
async fn requests_during_a_run_coalesce() {
    let bench = Bench::start(HARDLY_EVER, |script| script.runs_at_start = true);
    bench.pass(1_000).await;
    for _ in 0..5 {
        bench.send(ServiceCommand::Run);
    }
    bench.pass(MINUTE).await;
    assert_eq!(bench.log(), [("start", 0), ("once", 10_000)]);
}

#[tokio::test(start_paused = true)]
async fn slots_during_a_run_are_one_run_after_it() {
    let bench = Bench::start(EVERY_HALF_HOUR, |script| script.run_takes = duration(100 * MINUTE));
    bench.pass(31 * MINUTE).await;
    bench.script.borrow_mut().run_takes = duration(MINUTE);
    bench.pass(115 * MINUTE).await;
    // 00:30 to 02:10; the slots of 01:00, 01:30 and 02:00 together at 02:10.
    assert_eq!(bench.log(), [("schedule", 30 * MINUTE), ("schedule", 130 * MINUTE)]);
}

#[tokio::test(start_paused = true)]
async fn a_stop_during_a_run_ends_the_run_and_the_service() {
    let mut bench = Bench::start(EVERY_HALF_HOUR, |script| script.runs_at_start = true);
    bench.pass(3_000).await;
    bench.send(ServiceCommand::Run);
    bench.send(ServiceCommand::Reload);
    bench.stop().await;
    assert_eq!(bench.log(), [("start", 0), ("stopped", 3_000)]);
}

#[tokio::test(start_paused = true)]
async fn a_stop_while_waiting_ends_the_service_at_once() {
    let mut bench = Bench::start(HARDLY_EVER, |_| {});
    bench.pass(MINUTE).await;
    let asked = Instant::now();
    bench.stop().await;
    assert_eq!(asked.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn a_reload_during_a_run_takes_effect_after_it() {
    let bench = Bench::start(HARDLY_EVER, |script| {
        script.runs_at_start = true;
        script.new_schedule = Some(schedule(EVERY_HALF_HOUR));
    });
    bench.pass(1_000).await;
    bench.send(ServiceCommand::Reload);
    bench.pass(31 * MINUTE).await;
    assert_eq!(bench.log(), [("start", 0), ("reload", 10_000), ("schedule", 30 * MINUTE)]);
}

#[tokio::test(start_paused = true)]
async fn a_slot_that_passed_during_a_run_outlives_a_reload_of_the_same_schedule() {
    let bench = Bench::start(EVERY_HALF_HOUR, |script| {
        script.runs_at_start = true;
        script.run_takes = duration(31 * MINUTE);
    });
    bench.pass(MINUTE).await;
    bench.send(ServiceCommand::Reload);
    bench.pass(31 * MINUTE).await;
    assert_eq!(bench.done(), ["start", "reload", "schedule"]);
}

#[tokio::test(start_paused = true)]
async fn a_schedule_that_was_removed_by_a_reload_is_not_followed() {
    let bench = Bench::start(EVERY_HALF_HOUR, |script| script.new_schedule = Some(schedule(HARDLY_EVER)));
    bench.pass(29 * MINUTE).await;
    bench.send(ServiceCommand::Reload);
    bench.pass(2 * HOUR).await;
    assert_eq!(bench.done(), ["reload"]);
}

#[tokio::test(start_paused = true)]
async fn a_clock_set_forward_past_slots_makes_one_run_within_a_minute() {
    let bench = Bench::start(EVERY_HALF_HOUR, |_| {});
    bench.pass(5 * MINUTE).await;
    bench.clock.set_by.set(3 * HOUR);
    bench.pass(2 * MINUTE).await;
    assert_eq!(bench.done(), ["schedule"]);
    let (_, at) = bench.log()[0];
    assert!((3 * HOUR + 5 * MINUTE..=3 * HOUR + 6 * MINUTE).contains(&at), "{at}");
}

#[tokio::test(start_paused = true)]
async fn a_clock_set_back_a_little_repeats_no_slot() {
    let bench = Bench::start(EVERY_HALF_HOUR, |_| {});
    bench.pass(31 * MINUTE).await;
    bench.clock.set_by.set(-10 * MINUTE);
    // By the new clock it is 00:21: the slot of 00:30 is done, the next one is 01:00.
    bench.pass(40 * MINUTE).await;
    assert_eq!(bench.log(), [("schedule", 30 * MINUTE), ("schedule", HOUR)]);
}

#[tokio::test(start_paused = true)]
async fn a_clock_set_back_by_hours_is_believed() {
    let bench = Bench::start(EVERY_HALF_HOUR, |_| {});
    bench.pass(31 * MINUTE).await;
    bench.clock.set_by.set(-5 * HOUR);
    bench.pass(31 * MINUTE).await;
    assert_eq!(bench.log(), [("schedule", 30 * MINUTE), ("schedule", -4 * HOUR)]);
}

#[tokio::test(start_paused = true)]
async fn a_run_that_could_do_nothing_is_not_made() {
    let bench = Bench::start(EVERY_HALF_HOUR, |script| {
        script.runs_at_start = true;
        script.may_run = false;
    });
    bench.pass(2 * HOUR).await;
    assert_eq!(bench.log(), []);
    // One that is asked for is made all the same.
    bench.send(ServiceCommand::Run);
    bench.pass(MINUTE).await;
    assert_eq!(bench.done(), ["once"]);
}

#[tokio::test(start_paused = true)]
async fn events_are_read_at_their_interval_and_news_is_a_run() {
    let bench = Bench::start(HARDLY_EVER, |script| {
        script.event_interval = Some(duration(MINUTE));
        script.run_takes = duration(1_000);
    });
    bench.pass(3 * MINUTE + 30_000).await;
    assert_eq!(bench.done(), ["events", "events", "events"]);
    bench.script.borrow_mut().news = true;
    bench.pass(MINUTE).await;
    assert_eq!(bench.done()[3..], ["events", "schedule"]);
}

#[tokio::test(start_paused = true)]
async fn a_request_for_a_run_cuts_the_reading_of_events_short() {
    let bench = Bench::start(HARDLY_EVER, |script| script.event_interval = Some(duration(MINUTE)));
    bench.pass(MINUTE + 1_000).await;
    bench.send(ServiceCommand::Run);
    bench.pass(1_000).await;
    assert_eq!(bench.done(), ["events", "hurried", "once"]);
}

#[tokio::test(start_paused = true)]
async fn a_slot_that_failed_is_made_up_for_until_it_succeeds() {
    let bench = Bench::start(HARDLY_EVER, |script| {
        script.runs_at_start = true;
        script.run_takes = duration(1_000);
        // Asked before the first run, too.
        script.again_after = [8, 4, 2, 0].map(Duration::from_secs).to_vec();
    });
    bench.pass(MINUTE).await;
    let tries: Vec<Ms> = bench.log().into_iter().map(|(_, at)| at).collect();
    assert_eq!(bench.done(), ["start", "schedule", "schedule", "schedule"]);
    for (pair, wait) in tries.windows(2).zip([2_000, 4_000, 8_000]) {
        let waited = pair[1] - pair[0] - 1_000;
        assert!((wait..wait + 1_100).contains(&waited), "{tries:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_slot_that_comes_first_makes_up_for_the_one_before() {
    let bench = Bench::start(EVERY_HALF_HOUR, |script| {
        script.again_after = vec![duration(HOUR), Duration::ZERO];
        script.may_run = false;
    });
    bench.pass(MINUTE).await;
    bench.script.borrow_mut().may_run = true;
    bench.pass(HOUR + 10 * MINUTE).await;
    assert_eq!(bench.log(), [("schedule", 30 * MINUTE), ("schedule", HOUR)]);
}
