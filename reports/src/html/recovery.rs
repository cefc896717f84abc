//! How much work recovery was, as inline pictures.

use maud::{Markup, html};

use crate::model::{Histogram, HistogramBucket};
use crate::number::{basis_points, duration_us, grouped, short};
use crate::summary::Summary;

const BAR_WIDTH: usize = 44;
const GAP: usize = 8;
const PLOT_HEIGHT: usize = 150;
const TOP: usize = 22;
const BOTTOM: usize = 26;

/// The distributions of operations and of time; nothing if nothing recovered.
pub fn render(summary: &Summary<'_>) -> Markup {
    let operations = summary.recovery_operations();
    let time = summary.recovery_us();
    html! {
        @if operations.count > 0 || time.count > 0 {
            section #recovery aria-labelledby="recovery-title" {
                h2 #recovery-title { "Recovery" }
                p.note { "Each bar counts recoveries in a range that ends at its label; ranges double." }
                div.charts {
                    (chart("Storage operations of a recovery", &operations, grouped, short))
                    (chart("Time of a recovery", &time, duration_us, duration_us))
                }
            }
        }
    }
}

fn chart(
    title: &str,
    histogram: &Histogram,
    exact: fn(u64) -> String,
    label: fn(u64) -> String,
) -> Markup {
    let Some(mean) = histogram.mean() else {
        return html! {};
    };
    let summary = format!(
        "{} recoveries, from {} to {}, {} on average",
        grouped(histogram.count),
        exact(histogram.min),
        exact(histogram.max),
        exact(mean)
    );
    html! {
        figure {
            figcaption { strong { (title) } span.faint { (summary) } }
            (bars(&every_bucket(histogram), &format!("{title}: {summary}"), label))
        }
    }
}

fn bars(buckets: &[HistogramBucket], described: &str, label: fn(u64) -> String) -> Markup {
    let width = buckets.len() * (BAR_WIDTH + GAP) + GAP;
    let height = TOP + PLOT_HEIGHT + BOTTOM;
    let largest = buckets.iter().map(|b| b.count).max().unwrap_or(0);
    html! {
        div.scroll {
            svg.bars width=(width) height=(height) viewBox={ "0 0 " (width) " " (height) } role="img" aria-label=(described) {
                line.axis x1="0" x2=(width) y1=(TOP + PLOT_HEIGHT) y2=(TOP + PLOT_HEIGHT) {}
                @for (i, bucket) in buckets.iter().enumerate() { (bar(i, *bucket, largest, label)) }
            }
        }
    }
}

fn bar(i: usize, bucket: HistogramBucket, largest: u64, label: fn(u64) -> String) -> Markup {
    let x = GAP + i * (BAR_WIDTH + GAP);
    let share = usize::from(basis_points(bucket.count, largest));
    let at_least = usize::from(bucket.count > 0) * 2;
    let height = (PLOT_HEIGHT * share / 10_000).max(at_least);
    let y = TOP + PLOT_HEIGHT - height;
    let middle = x + BAR_WIDTH / 2;
    html! {
        rect x=(x) y=(y) width=(BAR_WIDTH) height=(height) rx="2" {}
        @if bucket.count > 0 { text.value x=(middle) y=(y.saturating_sub(6)) { (short(bucket.count)) } }
        text x=(middle) y=(TOP + PLOT_HEIGHT + 18) { (label(bucket.at_most)) }
    }
}

/// The buckets with the empty ones between the first and the last, so that the axis has no holes.
fn every_bucket(histogram: &Histogram) -> Vec<HistogramBucket> {
    let Some(last) = histogram.buckets.last() else {
        return Vec::new();
    };
    let mut all = Vec::new();
    let mut known = histogram.buckets.iter().peekable();
    let mut at_most = known.peek().map_or(1, |b| b.at_most).max(1);
    loop {
        let here = known.next_if(|b| b.at_most <= at_most);
        all.push(
            here.copied()
                .unwrap_or(HistogramBucket { at_most, count: 0 }),
        );
        match at_most.checked_mul(2) {
            Some(next) if at_most < last.at_most => at_most = next,
            _ => break,
        }
    }
    all.extend(known);
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(values: &[u64]) -> Vec<(u64, u64)> {
        let mut histogram = Histogram::default();
        for value in values {
            histogram.record(*value);
        }
        every_bucket(&histogram)
            .iter()
            .map(|b| (b.at_most, b.count))
            .collect()
    }

    #[test]
    fn the_axis_has_no_holes() {
        assert_eq!(shown(&[]), []);
        assert_eq!(shown(&[3, 30]), [(4, 1), (8, 0), (16, 0), (32, 1)]);
    }

    #[test]
    fn the_largest_value_is_not_lost() {
        let all = shown(&[u64::MAX - 1, u64::MAX, 1 << 62]);
        assert_eq!(all, [(1 << 62, 1), (1 << 63, 0), (u64::MAX, 2)]);
    }

    #[test]
    fn buckets_from_elsewhere_do_not_hang_or_vanish() {
        let buckets = vec![
            HistogramBucket {
                at_most: 0,
                count: 1,
            },
            HistogramBucket {
                at_most: 7,
                count: 2,
            },
        ];
        let histogram = Histogram {
            count: 3,
            buckets,
            ..Histogram::default()
        };
        let total: u64 = every_bucket(&histogram).iter().map(|b| b.count).sum();
        assert_eq!(total, 3);
    }
}
