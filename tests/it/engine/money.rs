//! Credits: the vendor's own balance, caps of one account, and the price of reading again.

use archiver::api::ApiVersion;
use archiver::core::budget::Caps;
use fake_linkup::faults::{Fault, FaultRule, When};
use fake_linkup::model::Person;
use fake_linkup::server::Account;
use fake_linkup::{Behaviour, Mailbox};

use super::world::{DAY, HOUR, NOW, World, mailbox, server};

const BOTH: [ApiVersion; 2] = [ApiVersion::V1, ApiVersion::V2];

async fn reconciled(sizes: &[usize], version: ApiVersion, balance: u64) -> World {
    let mut world = World::new(server(mailbox(sizes), Behaviour::default()), version).await;
    world.settings.reconcile = true;
    world.server().meter.balance = balance;
    world
}

impl World {
    fn balances(&self) -> Vec<(String, f64)> {
        self.query("SELECT moment, credits FROM balance_log ORDER BY at, moment DESC", [], |row| {
            Ok((row.get(0)?, row.get(1)?))
        })
    }
}

#[tokio::test]
async fn the_balance_is_kept_before_and_after_a_run_and_agrees_with_the_ledger() {
    for version in BOTH {
        let mut world = reconciled(&[25, 3], version, 500).await;
        let report = world.run().await;
        let balance = report.balance.unwrap();
        assert_eq!((balance.before, balance.after), (500.0, Some(500.0 - f64::from(report.credits_spent))));
        assert_eq!(balance.charged, Some(f64::from(balance.ledger)));
        let after = 500.0 - f64::from(report.credits_spent);
        assert_eq!(world.balances(), [("before".to_owned(), 500.0), ("after".to_owned(), after)]);
    }
}

#[tokio::test]
async fn a_failure_that_is_charged_although_it_says_it_is_free_is_booked_before_anything_more_is_spent() {
    for version in BOTH {
        let always =
            |fault| FaultRule::always(fault).when(When { path: Some("/messages".into()), ..When::default() });
        let mut world = reconciled(&[300], version, 500).await;
        world.settings.caps.run = Some(20);
        world.server().faults.add(always(Fault::ChargedFailure));
        let report = world.run().await;
        let failed = world.number("SELECT count(*) FROM request_log WHERE error IS NOT NULL");
        assert!(failed > 1, "{version:?}: {report:?}");
        let booked = world.number("SELECT sum(credits_spent) FROM request_log");
        assert_eq!(i64::from(world.charged()), booked, "{version:?}: {report:?}");
        assert!(world.charged() > 0 && world.charged() <= 20);
        world.server().faults.clear();
        world.server().faults.add(always(Fault::Http(500, None)));
        world.clock.advance(DAY);
        world.run().await;
        assert_eq!(world.charged(), 0, "{version:?}: these are free");
        assert_eq!(world.number("SELECT sum(credits_spent) FROM request_log"), booked, "{version:?}");
    }
}

#[tokio::test]
async fn a_balance_that_pays_for_nothing_is_not_tried() {
    for version in BOTH {
        let mut world = reconciled(&[25], version, 0).await;
        let report = world.run().await;
        assert_eq!((report.outcome.as_str(), report.requests, report.gaps_left), ("no_credits", 0, 1));
        assert!(report.worst.is_none(), "an empty purse is no failure");
    }
}

#[tokio::test]
async fn a_small_balance_is_a_cap_and_the_rest_is_fetched_once_it_is_filled() {
    for version in BOTH {
        let mut world = reconciled(&[95], version, 4).await;
        let report = world.run().await;
        assert_eq!((report.outcome.as_str(), report.credits_spent), ("no_credits", 4));
        assert_eq!(world.server().meter.balance, 0);
        assert!(world.requests().iter().all(|r| r.fault.is_none() && r.status == 200));
        world.server().meter.balance = 100;
        let report = world.run().await;
        assert_eq!((report.outcome.as_str(), report.gaps_left), ("complete", 0));
        world.assert_archived();
    }
}

