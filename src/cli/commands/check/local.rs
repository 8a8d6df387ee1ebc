//! Checks of this machine: the schedule, file modes, disk space, the clock.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use chrono::{DateTime, Timelike as _, Utc};
use rustix::fs::statvfs;

use super::CheckReport;
use crate::app::advice;
use crate::cli::ui::style::Mark;
use crate::clock::{Clock as _, SystemClock};
use crate::config::{ApiVersion, Config, Env, is_given};
use crate::core::Ms;
use crate::core::format::{plural, thousands};
use crate::core::schedule::Schedule;

/// How far the clock may be off (ms).
const MOST_OFF_MS: Ms = 120_000;
/// With less free space than this (bytes), a run may not be able to store what it has paid for.
const LEAST_ROOM: u64 = 64 << 20;
/// How many of the next scheduled times are shown.
const TIMES: usize = 3;

/// The next scheduled times, in the schedule's time zone.
pub(super) fn schedule(config: &Config, found: &mut CheckReport) {
    let slots = &config.schedule.slots;
    let times = next_times(slots, SystemClock.now_ms()).join(", ");
    found.ok("schedule", format!("{} ({}): {times}", slots.line(), slots.zone().name()));
    for warning in advice::warnings(config, SystemClock.now_ms()) {
        found.note("budget", warning);
    }
}

fn next_times(slots: &Schedule, now: Ms) -> Vec<String> {
    let shown = |slot: Ms| {
        let time = DateTime::<Utc>::from_timestamp_millis(slot)?.with_timezone(&slots.zone());
        let form = if time.second() == 0 { "%Y-%m-%d %H:%M" } else { "%Y-%m-%d %H:%M:%S" };
        Some(time.naive_local().format(form).to_string())
    };
    slots.after(now).take(TIMES).filter_map(shown).collect()
}

/// How the API is reached, where that is said in words.
pub(super) fn network(config: &Config, found: &mut CheckReport) {
    if config.api.proxy.is_some() {
        found.ok("network", "through api.proxy");
    }
    if let Some(name) = config.api.ignored_proxy {
        let what = format!("${name} is set and ignored: set api.proxy if the API is behind a proxy");
        found.note("network", what);
    }
    if let Some(path) = &config.api.ca_file {
        found.ok("network", format!("trusts the CA certificates in {}, too", path.display()));
    }
}

/// The credentials passed by systemd, if any.
pub(super) fn credentials(env: &Env, config: &Config, found: &mut CheckReport) {
    let Some(folder) = env.path("CREDENTIALS_DIRECTORY") else { return };
    let mut wanted = vec!["api_key".to_owned()];
    if config.api.version == ApiVersion::V1 {
        wanted.extend(config.accounts.iter().map(|a| format!("login_token.{}", a.name)));
        wanted.extend((config.accounts.len() == 1).then(|| "login_token".to_owned()));
    }
    let there: Vec<String> = wanted.into_iter().filter(|name| is_given(&folder.join(name))).collect();
    if there.is_empty() {
        let what = format!("none for archiver in {}", folder.display());
        return found.note("credentials", what);
    }
    found.ok("credentials", format!("{} from systemd", there.join(", ")));
}

/// Whether other users can write the configuration or read the archive. Loading the configuration warns about the files
/// with secrets.
pub(super) fn files(config: &Config, found: &mut CheckReport) {
    let mut open = false;
    if let Some(source) = config.source.as_deref().filter(|path| mode(path).is_some_and(|m| m & 0o002 != 0)) {
        open = true;
        let what = format!("other users can write {}, which decides where the key is sent", source.display());
        found.wrong("files", what);
    }
    let archive = &config.archive.path;
    let closed = if config.archive.readable_by_group { 0o037 } else { 0o077 };
    for path in ["", "-wal", "-shm"].map(|ending| beside(archive, ending)) {
        if mode(&path).is_some_and(|m| m & closed != 0) {
            open = true;
            let what = format!("other users can read {}: run chmod 600 on it", path.display());
            found.note("files", what);
        }
    }
    if !open {
        found.ok("files", "other users can neither write the configuration nor read the archive");
    }
}

