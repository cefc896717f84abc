//! The version of an engine, as the lock file of the build names it.

/// The version of a package in the text of a `Cargo.lock`, or `?`.
pub fn locked<'l>(lock: &'l str, package: &str) -> &'l str {
    let mut lines = lock.lines();
    let name = format!("name = \"{package}\"");
    lines.find(|line| *line == name);
    let version = lines
        .next()
        .and_then(|line| line.strip_prefix("version = "));
    version.map_or("?", |version| version.trim_matches('"'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_is_that_of_the_package_itself() {
        let lock = "[[package]]\nname = \"redb-derive\"\nversion = \"1.0.0\"\n\n[[package]]\nname = \"redb\"\nversion = \"4.6.0\"\n";
        assert_eq!(locked(lock, "redb"), "4.6.0");
        assert_eq!(locked(lock, "sled"), "?");
    }
}
