//! The stability report.