fn mode(path: &Path) -> Option<u32> {
    Some(fs::metadata(path).ok()?.permissions().mode())
}

fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    name.into()
}

pub(super) fn disk(config: &Config, found: &mut CheckReport) {
    let path = &config.archive.path;
    let Some(folder) = path.parent().filter(|folder| folder.is_dir()) else { return };
    let size = fs::metadata(path).map_or(0, |meta| meta.len());
    match statvfs(folder) {
        Ok(disk) => {
            let free = disk.f_bavail.saturating_mul(disk.f_frsize);
            let (result, why) = enough(free, size);
            let detail = format!("{} free, the archive takes {}{why}", megabytes(free), megabytes(size));
            found.add("disk", result, detail);
        }
        Err(error) => found.note("disk", format!("unknown: {error}")),
    }
}

fn enough(free: u64, size: u64) -> (Mark, &'static str) {
    if free < LEAST_ROOM {
        (Mark::Wrong, ": a run may not be able to store what it has paid for")
    } else if free < size {
        (Mark::Note, ": a backup would not fit")
    } else {
        (Mark::Ok, "")
    }
}

fn megabytes(bytes: u64) -> String {
    format!("{} MB", thousands(bytes.div_ceil(1_000_000)))
}

/// This machine's clock, which the daily and monthly budgets go by, compared with the server's.
pub(super) fn clock(now_ms: Ms, server_ms: Ms, found: &mut CheckReport) {
    let off = now_ms.saturating_sub(server_ms);
    let seconds = off.saturating_abs() / 1000;
    if off.saturating_abs() <= MOST_OFF_MS {
        return found.ok("clock", "agrees with the API's");
    }
    let way = if off > 0 { "ahead of" } else { "behind" };
    let seconds = plural(seconds, "second");
    let what = format!("{seconds} {way} the API's; daily and monthly budgets go by it");
    found.note("clock", what);
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::TimeZone as _;

    #[test]
    fn the_next_times_are_those_of_the_service_in_its_zone() {
        let zone = chrono_tz::Europe::Berlin;
        let at = |month, day, hour| {
            zone.with_ymd_and_hms(2026, month, day, hour, 10, 7).unwrap().timestamp_millis() + 465
        };
        let times = |line, now| next_times(&Schedule::new(line, zone).unwrap(), now);
        assert_eq!(
            times("0 0 9 * * *", at(10, 24, 22)),
            ["2026-10-25 09:00", "2026-10-26 09:00", "2026-10-27 09:00"]
        );
        assert_eq!(
            times("30 15 * * * *", at(10, 24, 22)),
            ["2026-10-24 22:15:30", "2026-10-24 23:15:30", "2026-10-25 00:15:30"]
        );
        // 02:30 does not exist in the night to 29 March: the service then runs as the clock jumps to 03:00.
        assert_eq!(
            times("0 30 2 * * *", at(3, 28, 12)),
            ["2026-03-29 03:00", "2026-03-30 02:30", "2026-03-31 02:30"]
        );
    }

    #[test]
    fn a_clock_may_be_two_minutes_off() {
        for (now, result) in
            [(0, Mark::Ok), (120_000, Mark::Ok), (120_001, Mark::Note), (-500_000, Mark::Note)]
        {
            let mut found = CheckReport::default();
            clock(now, 0, &mut found);
            assert_eq!(found.list.iter().map(|f| f.result).collect::<Vec<_>>(), [result], "{now}");
        }
    }

    #[test]
    fn a_disk_needs_space_for_a_run_and_should_have_it_for_a_backup() {
        assert_eq!(enough(LEAST_ROOM - 1, 0).0, Mark::Wrong);
        assert_eq!(enough(LEAST_ROOM, LEAST_ROOM + 1).0, Mark::Note);
        assert_eq!(enough(LEAST_ROOM, LEAST_ROOM).0, Mark::Ok);
    }
}
