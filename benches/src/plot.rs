//! Small plots of results, as SVG: bars with their spread, and lines over a rate or a size.

use std::{fmt::Display, path::Path};

use anyhow::{Result, anyhow};
use plotters::{
    coord::ranged1d::{AsRangedCoord, ValueFormatter},
    prelude::*,
};

use crate::summary::Summary;

/// Pixels of a plot's width.
const WIDTH: u32 = 760;
/// Pixels of a plot of lines' height.
const HEIGHT: u32 = 420;
/// Pixels of a bar's height, and of all that is above and below the bars.
const BAR: u32 = 24;
const AROUND_BARS: u32 = 100;
/// Pixels for the labels of bars.
const LABELS: u32 = 230;
const FONT: (&str, u32) = ("sans-serif", 14);
const TITLE: (&str, u32) = ("sans-serif", 17);
/// Colours that are told apart by those, too, who do not tell red from green (Okabe and Ito, 2008).
const COLOURS: [RGBColor; 7] = [
    RGBColor(0, 114, 178),
    RGBColor(230, 159, 0),
    RGBColor(0, 158, 115),
    RGBColor(204, 121, 167),
    RGBColor(86, 180, 233),
    RGBColor(213, 94, 0),
    RGBColor(90, 90, 90),
];

/// A bar: the median, and a whisker for the spread.
#[derive(Clone, Debug)]
pub(crate) struct Bar {
    /// What it stands for.
    pub(crate) label: String,
    /// Its length.
    pub(crate) value: Summary,
    /// Bars of one group have one colour.
    pub(crate) group: usize,
}

/// An axis of a plot of lines.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Axis<'a> {
    /// What is along it, with its unit.
    pub(crate) label: &'a str,
    /// Whether equal steps are equal factors; then all values are to be above zero.
    pub(crate) logarithmic: bool,
}

/// A line through points.
#[derive(Clone, Debug)]
pub(crate) struct Line {
    /// What it stands for.
    pub(crate) label: String,
    /// Its points, `(x, y)`, in the order of x.
    pub(crate) points: Vec<(f64, f64)>,
}

/// Draws horizontal bars, the first one at the top.
pub(crate) fn bars(file: &Path, title: &str, unit: &str, bars: &[Bar]) -> Result<()> {
    let count = u32::try_from(bars.len())?;
    let area = SVGBackend::new(file, (WIDTH, AROUND_BARS + BAR * count)).into_drawing_area();
    let longest = bars
        .iter()
        .fold(0.0, |most: f64, bar| most.max(bar.value.p90));
    let draw = || -> Result<(), Box<dyn std::error::Error>> {
        area.fill(&WHITE)?;
        let mut chart = ChartBuilder::on(&area)
            .caption(title, TITLE)
            .margin(12)
            .x_label_area_size(44)
            .y_label_area_size(LABELS)
            .build_cartesian_2d(0.0..longest * 1.02, (0..count).into_segmented())?;
        let label = |place: &SegmentValue<u32>| match place {
            SegmentValue::CenterOf(place) | SegmentValue::Exact(place) => {
                from_top(bars, *place).map_or_else(String::new, |bar| bar.label.clone())
            }
            SegmentValue::Last => String::new(),
        };
        chart
            .configure_mesh()
            .disable_y_mesh()
            .light_line_style(WHITE)
            .x_desc(unit)
            .y_labels(bars.len())
            .y_label_formatter(&label)
            .label_style(FONT)
            .draw()?;
        for place in 0..count {
            let Some(Bar { value, group, .. }) = from_top(bars, place) else {
                continue;
            };
            let (below, above) = (SegmentValue::Exact(place), SegmentValue::Exact(place + 1));
            let mut bar = Rectangle::new(
                [(0.0, below), (value.median, above)],
                colour(*group).filled(),
            );
            bar.set_margin(3, 3, 0, 0);
            let middle = SegmentValue::CenterOf(place);
            let spread =
                PathElement::new([(value.p10, middle.clone()), (value.p90, middle)], BLACK);
            chart.draw_series([bar])?;
            chart.draw_series([spread])?;
        }
        Ok(area.present()?)
    };
    draw().map_err(|error| not_written(file, &*error))
}

/// Draws lines with their points.
pub(crate) fn lines(
    file: &Path,
    title: &str,
    x: Axis<'_>,
    y: Axis<'_>,
    lines: &[Line],
) -> Result<()> {
    let points = || lines.iter().flat_map(|line| &line.points);
    let (along, up) = (
        range(points().map(|point| point.0), x),
        range(points().map(|point| point.1), y),
    );
    let result = match (x.logarithmic, y.logarithmic) {
        (false, false) => draw_lines(file, title, (x, along), (y, up), lines),
        (true, false) => draw_lines(file, title, (x, along.log_scale()), (y, up), lines),
        (false, true) => draw_lines(file, title, (x, along), (y, up.log_scale()), lines),
        (true, true) => draw_lines(
            file,
            title,
            (x, along.log_scale()),
            (y, up.log_scale()),
            lines,
        ),
    };
    result.map_err(|error| not_written(file, &*error))
}

