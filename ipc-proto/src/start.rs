//! What a program is told when it starts: one page, written by root.
//!
//! The program's first thread starts with x0 = address and TPIDR_EL0 = length of the encoded
//! [`StartInfo`]. The page is mapped read-only and stays; the texts lie in it.

use crate::abi::boot_info::Platform;
use crate::abi::word::{CPtr, ObjectKind};
use crate::call::{Malformed, decode_exactly, encode};
use crate::capability::{Cap, Kind};
use heapless::Vec;
use serde::{Deserialize, Serialize};

/// Most named capabilities of a program.
pub const MAX_CAPABILITIES: usize = 32;
/// Most named memory regions of a program.
pub const MAX_REGIONS: usize = 16;
/// Most bytes of a capability's or region's name.
pub const NAME_BYTES: usize = 16;

/// A capability that the system description gives the program.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NamedCapability<'a> {
    /// Its name, at most [`NAME_BYTES`] long.
    pub name: &'a str,
    /// The slot it lies in.
    pub slot: CPtr,
    /// The kind of its object.
    pub kind: ObjectKind,
}

/// Memory that is mapped for the program.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Region<'a> {
    /// Its name, at most [`NAME_BYTES`] long.
    pub name: &'a str,
    /// Address of the first byte.
    pub address: u64,
    /// Length in bytes.
    pub bytes: u64,
    /// The Memory capability, offset 0 of which is mapped at `address`.
    pub memory: CPtr,
    /// Number of the attachment in the program's VSpace that it is mapped through.
    pub attachment: u8,
}

/// Consecutive numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Span {
    /// The first.
    pub first: u32,
    /// How many.
    pub count: u32,
}

/// What a program is told when it starts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StartInfo<'a> {
    /// The program's name in the system description.
    #[serde(borrow)]
    pub name: &'a str,
    /// The arguments as one line; for the personality, the kernel command line.
    pub arguments: &'a str,
    /// The postcard encoding of the program's own configuration.
    pub config: &'a [u8],
    /// The capabilities it has.
    #[serde(borrow)]
    pub capabilities: Vec<NamedCapability<'a>, MAX_CAPABILITIES>,
    /// The memory mapped for it beside image, stack, heap and IPC buffer.
    #[serde(borrow)]
    pub regions: Vec<Region<'a>, MAX_REGIONS>,
    /// The slots of its CSpace that are its own to fill.
    pub free_slots: Span,
    /// The attachments of its VSpace that are its own to use.
    pub free_attachments: Span,
    /// First address in the window that is its own to map at, page-aligned.
    pub free_window: u64,
    /// Bytes that are its own to map at from there.
    pub free_window_bytes: u64,
    /// Address of the image's first byte: the bias of its symbols.
    pub image: u64,
    /// Bytes of the image.
    pub image_bytes: u64,
    /// Address of the heap.
    pub heap: u64,
    /// Bytes of the heap.
    pub heap_bytes: u64,
    /// Lowest address of the first thread's stack.
    pub stack: u64,
    /// Bytes of the first thread's stack.
    pub stack_bytes: u64,
    /// Address of the first thread's IPC buffer, one page.
    pub buffer: u64,
    /// The machine.
    pub platform: Platform,
    /// Bytes that nobody can guess, other ones for each program.
    pub seed: [u8; 32],
}

impl<'a> StartInfo<'a> {
    /// Makes a start info that names nothing but the program and the machine.
    #[must_use]
    pub const fn new(name: &'a str, platform: Platform) -> Self {
        const NONE: Span = Span { first: 0, count: 0 };
        StartInfo {
            name,
            arguments: "",
            config: &[],
            capabilities: Vec::new(),
            regions: Vec::new(),
            free_slots: NONE,
            free_attachments: NONE,
            free_window: 0,
            free_window_bytes: 0,
            image: 0,
            image_bytes: 0,
            heap: 0,
            heap_bytes: 0,
            stack: 0,
            stack_bytes: 0,
            buffer: 0,
            platform,
            seed: [0; 32],
        }
    }

    /// Decodes the page's content, all of it.
    ///
    /// # Errors
    /// [`Malformed`] if it is no start info.
    pub fn decode(bytes: &'a [u8]) -> Result<Self, Malformed> {
        decode_exactly(bytes)
    }

    /// Encodes into `space`; returns the length.
    ///
    /// # Errors
    /// [`Malformed`] if the space is too short.
    pub fn encode(&self, space: &mut [u8]) -> Result<usize, Malformed> {
        encode(self, space)
    }

    /// Returns the capability called `name` if there is one of kind `K`.
    #[must_use]
    pub fn capability<K: Kind>(&self, name: &str) -> Option<Cap<K>> {
        self.capabilities
            .iter()
            .find(|named| named.name == name && named.kind == K::KIND)
            .map(|named| Cap::new(named.slot))
    }

    /// Returns the region called `name`.
    #[must_use]
    pub fn region(&self, name: &str) -> Option<&Region<'a>> {
        self.regions.iter().find(|region| region.name == name)
    }

    /// Decodes the program's configuration.
    ///
    /// # Errors
    /// [`Malformed`] if it is no `T`.
    pub fn config<T: Deserialize<'a>>(&self) -> Result<T, Malformed> {
        decode_exactly(self.config)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::capability::kind;
    use proptest::prelude::*;

    const MACHINE: Platform =
        Platform { counter_hz: 62_500_000, cores: 1, uart: None, rtc: None, hwcap: 3, hwcap2: 0 };

    fn example() -> StartInfo<'static> {
        let mut info = StartInfo::new("console", MACHINE);
        let cap = |name, slot, kind| NamedCapability { name, slot: CPtr(slot), kind };
        info.capabilities.push(cap("serve", 7, ObjectKind::Endpoint)).unwrap();
        info.capabilities.push(cap("uart.irq", 8, ObjectKind::Irq)).unwrap();
        info.config = &[5];
        info
    }

    #[test]
    fn what_is_decoded_is_what_was_encoded() {
        let mut page = [0; 4096];
        let length = example().encode(&mut page).unwrap();
        assert_eq!(StartInfo::decode(&page[..length]), Ok(example()));
        assert_eq!(StartInfo::decode(&page[..length + 1]), Err(Malformed));
    }

    #[test]
    fn a_capability_is_found_by_name_and_kind() {
        let info = example();
        assert_eq!(info.capability::<kind::Endpoint>("serve").map(Cap::slot), Some(CPtr(7)));
        assert_eq!(info.capability::<kind::Memory>("serve"), None);
        assert_eq!(info.config::<u32>(), Ok(5));
        assert_eq!(info.config::<(u32, u32)>(), Err(Malformed));
    }

    proptest! {
        #[test]
        fn hostile_bytes_never_panic(bytes: std::vec::Vec<u8>) {
            let _ = StartInfo::decode(&bytes);
        }
    }
}
