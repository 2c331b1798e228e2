//! What deploy/ has a cluster run: the objects of a release, as tests look at them.

mod release;
mod rules;

pub use release::Release;
pub use rules::{Ask, Grant, grants};
