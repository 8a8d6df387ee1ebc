//! The status as a picture: a bar over time for each conversation, and credits a day.

use crate::cli::ui::charts::Glyphs;
use crate::cli::ui::output::Output;
use crate::core::Ms;
use crate::core::format::thousands;
use crate::core::printable::one_line;
use crate::core::timeline::bar::{Cell, Stretch, cells, stretches};
use crate::error::Failure;
use crate::store::{ConversationRow, DayRow};
use crate::view::local_time::local_date;

use super::selection::shown;
use crate::view::label;
use crate::view::status::{DAYS, Facts};

/// Columns of a name, and of the picture outside of a terminal.
const NAME: usize = 22;
const WIDTH: usize = 80;

/// What is drawn, on the terminal and on the page alike.
pub(super) struct Picture<'a> {
    /// From the oldest message of all.
    pub(super) from: Ms,
    pub(super) now: Ms,
    pub(super) rows: Vec<(&'a ConversationRow, Vec<Stretch>)>,
    /// Conversations that are not drawn.
    pub(super) left_out: usize,
    pub(super) days: &'a [DayRow],
}

impl<'a> Picture<'a> {
    pub(super) fn of(facts: &'a Facts, most: Option<usize>) -> Self {
        let now = facts.now;
        let from = facts.census.oldest_ms.unwrap_or(now).min(now.saturating_sub(1));
        let drawn = |row: &'a ConversationRow| {
            // As long as the inbox shows no news of a conversation, nothing has changed in it.
            let inbox = facts.inboxes.iter().find(|i| i.account == row.account).and_then(|i| i.synced_ms);
            let asked = row.synced_ms.map(|own| inbox.map_or(own, |inbox| inbox.max(own)));
            (row, stretches(&row.timeline, asked, from, now))
        };
        let rows: Vec<_> = shown(&facts.census.rows, most).into_iter().map(drawn).collect();
        Self { from, now, left_out: facts.census.conversations - rows.len(), rows, days: &facts.days }
    }

    pub(super) fn show(&self, out: &mut Output, glyphs: Glyphs) -> Result<(), Failure> {
        if self.rows.iter().any(|(row, _)| row.timeline.messages > 0) {
            self.show_bars(out, glyphs)?;
            out.line("")?;
        }
        if self.days.iter().any(|day| day.credits > 0) {
            let credits: Vec<i64> = self.days.iter().map(|d| d.credits).collect();
            let total: i64 = credits.iter().sum();
            out.line(format!(
                "Credits per day  {}  {} in {DAYS} days, at most {} in one day",
                glyphs.spark(&credits),
                thousands(total),
                thousands(credits.iter().copied().max().unwrap_or_default())
            ))?;
            out.line("")?;
        }
        Ok(())
    }

    fn show_bars(&self, out: &mut Output, glyphs: Glyphs) -> Result<(), Failure> {
        let width = out.columns().map_or(WIDTH, usize::from);
        let bar = width.saturating_sub(NAME + 2).clamp(10, 120);
        let (first, last) = (local_date(self.from), local_date(self.now));
        let between = bar.saturating_sub(first.chars().count() + last.chars().count());
        out.line(format!("{:NAME$}  {first}{}{last}", "", " ".repeat(between.max(1))))?;
        for (row, stretches) in &self.rows {
            let cells = cells(stretches, self.from, self.now, bar);
            let drawn: String = cells.into_iter().map(|cell| glyphs.cell(cell)).collect();
            out.line(format!("{}  {}", fitted(&label(row)), drawn.trim_end()))?;
        }
        let legend = [
            (Cell::Covered, "archived"),
            (Cell::Partly, "partly"),
            (Cell::Missing, "missing"),
            (Cell::Unknown, "not checked since"),
        ];
        let legend: Vec<String> =
            legend.iter().map(|(cell, word)| format!("{} {word}", glyphs.cell(*cell))).collect();
        out.line(format!("{:NAME$}  {}", "", legend.join("   ")))
    }
}

/// A name in exactly `NAME` columns.
fn fitted(name: &str) -> String {
    use unicode_width::{UnicodeWidthChar as _, UnicodeWidthStr as _};
    let name = one_line(name);
    let mut fitted = String::new();
    let mut columns = 0;
    let whole = name.width() <= NAME;
    for c in name.chars() {
        let wide = c.width().unwrap_or_default();
        if columns + wide > if whole { NAME } else { NAME - 1 } {
            break;
        }
        fitted.push(c);
        columns += wide;
    }
    if !whole {
        fitted.push('~');
        columns += 1;
    }
    fitted + &" ".repeat(NAME.saturating_sub(columns))
}

#[cfg(test)]
mod tests {
    use super::*;
    use unicode_width::UnicodeWidthStr as _;

    #[test]
    fn names_of_any_script_take_the_same_width() {
        for name in
            ["", "Ada", "Święty Próbka, Ödön Példa, 张小样", "例示花子例示花子例示花子例", "a\u{1b}[2Jb\nc"]
        {
            assert_eq!(fitted(name).width(), NAME, "{name}");
        }
    }
}
