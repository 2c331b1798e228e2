//! What is known of the cluster, kept in a folder: after a reboot it is served until the API server can be reached.
//!
//! [`format`] and [`schedule`] decide, [`folder`] and [`writer`] touch the disk, [`keeper`] brings them together.

pub mod folder;
pub mod format;
pub mod keeper;
mod memory;
pub mod schedule;
pub mod scope;
mod writer;

pub use folder::{Folder, FolderError, LoadError, Restored};
pub use keeper::Keeper;
pub use memory::Memory;
pub use scope::{Scope, Surroundings};
