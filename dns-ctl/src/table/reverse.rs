//! The names of addresses below `in-addr.arpa` and `ip6.arpa`, in wire form.

use std::net::IpAddr;

const HEX: &[u8; 16] = b"0123456789abcdef";

/// The name of an address (RFC 1035, section 3.5; RFC 3596, section 2.5), root label included.
pub(super) fn name(address: IpAddr) -> Vec<u8> {
    let mut wire = Vec::with_capacity(74);
    match address {
        IpAddr::V4(address) => {
            for octet in address.octets().into_iter().rev() {
                let digits = octet.to_string();
                wire.push(u8::try_from(digits.len()).expect("an octet has at most three digits"));
                wire.extend_from_slice(digits.as_bytes());
            }
            wire.extend_from_slice(b"\x07in-addr");
        }
        IpAddr::V6(address) => {
            for octet in address.octets().into_iter().rev() {
                for digit in [octet & 15, octet >> 4] {
                    wire.extend_from_slice(&[1, HEX[usize::from(digit)]]);
                }
            }
            wire.extend_from_slice(b"\x03ip6");
        }
    }
    wire.extend_from_slice(b"\x04arpa\0");
    wire
}

#[cfg(test)]
mod tests {
    use hickory_proto::{
        rr::Name,
        serialize::binary::{BinDecodable as _, BinDecoder},
    };
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn it_is_the_name_that_the_library_makes(address: IpAddr) {
            let wire = name(address);
            let read = Name::read(&mut BinDecoder::new(&wire)).unwrap();
            prop_assert_eq!(read, Name::from(address));
        }
    }
}
