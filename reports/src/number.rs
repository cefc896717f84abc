//! Numbers as people read them.

/// `61204` as `61,204`.
pub fn grouped(value: u64) -> String {
    let digits = value.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// At most four characters, rounded down: `61204` as `61k`, `1234567` as `1.2M`.
pub fn short(value: u64) -> String {
    const UNITS: [(u64, &str); 5] = [
        (1_000_000_000_000_000, "P"),
        (1_000_000_000_000, "T"),
        (1_000_000_000, "G"),
        (1_000_000, "M"),
        (1_000, "k"),
    ];
    for (unit, name) in UNITS {
        if value >= unit {
            let tenths = value / (unit / 10);
            return match tenths {
                ..100 if !tenths.is_multiple_of(10) => {
                    format!("{}.{}{name}", tenths / 10, tenths % 10)
                }
                _ => format!("{}{name}", tenths / 10),
            };
        }
    }
    value.to_string()
}

/// `1 scenario`, `12 scenarios`.
pub fn counted(count: u64, singular: &str, plural: &str) -> String {
    format!(
        "{} {}",
        grouped(count),
        if count == 1 { singular } else { plural }
    )
}

/// Milliseconds as `840 ms`, `12.3 s` or `4 min 5 s`.
pub fn duration_ms(ms: u64) -> String {
    match ms {
        ..1_000 => format!("{ms} ms"),
        1_000..60_000 => format!("{}.{} s", ms / 1_000, ms % 1_000 / 100),
        _ => format!("{} min {} s", ms / 60_000, ms % 60_000 / 1_000),
    }
}

/// Microseconds as `840 µs`, `12.3 ms` or as [`duration_ms`].
pub fn duration_us(us: u64) -> String {
    match us {
        ..1_000 => format!("{us} µs"),
        1_000..1_000_000 => format!("{}.{} ms", us / 1_000, us % 1_000 / 100),
        _ => duration_ms(us / 1_000),
    }
}

/// `part` of `whole` in hundredths of a percent, rounded down; all of nothing is nothing. Never above 100 %.
pub fn basis_points(part: u64, whole: u64) -> u16 {
    if whole == 0 {
        return 0;
    }
    let points = u128::from(part) * 10_000 / u128::from(whole);
    u16::try_from(points.min(10_000)).unwrap_or(10_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousands_are_grouped() {
        for (value, text) in [
            (0, "0"),
            (999, "999"),
            (1_000, "1,000"),
            (61_204_007, "61,204,007"),
        ] {
            assert_eq!(grouped(value), text);
        }
        assert_eq!(grouped(u64::MAX), "18,446,744,073,709,551,615");
    }

    #[test]
    fn short_numbers_round_down_and_stay_short() {
        let cases = [
            (999, "999"),
            (1_000, "1k"),
            (1_290, "1.2k"),
            (61_204, "61k"),
            (999_999, "999k"),
            (2_000_000, "2M"),
        ];
        for (value, text) in cases {
            assert_eq!(short(value), text);
        }
        assert_eq!(short(u64::MAX), "18446P");
    }

    #[test]
    fn durations_choose_their_unit() {
        let cases = [(999, "999 ms"), (12_345, "12.3 s"), (245_000, "4 min 5 s")];
        for (ms, text) in cases {
            assert_eq!(duration_ms(ms), text);
        }
        assert_eq!(duration_us(12_345), "12.3 ms");
        assert_eq!(duration_us(7), "7 µs");
    }

    #[test]
    fn a_share_is_never_above_all() {
        assert_eq!(basis_points(1, 3), 3_333);
        assert_eq!(basis_points(9, 3), 10_000);
        assert_eq!(basis_points(1, 0), 0);
        assert_eq!(basis_points(u64::MAX, u64::MAX), 10_000);
    }
}
