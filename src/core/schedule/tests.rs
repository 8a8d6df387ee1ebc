//! Slots against a naive oracle that looks at every minute, over changes of the clock in many places.

use proptest::prelude::*;

use super::*;

const MINUTE: Ms = 60_000;
const HOUR: Ms = 60 * MINUTE;
const DAY: Ms = 24 * HOUR;

fn schedule(line: &str, zone: Tz) -> Schedule {
    Schedule::new(line, zone).unwrap()
}

fn ms(text: &str) -> Ms {
    DateTime::parse_from_rfc3339(text).unwrap().timestamp_millis()
}

/// The local times of the slots in a stretch.
fn slots(schedule: &Schedule, from: &str, until: &str) -> Vec<String> {
    let local = |at| DateTime::from_timestamp_millis(at).unwrap().with_timezone(&schedule.zone);
    let within = schedule.after(ms(from)).take_while(|at| *at <= ms(until));
    within.map(|at| local(at).format("%d %H:%M %Z").to_string()).collect()
}

#[test]
fn a_daily_time_that_does_not_exist_is_the_moment_of_the_jump() {
    let berlin = schedule("0 30 2 * * *", Tz::Europe__Berlin);
    assert_eq!(
        slots(&berlin, "2027-03-27T00:00:00Z", "2027-03-30T00:00:00Z"),
        ["27 02:30 CET", "28 03:00 CEST", "29 02:30 CEST"]
    );
    let listed = schedule("0 10,40 2,3 * * *", Tz::Europe__Berlin);
    assert_eq!(
        slots(&listed, "2027-03-28T00:00:00Z", "2027-03-28T12:00:00Z"),
        ["28 03:00 CEST", "28 03:10 CEST", "28 03:40 CEST"]
    );
}

#[test]
fn a_daily_time_that_comes_twice_counts_once_and_keeps_its_hour_afterwards() {
    let berlin = schedule("0 30 2 * * *", Tz::Europe__Berlin);
    assert_eq!(
        slots(&berlin, "2027-10-30T12:00:00Z", "2027-11-02T00:00:00Z"),
        ["31 02:30 CEST", "01 02:30 CET"]
    );
    // Asked between the two, it is the next day's.
    assert_eq!(berlin.next(ms("2027-10-31T01:15:00Z")), Some(ms("2027-11-01T01:30:00Z")));
    let nine = schedule("0 0 9 * * *", Tz::Europe__Berlin);
    assert_eq!(
        slots(&nine, "2027-03-27T00:00:00Z", "2027-03-29T00:00:00Z"),
        ["27 09:00 CET", "28 09:00 CEST"]
    );
}

#[test]
fn every_half_hour_is_every_half_hour_on_both_days_of_change() {
    let berlin = schedule("0 */30 * * * *", Tz::Europe__Berlin);
    for day in ["2027-03-28T00:00:00Z", "2027-10-31T00:00:00Z"] {
        let mut at = ms(day);
        for _ in 0..10 {
            assert_eq!(berlin.next(at), Some(at + 30 * MINUTE), "{day}");
            at += 30 * MINUTE;
        }
    }
}

#[test]
fn day_and_weekday_are_read_as_cron_does_either_fits() {
    let line = schedule("0 0 9 1 * Mon", Tz::UTC);
    assert_eq!(
        slots(&line, "2026-11-20T00:00:00Z", "2026-12-08T00:00:00Z"),
        ["23 09:00 UTC", "30 09:00 UTC", "01 09:00 UTC", "07 09:00 UTC"]
    );
}

#[test]
fn a_day_that_a_place_skipped_has_its_slot_at_the_jump() {
    let apia = schedule("0 0 12 * * *", Tz::Pacific__Apia);
    assert_eq!(
        slots(&apia, "2011-12-29T00:00:00Z", "2011-12-31T12:00:00Z"),
        ["29 12:00 -10", "31 00:00 +14", "31 12:00 +14"]
    );
}

/// Why croner is not asked in the zone itself. When this fails, croner has changed, and the rules here may go.
#[test]
fn croner_in_a_zone_answers_with_the_past_and_loses_listed_times() {
    let in_berlin = |line: &str, from: &str| {
        let line = schedule(line, Tz::Europe__Berlin);
        let from = DateTime::parse_from_rfc3339(from).unwrap().with_timezone(&line.zone);
        let theirs = line.cron.find_next_occurrence(&from, false).unwrap().timestamp_millis();
        (
            theirs - from.timestamp_millis(),
            line.next(from.timestamp_millis()).unwrap() - from.timestamp_millis(),
        )
    };
    // 02:15 comes twice on that day; this is the second time.
    let (theirs, ours) = in_berlin("0 */30 * * * *", "2027-10-31T01:15:00Z");
    assert_eq!((theirs, ours), (-45 * MINUTE, 15 * MINUTE));
    // 02:10 and 02:40 do not exist on that day: they are one slot, when the clock jumps.
    let (theirs, ours) = in_berlin("0 10,40 2 * * *", "2027-03-28T00:00:00Z");
    assert_eq!((theirs, ours), (24 * HOUR + 10 * MINUTE, HOUR));
}

