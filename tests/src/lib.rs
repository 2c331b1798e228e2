//! What the tests that need root share: a node that runs dns-ctl, its server alone, and the kernel programs in the hand.

pub mod container;
pub mod foreign;
pub mod garbage;
pub mod kernel;
pub mod leftovers;
pub mod node;
pub mod server;
pub mod site;
