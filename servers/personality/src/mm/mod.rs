//! Virtual memory of a process.
//!
//! | module | what it is |
//! | --- | --- |
//! | [`vma`] | the sorted map of areas, generic |
//! | [`area`] | what an area of a process is: access, backing |
//! | [`pages`] | which frame stands behind which page |
//! | [`space`] | the address space: map, unmap, protect, brk, move |
//! | `fault` | demand paging and copy-on-write |
//! | `fork` | the copy-on-write clone |
//! | [`layout`] | where things go: addresses and their randomness |
//! | [`object`] | shared anonymous memory |

pub mod area;
#[cfg(test)]
pub mod fake;
pub mod fault;
mod fork;
pub mod layout;
pub mod object;
pub mod pages;
pub mod space;
#[cfg(test)]
mod tests;
pub mod vma;

pub use fault::{FaultError, FaultKind};
pub use space::AddressSpace;

/// Size of a page in bytes.
pub const PAGE: u64 = 4096;

/// Rounds down to a page.
#[must_use]
pub const fn page_floor(address: u64) -> u64 {
    address & !(PAGE - 1)
}

/// Rounds up to a page; `None` beyond the end of the address space.
#[must_use]
pub const fn page_ceil(address: u64) -> Option<u64> {
    match address.checked_add(PAGE - 1) {
        Some(sum) => Some(page_floor(sum)),
        None => None,
    }
}
