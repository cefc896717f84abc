//! Typed tables over tables of bytes: keys encoded so that their order is kept, values read without a copy.

mod bytes;
mod codec;
mod error;
mod numbers;
mod option;
mod rows;
mod stored;
mod table;
mod tuple;

pub use codec::{KeyCodec, Position, StartsWith, ValueCodec};
pub use error::{DecodeError, Part, TypedError};
pub use rows::{RefRows, Row, Rows};
pub use stored::Stored;
pub use table::Table;
