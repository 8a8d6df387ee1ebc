//! Tests of `main_loop.rs`: the loop over work that only takes time, under a paused clock.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use chrono_tz::Tz;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::*;

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
    schedule: Schedule,
    runs_at_start: bool,
    may_run: bool,
    run_takes: Duration,
    event_interval: Option<Duration>,
    news: bool,
    /// What the next reload changes.
    new_schedule: Option<Schedule>,
    /// Each thing done, and when it began, in ms since midnight.
    log: Vec<(String, Ms)>,
}

struct TestWork {
    script: Rc<RefCell<Script>>,
    /// As the configuration has it at present.
    schedule: Schedule,
    clock: TestClock,
}

impl TestWork {
    fn log(&self, what: impl Into<String>) {
        self.script.borrow_mut().log.push((what.into(), self.clock.now_ms() - MIDNIGHT));
    }
}

impl Work for TestWork {
    fn schedule(&self) -> &Schedule {
        &self.schedule
    }

    fn start_delay(&self) -> Ms {
        0
    }

    fn runs_at_start(&self) -> bool {
        self.script.borrow().runs_at_start
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

    async fn sync(&mut self, trigger: Trigger, _: &StepDeadline, stop: &Stop) -> Result<(), Failure> {
        self.log(format!("{trigger:?}").to_lowercase());
        let takes = self.script.borrow().run_takes;
        tokio::select! {
            () = tokio::time::sleep(takes) => {}
            () = stop.wait() => self.log("stopped"),
        }
        Ok(())
    }

    async fn read_events(&mut self, _: &StepDeadline, hurry: &Stop, _: &Stop) -> Result<bool, Failure> {
        self.log("events");
        let takes = self.script.borrow().run_takes;
        tokio::select! {
            () = tokio::time::sleep(takes) => {}
            () = hurry.wait() => self.log("hurried"),
        }
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
    task: JoinHandle<()>,
}

fn schedule(line: &str) -> Schedule {
    Schedule::new(line, Tz::UTC).unwrap()
}

impl Bench {
    fn start(line: &str, wakeup_comes: bool, change: impl FnOnce(&mut Script)) -> Self {
        let clock = TestClock { began: Instant::now(), set_by: Rc::default() };
        let mut script = Script {
            schedule: schedule(line),
            runs_at_start: false,
            may_run: true,
            run_takes: Duration::from_secs(10),
            event_interval: None,
            news: false,
            new_schedule: None,
            log: Vec::new(),
        };
        change(&mut script);
        let work = TestWork {
            schedule: script.schedule.clone(),
            script: Rc::new(RefCell::new(script)),
            clock: clock.clone(),
        };
        let script = Rc::clone(&work.script);
        let (commands, received) = mpsc::unbounded_channel();
        let wakeup = TestWakeup { clock: clock.clone(), comes: wakeup_comes };
        let mut main_loop = MainLoop::new(work, received, clock.clone(), wakeup);
        let task = tokio::task::spawn_local(async move { main_loop.run().await.unwrap() });
        Self { commands, script, clock, task }
    }

    fn send(&self, command: ServiceCommand) {
        self.commands.send(command).unwrap();
    }

    /// Lets time pass.
    async fn pass(&self, ms: Ms) {
        tokio::time::sleep(duration(ms)).await;
    }

    /// What was done, and when.
    fn log(&self) -> Vec<(String, Ms)> {
        self.script.borrow().log.clone()
    }

    fn done(&self) -> Vec<String> {
        self.log().into_iter().map(|(what, _)| what).collect()
    }

    async fn stop(self) {
        self.send(ServiceCommand::Stop);
        self.task.await.unwrap();
    }
}

/// Runs a test that may spawn tasks of this thread.
async fn locally(test: impl Future<Output = ()>) {
    tokio::task::LocalSet::new().run_until(test).await;
}

#[tokio::test(start_paused = true)]
async fn runs_begin_at_their_slots() {
    locally(async {
        let bench = Bench::start(EVERY_HALF_HOUR, true, |_| {});
        bench.pass(HOUR + MINUTE).await;
        let expected = [("schedule".to_owned(), 30 * MINUTE), ("schedule".to_owned(), HOUR)];
        assert_eq!(bench.log(), expected);
        bench.stop().await;
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_wakeup_that_never_comes_delays_a_run_by_a_second() {
    locally(async {
        let bench = Bench::start(EVERY_HALF_HOUR, false, |_| {});
        bench.pass(HOUR + MINUTE).await;
        let expected = [("schedule".to_owned(), 30 * MINUTE + 1_000), ("schedule".to_owned(), HOUR + 1_000)];
        assert_eq!(bench.log(), expected);
        bench.stop().await;
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn requests_during_a_run_coalesce() {
    locally(async {
        let bench = Bench::start(HARDLY_EVER, true, |script| script.runs_at_start = true);
        bench.pass(1_000).await;
        for _ in 0..5 {
            bench.send(ServiceCommand::Run);
        }
        bench.pass(MINUTE).await;
        assert_eq!(bench.log(), [("start".to_owned(), 0), ("once".to_owned(), 10_000)]);
        bench.stop().await;
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn slots_during_a_run_are_one_run_after_it() {
    locally(async {
        let takes = |script: &mut Script| script.run_takes = duration(100 * MINUTE);
        let bench = Bench::start(EVERY_HALF_HOUR, true, takes);
        bench.pass(31 * MINUTE).await;
        bench.script.borrow_mut().run_takes = duration(MINUTE);
        bench.pass(115 * MINUTE).await;
        // 00:30 to 02:10; the slots of 01:00, 01:30 and 02:00 together at 02:10.
        let expected = [("schedule".to_owned(), 30 * MINUTE), ("schedule".to_owned(), 130 * MINUTE)];
        assert_eq!(bench.log(), expected);
        bench.stop().await;
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_stop_during_a_run_ends_the_run_and_the_service() {
    locally(async {
        let bench = Bench::start(EVERY_HALF_HOUR, true, |script| script.runs_at_start = true);
        bench.pass(3_000).await;
        bench.send(ServiceCommand::Run);
        bench.send(ServiceCommand::Reload);
        bench.send(ServiceCommand::Stop);
        bench.task.await.unwrap();
        let log = bench.script.borrow().log.clone();
        assert_eq!(log, [("start".to_owned(), 0), ("stopped".to_owned(), 3_000)]);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_stop_while_waiting_ends_the_service_at_once() {
    locally(async {
        let bench = Bench::start(HARDLY_EVER, true, |_| {});
        bench.pass(MINUTE).await;
        let asked = Instant::now();
        bench.stop().await;
        assert_eq!(asked.elapsed(), Duration::ZERO);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_reload_during_a_run_takes_effect_after_it() {
    locally(async {
        let bench = Bench::start(HARDLY_EVER, true, |script| {
            script.runs_at_start = true;
            script.new_schedule = Some(schedule(EVERY_HALF_HOUR));
        });
        bench.pass(1_000).await;
        bench.send(ServiceCommand::Reload);
        bench.pass(31 * MINUTE).await;
        let expected =
            [("start".to_owned(), 0), ("reload".to_owned(), 10_000), ("schedule".to_owned(), 30 * MINUTE)];
        assert_eq!(bench.log(), expected);
        bench.stop().await;
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_slot_that_passed_during_a_run_outlives_a_reload_of_the_same_schedule() {
    locally(async {
        let bench = Bench::start(EVERY_HALF_HOUR, true, |script| {
            script.runs_at_start = true;
            script.run_takes = duration(31 * MINUTE);
        });
        bench.pass(MINUTE).await;
        bench.send(ServiceCommand::Reload);
        bench.pass(31 * MINUTE).await;
        assert_eq!(bench.done(), ["start", "reload", "schedule"]);
        bench.stop().await;
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_schedule_that_was_removed_by_a_reload_is_not_followed() {
    locally(async {
        let bench = Bench::start(EVERY_HALF_HOUR, true, |script| {
            script.new_schedule = Some(schedule(HARDLY_EVER));
        });
        bench.pass(29 * MINUTE).await;
        bench.send(ServiceCommand::Reload);
        bench.pass(2 * HOUR).await;
        assert_eq!(bench.done(), ["reload"]);
        bench.stop().await;
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_clock_set_forward_past_slots_makes_one_run_within_a_minute() {
    locally(async {
        let bench = Bench::start(EVERY_HALF_HOUR, true, |_| {});
        bench.pass(5 * MINUTE).await;
        bench.clock.set_by.set(3 * HOUR);
        bench.pass(2 * MINUTE).await;
        assert_eq!(bench.done(), ["schedule"]);
        let (_, at) = bench.log()[0].clone();
        assert!((3 * HOUR + 5 * MINUTE..=3 * HOUR + 6 * MINUTE).contains(&at), "{at}");
        bench.stop().await;
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_clock_set_back_a_little_repeats_no_slot() {
    locally(async {
        let bench = Bench::start(EVERY_HALF_HOUR, true, |_| {});
        bench.pass(31 * MINUTE).await;
        bench.clock.set_by.set(-10 * MINUTE);
        // By the new clock it is 00:21: the slot of 00:30 is done, the next one is 01:00.
        bench.pass(40 * MINUTE).await;
        let expected = [("schedule".to_owned(), 30 * MINUTE), ("schedule".to_owned(), HOUR)];
        assert_eq!(bench.log(), expected);
        bench.stop().await;
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_clock_set_back_by_hours_is_believed() {
    locally(async {
        let bench = Bench::start(EVERY_HALF_HOUR, true, |_| {});
        bench.pass(31 * MINUTE).await;
        bench.clock.set_by.set(-5 * HOUR);
        bench.pass(31 * MINUTE).await;
        let slots: Vec<Ms> = bench.log().into_iter().map(|(_, at)| at).collect();
        assert_eq!(slots, [30 * MINUTE, -4 * HOUR]);
        bench.stop().await;
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_run_that_could_do_nothing_is_not_made() {
    locally(async {
        let bench = Bench::start(EVERY_HALF_HOUR, true, |script| {
            script.runs_at_start = true;
            script.may_run = false;
        });
        bench.pass(2 * HOUR).await;
        assert_eq!(bench.done(), Vec::<String>::new());
        // One that is asked for is made all the same.
        bench.send(ServiceCommand::Run);
        bench.pass(MINUTE).await;
        assert_eq!(bench.done(), ["once"]);
        bench.stop().await;
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn events_are_read_at_their_interval_and_news_is_a_run() {
    locally(async {
        let bench = Bench::start(HARDLY_EVER, true, |script| {
            script.event_interval = Some(duration(MINUTE));
            script.run_takes = duration(1_000);
        });
        bench.pass(3 * MINUTE + 30_000).await;
        assert_eq!(bench.done(), ["events", "events", "events"]);
        bench.script.borrow_mut().news = true;
        bench.pass(MINUTE).await;
        assert_eq!(bench.done()[3..], ["events", "schedule"]);
        bench.stop().await;
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_request_for_a_run_cuts_the_reading_of_events_short() {
    locally(async {
        let bench = Bench::start(HARDLY_EVER, true, |script| script.event_interval = Some(duration(MINUTE)));
        bench.pass(MINUTE + 1_000).await;
        bench.send(ServiceCommand::Run);
        bench.pass(1_000).await;
        assert_eq!(bench.done(), ["events", "hurried", "once"]);
        bench.stop().await;
    })
    .await;
}
