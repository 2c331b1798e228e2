//! The pure part: what an API server decides, without sockets, tasks or clocks.

pub mod address;
pub mod admit;
pub mod discovery;
pub mod field_selector;
pub mod filter;
mod guard;
pub mod kind;
pub mod label_selector;
pub mod list;
pub mod object;
mod patch;
pub mod path;
pub mod query;
pub mod registry;
pub mod service;
mod stamp;
pub mod status;
pub mod store;
pub mod watch;
