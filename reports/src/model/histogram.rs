//! A distribution of whole numbers in buckets that double.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How often values of each size occurred. Merging is commutative, so that the order in which workers
/// finish leaves no trace.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Histogram {
    /// Values recorded.
    pub count: u64,
    /// Their sum, saturating.
    pub sum: u64,
    /// The smallest; 0 if there is none.
    pub min: u64,
    /// The largest; 0 if there is none.
    pub max: u64,
    /// Buckets that hold a value, ascending.
    pub buckets: Vec<HistogramBucket>,
}

/// The values in `(at_most / 2, at_most]`; the first bucket holds 0 and 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct HistogramBucket {
    /// Largest value that belongs here: a power of two, or `u64::MAX`.
    pub at_most: u64,
    /// Values recorded here.
    pub count: u64,
}

impl Histogram {
    /// Adds one value.
    pub fn record(&mut self, value: u64) {
        self.merge(&Self {
            count: 1,
            sum: value,
            min: value,
            max: value,
            buckets: vec![HistogramBucket {
                at_most: bucket_of(value),
                count: 1,
            }],
        });
    }

    /// Adds every value of `other`.
    pub fn merge(&mut self, other: &Self) {
        if other.count == 0 {
            return;
        }
        self.min = if self.count == 0 {
            other.min
        } else {
            self.min.min(other.min)
        };
        self.max = self.max.max(other.max);
        self.count = self.count.saturating_add(other.count);
        self.sum = self.sum.saturating_add(other.sum);
        for bucket in &other.buckets {
            self.add(*bucket);
        }
    }

    /// The mean, rounded down; nothing if no value was recorded.
    pub const fn mean(&self) -> Option<u64> {
        self.sum.checked_div(self.count)
    }

    fn add(&mut self, bucket: HistogramBucket) {
        match self
            .buckets
            .binary_search_by_key(&bucket.at_most, |b| b.at_most)
        {
            Ok(i) => self.buckets[i].count = self.buckets[i].count.saturating_add(bucket.count),
            Err(i) => self.buckets.insert(i, bucket),
        }
    }
}

fn bucket_of(value: u64) -> u64 {
    value.checked_next_power_of_two().unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(values: &[u64]) -> Histogram {
        let mut histogram = Histogram::default();
        for value in values {
            histogram.record(*value);
        }
        histogram
    }

    #[test]
    fn values_fall_into_doubling_buckets() {
        let got: Vec<(u64, u64)> = of(&[0, 1, 2, 3, 4, 5, 8, u64::MAX])
            .buckets
            .iter()
            .map(|b| (b.at_most, b.count))
            .collect();
        assert_eq!(got, [(1, 2), (2, 1), (4, 2), (8, 2), (u64::MAX, 1)]);
    }

    #[test]
    fn merging_equals_recording_in_any_order() {
        let (left, right) = (of(&[7, 900]), of(&[3, 0, 64]));
        let mut a = left.clone();
        a.merge(&right);
        let mut b = right;
        b.merge(&left);
        assert_eq!(a, b);
        assert_eq!(a, of(&[0, 3, 7, 64, 900]));
        assert_eq!((a.min, a.max, a.mean()), (0, 900, Some(194)));
    }

    #[test]
    fn merging_an_empty_one_changes_nothing() {
        let mut histogram = of(&[5]);
        histogram.merge(&Histogram::default());
        assert_eq!(histogram, of(&[5]));
    }
}
