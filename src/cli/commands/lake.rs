//! `archiver lake`: pushes the archive to its Delta Lake tables, and compares both.

use std::path::PathBuf;

use clap::{Args, Subcommand};

#[cfg(not(feature = "lake"))]
use crate::app::Context;
#[cfg(not(feature = "lake"))]
use crate::error::Failure;

const PUSH_EXAMPLES: &str = "\
Examples:
  archiver lake push                              what has changed since the last push
  archiver lake push --out s3://bucket/archives   to another lake than lake.path";

const VERIFY_EXAMPLES: &str = "\
Examples:
  archiver lake verify         exit code 0 if only unpushed changes differ
  archiver lake verify --json | jq .differences";

#[derive(Debug, Clone, Args)]
pub(crate) struct LakeArgs {
    #[command(subcommand)]
    pub(crate) what: LakeCommand,
}

#[derive(Debug, Clone, Subcommand)]
pub(crate) enum LakeCommand {
    /// Commit what has changed since the last push
    #[command(after_help = PUSH_EXAMPLES)]
    Push(LakePlace),
    /// Compare counts and checksums with the archive
    #[command(after_help = VERIFY_EXAMPLES)]
    Verify(LakePlace),
}

#[derive(Debug, Clone, Args)]
pub(crate) struct LakePlace {
    /// The lake, a folder or s3://BUCKET/PREFIX
    ///
    /// Default: lake.path of the configuration.
    #[arg(long, value_name = "PATH")]
    pub(crate) out: Option<PathBuf>,

    /// Print one JSON object
    #[arg(long)]
    pub(crate) json: bool,
}

/// Says how to get a program that has it.
#[cfg(not(feature = "lake"))]
pub(crate) fn run(context: &Context, _: &LakeArgs) -> Result<(), Failure> {
    not_built(context)
}

/// What a build without it says.
#[cfg(not(feature = "lake"))]
pub(crate) fn not_built(_: &Context) -> Result<(), Failure> {
    Err(Failure::usage(
        "this build does not support lakes",
        "build it with `--features lake`, or install the package, which has it",
    ))
}

#[cfg(feature = "lake")]
pub(crate) use built::{push, run};

#[cfg(feature = "lake")]
mod built {
    use std::path::{Path, PathBuf};

    use serde::Serialize;

    use super::{LakeArgs, LakeCommand, LakePlace};
    use crate::app::Context;
    use crate::app::lake::LakeRoute;
    use crate::cli::ui::interrupt::{Interrupt, until_interrupted};
    use crate::cli::ui::output::Output;
    use crate::cli::ui::progress::Meter;
    use crate::clock::{Clock as _, SystemClock};
    use crate::config::Config;
    use crate::core::format::{counted, plural, thousands};
    use crate::core::printable::one_line;
    use crate::error::Failure;
    use crate::lake::LakeError;
    use crate::lake::objects::check_folder;
    use crate::lake::push::{PushWatch, Pushed};
    use crate::lake::verify::{LakeDifference, LakeVerification};

    /// Rows between two looks at the signals and updates of the progress line.
    const STRIDE: u64 = 512;

    /// Differences that are shown one by one.
    const SHOWN: usize = 20;

    struct LakeMeter {
        meter: Meter,
        interrupt: Interrupt,
        rows: u64,
    }

    impl LakeMeter {
        fn go_on(&self) -> Result<(), LakeError> {
            if self.interrupt.has_come() { Err(LakeError::Stopped) } else { Ok(()) }
        }
    }

    impl PushWatch for LakeMeter {
        fn row(&mut self) -> Result<(), LakeError> {
            self.rows = self.rows.saturating_add(1);
            if self.rows.is_multiple_of(STRIDE) {
                self.meter.say(&format!("{} rows", thousands(self.rows)));
                self.go_on()?;
            }
            Ok(())
        }

        fn pause(&mut self, ms: u64) -> Result<(), LakeError> {
            self.meter.say("waiting for the lake's storage");
            // In parts, between which a signal is seen.
            for _ in 0..ms.div_ceil(50) {
                self.go_on()?;
                std::thread::sleep(std::time::Duration::from_millis(50));
            }
            self.go_on()
        }
    }

