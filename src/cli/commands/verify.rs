//! `archiver verify`: checks the archive's integrity, read-only.

use std::path::PathBuf;

use clap::Args;
use serde::Serialize;

use crate::app::{Context, wiring};
use crate::cli::ui::output::Output;
use crate::cli::ui::progress::Meter;
use crate::cli::ui::style::Mark;
use crate::core::format::{plural, thousands};
use crate::core::printable::one_line;
use crate::error::Failure;
use crate::store::verify::{self, Depth, Finding, Severity, Verification};

const EXAMPLES: &str = "\
Examples:
  archiver verify                      exit code 0 if the archive is sound
  archiver verify --quick              without reading every message
  archiver verify backups/archive.db   check a backup
  archiver verify --json | jq .findings";

#[derive(Debug, Clone, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct VerifyArgs {
    /// Archive to check instead of the configured one, such as a backup
    #[arg(value_name = "PATH")]
    pub(crate) path: Option<PathBuf>,

    /// Check only SQLite's structures, counters, gaps and the ledger
    #[arg(long)]
    pub(crate) quick: bool,

    /// Print one JSON object
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Serialize)]
struct VerifyReport<'a> {
    ok: bool,
    archive: String,
    quick: bool,
    #[serde(flatten)]
    verification: &'a Verification,
}

pub(crate) fn run(context: &Context, args: &VerifyArgs) -> Result<(), Failure> {
    let path = match &args.path {
        Some(path) => path.clone(),
        None => context.reading_config()?.archive.path,
    };
    let depth = if args.quick { Depth::Quick } else { Depth::Full };
    let meter = Meter::new();
    let result = verify::verify(&path, depth, &mut |p| meter.show(p.about, p.done, p.of));
    drop(meter);
    let verification = result.map_err(|e| wiring::read_failure(&path, e))?;
    let broken = verification.broken();
    let mut out = Output::stdout(&context.env);
    if args.json {
        let archive = path.display().to_string();
        out.json(&VerifyReport { ok: broken == 0, archive, quick: args.quick, verification: &verification })?;
    } else {
        show(&mut out, &verification)?;
    }
    match broken {
        0 => Ok(()),
        n => Err(Failure::CheckFailed(format!("the archive has {}", plural(n, "problem")))),
    }
}

fn show(out: &mut Output, verification: &Verification) -> Result<(), Failure> {
    let style = out.style();
    for check in &verification.checks {
        let own: Vec<&Finding> = verification.findings.iter().filter(|f| f.check == check.check).collect();
        let broken = own.iter().any(|f| f.severity == Severity::Broken);
        let mark = match (broken, own.is_empty()) {
            (true, _) => Mark::Wrong,
            (false, false) => Mark::Note,
            (false, true) => Mark::Ok,
        };
        let mark = mark.painted(style);
        let many =
            if check.looked_at > 1 { format!(" ({})", thousands(check.looked_at)) } else { String::new() };
        out.line(format!("{mark} {:<10} {}{many}", check.check, check.about))?;
        for finding in &own {
            let (place, what) = (one_line(&finding.place), one_line(&finding.what));
            out.line(format!("      {}: {what}", style.bold(&place)))?;
            out.line(format!("        {}", style.dim(finding.help)))?;
        }
        let left = check.findings.saturating_sub(u64::try_from(own.len()).unwrap_or_default());
        if left > 0 {
            out.line(format!("      and {}", plural(left, "more finding")))?;
        }
    }
    if verification.broken() == 0 {
        out.line("The archive is sound.")?;
    }
    Ok(())
}
