//! The log: to standard error, as text or JSON, with the libraries below kept quiet whatever is asked for.

use std::io::Write;
use std::str::FromStr;

use tracing::{Level, Metadata, Subscriber};
use tracing_subscriber::filter::{EnvFilter, FilterExt as _, filter_fn};
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::{Layer as _, SubscriberExt as _};
use tracing_subscriber::registry;
use tracing_subscriber::util::SubscriberInitExt as _;

use crate::config::Env;

const LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];

/// What is logged: a level, or `tracing`'s filter directives such as `warn,archiver::sync=trace`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogFilter(String);

impl Default for LogFilter {
    fn default() -> Self {
        Self("info".into())
    }
}

impl FromStr for LogFilter {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        for part in text.split(',').map(str::trim) {
            // Without this, a misspelt level would be taken for the name of a module that nobody has.
            if !part.contains('=') && !LEVELS.contains(&part.to_ascii_lowercase().as_str()) {
                return Err(format!("{part:?} is no level; the levels are {}", LEVELS.join(", ")));
            }
        }
        EnvFilter::builder().parse(text).map_err(|error| error.to_string())?;
        let lower = text.trim().to_ascii_lowercase();
        Ok(Self(if LEVELS.contains(&lower.as_str()) { lower } else { text.trim().to_owned() }))
    }
}

impl LogFilter {
    /// The directives: a bare level is that of this program; what is below it speaks up from a warning on.
    fn directives(&self) -> String {
        match self.0.as_str() {
            level @ ("info" | "debug" | "trace") => format!("warn,archiver={level}"),
            other => other.to_owned(),
        }
    }
}

/// How the log is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub enum LogFormat {
    /// A line for people.
    #[default]
    Text,
    /// A JSON object a line.
    Json,
}

impl FromStr for LogFormat {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        <Self as clap::ValueEnum>::from_str(text, false).map_err(|_| "must be text or json".to_owned())
    }
}

/// What the environment says where the command line is silent: `ARCHIVER_LOG_LEVEL` and `ARCHIVER_LOG_FORMAT`.
/// An error names the variable.
pub fn from_env<T: FromStr<Err = String> + Default>(env: &Env, variable: &str) -> Result<T, String> {
    let parsed = env.text(variable).map(|text| text.trim().parse());
    parsed.unwrap_or_else(|| Ok(T::default())).map_err(|what| format!("${variable}: {what}"))
}

/// Starts logging to standard error for the rest of the process; the first call counts.
pub fn init(filter: &LogFilter, format: LogFormat, colour: bool, journal: bool) {
    if log(filter, format, colour, journal, std::io::stderr).try_init().is_err() {
        tracing::debug!("the log has been started already");
    }
}

/// The journal knows the time, and reads the priority off the line.
fn log<W>(
    filter: &LogFilter,
    format: LogFormat,
    colour: bool,
    journal: bool,
    writer: W,
) -> impl Subscriber + Send + Sync + use<W>
where
    W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
{
    // Without this, a log that cannot be written would be complained of on the same broken stream.
    let lines = tracing_subscriber::fmt::layer().log_internal_errors(false).with_ansi(colour && !journal);
    let lines = lines.with_writer(LogLines { journal, writer });
    let lines = match (format, journal) {
        (LogFormat::Json, _) => lines.json().flatten_event(true).boxed(),
        (LogFormat::Text, false) => lines.with_target(false).boxed(),
        (LogFormat::Text, true) => lines.with_target(false).without_time().boxed(),
    };
    // A LogFilter has been parsed before, so nothing is lost here.
    let wanted = EnvFilter::builder().parse_lossy(filter.directives());
    registry().with(lines.with_filter(wanted.and(filter_fn(is_fit_to_print))))
}

/// Whether standard error is the journal itself, as its variable says: other programs inherit the variable, too.
#[must_use]
pub fn goes_to_journal(env: &Env) -> bool {
    let Some((device, inode)) = env.text("JOURNAL_STREAM").and_then(|stream| stream.split_once(':')) else {
        return false;
    };
    rustix::fs::fstat(std::io::stderr())
        .is_ok_and(|stat| device.parse() == Ok(stat.st_dev) && inode.parse() == Ok(stat.st_ino))
}

/// Writes each event; for the journal as one line with its priority in front.
struct LogLines<W> {
    journal: bool,
    writer: W,
}

impl<'w, W: MakeWriter<'w>> MakeWriter<'w> for LogLines<W> {
    type Writer = Line<W::Writer>;

    fn make_writer(&'w self) -> Self::Writer {
        Line { priority: self.journal.then_some(6), writer: self.writer.make_writer() }
    }

    fn make_writer_for(&'w self, metadata: &Metadata<'_>) -> Self::Writer {
        let priority = match *metadata.level() {
            Level::ERROR => 3,
            Level::WARN => 4,
            Level::INFO => 6,
            Level::DEBUG | Level::TRACE => 7,
        };
        Line { priority: self.journal.then_some(priority), writer: self.writer.make_writer_for(metadata) }
    }
}

struct Line<W> {
    priority: Option<u8>,
    writer: W,
}