    #[derive(Serialize)]
    struct PushReport<'a> {
        lake: &'a str,
        #[serde(flatten)]
        pushed: &'a Pushed,
    }

    #[derive(Serialize)]
    struct LakeReport<'a> {
        ok: bool,
        lake: &'a str,
        #[serde(flatten)]
        verification: &'a LakeVerification,
    }

    pub(crate) fn run(context: &Context, args: &LakeArgs) -> Result<(), Failure> {
        let config = context.reading_config()?;
        match &args.what {
            LakeCommand::Push(to) => {
                let place = place(context, &config, to)?;
                push(context, &config, &place, to.json)
            }
            LakeCommand::Verify(of) => {
                let place = place(context, &config, of)?;
                verify(context, &config, &place, of.json)
            }
        }
    }

    fn place(context: &Context, config: &Config, given: &LakePlace) -> Result<PathBuf, Failure> {
        match (&given.out, &config.lake.path) {
            (Some(out), _) => absolute(context, out),
            (None, Some(path)) => Ok(path.clone()),
            (None, None) => Err(Failure::usage(
                "no lake is configured",
                "set lake.path in the configuration, or pass --out DIR or --out s3://BUCKET/PREFIX",
            )),
        }
    }

    fn absolute(context: &Context, out: &Path) -> Result<PathBuf, Failure> {
        if out.as_os_str().as_encoded_bytes().starts_with(b"s3://") {
            return Ok(out.to_owned());
        }
        check_folder(out).map_err(|error| match error {
            LakeError::Refused { message, help } => Failure::usage(message, help),
            other => Failure::usage(other.to_string(), "name a folder, or s3://BUCKET/PREFIX"),
        })?;
        Ok(context.env.cwd().join(out))
    }

    /// Does the work with the lake on a thread of its own while this one waits for signals.
    fn with_lake<T: Send + 'static>(
        context: &Context,
        config: &Config,
        place: &Path,
        work: impl FnOnce(&LakeRoute, &mut LakeMeter) -> Result<T, Failure> + Send + 'static,
    ) -> Result<T, Failure> {
        let route = LakeRoute::new(config, &context.env, &absolute(context, place)?);
        until_interrupted(move |interrupt| {
            let mut meter = LakeMeter { meter: Meter::new(), interrupt: interrupt.clone(), rows: 0 };
            let done = work(&route, &mut meter);
            if interrupt.has_come() && done.is_err() {
                return Err(
                    interrupt.failure("what was committed stays, and the next push goes on from there")
                );
            }
            done
        })
    }

    /// Pushes the archive to a lake, and says what that came to.
    pub(crate) fn push(context: &Context, config: &Config, place: &Path, json: bool) -> Result<(), Failure> {
        let work = |route: &LakeRoute, meter: &mut LakeMeter| {
            Ok((route.place(), route.push(SystemClock.now_ms(), meter)?))
        };
        let (lake, pushed) = with_lake(context, config, place, work)?;
        let mut out = Output::stdout(&context.env);
        if json {
            return out.json(&PushReport { lake: &lake, pushed: &pushed });
        }
        if pushed.tables.is_empty() {
            out.line(format!("Nothing has changed since the last push to {lake}."))?;
        } else {
            let rows: u64 = pushed.tables.iter().map(|table| table.rows).sum();
            let files: usize = pushed.tables.iter().map(|table| table.added).sum();
            out.line(format!("Wrote {} in {} to {lake}:", plural(rows, "row"), plural(files, "file")))?;
            for table in &pushed.tables {
                let (rows, version) = (plural(table.rows, "row"), table.version);
                out.line(format!("  {:<17} {rows}, version {version}", table.name))?;
            }
        }
        if pushed.deleted > 0 {
            out.line(format!("Deleted {} that had been replaced.", plural(pushed.deleted, "file")))?;
        }
        if pushed.left > 0 {
            let files = counted(pushed.left, "file of another program is", "files of other programs are");
            out.line(format!(
                "{files} not in any table yet, and may hold what was erased: push again in a day, which deletes what is left."
            ))?;
        }
        Ok(())
    }

    fn verify(context: &Context, config: &Config, place: &Path, json: bool) -> Result<(), Failure> {
        let work = |route: &LakeRoute, meter: &mut LakeMeter| {
            let lake = route.open()?;
            Ok((lake.place(), lake.verify(SystemClock.now_ms(), meter)?))
        };
        let (lake, verification) = with_lake(context, config, place, work)?;
        let broken = verification.broken().count();
        let mut out = Output::stdout(&context.env);
        if json {
            out.json(&LakeReport { ok: broken == 0, lake: &lake, verification: &verification })?;
        } else {
            show(&mut out, &lake, &verification)?;
        }
        match broken {
            0 => Ok(()),
            n => Err(Failure::CheckFailed(format!(
                "the lake differs from the archive in {}: remove {lake}/_archiver/{}.json and push, which writes everything anew",
                plural(n, "place"),
                verification.archive_id
            ))),
        }
    }

    fn show(out: &mut Output, lake: &str, verification: &LakeVerification) -> Result<(), Failure> {
        for difference in verification.differences.iter().take(SHOWN) {
            out.line(described(difference))?;
        }
        let more = verification.differences.len().saturating_sub(SHOWN);
        if more > 0 {
            out.line(format!("and {}", plural(more, "more difference")))?;
        }
        let compared = format!(
            "{} in {} compared",
            plural(verification.rows, "row"),
            plural(verification.partitions, "partition")
        );
        if verification.differences.is_empty() {
            return out.line(format!("{compared}: {lake} is what the archive is."));
        }
        out.line(format!("{compared}."))?;
        if verification.broken().next().is_none() {
            out.line("The archive has changed since the last push: `archiver lake push` writes that.")?;
        }
        Ok(())
    }

    fn described(difference: &LakeDifference) -> String {
        let of = [difference.account.as_deref(), difference.month.as_deref()];
        let of: Vec<String> = of.into_iter().flatten().map(one_line).collect();
        let rows = |sum: crate::lake::verify::RowSum| plural(sum.rows, "row");
        let (archive, lake) = (rows(difference.archive), rows(difference.lake));
        let what = match difference.archive.rows == difference.lake.rows {
            true => format!("{lake} in both, but not the same"),
            false => format!("{lake} in the lake, {archive} in the archive"),
        };
        let what = if difference.is_damaged { format!("a file is missing or damaged, {what}") } else { what };
        let pending = if difference.is_pending { " (not pushed yet)" } else { "" };
        format!("{} {}: {what}{pending}", difference.table, of.join(" "))
    }
}