fn a_zone() -> impl Strategy<Value = Tz> {
    prop::sample::select(vec![
        Tz::UTC,
        Tz::Europe__Berlin,
        Tz::America__New_York,
        Tz::America__St_Johns,
        Tz::Australia__Lord_Howe,
        Tz::Africa__Casablanca,
        Tz::Asia__Kathmandu,
        Tz::Pacific__Apia,
        Tz::America__Santiago,
    ])
}

fn a_line() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec![
        "0 */30 * * * *",
        "0 7 * * * *",
        "0 */7 1-3 * * *",
        "0 30 2 * * *",
        "0 0 0 * * *",
        "0 10,40 0,2,3 * * *",
        "0 0 9 1 * Mon",
        "0 15 */2 * * Sun",
        "0 59 23 L * *",
    ])
}

/// A moment within two days of a change of the zone's offset, or any where there is none.
fn near_a_change(zone: Tz, seed: Ms) -> Ms {
    let line = schedule("0 0 0 1 1 *", zone);
    let from = ms("2024-01-01T00:00:00Z") + seed.rem_euclid(3_000 * DAY);
    let change = line.change_between(from / 1_000, (from + 400 * DAY) / 1_000);
    change.map_or(from, |at| at * 1_000 - 26 * HOUR + seed.rem_euclid(30 * HOUR))
}

/// The slots of whole minutes in `(from, until]` by the rules, each minute looked at.
fn naive(line: &Schedule, from: Ms, until: Ms) -> Vec<Ms> {
    let minutes = || (from.div_euclid(MINUTE) + 1..=until.div_euclid(MINUTE)).map(|n| n * MINUTE);
    let local = |at: Ms| DateTime::from_timestamp_millis(at).unwrap().with_timezone(&line.zone).naive_local();
    let fits = |at: &NaiveDateTime| line.cron.is_time_matching(&at.and_utc()).unwrap();
    let mut found = Vec::new();
    for at in minutes() {
        let (here, before) = (local(at), local(at - MINUTE));
        let jumped = (here - before).num_minutes();
        let seen_before = line
            .zone
            .from_local_datetime(&here)
            .earliest()
            .is_some_and(|first| first.timestamp_millis() < at);
        let over: bool = (1..jumped).any(|n| fits(&(before + TimeDelta::minutes(n))));
        let is_slot = match line.every_so_often {
            true => fits(&here),
            false => (fits(&here) && !seen_before) || over,
        };
        if is_slot {
            found.push(at);
        }
    }
    found
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn the_slots_are_those_that_a_look_at_every_minute_finds(zone in a_zone(), line in a_line(), seed in any::<u32>()) {
        let line = schedule(line, zone);
        let from = near_a_change(zone, seed.into());
        let until = from + 3 * DAY;
        let found: Vec<Ms> = line.after(from).take_while(|at| *at <= until).collect();
        prop_assert!(found.is_sorted_by(|a, b| a < b));
        prop_assert_eq!(found, naive(&line, from, until));
    }

    #[test]
    fn the_next_slot_is_the_same_from_anywhere_before_it(zone in a_zone(), line in a_line(), seed in any::<u32>(), part in 0.0..1.0_f64) {
        let line = schedule(line, zone);
        let from = near_a_change(zone, seed.into());
        let next = line.next(from).unwrap();
        #[expect(clippy::cast_possible_truncation, clippy::cast_precision_loss, reason = "a test's stretch of days")]
        let between = from + ((next - 1 - from) as f64 * part) as Ms;
        prop_assert_eq!(line.next(between), Some(next));
    }

    /// However seldom it is asked, a run a slot at most, and no slot without a run soon after it.
    #[test]
    fn missed_slots_are_made_up_for_once(zone in a_zone(), line in a_line(), seed in any::<u32>(), naps in prop::collection::vec(1..DAY, 1..40), delay in 0..HOUR) {
        let line = schedule(line, zone);
        let mut now = near_a_change(zone, seed.into());
        let mut agenda = Agenda::new(line.clone(), now);
        let mut followed = now;
        for nap in naps {
            now += nap;
            if agenda.decide(now) == Decision::Due {
                let slot = line.next(followed).unwrap();
                prop_assert!(slot <= now, "a run before its slot");
                agenda.followed(now, delay);
                followed = now;
                prop_assert!(agenda.decide(now) != Decision::Due, "twice for one slot");
            } else if let Some(slot) = line.next(followed) {
                let late = delay.min(line.spacing(followed) / 2);
                prop_assert!(now < slot + late, "a slot was forgotten");
            }
        }
    }

    /// Wherever the clock jumps, the next run is at most two slots away, and none comes twice unless the clock was put
    /// back past a whole slot.
    #[test]
    fn a_clock_that_jumps_either_way_is_survived(zone in a_zone(), line in a_line(), seed in any::<u32>(), jumps in prop::collection::vec(-40 * DAY..40 * DAY, 1..20)) {
        let line = schedule(line, zone);
        let mut now = near_a_change(zone, seed.into());
        let mut agenda = Agenda::new(line.clone(), now);
        for jump in jumps {
            let before = agenda.followed;
            now += jump;
            match agenda.decide(now) {
                Decision::Due => {
                    prop_assert!(line.next(before).is_some_and(|slot| slot <= now));
                    agenda.followed(now, 0);
                }
                Decision::Wait(until) => {
                    let slot = line.next(now).unwrap();
                    let second = line.next(slot).unwrap();
                    prop_assert!(now < until && until <= line.next(second).unwrap(), "{until} is far from {now}");
                }
            }
        }
    }

    #[test]
    fn a_clock_put_back_a_little_brings_no_slot_again(zone in a_zone(), seed in any::<u32>(), back in 1..29 * MINUTE) {
        let line = schedule("0 */30 * * * *", zone);
        let slot = line.next(near_a_change(zone, seed.into())).unwrap();
        let mut agenda = Agenda::new(line.clone(), slot - 1);
        prop_assert_eq!(agenda.decide(slot), Decision::Due);
        agenda.followed(slot, 0);
        prop_assert_eq!(agenda.decide(slot - back), Decision::Wait(line.next(slot).unwrap()));
    }
}

