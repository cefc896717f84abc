//! A metrics recorder that remembers everything.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use metrics::{Counter, Gauge, Histogram, HistogramFn, Key, KeyName, Metadata, SharedString, Unit};

type Named<T> = Mutex<BTreeMap<String, T>>;

/// What was recorded, by name.
#[derive(Default)]
pub struct Recorder {
    counters: Named<Arc<AtomicU64>>,
    gauges: Named<Arc<AtomicU64>>,
    histograms: Named<Arc<Values>>,
    descriptions: Named<String>,
}

#[derive(Default)]
pub struct Values(Mutex<Vec<f64>>);

impl HistogramFn for Values {
    fn record(&self, value: f64) {
        self.0.lock().unwrap().push(value);
    }
}

fn of<T: Default>(named: &Named<Arc<T>>, key: &Key) -> Arc<T> {
    let mut named = named.lock().unwrap();
    Arc::clone(named.entry(key.name().to_owned()).or_default())
}

impl Recorder {
    /// A counter's sum.
    pub fn counter(&self, name: &str) -> u64 {
        let counters = self.counters.lock().unwrap();
        counters.get(name).map_or(0, |n| n.load(Ordering::Relaxed))
    }

    /// A gauge, if it was set.
    pub fn gauge(&self, name: &str) -> Option<f64> {
        let gauges = self.gauges.lock().unwrap();
        gauges
            .get(name)
            .map(|bits| f64::from_bits(bits.load(Ordering::Relaxed)))
    }

    /// A histogram's values, in order.
    pub fn values(&self, name: &str) -> Vec<f64> {
        let histograms = self.histograms.lock().unwrap();
        histograms
            .get(name)
            .map_or_else(Vec::new, |values| values.0.lock().unwrap().clone())
    }

    /// The names of all that was recorded.
    pub fn names(&self) -> BTreeSet<String> {
        let mut names = BTreeSet::new();
        names.extend(self.counters.lock().unwrap().keys().cloned());
        names.extend(self.gauges.lock().unwrap().keys().cloned());
        names.extend(self.histograms.lock().unwrap().keys().cloned());
        names
    }

    /// What a metric was described as.
    pub fn description(&self, name: &str) -> Option<String> {
        self.descriptions.lock().unwrap().get(name).cloned()
    }

    fn note(&self, name: &KeyName, description: &SharedString) {
        let mut descriptions = self.descriptions.lock().unwrap();
        descriptions.insert(name.as_str().to_owned(), description.to_string());
    }
}

impl metrics::Recorder for Recorder {
    fn describe_counter(&self, name: KeyName, _: Option<Unit>, description: SharedString) {
        self.note(&name, &description);
    }

    fn describe_gauge(&self, name: KeyName, _: Option<Unit>, description: SharedString) {
        self.note(&name, &description);
    }

    fn describe_histogram(&self, name: KeyName, _: Option<Unit>, description: SharedString) {
        self.note(&name, &description);
    }

    fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
        Counter::from_arc(of(&self.counters, key))
    }

    fn register_gauge(&self, key: &Key, _: &Metadata<'_>) -> Gauge {
        Gauge::from_arc(of(&self.gauges, key))
    }

    fn register_histogram(&self, key: &Key, _: &Metadata<'_>) -> Histogram {
        Histogram::from_arc(of(&self.histograms, key))
    }
}
