//! A test of the string functions on the target, against byte-by-byte models.
//!
//! The models go through [`peek`] and [`poke`], whose accesses are volatile, so that the
//! compiler cannot make calls of the functions under test out of them.

use super::{PAGE_BYTES, copy_page, zero_page};

unsafe extern "C" {
    fn memcpy(to: *mut u8, from: *const u8, bytes: usize) -> *mut u8;
    fn memmove(to: *mut u8, from: *const u8, bytes: usize) -> *mut u8;
    fn memset(to: *mut u8, byte: i32, bytes: usize) -> *mut u8;
    fn memcmp(left: *const u8, right: *const u8, bytes: usize) -> i32;
    fn bcmp(left: *const u8, right: *const u8, bytes: usize) -> i32;
    fn strlen(text: *const u8) -> usize;
}

/// Lengths that are tested: all short ones, then around every threshold of the code.
fn lengths() -> impl Iterator<Item = usize> {
    let around = [256, 320, 384, 512, 640, 1024, 1000];
    (0..200).chain(around.into_iter().flat_map(|length| length - 3..length + 4))
}

const ROOM: usize = 2048;

/// Three pages: what is changed, what the model says, and a source.
#[repr(C, align(4096))]
struct Space {
    real: [u8; PAGE_BYTES],
    model: [u8; PAGE_BYTES],
    source: [u8; PAGE_BYTES],
}

/// Bytes of scratch space that [`self_test`] needs, page-aligned.
pub const SELF_TEST_BYTES: usize = size_of::<Space>();

/// Tests every function of this crate; the error names the one that failed.
///
/// # Errors
/// What differed from the model.
pub fn self_test(space: &mut [u8]) -> Result<(), &'static str> {
    let start = space.as_mut_ptr();
    if space.len() < SELF_TEST_BYTES || !start.addr().is_multiple_of(PAGE_BYTES) {
        return Err("the scratch space is too short or not page-aligned");
    }
    // SAFETY: [string.range] aligned and long enough, and any bytes are a `Space`.
    let space = unsafe { &mut *start.cast::<Space>() };
    test_copies(space)?;
    test_moves(space)?;
    test_sets(space)?;
    test_comparisons(space)?;
    test_lengths(space)?;
    test_pages(space)
}

fn peek(bytes: &[u8], at: usize) -> u8 {
    // SAFETY: [string.range] a reference to a byte can be read.
    unsafe { core::ptr::from_ref(&bytes[at]).read_volatile() }
}

fn poke(bytes: &mut [u8], at: usize, byte: u8) {
    // SAFETY: [string.range] a unique reference to a byte can be written.
    unsafe { core::ptr::from_mut(&mut bytes[at]).write_volatile(byte) }
}

/// Fills all three pages with bytes that differ from their neighbours.
fn reset(space: &mut Space) {
    for at in 0..ROOM {
        poke(&mut space.real, at, (at * 7 + 1) as u8);
        poke(&mut space.model, at, (at * 7 + 1) as u8);
        poke(&mut space.source, at, (at * 13 + 5) as u8);
    }
}

fn check(space: &Space, what: &'static str) -> Result<(), &'static str> {
    let differs = (0..ROOM).any(|at| peek(&space.real, at) != peek(&space.model, at));
    if differs { Err(what) } else { Ok(()) }
}

fn test_copies(space: &mut Space) -> Result<(), &'static str> {
    for length in lengths() {
        for (to, from) in [(64, 64), (65, 71), (79, 64), (64, 67), (72, 80)] {
            reset(space);
            let target = space.real[to..].as_mut_ptr();
            // SAFETY: [string.range] both ranges lie in their pages.
            let result = unsafe { memcpy(target, space.source[from..].as_ptr(), length) };
            if result != target {
                return Err("memcpy: result");
            }
            for at in 0..length {
                let byte = peek(&space.source, from + at);
                poke(&mut space.model, to + at, byte);
            }
            check(space, "memcpy")?;
        }
    }
    Ok(())
}

