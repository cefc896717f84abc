//! Which known name a mistyped one was meant to be.

/// The known name nearest to `wrong`, if one is near enough to be meant.
pub fn did_you_mean<'a>(wrong: &str, known: &[&'a str]) -> Option<&'a str> {
    let reach = (wrong.chars().count() / 3).max(1);
    known
        .iter()
        .map(|name| (distance(wrong, name), *name))
        .filter(|(distance, _)| *distance <= reach)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, name)| name)
}

/// Edits from one text to the other: insert, delete, replace, or swap two neighbours (optimal string
/// alignment, Damerau 1964 restricted).
fn distance(from: &str, to: &str) -> usize {
    let from: Vec<char> = from.chars().collect();
    let to: Vec<char> = to.chars().collect();
    let mut rows = vec![vec![0; to.len() + 1]; from.len() + 1];
    for (i, row) in rows.iter_mut().enumerate() {
        row[0] = i;
    }
    for (j, cell) in rows[0].iter_mut().enumerate() {
        *cell = j;
    }
    for i in 1..=from.len() {
        for j in 1..=to.len() {
            let replaced = rows[i - 1][j - 1] + usize::from(from[i - 1] != to[j - 1]);
            let mut best = replaced.min(rows[i - 1][j] + 1).min(rows[i][j - 1] + 1);
            if i > 1 && j > 1 && from[i - 1] == to[j - 2] && from[i - 2] == to[j - 1] {
                best = best.min(rows[i - 2][j - 2] + 1);
            }
            rows[i][j] = best;
        }
    }
    rows[from.len()][to.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_typo_finds_its_name() {
        let known = ["accounts", "clients", "transactions"];
        assert_eq!(did_you_mean("acounts", &known), Some("accounts"));
        assert_eq!(did_you_mean("transcations", &known), Some("transactions"));
        assert_eq!(did_you_mean("cleints", &known), Some("clients"));
    }

    #[test]
    fn a_different_word_finds_nothing() {
        assert_eq!(did_you_mean("colour", &["accounts", "clients"]), None);
        assert_eq!(did_you_mean("x", &[]), None);
    }
}
