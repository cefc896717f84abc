//! Behaviour tests of the tree over pages in memory.

mod bounds;
mod damage;
mod fill;
mod inputs;
mod large;
mod lending;
mod memory_pages;
mod model;
mod prepared;
mod showing;
