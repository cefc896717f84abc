//! A command line in words.

/// The words of a command line: separated by blanks, but inside quotes of either kind.
pub(super) fn words(line: &str) -> Result<Vec<String>, String> {
    let mut words = Vec::new();
    let mut word = None::<String>;
    let mut quote = None::<char>;
    for c in line.chars() {
        match (quote, c) {
            (Some(open), c) if c == open => quote = None,
            (None, '\'' | '"') => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            (None, c) if c.is_whitespace() => words.extend(word.take()),
            (_, c) => word.get_or_insert_default().push(c),
        }
    }
    if let Some(open) = quote {
        return Err(format!("the quote {open} is not closed"));
    }
    words.extend(word);
    if words.is_empty() {
        return Err("there is no command after `driver:`".to_owned());
    }
    Ok(words)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_separated_by_blanks_outside_of_quotes() {
        let split = |line| words(line).unwrap();
        assert_eq!(split(" python3  a.py "), ["python3", "a.py"]);
        assert_eq!(split("'a b' \"c'd\" e'f g'"), ["a b", "c'd", "ef g"]);
        assert_eq!(split("a ''"), ["a", ""]);
        assert!(words("a 'b").unwrap_err().contains("not closed"));
        assert!(words("  ").unwrap_err().contains("no command"));
    }
}
