//! Charts as SVG: drawn here, without a script, and with their figures as a table for whoever does not see them.

use maud::{Markup, html};

use crate::core::format::thousands;
use crate::export::text::Text;

/// A column or bar: its label, its value and what it means in words.
pub(super) struct Bar {
    pub(super) label: String,
    pub(super) value: i64,
    pub(super) words: String,
}

/// Width and height of a chart of columns, without its labels.
const COLUMNS: (i64, i64) = (900, 160);
/// How wide a column is at most.
const WIDEST: i64 = 60;

/// Columns over time. Of the labels, every `named`-th from the last one on is written.
pub(super) fn columns(id: &str, title: &str, bars: &[Bar], named: usize) -> Markup {
    let most = bars.iter().map(|bar| bar.value).max().unwrap_or_default().max(1);
    let (width, height) = COLUMNS;
    let count = i64::try_from(bars.len()).unwrap_or(i64::MAX).max(1);
    let place = |n: usize| width * i64::try_from(n).unwrap_or(0) / count;
    let gap = if width / count > 8 { 2 } else { 0 };
    html! {
        figure.chart {
            figcaption id=(id) { (title) }
            div.scroll.latest tabindex="0" role="group" aria-labelledby=(id) {
                svg.columns viewBox={ "-16 -14 " (width + 32) " " (height + 38) } aria-hidden="true" {
                    line.axis x1="0" x2=(width) y1=(height) y2=(height) {}
                    @for (n, bar) in bars.iter().enumerate() {
                        @let (x, end) = (place(n), place(n + 1));
                        @let tall = if bar.value > 0 { (bar.value * (height - 16) / most).max(2) } else { 0 };
                        g {
                            title { (Text(&bar.words)) }
                            rect.hover x=(x) y="0" width=((end - x).max(1)) height=(height) {}
                            @let wide = (end - x - 2 * gap).clamp(1, WIDEST);
                            rect.column x=((x + end - wide) / 2) y=(height - tall) width=(wide) height=(tall) {}
                            @if bar.value == most { text x=((x + end) / 2) y=(height - tall - 4) { (thousands(bar.value)) } }
                            @if (bars.len() - 1 - n).is_multiple_of(named.max(1)) {
                                text x=((x + end) / 2) y=(height + 18) { (Text(&bar.label)) }
                            }
                        }
                    }
                }
            }
            (figures(title, bars))
        }
    }
}

/// The same in numbers.
fn figures(title: &str, bars: &[Bar]) -> Markup {
    html! {
        details {
            summary { "The figures" span.hidden { " of: " (title) } }
            div.scroll tabindex="0" role="group" aria-label={ "The figures of: " (title) } {
                table {
                    tbody {
                        @for bar in bars.iter().rev().filter(|bar| bar.value != 0) {
                            tr { th scope="row" { (Text(&bar.label)) } td { (Text(&bar.words)) } }
                        }
                    }
                }
            }
        }
    }
}

/// Bars beside their labels, in which the table is the chart.
pub(super) fn bars(title: &str, bars: &[Bar]) -> Markup {
    let most = bars.iter().map(|bar| bar.value).max().unwrap_or_default().max(1);
    html! {
        table.bars {
            caption { (title) }
            tbody {
                @for bar in bars {
                    tr {
                        th scope="row" dir="auto" { (Text(&bar.label)) }
                        td.drawn {
                            svg viewBox="0 0 1000 10" preserveAspectRatio="none" aria-hidden="true" {
                                rect.column x="0" y="0" height="10" width=(bar.value * 1000 / most) {}
                            }
                        }
                        td.number { (Text(&bar.words)) }
                    }
                }
            }
        }
    }
}
