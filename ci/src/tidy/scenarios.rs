//! Scenario files begin with a comment that says what they show.

use super::{Source, Violation};

/// Checks one scenario file.
pub fn check_scenario(source: &Source) -> Option<Violation> {
    let first = source.text.lines().next().unwrap_or_default();
    let said = first.strip_prefix('#').map(str::trim).unwrap_or_default();
    said.is_empty().then(|| {
        let what = "a scenario begins with a comment that says what it shows";
        source.violation(1, what.to_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scenario_without_a_header_is_refused() {
        let refused = |text| check_scenario(&Source::new("scenarios/a.toml", text)).is_some();
        assert!(!refused(
            "# A power cut leaves all of a transfer or none.\nformat = 1"
        ));
        for text in ["", "format = 1", "#\nformat = 1", "\n# late"] {
            assert!(refused(text), "{text:?}");
        }
    }
}
