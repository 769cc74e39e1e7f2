//! Datasets: file systems, volumes and snapshots in their tree, and their properties.

mod dataset;
mod forms;
mod known;
mod property;
mod statistics;
mod tree;

pub use dataset::{Dataset, DatasetKind};
pub use property::{Property, Source};
pub(crate) use tree::roots;
