//! One node: its layout, how it is searched, changed in place and built anew.

#[cfg(any(test, feature = "fuzzing"))]
mod any_node;
mod build;
mod closed_off;
mod edit;
mod entries;
mod entry;
mod item;
mod layout;
mod probe;
mod row;
mod search;
mod view;

#[cfg(feature = "fuzzing")]
pub use any_node::look_into_any_node;
pub(crate) use build::{Plan, build, build_empty_leaf, copy_content};
pub(crate) use closed_off::close_off;
pub(crate) use edit::{
    Inserted, compact, insert_cell, insert_separator, overwrite_value, remove_cell,
};
pub(crate) use entries::Entries;
pub(crate) use entry::{Sound, WholeEntry, cmp_keys};
pub(crate) use item::{InlineKey, Item, Payload};
pub(crate) use layout::{
    Header, KEY_LEN_MAX, LEVEL_MAX, PREFIX_BYTES_MAX, common_prefix_len, damage, key_inline_max,
    leaf_entry_bytes, value_inline_max,
};
pub(crate) use probe::{Probe, probe};
pub(crate) use row::Row;
pub(crate) use search::Found;
pub(crate) use view::{LeafEntry, Node, Tail, ValueRef, load_extent};
