//! The progress line of a long command, on standard error and only if that is a terminal.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressFinish, ProgressStyle};

use crate::core::printable::one_line;

/// A line that says what is being done, with a bar where it is known how much there is to do. Dropped, it goes away.
#[derive(Debug)]
pub(crate) struct Meter(ProgressBar);

impl Meter {
    /// On standard error; invisible if that is no terminal.
    pub(crate) fn new() -> Self {
        let meter = Self(ProgressBar::no_length().with_finish(ProgressFinish::AndClear));
        if !meter.0.is_hidden() {
            meter.say("");
            meter.0.enable_steady_tick(Duration::from_millis(120));
        }
        meter
    }

    pub(crate) fn hidden() -> Self {
        Self(ProgressBar::hidden())
    }

    /// Shows what is being done, if it is unknown how much there is to do.
    pub(crate) fn say(&self, doing: &str) {
        self.draw("{spinner} {wide_msg}", doing);
    }

    /// Shows that `done` of `total` is done.
    pub(crate) fn show(&self, doing: &str, done: u64, total: u64) {
        self.0.set_length(total.max(1));
        self.0.set_position(done.min(total));
        self.draw("{spinner} {msg} {wide_bar} {percent:>3} %", doing);
    }

    fn draw(&self, template: &str, doing: &str) {
        if self.0.is_hidden() {
            return;
        }
        if let Ok(style) = ProgressStyle::with_template(template) {
            self.0.set_style(style);
        }
        // Names of conversations come from strangers.
        self.0.set_message(one_line(doing));
    }
}