impl<W: Write> Write for Line<W> {
    /// Takes a whole event: that is how they come.
    fn write(&mut self, event: &[u8]) -> std::io::Result<usize> {
        let Some(priority) = self.priority else { return self.writer.write(event) };
        let mut line = format!("<{priority}>").into_bytes();
        let text = event.strip_suffix(b"\n").unwrap_or(event);
        line.extend(text.iter().map(|byte| if *byte == b'\n' { b' ' } else { *byte }));
        line.push(b'\n');
        self.writer.write_all(&line)?;
        Ok(event.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.writer.flush()
    }
}

/// Other crates are heard up to `info` at most: below that, HTTP and TLS libraries print headers and bodies,
/// and with them the API key and what people wrote. No filter can lift this.
fn is_fit_to_print(metadata: &Metadata<'_>) -> bool {
    let target = metadata.target();
    let own = target == "archiver" || target.starts_with("archiver::");
    own || *metadata.level() <= Level::INFO
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;
    use std::sync::{Arc, Mutex};

    #[derive(Clone, Default)]
    struct Buffer(Arc<Mutex<Vec<u8>>>);

    impl Write for Buffer {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    impl Buffer {
        fn text(&self) -> String {
            String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
        }
    }

    fn speak() {
        tracing::trace!(target: "archiver::sync", "own trace");
        tracing::debug!(target: "archiver", "own debug");
        tracing::info!(target: "archiver::sync", credits = 3, "own info");
        tracing::trace!(target: "hyper::proto::h1", "x-api-key: MARKER");
        tracing::debug!(target: "reqwest::connect", "MARKER");
        tracing::trace!(target: "h2", "MARKER");
        tracing::debug!(target: "rustls::client", "MARKER");
        tracing::trace!(target: "log", "MARKER");
        tracing::debug!(target: "archiver_not", "MARKER");
        tracing::info!(target: "tokio_cron_scheduler", "job created");
        tracing::warn!(target: "hyper", "hyper warns");
    }

    fn logged(filter: &str, format: LogFormat, journal: bool, speak: impl FnOnce()) -> String {
        let (filter, buffer) = (filter.parse().unwrap(), Buffer::default());
        let writer = buffer.clone();
        let log = log(&filter, format, false, journal, move || writer.clone());
        tracing::subscriber::with_default(log, speak);
        buffer.text()
    }

    fn text(filter: &str) -> String {
        logged(filter, LogFormat::Text, false, speak)
    }

    #[test]
    fn no_filter_makes_the_libraries_print_headers_or_bodies() {
        for filter in [
            "trace",
            "hyper=trace,reqwest=trace,h2=trace,rustls=debug,log=trace,archiver_not=trace",
            "trace,hyper=trace",
        ] {
            for format in [LogFormat::Text, LogFormat::Json] {
                let said = logged(filter, format, false, speak);
                assert!(!said.contains("MARKER"), "{filter}: {said}");
            }
        }
    }

    #[test]
    fn a_bare_level_is_that_of_this_program() {
        let said = text("debug");
        assert!(said.contains("own debug") && said.contains("own info") && said.contains("hyper warns"));
        assert!(!said.contains("own trace") && !said.contains("job created"), "{said}");
        assert!(text("off").is_empty());
        assert_eq!(text("warn").lines().count(), 1);
    }

    #[test]
    fn json_is_one_object_a_line_and_text_has_no_escapes_for_a_file() {
        let said = logged("info", LogFormat::Json, false, speak);
        let first: serde_json::Value = serde_json::from_str(said.lines().next().unwrap()).unwrap();
        assert_eq!((&first["message"], &first["credits"]), (&"own info".into(), &3.into()));
        assert!(!text("trace").contains('\u{1b}'));
    }

    #[test]
    fn the_journal_gets_a_line_an_event_with_its_priority_and_no_time() {
        let said = logged("trace", LogFormat::Text, true, || {
            tracing::error!(target: "archiver", error = %"two\nlines", "failed");
            tracing::warn!(target: "archiver", "warned");
            tracing::info!(target: "archiver", credits = 3, "told");
            tracing::debug!(target: "archiver", "mumbled");
        });
        let lines: Vec<&str> = said.lines().collect();
        assert_eq!(lines.len(), 4, "{said}");
        assert!(lines[0].starts_with("<3>ERROR failed error=two") && lines[0].ends_with("lines"), "{said}");
        assert_eq!(lines[1..], ["<4> WARN warned", "<6> INFO told credits=3", "<7>DEBUG mumbled"]);
    }

    #[test]
    fn standard_error_is_the_journal_only_when_it_is_the_stream_named() {
        let journal = |value: &str| goes_to_journal(&Env::fixed(Path::new("/"), [("JOURNAL_STREAM", value)]));
        let own = rustix::fs::fstat(std::io::stderr()).unwrap();
        assert!(journal(&format!("{}:{}", own.st_dev, own.st_ino)));
        for other in ["0:0", "", "x:y", "7"] {
            assert!(!journal(other), "{other}");
        }
        assert!(!goes_to_journal(&Env::fixed(Path::new("/"), [])));
    }

    #[test]
    fn a_misspelt_level_is_refused() {
        for bad in ["debg", "", "info,debg", "archiver=loud"] {
            assert!(bad.parse::<LogFilter>().is_err(), "{bad}");
        }
        for good in ["INFO", "warn,archiver::sync=trace", "off"] {
            assert!(good.parse::<LogFilter>().is_ok(), "{good}");
        }
    }

    #[test]
    fn the_environment_speaks_where_the_command_line_is_silent() {
        let env =
            Env::fixed(Path::new("/"), [("ARCHIVER_LOG_LEVEL", "debug"), ("ARCHIVER_LOG_FORMAT", "xml")]);
        assert_eq!(from_env(&env, "ARCHIVER_LOG_LEVEL"), Ok(LogFilter("debug".into())));
        assert_eq!(from_env(&env, "UNSET"), Ok(LogFormat::Text));
        let error = from_env::<LogFormat>(&env, "ARCHIVER_LOG_FORMAT").unwrap_err();
        assert_eq!(error, "$ARCHIVER_LOG_FORMAT: must be text or json");
    }
}
