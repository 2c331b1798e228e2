//! The figures on a terminal's screen: what is drawn where.

use ratatui::{
    Frame,
    layout::{Alignment, Constraint, Layout, Rect},
    style::{Style, Stylize as _},
    text::{Line, Span},
    widgets::{Cell, Paragraph, Row, Table},
};

use super::{
    figures::{Figures, Part, Samples},
    lines::{NOT_SAMPLED, cells, count, dropped, percent, sampling, state},
    tally::Order,
};

/// What is drawn.
#[derive(Clone, Copy, Debug)]
pub(super) struct View<'f> {
    /// The figures; `None` before the first interval is over.
    pub(super) figures: Option<&'f Figures>,
    /// Whether they stand still.
    pub(super) is_paused: bool,
    /// In which order names and clients are.
    pub(super) order: Order,
    /// Whether names are shown; `None` if they may not be.
    pub(super) names: Option<bool>,
}

/// Lines above the outcomes.
const HEAD: u16 = 4;
/// Columns of the numbers of a part, spaces between them included.
const NUMBERS: [Constraint; 4] = [
    Constraint::Length(9),
    Constraint::Length(8),
    Constraint::Length(9),
    Constraint::Length(9),
];
const NUMBER_HEADS: [&str; 4] = ["per s", "share", "error", "answered"];

/// How many names and clients there is room for on a screen of this height.
pub(super) fn rows(height: u16) -> usize {
    usize::from(height.saturating_sub(HEAD))
}

/// Draws everything.
pub(super) fn draw(frame: &mut Frame<'_>, view: View<'_>) {
    let [head, body, foot] = Layout::vertical([
        Constraint::Length(HEAD),
        Constraint::Min(0),
        Constraint::Length(3),
    ])
    .areas(frame.area());
    frame.render_widget(Paragraph::new(footer(view)), foot);
    let Some(figures) = view.figures else {
        frame.render_widget(
            Paragraph::new("kxdns: the first interval is not over yet"),
            head,
        );
        return;
    };
    frame.render_widget(Paragraph::new(header(figures)), head);
    let outcomes = figures.outcomes.len().min(usize::from(body.height) / 2);
    let outcomes = u16::try_from(outcomes)
        .unwrap_or(u16::MAX)
        .saturating_add(2);
    let [top, busy] =
        Layout::vertical([Constraint::Length(outcomes), Constraint::Min(0)]).areas(body);
    draw_outcomes(frame, top, figures);
    if let Some(samples) = &figures.samples {
        draw_samples(frame, busy, samples);
    }
}

fn header(figures: &Figures) -> Vec<Line<'static>> {
    let ratio = figures.hit_ratio.map_or("-".to_owned(), percent);
    vec![
        Line::from(vec![
            "kxdns  ".bold(),
            figures.time.clone().into(),
            format!("  every {:.0} s", figures.seconds).dim(),
        ]),
        Line::from(vec![
            count(figures.queries_per_second).bold(),
            " queries/s, ".into(),
            ratio.bold(),
            " answered in the kernel, ".into(),
            count(figures.passed_on_per_second).bold(),
            " passed on/s".into(),
            dropped(figures).into(),
            format!(
                "; {} other packets/s",
                count(figures.other_packets_per_second)
            )
            .dim(),
        ]),
        Line::from(state(figures)),
    ]
}

