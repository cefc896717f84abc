//! Exceptions to the walls. The list only shrinks: an entry that is no longer needed, or allows
//! more than is there, is itself a violation.

/// A file, or a function in it, that may be longer than the wall.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Allowed {
    /// The file.
    pub file: &'static str,
    /// The function, or nothing for the file itself.
    pub function: Option<&'static str>,
    /// Its length in lines.
    pub lines: usize,
    /// Why it is not shorter.
    pub reason: &'static str,
}

/// Every exception.
pub const ALLOWED: &[Allowed] = &[];