#[tokio::test]
async fn without_an_answer_about_the_balance_a_run_goes_on_as_ever() {
    let mut world = reconciled(&[25], ApiVersion::V1, 500).await;
    let when = When { path: Some("/v2/credits".into()), ..When::default() };
    world.server().faults.add(FaultRule::always(Fault::http(503)).when(when));
    let report = world.run().await;
    assert_eq!((report.outcome.as_str(), report.balance), ("complete", None));
    world.assert_archived();
}

#[tokio::test]
async fn an_account_spends_no_more_than_its_own_cap_and_the_others_go_on() {
    for version in BOTH {
        let mut server = server(mailbox(&[95]), Behaviour::default());
        let mut second = Mailbox::of("Petra", "Second");
        second.with_messages(Person::named("Ben", "Sample"), 60, NOW - 90 * HOUR, HOUR);
        server.add_account(Account::new("second", second));
        let mut world = World::new(server, version).await;
        world.settings.account_caps = vec![Caps { day: Some(3), ..Caps::default() }];
        let report = world.run().await;
        assert_eq!(report.outcome.as_str(), "budget");
        let left: Vec<(String, usize)> =
            report.conversations.iter().map(|c| (c.account.clone(), c.gaps_left)).collect();
        assert_eq!(left.iter().map(|(_, gaps)| *gaps).collect::<Vec<_>>(), [1, 0], "{left:?}");
        let spent = |account: usize| -> u32 {
            world.requests().iter().filter(|r| r.account == Some(account)).map(|r| r.charged).sum()
        };
        assert_eq!((spent(0), spent(1)), (3, 7));
        for _ in 0..4 {
            world.clock.advance(DAY);
            world.run().await;
        }
        world.assert_archived();
    }
}

#[tokio::test]
async fn reading_again_finds_old_edits_and_deletions_for_a_credit_every_ten_messages() {
    for version in BOTH {
        let mut world = World::new(server(mailbox(&[120]), Behaviour::default()), version).await;
        world.discover();
        world.settings.recheck_days = Some(30);
        world.run().await;
        world.assert_archived();
        {
            let mut server = world.server();
            let mailbox = server.mailbox_mut(0).unwrap();
            assert!(mailbox.edit(0, 5, "changed long after") && mailbox.delete(0, 60));
        }
        world.clock.advance(HOUR);
        let idle = world.run().await;
        assert_eq!((idle.credits_spent, idle.changed_messages), (1, 0), "it is not its time yet");
        world.clock.advance(31 * DAY);
        let again = world.run().await;
        assert_eq!((again.changed_messages, again.gone_messages, again.gaps_left), (1, 1, 0));
        assert!((12..=15).contains(&again.credits_spent), "{} credits", again.credits_spent);
        world.assert_archived();
        world.clock.advance(HOUR);
        assert_eq!(world.run().await.credits_spent, 1, "once is enough");
    }
}

#[tokio::test]
async fn reading_again_takes_as_many_runs_as_the_budget_wants_and_goes_on_where_it_was() {
    let mut world = World::new(server(mailbox(&[120]), Behaviour::default()), ApiVersion::V1).await;
    world.discover();
    world.run().await;
    assert!(world.server().mailbox_mut(0).unwrap().edit(0, 3, "changed long after"));
    world.settings.recheck_days = Some(30);
    world.clock.advance(31 * DAY);
    world.cap_runs(4);
    let mut changed = Vec::new();
    for _ in 0..6 {
        let report = world.run().await;
        assert_eq!(report.outcome.as_str(), "complete");
        changed.push(report.changed_messages);
        world.clock.advance(HOUR);
    }
    assert_eq!(changed.iter().sum::<u32>(), 1, "{changed:?}");
    assert_eq!(world.run().await.credits_spent, 1);
    world.assert_archived();
}
