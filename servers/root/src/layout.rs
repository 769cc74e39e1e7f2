//! Where things lie in a domain's window.
//!
//! Every server of a domain has a slice of the window. In it, from a random place on: the start
//! page, the IPC buffer, the stack, the image (a page that is never mapped between each two),
//! then the heap and the mapped regions; what is left of the slice is the server's own.

use ipc_proto::abi::layout::{BLOCK_BYTES, PAGE_BYTES, WINDOW_BASE, WINDOW_BYTES};

/// The first part of root's own window, which is not given away.
pub const ROOT_BYTES: u64 = 8 << 30;
/// Where root maps bootfs.
pub const BOOTFS_ADDRESS: u64 = WINDOW_BASE + (2 << 30);
/// Where root maps the initrd.
pub const INITRD_ADDRESS: u64 = WINDOW_BASE + (4 << 30);
/// Where root maps the memory of the first server.
const SERVERS_ADDRESS: u64 = WINDOW_BASE + (6 << 30);
/// Bytes of root's window for the memory of one server.
const SERVER_BYTES: u64 = 128 << 20;

/// Returns where root maps the memory of server number `index`.
#[must_use]
pub const fn server_address(index: usize) -> u64 {
    SERVERS_ADDRESS + index as u64 * SERVER_BYTES
}

/// Part of a window, given out from its start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slice {
    next: u64,
    end: u64,
}

impl Slice {
    /// Returns slice `index` of the `count` of a domain's window; `is_root` if it is root's
    /// domain. `random` chooses where in its first eighth it starts to be given out.
    #[must_use]
    pub fn new(is_root: bool, index: u64, count: u64, random: u64) -> Slice {
        let start = if is_root { ROOT_BYTES } else { BLOCK_BYTES };
        let bytes = ((WINDOW_BYTES - start) / count.max(1)) & !(BLOCK_BYTES - 1);
        let first = WINDOW_BASE + start + index * bytes;
        let places = bytes / 8 / BLOCK_BYTES;
        Slice { next: first + random % places.max(1) * BLOCK_BYTES, end: first + bytes }
    }

    /// Takes `bytes`, at a block's boundary if there are as many, with an unmapped page behind;
    /// `None` if the slice is full.
    pub fn take(&mut self, bytes: u64) -> Option<u64> {
        let alignment = if bytes >= BLOCK_BYTES { BLOCK_BYTES } else { PAGE_BYTES };
        let address = self.next.checked_next_multiple_of(alignment)?;
        let next = address.checked_add(bytes.checked_next_multiple_of(PAGE_BYTES)?)?;
        let next = next.checked_add(PAGE_BYTES).filter(|&next| next <= self.end)?;
        self.next = next;
        Some(address)
    }

    /// Returns what is left, at a block's boundary: address and bytes.
    #[must_use]
    pub fn rest(&self) -> (u64, u64) {
        let address = self.next.next_multiple_of(BLOCK_BYTES).min(self.end);
        (address, self.end - address)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn pieces_never_overlap_and_stay_in_the_slice(
            is_root: bool, count in 1u64..9, random: u64,
            pieces in proptest::collection::vec(1u64..1 << 34, 1..12),
        ) {
            let mut end = WINDOW_BASE + if is_root { ROOT_BYTES } else { 0 };
            for index in 0..count {
                let mut slice = Slice::new(is_root, index, count, random);
                for &bytes in &pieces {
                    let Some(address) = slice.take(bytes) else { break };
                    prop_assert!(address >= end && address.is_multiple_of(PAGE_BYTES));
                    prop_assert!(bytes < BLOCK_BYTES || address.is_multiple_of(BLOCK_BYTES));
                    end = address + bytes + 1;
                }
                let (address, bytes) = slice.rest();
                prop_assert!(address >= end - 1);
                end = address + bytes;
                prop_assert!(end <= WINDOW_BASE + WINDOW_BYTES);
            }
        }
    }

    #[test]
    fn a_slice_that_is_full_says_so() {
        let mut slice = Slice::new(false, 0, 1, 0);
        assert_eq!(slice.take(WINDOW_BYTES), None);
        assert_eq!(slice.take(u64::MAX), None);
        assert!(slice.take(1 << 37).is_some());
    }
}
