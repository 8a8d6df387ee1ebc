//! Shows how far an export or a restore is, and ends it when a signal comes.

use crate::cli::ui::interrupt::Interrupt;
use crate::cli::ui::progress::Meter;
use crate::core::format::thousands;
use crate::export::{ExportError, Watch};

/// Messages between two looks at the signals and updates of the progress line.
const STRIDE: u64 = 512;

#[derive(Debug)]
pub(crate) struct ExportMeter {
    meter: Meter,
    interrupt: Interrupt,
    done: u64,
    total: u64,
}

impl ExportMeter {
    pub(crate) fn new(interrupt: Interrupt) -> Self {
        Self { meter: Meter::new(), interrupt, done: 0, total: 0 }
    }
}

impl Watch for ExportMeter {
    fn total(&mut self, messages: u64) {
        self.total = messages;
    }

    fn step(&mut self) -> Result<(), ExportError> {
        self.done = self.done.saturating_add(1);
        if !self.done.is_multiple_of(STRIDE) {
            return Ok(());
        }
        let done = format!("{} messages", thousands(self.done));
        match self.total {
            0 => self.meter.say(&done),
            total => self.meter.show(&done, self.done, total),
        }
        self.go_on()
    }

    fn go_on(&mut self) -> Result<(), ExportError> {
        if self.interrupt.has_come() { Err(ExportError::Stopped) } else { Ok(()) }
    }

    fn closing(&mut self, doing: &'static str) {
        self.meter.say(&format!("{} messages; {doing}", thousands(self.done)));
    }
}