fn draw_lines<X, Y>(
    file: &Path,
    title: &str,
    (x, along): (Axis<'_>, X),
    (y, up): (Axis<'_>, Y),
    lines: &[Line],
) -> Result<(), Box<dyn std::error::Error>>
where
    X: AsRangedCoord<Value = f64>,
    Y: AsRangedCoord<Value = f64>,
    X::CoordDescType: ValueFormatter<f64>,
    Y::CoordDescType: ValueFormatter<f64>,
{
    let area = SVGBackend::new(file, (WIDTH, HEIGHT)).into_drawing_area();
    area.fill(&WHITE)?;
    let mut chart = ChartBuilder::on(&area)
        .caption(title, TITLE)
        .margin(12)
        .x_label_area_size(44)
        .y_label_area_size(70)
        .build_cartesian_2d(along, up)?;
    chart
        .configure_mesh()
        .light_line_style(WHITE)
        .x_desc(x.label)
        .y_desc(y.label)
        .x_label_formatter(&short)
        .y_label_formatter(&short)
        .label_style(FONT)
        .draw()?;
    for (number, line) in lines.iter().enumerate() {
        let colour = colour(number);
        chart
            .draw_series(
                LineSeries::new(line.points.iter().copied(), colour.stroke_width(2)).point_size(3),
            )?
            .label(&line.label)
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 18, y)], colour.stroke_width(3)));
    }
    chart
        .configure_series_labels()
        .position(SeriesLabelPosition::UpperLeft)
        .background_style(WHITE.mix(0.85))
        .border_style(BLACK.mix(0.3))
        .label_font(FONT)
        .draw()?;
    Ok(area.present()?)
}

/// The bar that is `place` bars above the lowest.
fn from_top(bars: &[Bar], place: u32) -> Option<&Bar> {
    let place = usize::try_from(place).ok()?;
    bars.len()
        .checked_sub(place + 1)
        .and_then(|number| bars.get(number))
}

fn colour(number: usize) -> RGBColor {
    COLOURS[number % COLOURS.len()]
}

/// Where an axis begins and ends, so that all values lie on it: from zero if it is not logarithmic.
fn range(values: impl Iterator<Item = f64> + Clone, axis: Axis<'_>) -> std::ops::Range<f64> {
    let most = values.clone().fold(f64::MIN_POSITIVE, f64::max);
    if axis.logarithmic {
        let least = values.fold(most, f64::min);
        least / 1.2..most * 1.2
    } else {
        0.0..most * 1.05
    }
}

/// A number of an axis in few characters: `2`, `0.05`, `50k`, `1M`.
#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "what plotters calls it with"
)]
fn short(value: &f64) -> String {
    let (value, unit) = match value.abs() {
        1e6.. => (value / 1e6, "M"),
        1e3.. => (value / 1e3, "k"),
        _ => (*value, ""),
    };
    // Three digits, and no zeros behind them.
    let rounded = format!("{value:.3}");
    let text = rounded.trim_end_matches('0').trim_end_matches('.');
    format!("{text}{unit}")
}

fn not_written(file: &Path, error: &(impl Display + ?Sized)) -> anyhow::Error {
    anyhow!("can't draw {}: {error}", file.display())
}

#[cfg(test)]
mod tests {
    use testbed::Scratch;

    use super::*;

    #[test]
    fn numbers_of_axes_are_short() {
        for (value, text) in [
            (0.0, "0"),
            (0.05, "0.05"),
            (2.0, "2"),
            (1500.0, "1.5k"),
            (3e6, "3M"),
        ] {
            assert_eq!(short(&value), text);
        }
    }

    #[test]
    fn bars_and_lines_are_drawn_with_their_labels() {
        let folder = Scratch::new("plot").unwrap();
        let file = folder.path().join("plot.svg");
        let bar = |label: &str, group| Bar {
            label: label.to_owned(),
            value: Summary::of(&[1.0, 2.0, 4.0]),
            group,
        };
        bars(&file, "bars", "ns", &[bar("one", 0), bar("two", 1)]).unwrap();
        let text = std::fs::read_to_string(&file).unwrap();
        assert!(text.contains("one") && text.contains("two") && text.contains("bars"));

        let line = Line {
            label: "ours".to_owned(),
            points: vec![(1000.0, 20.0), (100_000.0, 3000.0)],
        };
        for logarithmic in [false, true] {
            let axis = |label| Axis { label, logarithmic };
            lines(
                &file,
                "latency",
                axis("queries/s"),
                axis("µs"),
                std::slice::from_ref(&line),
            )
            .unwrap();
            let text = std::fs::read_to_string(&file).unwrap();
            assert!(text.contains("ours") && text.contains("queries/s"));
        }
    }
}