fn test_moves(space: &mut Space) -> Result<(), &'static str> {
    for length in lengths() {
        for (to, from) in
            [(300, 301), (301, 300), (300, 315), (340, 300), (300, 333), (450, 301), (303, 400)]
        {
            reset(space);
            let (target, source) = (space.real[to..].as_mut_ptr(), space.real[from..].as_ptr());
            // SAFETY: [string.range] both ranges lie in the page.
            let result = unsafe { memmove(target, source, length) };
            if result != target {
                return Err("memmove: result");
            }
            for at in 0..length {
                let byte = ((from + at) * 7 + 1) as u8;
                poke(&mut space.model, to + at, byte);
            }
            check(space, "memmove")?;
        }
    }
    Ok(())
}

fn test_sets(space: &mut Space) -> Result<(), &'static str> {
    for length in lengths() {
        for (to, byte) in [(64, 0), (65, 0), (127, 0), (64, 0xa5), (77, 0xff), (96, 0)] {
            reset(space);
            // SAFETY: [string.range] the range lies in the page. Only the low byte counts.
            unsafe { memset(space.real[to..].as_mut_ptr(), byte | 0x4500, length) };
            for at in 0..length {
                poke(&mut space.model, to + at, byte as u8);
            }
            check(space, "memset")?;
        }
    }
    Ok(())
}

fn test_comparisons(space: &mut Space) -> Result<(), &'static str> {
    for length in lengths() {
        for (left, right) in [(64, 64), (65, 71)] {
            reset(space);
            for at in 0..length {
                let byte = peek(&space.source, at);
                poke(&mut space.real, left + at, byte);
                poke(&mut space.model, right + at, byte);
            }
            let compare = |space: &Space| {
                let (a, b) = (space.real[left..].as_ptr(), space.model[right..].as_ptr());
                // SAFETY: [string.range] both ranges lie in their pages.
                unsafe { (memcmp(a, b, length), bcmp(a, b, length)) }
            };
            if compare(space) != (0, 0) {
                return Err("memcmp: equal ranges");
            }
            for at in (0..length).step_by(1 + length / 37) {
                let byte = peek(&space.real, left + at);
                for other in [byte.wrapping_add(1), byte ^ 0x80] {
                    poke(&mut space.model, right + at, other);
                    let (order, differs) = compare(space);
                    if order.signum() != (i32::from(byte) - i32::from(other)).signum() {
                        return Err("memcmp");
                    }
                    if differs == 0 {
                        return Err("bcmp");
                    }
                }
                poke(&mut space.model, right + at, byte);
            }
        }
    }
    Ok(())
}

fn test_lengths(space: &mut Space) -> Result<(), &'static str> {
    for (start, length) in (64..80).flat_map(|start| (0..40).map(move |length| (start, length))) {
        for at in 0..ROOM {
            // Bytes 0x80 and 0x01 are the ones that a wrong test for NUL takes for it.
            poke(&mut space.real, at, if at < start { 0 } else { [0x80, 0x01, 0xff][at % 3] });
        }
        poke(&mut space.real, start + length, 0);
        // SAFETY: [string.range] the string ends in the page.
        if unsafe { strlen(space.real[start..].as_ptr()) } != length {
            return Err("strlen");
        }
    }
    Ok(())
}

fn test_pages(space: &mut Space) -> Result<(), &'static str> {
    for at in 0..PAGE_BYTES {
        poke(&mut space.source, at, (at * 13 + 5 + at / 256) as u8);
        poke(&mut space.model, at, 0x55);
    }
    // SAFETY: [string.range] distinct pages of the space.
    unsafe { copy_page(space.real.as_mut_ptr(), space.source.as_ptr()) };
    if (0..PAGE_BYTES).any(|at| peek(&space.real, at) != peek(&space.source, at)) {
        return Err("copy_page");
    }
    // SAFETY: [string.range] a page of the space.
    unsafe { zero_page(space.real.as_mut_ptr()) };
    if (0..PAGE_BYTES).any(|at| peek(&space.real, at) != 0) {
        return Err("zero_page");
    }
    let neighbour = (0..PAGE_BYTES).any(|at| peek(&space.model, at) != 0x55);
    if neighbour { Err("pages: the neighbour changed") } else { Ok(()) }
}