#[test]
fn a_line_has_five_or_six_fields_and_occurs() {
    let line = |text: &str| Schedule::new(text, Tz::UTC).map(|s| s.line().to_owned());
    assert_eq!(line("*/30 * * * *").unwrap(), "0 */30 * * * *");
    assert_eq!(line(" 0 0 9 * * Mon-Fri ").unwrap(), "0 0 9 * * Mon-Fri");
    assert_eq!(line("0 0 0 29 2 *").unwrap(), "0 0 0 29 2 *");
    assert!(line("0 0 0 30 2 *").unwrap_err().contains("never occurs"));
    for bad in ["", "* * * *", "0 0 0 1 1 * 2020", "61 * * * * *", "x * * * *"] {
        assert!(line(bad).is_err(), "{bad}");
    }
}

#[test]
fn a_name_such_as_daily_is_the_line_that_it_stands_for() {
    for (name, line) in [
        ("@hourly", "0 0 * * * *"),
        (" @daily ", "0 0 0 * * *"),
        ("@midnight", "0 0 0 * * *"),
        ("@Weekly", "0 0 0 * * 0"),
        ("@monthly", "0 0 0 1 * *"),
        ("@yearly", "0 0 0 1 1 *"),
        ("@annually", "0 0 0 1 1 *"),
    ] {
        assert_eq!(schedule(name, Tz::UTC).line(), line);
    }
    for wrong in ["@reboot", "daily", "*"] {
        assert!(Schedule::new(wrong, Tz::UTC).unwrap_err().contains("@daily"), "{wrong}");
    }
}

#[test]
fn a_step_that_never_comes_is_refused_with_the_reason() {
    for (line, said) in [
        ("0 */90 * * * *", "steps by 90 in its minutes, of which there are 60"),
        ("*/90 * * * *", "steps by 90 in its minutes"),
        ("*/60 * * * * *", "steps by 60 in its seconds"),
        ("0 0 1,*/24 * * *", "steps by 24 in its hours"),
        ("0 0 0 * * */8", "steps by 8 in its weekdays"),
    ] {
        let wrong = Schedule::new(line, Tz::UTC).unwrap_err();
        assert!(wrong.contains(said), "{line}: {wrong}");
    }
    assert!(Schedule::new("0 */59 */12 * * *", Tz::UTC).is_ok());
}
