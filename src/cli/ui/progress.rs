//! How far a long command has come, on standard error and only where that is a terminal.

use std::io::IsTerminal as _;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

/// A line that shows what is being done, and a bar where it is known how much there is to do.
#[derive(Debug)]
pub struct Meter(Option<ProgressBar>);

impl Meter {
    /// On standard error, if that is a terminal.
    #[must_use]
    pub fn new() -> Self {
        let bar = std::io::stderr().is_terminal().then(|| {
            let bar = ProgressBar::new_spinner();
            if let Ok(style) = ProgressStyle::with_template("{spinner} {msg} {wide_bar} {percent:>3} %") {
                bar.set_style(style);
            }
            bar.enable_steady_tick(Duration::from_millis(120));
            bar
        });
        Self(bar)
    }

    /// Shows that so much is done; `of` is 0 where nobody knows how much there is to do.
    pub fn show(&self, doing: &str, done: u64, of: u64) {
        if let Some(bar) = &self.0 {
            bar.set_length(of.max(1));
            bar.set_position(done.min(of));
            bar.set_message(doing.to_owned());
        }
    }

    /// Removes the line.
    pub fn clear(&self) {
        if let Some(bar) = &self.0 {
            bar.finish_and_clear();
        }
    }
}

impl Default for Meter {
    fn default() -> Self {
        Self::new()
    }
}
