//! Charts as inline SVG. Text stands in the page, not in the picture, so that it stays readable on a narrow screen;
//! only lines, which need axes, carry their own.

use maud::{Markup, html};

/// The ratio that fills a bar's width.
const RATIO_MAX: f64 = 4.0;

/// A bar that begins at 1 and goes to the right where we are ahead, to the left where not; on a scale of logarithms.
pub fn ratio_bar(ratio: f64) -> Markup {
    let place = |ratio: f64| 50.0 + 50.0 * ratio.log(RATIO_MAX).clamp(-1.0, 1.0);
    let end = place(ratio);
    let (from, to) = (end.min(50.0), end.max(50.0));
    let class = if ratio >= 1.0 { "ahead" } else { "behind" };
    html! {
        svg class="bar" viewBox="0 0 100 10" preserveAspectRatio="none" role="img" aria-label=(format!("{ratio:.2}")) {
            @for goal in [1.5, 1.0] {
                line x1=(fixed(place(goal))) x2=(fixed(place(goal))) y1="0" y2="10" class={ "mark" @if goal > 1.0 { " faint" } } {}
            }
            rect x=(fixed(from)) y="2" width=(fixed((to - from).max(0.4))) height="6" class=(class) {}
        }
    }
}

/// A bar of `figure` where `most` fills the width.
pub fn plain_bar(figure: f64, most: f64, class: &str) -> Markup {
    let width = if most > 0.0 {
        100.0 * figure / most
    } else {
        0.0
    };
    html! {
        svg class="bar" viewBox="0 0 100 10" preserveAspectRatio="none" aria-hidden="true" {
            rect x="0" y="1" width=(fixed(width.clamp(0.3, 100.0))) height="8" class=(class) {}
        }
    }
}

/// A line for each engine.
pub struct Series {
    /// The engine.
    pub name: String,
    /// Points, from left to right, none of them zero.
    pub points: Vec<(f64, f64)>,
}

const WIDTH: f64 = 400.0;
const HEIGHT: f64 = 240.0;
const LEFT: f64 = 46.0;
const BOTTOM: f64 = 30.0;
const TOP: f64 = 18.0;

/// Lines over two axes of logarithms.
pub fn lines(series: &[Series], x_name: &str, y_name: &str) -> Markup {
    let points = || series.iter().flat_map(|series| &series.points);
    let x_axis = Axis::over(points().map(|(x, _)| *x), LEFT, WIDTH - 12.0);
    let y_axis = Axis::over(points().map(|(_, y)| *y), HEIGHT - BOTTOM, TOP);
    html! {
        svg class="lines" viewBox=(format!("0 0 {WIDTH} {HEIGHT}")) role="img" aria-label=(format!("{y_name} by {x_name}")) {
            @for (place, text) in y_axis.ticks() {
                line class="grid" x1=(LEFT) x2=(WIDTH) y1=(fixed(place)) y2=(fixed(place)) {}
                text x=(LEFT - 4.0) y=(fixed(place + 4.0)) text-anchor="end" { (text) }
            }
            @for (place, text) in x_axis.ticks() {
                text x=(fixed(place)) y=(HEIGHT - BOTTOM + 14.0) text-anchor="middle" { (text) }
            }
            text x=(WIDTH) y=(HEIGHT - 3.0) text-anchor="end" { (x_name) }
            text x="2" y="9" { (y_name) }
            @for (index, series) in series.iter().enumerate() {
                polyline class={ "series s" (index % 10) } points=(path(series, &x_axis, &y_axis)) {}
            }
        }
        p class="legend" {
            @for (index, series) in series.iter().enumerate() {
                span { i class={ "s" (index % 10) } {} (series.name) } " "
            }
        }
    }
}

fn path(series: &Series, x_axis: &Axis, y_axis: &Axis) -> String {
    let place = |(x, y): &(f64, f64)| format!("{:.1},{:.1}", x_axis.place(*x), y_axis.place(*y));
    let places: Vec<_> = series.points.iter().map(place).collect();
    places.join(" ")
}

/// A scale of logarithms between two places.
struct Axis {
    low: f64,
    high: f64,
    from: f64,
    to: f64,
}

impl Axis {
    fn over(values: impl Iterator<Item = f64> + Clone, from: f64, to: f64) -> Self {
        let low = values.clone().fold(f64::INFINITY, f64::min);
        let high = values.fold(0.0, f64::max);
        Self {
            low: low.min(high / 1.5),
            high,
            from,
            to,
        }
    }

    fn place(&self, value: f64) -> f64 {
        let share = (value / self.low).ln() / (self.high / self.low).ln();
        self.from + share * (self.to - self.from)
    }

    /// Round numbers on it: powers of ten, or of two where there are fewer than three of those.
    fn ticks(&self) -> Vec<(f64, String)> {
        let powers = |base: f64| {
            // A power may be a rounding error away from its exponent.
            let first = (self.low.log(base) - 1e-9).ceil();
            let last = (self.high.log(base) + 1e-9).floor();
            let exponents = std::iter::successors(Some(first), |e| Some(e + 1.0));
            let values = exponents
                .take_while(move |e| *e <= last)
                .map(move |e| base.powf(e));
            values.collect::<Vec<_>>()
        };
        let tens = powers(10.0);
        let values = if tens.len() >= 3 { tens } else { powers(2.0) };
        values
            .into_iter()
            .map(|value| (self.place(value), short(value)))
            .collect()
    }
}

fn short(value: f64) -> String {
    match value {
        v if v >= 1e6 => format!("{}M", v / 1e6),
        v if v >= 1e3 => format!("{:.0}k", v / 1e3),
        v if v >= 1.0 => format!("{v:.0}"),
        v => format!("{v}"),
    }
}

fn fixed(value: f64) -> String {
    format!("{value:.2}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_axis_puts_its_ends_at_its_places() {
        let axis = Axis::over([10.0, 1000.0].into_iter(), 50.0, 250.0);
        assert!((axis.place(10.0) - 50.0).abs() < 1e-9);
        assert!((axis.place(100.0) - 150.0).abs() < 1e-9);
        let ticks: Vec<_> = axis.ticks().into_iter().map(|(_, text)| text).collect();
        assert_eq!(ticks, ["10", "100", "1k"]);
    }

    #[test]
    fn a_ratio_of_any_size_stays_within_its_bar() {
        for ratio in [0.001, 0.5, 1.0, 2.0, 1e6] {
            let text = ratio_bar(ratio).into_string();
            let x: f64 = text
                .split("rect x=\"")
                .nth(1)
                .unwrap()
                .split('"')
                .next()
                .unwrap()
                .parse()
                .unwrap();
            assert!((0.0..=100.0).contains(&x), "{text}");
        }
    }
}
