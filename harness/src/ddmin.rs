//! Delta debugging: the smallest part of a list that still shows something.
//!
//! The algorithm is `ddmin` of A. Zeller and R. Hildebrandt, "Simplifying and Isolating Failure-Inducing Input", IEEE Transactions on
//! Software Engineering 28(2), 2002, with the empty list tried first. It knows nothing about what the items are.

/// A part of `items`, in their order, that still shows it and from which no single item can be left out. `items` themselves must show it.
/// An error of the test ends the search at once: whoever tests knows the best so far.
pub fn ddmin<T: Clone, E>(
    items: &[T],
    shows: &mut dyn FnMut(&[T]) -> Result<bool, E>,
) -> Result<Vec<T>, E> {
    if items.is_empty() || shows(&[])? {
        return Ok(Vec::new());
    }
    let mut items = items.to_vec();
    let mut parts = 2;
    while items.len() > 1 {
        if let Some(smaller) = smaller(&items, parts, shows)? {
            // A part stands alone: start with halves again. A complement has one part less.
            let is_part = smaller.len() <= items.len().div_ceil(parts);
            parts = if is_part { 2 } else { (parts - 1).max(2) };
            items = smaller;
        } else if parts < items.len() {
            parts = (parts * 2).min(items.len());
        } else {
            break;
        }
    }
    Ok(items)
}

/// A part, or else the complement of a part, that still shows it.
fn smaller<T: Clone, E>(
    items: &[T],
    parts: usize,
    shows: &mut dyn FnMut(&[T]) -> Result<bool, E>,
) -> Result<Option<Vec<T>>, E> {
    let ends: Vec<usize> = (0..=parts).map(|part| part * items.len() / parts).collect();
    for window in ends.windows(2) {
        let part = &items[window[0]..window[1]];
        if shows(part)? {
            return Ok(Some(part.to_vec()));
        }
    }
    if parts == 2 {
        return Ok(None);
    }
    for window in ends.windows(2) {
        let complement = [&items[..window[0]], &items[window[1]..]].concat();
        if shows(&complement)? {
            return Ok(Some(complement));
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn minimal(count: u32, needed: &[u32]) -> (Vec<u32>, u32) {
        let items: Vec<u32> = (0..count).collect();
        let mut tests = 0;
        let found = ddmin(&items, &mut |part: &[u32]| {
            tests += 1;
            Ok::<_, ()>(needed.iter().all(|item| part.contains(item)))
        });
        (found.unwrap(), tests)
    }

    #[test]
    fn exactly_what_is_needed_is_left_in_its_order() {
        for needed in [&[][..], &[0], &[63], &[3, 40], &[0, 1, 2, 61, 62, 63]] {
            assert_eq!(minimal(64, needed).0, needed);
        }
        assert_eq!(minimal(1, &[0]).0, [0]);
        assert!(minimal(0, &[]).0.is_empty());
    }

    #[test]
    fn one_needed_item_takes_about_two_tests_for_each_halving() {
        let (found, tests) = minimal(1024, &[777]);
        assert_eq!(found, [777]);
        assert!(tests <= 2 * 10 + 2, "{tests}");
    }

    #[test]
    fn what_is_left_is_minimal_where_parts_depend_on_each_other() {
        // Shows with at least three even numbers.
        let items: Vec<u32> = (0..50).collect();
        let mut shows =
            |part: &[u32]| Ok::<_, ()>(part.iter().filter(|item| *item % 2 == 0).count() >= 3);
        let found = ddmin(&items, &mut shows).unwrap();
        assert_eq!(found.len(), 3);
        assert!(found.iter().all(|item| item % 2 == 0));
    }

    #[test]
    fn an_error_of_the_test_ends_it() {
        let mut left = 5;
        let ended = ddmin(&[1, 2, 3, 4, 5, 6, 7, 8], &mut |_: &[i32]| {
            left -= 1;
            if left == 0 { Err("enough") } else { Ok(false) }
        });
        assert_eq!(ended, Err("enough"));
    }
}
