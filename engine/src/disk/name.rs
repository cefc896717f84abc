//! Which names may be asked of a disk: relative, of ordinary parts. Nothing leaves the database's directory.

use std::io::{Error, ErrorKind, Result};

/// Refuses names that are not relative or could lead out of the directory; `""` is the directory itself.
pub fn check(name: &str) -> Result<()> {
    if name.is_empty() {
        Ok(())
    } else {
        check_file(name)
    }
}

/// As [`check`], and refuses the directory itself.
pub fn check_file(name: &str) -> Result<()> {
    let ordinary = |part: &str| {
        !part.is_empty() && part != "." && part != ".." && !part.contains(['\\', '\0', ':'])
    };
    if name.split('/').all(ordinary) {
        Ok(())
    } else {
        Err(Error::new(
            ErrorKind::InvalidInput,
            format!("the name {name:?} is not a plain relative one"),
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_plain_relative_names_are_taken() {
        for good in ["data", "wal/000001", "a/b/c", "x..y"] {
            assert!(check(good).is_ok(), "{good}");
        }
        for bad in [
            "/data",
            "../data",
            "wal/../../x",
            "wal//1",
            "wal/",
            ".",
            "a\0b",
            "c:x",
            "a\\b",
        ] {
            assert!(check(bad).is_err(), "{bad}");
        }
        assert!(check("").is_ok());
        assert!(check_file("").is_err());
    }
}
