//! What this build calls itself.

/// The version; that of a build for tests of upgrades is another one than the plain build's.
#[cfg(not(any(feature = "next-abi", feature = "other-build")))]
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// The version of a build with the next map contract.
#[cfg(feature = "next-abi")]
pub const VERSION: &str = concat!(env!("CARGO_PKG_VERSION"), "-next");

/// The version of a build that only calls itself another one.
#[cfg(all(feature = "other-build", not(feature = "next-abi")))]
pub const VERSION: &str = concat!(env!("CARGO_PKG_VERSION"), "-other");
