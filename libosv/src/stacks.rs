//! Where threads live: guard page, stack and IPC buffer in one row, one place after the other.

use crate::cap::vspace::{self, MapFailure};
use crate::cap::{Cap, kind};
use alloc::vec::Vec;
use ipc_proto::abi::layout::PAGE_BYTES;
use ipc_proto::abi::word::{MapFlags, Rights};

/// Where a thread lives in the server window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// Lowest address of the stack; the page below is not mapped.
    pub stack: u64,
    /// Bytes of the stack.
    pub stack_bytes: u64,
    /// Address of the IPC buffer.
    pub buffer: u64,
    /// The Memory that the buffer lies in.
    pub memory: Cap<kind::Memory>,
    /// Offset of the buffer in it.
    pub buffer_offset: u64,
}

/// Equal places for threads, mapped when they are first used and then kept for the next thread.
#[derive(Debug)]
pub struct Stacks {
    vspace: Cap<kind::VSpace>,
    tables: Cap<kind::Untyped>,
    memory: Cap<kind::Memory>,
    attachment: u64,
    address: u64,
    stack_bytes: u64,
    limit: u64,
    used: u64,
    free: Vec<Place>,
}

impl Stacks {
    /// Lays out places in `memory`, which is attached to `vspace` as `attachment`, from `address`
    /// on. `stack_bytes` are whole pages, as is `memory_bytes`; the window range used is at most
    /// twice `memory_bytes`. Page tables are made out of `tables`.
    #[must_use]
    pub const fn new(
        vspace: Cap<kind::VSpace>,
        tables: Cap<kind::Untyped>,
        (memory, memory_bytes): (Cap<kind::Memory>, u64),
        attachment: u64,
        address: u64,
        stack_bytes: u64,
    ) -> Self {
        let limit = memory_bytes / (stack_bytes + PAGE_BYTES);
        let free = Vec::new();
        Stacks { vspace, tables, memory, attachment, address, stack_bytes, limit, used: 0, free }
    }

    /// Takes a place; `Ok(None)` if all are in use.
    ///
    /// # Errors
    /// What the kernel refuses when a new place is mapped.
    pub fn allocate(&mut self) -> Result<Option<Place>, MapFailure> {
        if let Some(place) = self.free.pop() {
            return Ok(Some(place));
        }
        if self.used == self.limit {
            return Ok(None);
        }
        let place = self.place(self.used);
        let pages = self.stack_bytes / PAGE_BYTES + 1;
        let offset = place.buffer_offset - self.stack_bytes;
        let flags = MapFlags::new(self.attachment, Rights::READ.union(Rights::WRITE));
        vspace::map(self.vspace, self.tables, flags, offset, place.stack, pages)?;
        self.used += 1;
        Ok(Some(place))
    }

    /// Returns place number `index`: in the window after its guard page, in the Memory without.
    const fn place(&self, index: u64) -> Place {
        let bytes = self.stack_bytes + PAGE_BYTES;
        let stack = self.address + index * (bytes + PAGE_BYTES) + PAGE_BYTES;
        Place {
            stack,
            stack_bytes: self.stack_bytes,
            buffer: stack + self.stack_bytes,
            memory: self.memory,
            buffer_offset: index * bytes + self.stack_bytes,
        }
    }

    /// Gives the place of a stopped thread back.
    pub fn free(&mut self, place: Place) {
        self.free.push(place);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ipc_proto::abi::word::CPtr;

    fn stacks(memory_bytes: u64) -> Stacks {
        let memory = (Cap::new(CPtr(3)), memory_bytes);
        Stacks::new(Cap::new(CPtr(1)), Cap::new(CPtr(2)), memory, 9, 0x10_0000, 0x4000)
    }

    #[test]
    fn places_follow_each_other_with_a_guard_page_between() {
        let stacks = stacks(0xa000);
        let (first, second) = (stacks.place(0), stacks.place(1));
        assert_eq!(
            (first.stack, first.buffer, first.buffer_offset),
            (0x10_1000, 0x10_5000, 0x4000)
        );
        assert_eq!(second.stack - (first.buffer + PAGE_BYTES), PAGE_BYTES);
        assert_eq!(second.buffer_offset + PAGE_BYTES, 0xa000);
    }

    #[test]
    fn a_place_given_back_is_given_again() {
        let mut stacks = stacks(0x4fff);
        assert_eq!(stacks.allocate(), Ok(None));
        let place = stacks.place(0);
        stacks.free(place);
        assert_eq!(stacks.allocate(), Ok(Some(place)));
    }
}
