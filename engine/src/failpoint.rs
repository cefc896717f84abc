//! The macro that names a place in a protocol. Without the feature `failpoints` it is nothing at all.
//!
//! `failpoint!("wal.sync.before")` is a place where a test can stop, `failpoint!("wal.sync.before", fails)` one that can also
//! fail: there the function around it returns a `StorageError` of its own kind. Each use registers its name at link time. A name is
//! used once, in lower case: the part of the engine, the step, and where it helps `before` or `after`.

#[cfg(feature = "failpoints")]
macro_rules! failpoint {
    ($name:literal) => {{
        static POINT: $crate::failpoints::Failpoint =
            $crate::failpoints::Failpoint::new($name, false);
        inventory::submit!($crate::failpoints::Registered(&POINT));
        $crate::failpoints::pass(&POINT);
    }};
    ($name:literal, fails) => {{
        static POINT: $crate::failpoints::Failpoint =
            $crate::failpoints::Failpoint::new($name, true);
        inventory::submit!($crate::failpoints::Registered(&POINT));
        if let Some(error) = $crate::failpoints::reach(&POINT) {
            Err::<(), _>($crate::error::StorageError::io("go on past", $name, error))?;
        }
    }};
}

#[cfg(not(feature = "failpoints"))]
macro_rules! failpoint {
    ($name:literal $(, fails)?) => {};
}
