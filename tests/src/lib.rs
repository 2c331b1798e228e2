//! What the tests that need root share: a node that runs dns-ctl, and the kernel programs in the hand.

pub mod kernel;
pub mod node;
