//! CoreDNS and dns-ctl on generated clusters, asked the same generated questions, their answers compared.
//!
//! A [`plan::ClusterPlan`] and its [`question::Question`]s follow from a seed alone. Both servers are fed by the same
//! API server and ask the same [`upstream`]. Their answers have to be equal as [`said::Said`] sees them, or their
//! difference has to be one that [`row::Row`] knows and `docs/compatibility.md` explains.

pub mod ask;
pub mod campaign;
pub mod dice;
mod loopback;
pub mod plan;
pub mod question;
pub mod reference;
pub mod row;
pub mod said;
pub mod server;
pub mod trial;
pub mod upstream;
