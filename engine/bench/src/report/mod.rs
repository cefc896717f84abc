//! What is told of a session: as a table, as JSON, as a page.

mod chart;
mod goals;
mod model;
mod page;
mod table;

pub use model::Report;
pub use page::render as html;
pub use table::render as table;
