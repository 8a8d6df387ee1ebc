//! The status as a picture: a bar over time for each conversation, and credits a day.

use crate::cli::ui::charts::Glyphs;
use crate::cli::ui::output::{Output, local_minute, plural, printable, thousands};
use crate::core::Ms;
use crate::core::timeline::bar::{Cell, Stretch, cells, stretches};
use crate::error::Failure;
use crate::store::{ConversationRow, DayRow, InboxStatus};

/// Days of the credits' chart.
pub(in crate::cli) const DAYS: u32 = 30;
/// Conversations that the terminal's picture shows.
const BARS: usize = 25;
/// Columns of a name, and of the whole picture where nobody knows how wide the reader's terminal is.
const NAME: usize = 22;
const WIDTH: usize = 80;

/// What is drawn, in the terminal and on the page alike.
pub(in crate::cli) struct Picture<'a> {
    /// From the oldest message of all.
    pub(in crate::cli) from: Ms,
    pub(in crate::cli) now: Ms,
    pub(in crate::cli) rows: Vec<(&'a ConversationRow, Vec<Stretch>)>,
    pub(in crate::cli) days: Vec<DayRow>,
}

impl<'a> Picture<'a> {
    pub(in crate::cli) fn of(
        rows: &'a [ConversationRow],
        inboxes: &[InboxStatus],
        days: Vec<DayRow>,
        now: Ms,
    ) -> Self {
        let oldest = rows.iter().filter_map(|r| r.timeline.oldest_ms).min();
        let from = oldest.unwrap_or(now).min(now.saturating_sub(1));
        let drawn = |row: &'a ConversationRow| {
            // The inbox tells of news: as long as it shows none, a conversation is as it was.
            let inbox = inboxes.iter().find(|i| i.account == row.account).and_then(|i| i.synced_ms);
            let asked = row.synced_ms.map(|own| inbox.map_or(own, |inbox| inbox.max(own)));
            (row, stretches(&row.timeline, asked, from, now))
        };
        Self { from, now, rows: rows.iter().map(drawn).collect(), days }
    }

    /// Prints it.
    pub(in crate::cli) fn show(&self, out: &mut Output, glyphs: Glyphs) -> Result<(), Failure> {
        if self.rows.iter().any(|(row, _)| row.timeline.messages > 0) {
            self.show_bars(out, glyphs)?;
            out.line("")?;
        }
        if self.days.iter().any(|day| day.credits > 0) {
            let credits: Vec<i64> = self.days.iter().map(|d| d.credits).collect();
            let total: i64 = credits.iter().sum();
            out.line(format!(
                "Credits a day  {}  {} in {DAYS} days, at most {} a day",
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
        let day = |ms: Ms| local_minute(ms).split(' ').next().unwrap_or_default().to_owned();
        let (first, last) = (day(self.from), day(self.now));
        let between = bar.saturating_sub(first.chars().count() + last.chars().count());
        out.line(format!("{:NAME$}  {first}{}{last}", "", " ".repeat(between.max(1))))?;
        for (row, stretches) in self.rows.iter().take(BARS) {
            let cells = cells(stretches, self.from, self.now, bar);
            let drawn: String = cells.into_iter().map(|cell| glyphs.cell(cell)).collect();
            out.line(format!("{}  {}", fitted(&super::label(row)), drawn.trim_end()))?;
        }
        let left = self.rows.len().saturating_sub(BARS);
        if left > 0 {
            out.line(format!("and {}; --html draws all", plural(left, "more conversation")))?;
        }
        let legend = [
            (Cell::Covered, "archived"),
            (Cell::Partly, "in part"),
            (Cell::Missing, "missing"),
            (Cell::Unknown, "not asked since"),
        ];
        let legend: Vec<String> =
            legend.iter().map(|(cell, word)| format!("{} {word}", glyphs.cell(*cell))).collect();
        out.line(format!("{:NAME$}  {}", "", legend.join("   ")))
    }
}

/// A name in exactly so many columns.
fn fitted(name: &str) -> String {
    use unicode_width::{UnicodeWidthChar as _, UnicodeWidthStr as _};
    let name = printable(name).replace('\n', " ");
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
    fn names_take_as_many_columns_whatever_they_are_of() {
        for name in
            ["", "Ada", "Święty Próbka, Ödön Példa, 张小样", "例示花子例示花子例示花子例", "a\u{1b}[2Jb\nc"]
        {
            assert_eq!(fitted(name).width(), NAME, "{name}");
        }
    }
}