fn footer(view: View<'_>) -> Vec<Line<'static>> {
    let samples = view.figures.and_then(|figures| figures.samples.as_ref());
    let about = samples.map_or_else(
        || "Only counters are shown; no samples are taken.".to_owned(),
        |samples| format!("{} The error is at 95 %.", sampling(samples)),
    );
    let order = match view.order {
        Order::Queries => "those passed on first",
        Order::PassedOn => "the busiest first",
    };
    let key = |key: &'static str, what: &str| [key.bold(), Span::from(format!(" {what}   "))];
    let mut keys = Vec::new();
    keys.extend(key("q", "quit"));
    keys.extend(key("p", if view.is_paused { "go on" } else { "pause" }));
    if samples.is_some() {
        keys.extend(key("s", order));
        if let Some(are_shown) = view.names {
            keys.extend(key(
                "n",
                if are_shown {
                    "hide names"
                } else {
                    "show names"
                },
            ));
        }
    }
    if view.is_paused {
        keys.push("PAUSED".reversed());
    }
    vec![
        Line::from(about).dim(),
        Line::from(NOT_SAMPLED).dim(),
        Line::from(keys),
    ]
}

fn draw_outcomes(frame: &mut Frame<'_>, area: Rect, figures: &Figures) {
    let mut outcomes: Vec<_> = figures.outcomes.iter().collect();
    // Answers first; then what happens most.
    outcomes.sort_by(|a, b| {
        let rank = |result: &str| result != "hit";
        rank(a.result)
            .cmp(&rank(b.result))
            .then(b.per_second.total_cmp(&a.per_second))
    });
    let rows = outcomes.into_iter().map(|it| {
        let row = Row::new([
            Cell::from(format!("{} {}", it.result, it.outcome)),
            number(count(it.per_second)),
            number(it.total.to_string()),
        ]);
        if it.is_query { row } else { row.dim() }
    });
    let widths = [
        Constraint::Length(22),
        Constraint::Length(10),
        Constraint::Length(14),
    ];
    let header = Row::new([
        Cell::from("packets"),
        number("per s".into()),
        number("total".into()),
    ]);
    frame.render_widget(
        Table::new(rows, widths).header(header.style(Style::new().bold())),
        area,
    );
}

fn draw_samples(frame: &mut Frame<'_>, area: Rect, samples: &Samples) {
    // Names have three fifths of the lines, if they are shown.
    let for_names = samples.names.as_ref().map_or(0, |_| area.height * 3 / 5);
    let [above, below] = Layout::vertical([Constraint::Length(for_names), Constraint::Min(0)])
        .spacing(1)
        .areas(area);
    if let Some(names) = &samples.names {
        let rows = names.iter().map(|it| (vec![it.name.clone()], it.part));
        draw_busy(frame, above, &[("name", Constraint::Min(20))], rows);
    }
    let rows = samples.clients.iter().map(|it| {
        let who = vec![it.address.to_string(), it.interface.clone()];
        (who, it.part)
    });
    let who = [
        ("client", Constraint::Min(20)),
        ("interface", Constraint::Length(16)),
    ];
    draw_busy(frame, below, &who, rows);
}

fn draw_busy(
    frame: &mut Frame<'_>,
    area: Rect,
    columns: &[(&'static str, Constraint)],
    rows: impl Iterator<Item = (Vec<String>, Part)>,
) {
    let heads = columns.iter().map(|(head, _)| Cell::from(*head));
    let numbers = NUMBER_HEADS.map(|head| number(head.to_owned()));
    let header = Row::new(heads.chain(numbers)).style(Style::new().bold());
    let rows = rows.map(|(what, part)| {
        let what = what.into_iter().map(Cell::from);
        Row::new(what.chain(cells(&part).map(number)))
    });
    let widths = columns.iter().map(|&(_, width)| width).chain(NUMBERS);
    frame.render_widget(Table::new(rows, widths).header(header), area);
}

/// A cell with a number.
fn number(text: String) -> Cell<'static> {
    Cell::from(Line::from(text).alignment(Alignment::Right))
}

#[cfg(test)]
mod tests {
    use ratatui::{Terminal, backend::TestBackend};

    use super::{super::figures::tests::figures, *};

    fn lines(width: u16, height: u16, view: View<'_>) -> Vec<String> {
        let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
        terminal.draw(|frame| draw(frame, view)).unwrap();
        let text = terminal.backend().to_string();
        text.lines()
            .map(|line| line.trim_matches('"').trim_end().to_owned())
            .collect()
    }

    fn view(figures: &Figures) -> View<'_> {
        View {
            figures: Some(figures),
            is_paused: false,
            order: Order::Queries,
            names: Some(true),
        }
    }

    #[test]
    fn everything_has_its_place() {
        let figures = figures();
        let screen = lines(80, 24, view(&figures));
        let expected = "\
kxdns  2026-01-02T03:04:05Z  every 2 s
2000 queries/s, 75.0 % answered in the kernel, 500 passed on/s; 20 other packets
Lease: 9 min left. Names held: 12 of 100; others of the cluster are denied

packets                     per s          total
hit a                        1500           3000
miss outside_zones            500           1005
miss not_udp                   20             40

name                                          per s    share     error  answered
held.x.                                        1500   75.0 %   ±39.7 %   100.0 %
outside.                                        500   25.0 %   ±39.7 %     0.0 %





client                   interface            per s    share     error  answered
10.0.0.1                 pod-a                 1500   75.0 %   ±39.7 %   100.0 %
10.0.0.2                 9                      500   25.0 %   ±39.7 %     0.0 %

One query in 8 is looked at: 250 samples, 3 lost. The error is at 95 %.
Not seen: DNS over TCP (dns-ctl's server), and interfaces without a program.
q quit   p pause   s those passed on first   n hide names";
        let expected: Vec<_> = expected.lines().collect();
        assert_eq!(screen, expected, "{}", screen.join("\n"));
    }

    #[test]
    fn the_last_line_says_what_can_be_done() {
        let mut figures = figures();
        let last = |view: View<'_>| lines(100, 24, view).pop().unwrap();
        let paused = View {
            is_paused: true,
            order: Order::PassedOn,
            names: Some(false),
            ..view(&figures)
        };
        let keys = "q quit   p go on   s the busiest first   n show names   PAUSED";
        assert_eq!(last(paused), keys);
        let no_names = View {
            names: None,
            ..view(&figures)
        };
        assert!(!last(no_names).contains("names"));
        figures.samples = None;
        assert_eq!(last(view(&figures)), "q quit   p pause");
    }

    #[test]
    fn no_screen_is_too_small() {
        let figures = figures();
        for (width, height) in [(1, 1), (3, 2), (10, 5), (200, 8), (20, 100)] {
            lines(width, height, view(&figures));
            let empty = View {
                figures: None,
                ..view(&figures)
            };
            lines(width, height, empty);
        }
    }
}
