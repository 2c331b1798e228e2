//! Service addresses: which are in use, which come next, which are allowed at all.

use std::collections::HashSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The address ranges services get their ClusterIPs from, one per family.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ranges {
    /// IPv4 network and prefix length.
    pub v4: (Ipv4Addr, u32),
    /// IPv6 network and prefix length.
    pub v6: (Ipv6Addr, u32),
}

impl Default for Ranges {
    fn default() -> Self {
        Self {
            v4: (Ipv4Addr::new(10, 96, 0, 0), 12),
            v6: (Ipv6Addr::new(0xfd00, 0x10, 0x96, 0, 0, 0, 0, 0), 108),
        }
    }
}

impl Ranges {
    /// Both ranges as the command line of a real API server takes them.
    #[must_use]
    pub fn told(&self) -> String {
        format!("{}/{},{}/{}", self.v4.0, self.v4.1, self.v6.0, self.v6.1)
    }

    fn holds(&self, address: IpAddr) -> bool {
        match address {
            IpAddr::V4(v4) => (v4.to_bits() ^ self.v4.0.to_bits()).leading_zeros() >= self.v4.1,
            IpAddr::V6(v6) => (v6.to_bits() ^ self.v6.0.to_bits()).leading_zeros() >= self.v6.1,
        }
    }

    /// The address `offset` after the network's own.
    fn nth(&self, v6: bool, offset: u32) -> IpAddr {
        if v6 {
            IpAddr::V6(Ipv6Addr::from_bits(
                self.v6.0.to_bits() + u128::from(offset),
            ))
        } else {
            IpAddr::V4(Ipv4Addr::from_bits(
                self.v4.0.to_bits().wrapping_add(offset),
            ))
        }
    }
}

/// Addresses of services: taken and free.
#[derive(Debug)]
pub struct Pool {
    ranges: Ranges,
    /// Addresses outside the ranges are allowed.
    any: bool,
    taken: HashSet<IpAddr>,
    /// Offset of the next address to try, per family.
    next: [u32; 2],
}

/// The first offsets are left to services that ask for an address of their own, as real servers do.
const FIRST_FREE: u32 = 256;

impl Pool {
    /// A pool with nothing taken.
    #[must_use]
    pub fn new(ranges: Ranges, any: bool) -> Self {
        Self {
            ranges,
            any,
            taken: HashSet::new(),
            next: [FIRST_FREE; 2],
        }
    }

    /// Whether a service may have this address; if not, why.
    pub fn check(&self, address: IpAddr) -> Result<(), String> {
        if !self.any && !self.ranges.holds(address) {
            return Err(format!(
                "failed to allocate IP {address}: the provided IP is not in the valid range. The range of valid IPs is {}",
                self.ranges.told()
            ));
        }
        if self.taken.contains(&address) {
            return Err(format!(
                "failed to allocate IP {address}: provided IP is already allocated"
            ));
        }
        Ok(())
    }

    /// A free address of a family; stays free until it is taken.
    #[must_use]
    pub fn propose(&mut self, v6: bool) -> IpAddr {
        let next = &mut self.next[usize::from(v6)];
        loop {
            let address = self.ranges.nth(v6, *next);
            *next += 1;
            if !self.ranges.holds(address) {
                *next = FIRST_FREE;
            } else if !self.taken.contains(&address) {
                return address;
            }
        }
    }

    /// Marks addresses as in use.
    pub fn take(&mut self, addresses: &[IpAddr]) {
        self.taken.extend(addresses);
    }

    /// Gives addresses back.
    pub fn release(&mut self, addresses: &[IpAddr]) {
        for address in addresses {
            self.taken.remove(address);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn allocates() {
        let mut pool = Pool::new(Ranges::default(), false);
        let first = pool.propose(false);
        pool.take(&[first]);
        assert_eq!(first.to_string(), "10.96.1.0");
        assert_eq!(pool.propose(false).to_string(), "10.96.1.1");
        assert_eq!(pool.propose(true).to_string(), "fd00:10:96::100");
        assert!(pool.check(first).unwrap_err().contains("already allocated"));
        pool.release(&[first]);
        assert_eq!(pool.check(first), Ok(()));
        assert!(
            pool.check("192.0.2.1".parse().unwrap())
                .unwrap_err()
                .contains("10.96.0.0/12")
        );
        assert_eq!(
            Pool::new(Ranges::default(), true).check("192.0.2.1".parse().unwrap()),
            Ok(())
        );
    }
}
