//! Behaviour tests of the tree over pages in memory.

mod bounds;
mod damage;
mod fill;
mod inputs;
mod large;
mod memory_pages;
mod model;
