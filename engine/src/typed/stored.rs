//! A typed value where it lies.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use crate::btree::Value;

use super::codec::{ValueCodec, whole_value};
use super::error::{DecodeError, Part, TypedError};

/// A value of a typed table, not copied: it holds the image of its page, and what it lends points there.
pub struct Stored<V> {
    pub(super) table: Cow<'static, str>,
    pub(super) key: Vec<u8>,
    pub(super) value: Value,
    pub(super) types: PhantomData<fn() -> V>,
}

impl<V: ValueCodec> Stored<V> {
    /// The value.
    pub fn get(&self) -> Result<V::Ref<'_>, TypedError> {
        whole_value::<V>(&self.value).ok_or_else(|| {
            TypedError::Decode(Box::new(DecodeError {
                table: self.table.clone().into_owned(),
                key: self.key.clone(),
                part: Part::Value,
                expected: V::name(),
            }))
        })
    }

    /// Its bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.value
    }
}

impl<V> fmt::Debug for Stored<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Stored({} bytes)", self.value.len())
    }
}
