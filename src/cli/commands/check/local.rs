//! What can be checked on this machine: the schedule, files and their modes, room on the disk, the clock.

use crate::cli::ui::output;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use chrono::{DateTime, Timelike as _, Utc};
use rustix::fs::statvfs;

use crate::cli::commands::check::{Findings, Verdict};
use crate::clock::{Clock as _, SystemClock};
use crate::config::{ApiVersion, Config, Env, is_given};
use crate::core::Ms;
use crate::core::schedule::Schedule;

/// How far the clock may be off.
const MOST_OFF_MS: Ms = 120_000;
/// With less room than this, a run may not be able to write what it has paid for.
const LEAST_ROOM: u64 = 64 << 20;
/// How many of the schedule's next times are told.
const TIMES: usize = 3;

/// The schedule's next times, in its own zone.
pub(in crate::cli) fn schedule(config: &Config, found: &mut Findings) {
    let slots = &config.schedule.slots;
    let times = next_times(slots, SystemClock.now_ms()).join(", ");
    found.add("schedule", Verdict::Ok, format!("{} ({}): {times}", slots.line(), slots.zone().name()));
}

fn next_times(slots: &Schedule, now: Ms) -> Vec<String> {
    let shown = |slot: Ms| {
        let time = DateTime::<Utc>::from_timestamp_millis(slot)?.with_timezone(&slots.zone());
        let form = if time.second() == 0 { "%Y-%m-%d %H:%M" } else { "%Y-%m-%d %H:%M:%S" };
        Some(time.naive_local().format(form).to_string())
    };
    slots.after(now).take(TIMES).filter_map(shown).collect()
}

/// The credentials that the service manager hands over, where it does.
pub(in crate::cli) fn credentials(env: &Env, config: &Config, found: &mut Findings) {
    let Some(folder) = env.path("CREDENTIALS_DIRECTORY") else { return };
    let mut wanted = vec!["api_key".to_owned()];
    if config.api.version == ApiVersion::V1 {
        wanted.extend(config.accounts.iter().map(|a| format!("login_token.{}", a.name)));
        wanted.extend((config.accounts.len() == 1).then(|| "login_token".to_owned()));
    }
    let there: Vec<String> = wanted.into_iter().filter(|name| is_given(&folder.join(name))).collect();
    if there.is_empty() {
        let what = format!("none of this program's in {}", folder.display());
        return found.add("credentials", Verdict::Note, what);
    }
    found.add("credentials", Verdict::Ok, format!("{} from the service manager", there.join(", ")));
}

/// Who else may write the configuration or read what is archived. Of files with secrets the configuration warns.
pub(in crate::cli) fn files(config: &Config, found: &mut Findings) {
    let mut open = false;
    if let Some(source) = config.source.as_deref().filter(|path| mode(path).is_some_and(|m| m & 0o002 != 0)) {
        open = true;
        let what = format!("others can write {}, which decides where the key is sent", source.display());
        found.add("files", Verdict::Wrong, what);
    }
    let archive = &config.archive.path;
    for path in ["", "-wal", "-shm"].map(|ending| beside(archive, ending)) {
        if mode(&path).is_some_and(|m| m & 0o077 != 0) {
            open = true;
            let what = format!("others can read {}: chmod 600 it", path.display());
            found.add("files", Verdict::Note, what);
        }
    }
    if !open {
        found.add("files", Verdict::Ok, "others can neither write the configuration nor read the archive");
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

/// The room beside the archive.
pub(in crate::cli) fn disk(config: &Config, found: &mut Findings) {
    let path = &config.archive.path;
    let Some(folder) = path.parent().filter(|folder| folder.is_dir()) else { return };
    let size = fs::metadata(path).map_or(0, |meta| meta.len());
    match statvfs(folder) {
        Ok(disk) => {
            let free = disk.f_bavail.saturating_mul(disk.f_frsize);
            let (result, why) = enough(free, size);
            let detail = format!("{} free, the archive has {}{why}", megabytes(free), megabytes(size));
            found.add("disk", result, detail);
        }
        Err(error) => found.add("disk", Verdict::Note, format!("cannot be told: {error}")),
    }
}

fn enough(free: u64, size: u64) -> (Verdict, &'static str) {
    if free < LEAST_ROOM {
        (Verdict::Wrong, ": a run may not be able to write what it has paid for")
    } else if free < size {
        (Verdict::Note, ": a copy of it would not fit")
    } else {
        (Verdict::Ok, "")
    }
}

fn megabytes(bytes: u64) -> String {
    format!("{} MB", output::thousands(bytes.div_ceil(1_000_000)))
}

/// This machine's clock beside the server's: days and months of the budget are counted by it.
pub(in crate::cli) fn clock(now_ms: Ms, server_ms: Ms, found: &mut Findings) {
    let off = now_ms.saturating_sub(server_ms);
    let seconds = off.saturating_abs() / 1000;
    if off.saturating_abs() <= MOST_OFF_MS {
        return found.add("clock", Verdict::Ok, "agrees with that of the API");
    }
    let way = if off > 0 { "ahead of" } else { "behind" };
    let seconds = output::plural(seconds, "second");
    let what = format!("{seconds} {way} that of the API: days and months of the budget are counted by it");
    found.add("clock", Verdict::Note, what);
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::TimeZone as _;

    #[test]
    fn the_next_times_are_those_that_the_service_will_keep_in_its_zone() {
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
            [(0, Verdict::Ok), (120_000, Verdict::Ok), (120_001, Verdict::Note), (-500_000, Verdict::Note)]
        {
            let mut found = Findings::default();
            clock(now, 0, &mut found);
            assert_eq!(found.list.iter().map(|f| f.result).collect::<Vec<_>>(), [result], "{now}");
        }
    }

    #[test]
    fn a_disk_has_room_for_a_run_and_better_for_a_copy() {
        assert_eq!(enough(LEAST_ROOM - 1, 0).0, Verdict::Wrong);
        assert_eq!(enough(LEAST_ROOM, LEAST_ROOM + 1).0, Verdict::Note);
        assert_eq!(enough(LEAST_ROOM, LEAST_ROOM).0, Verdict::Ok);
    }
}
