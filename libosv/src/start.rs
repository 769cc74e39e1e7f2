//! From a program's first instruction to its function; thread blocks.
//!
//! Root has loaded and relocated the image, mapped stack, heap and IPC buffer, and written the
//! start page. `entry!` makes `_start`, which ends the chain of frames and goes to [`program`].
//!
//! # Invariants
//!
//! - `start.page`: root maps the start page read-only for the life of the program, and says in it
//!   what it mapped.
//! - `start.block`: TPIDR_EL0 of every native thread is 0 or the address of its [`ThreadBlock`],
//!   which lives as long as the thread runs.

use crate::syscall::{self, Buffer};
use crate::{heap, log, slots, sync::Once, time};
use core::ptr::NonNull;
use ipc_proto::abi::boot_info::{self, BootInfo};
use ipc_proto::call::decode_exactly;
use ipc_proto::capability::{Cap, kind};
use ipc_proto::data::Text;
pub use ipc_proto::start::StartInfo;

/// Most bytes of a thread's name.
pub const THREAD_NAME_BYTES: usize = 16;

/// What libosv knows of a native thread.
#[derive(Debug)]
pub struct ThreadBlock {
    /// Its IPC buffer.
    #[cfg_attr(not(target_os = "none"), expect(dead_code, reason = "the host has its own"))]
    pub(crate) buffer: Option<NonNull<Buffer>>,
    /// Its stack: lowest address and bytes.
    pub(crate) stack: (u64, u64),
    /// Its thread capability.
    pub(crate) thread: Cap<kind::Thread>,
    /// Its name.
    pub(crate) name: Text<THREAD_NAME_BYTES>,
}

// SAFETY: [syscall.buffer] the buffer is used by the block's own thread only, the rest is plain.
unsafe impl Send for ThreadBlock {}
// SAFETY: [syscall.buffer] as above.
unsafe impl Sync for ThreadBlock {}

/// Returns the calling thread's block.
#[inline]
fn current<'a>() -> Option<&'a ThreadBlock> {
    let address = syscall::read_thread_pointer() as usize;
    let block = core::ptr::with_exposed_provenance::<ThreadBlock>(address);
    // SAFETY: [start.block] it is null or this thread's block; callers keep it no longer.
    unsafe { block.as_ref() }
}

/// Returns the calling thread's IPC buffer.
#[cfg(target_os = "none")]
#[inline]
pub(crate) fn buffer() -> Option<NonNull<Buffer>> {
    current()?.buffer
}

/// Returns the calling thread's name; empty for a program's first thread.
#[must_use]
pub fn thread_name() -> Text<THREAD_NAME_BYTES> {
    current().map(|block| block.name.clone()).unwrap_or_default()
}

/// Returns the calling thread's capability to itself.
#[must_use]
pub fn current_thread() -> Option<Cap<kind::Thread>> {
    current().map(|block| block.thread)
}

/// Reads a word of the calling thread's stack; `None` if the address is not in it.
pub(crate) fn stack_word(address: u64) -> Option<u64> {
    let (base, bytes) = current()?.stack;
    let offset = address.checked_sub(base)?;
    if !address.is_multiple_of(8) || offset.checked_add(8)? > bytes {
        return None;
    }
    let word = core::ptr::with_exposed_provenance::<u64>(address as usize);
    // SAFETY: [start.block] the word is aligned and inside this thread's mapped stack.
    Some(unsafe { word.read_volatile() })
}

/// The program's name, the bias of its addresses, and its bytes.
#[derive(Clone, Copy, Debug)]
pub struct Image {
    /// The program's name.
    pub name: &'static str,
    /// Address of the image's first byte.
    pub base: u64,
    /// Bytes of the image; 0 if unknown.
    pub bytes: u64,
}

static IMAGE: Once<Image> = Once::new();

/// Returns what is known of the running program.
#[must_use]
pub fn image() -> Option<&'static Image> {
    IMAGE.get()
}

static FIRST_THREAD: Once<ThreadBlock> = Once::new();

/// Makes the calling thread the program's first: its block, which program it is.
fn set_up(image: Image, block: ThreadBlock) {
    IMAGE.call_once(|| image);
    let block = FIRST_THREAD.call_once(|| block);
    syscall::write_thread_pointer(core::ptr::from_ref(block).expose_provenance() as u64);
}

fn pointer_at(address: u64) -> *mut u8 {
    core::ptr::with_exposed_provenance_mut(address as usize)
}

static LAST_ACT: Once<fn()> = Once::new();

/// Says what a panic does after its report, in place of the fault that tells root. For root
/// itself; the first caller decides.
pub fn at_panic(act: fn()) {
    LAST_ACT.call_once(|| act);
}

/// Does what [`at_panic`] said.
#[cfg(target_os = "none")]
pub(crate) fn act_at_panic() {
    if let Some(act) = LAST_ACT.get() {
        act();
    }
}

/// Runs `main` with the start info at `address`: where `entry!` leads.
///
/// A thread starts with one argument, so the length comes in TPIDR_EL0, which is free until the
/// thread has its block.
///
/// # Safety
/// Called once, by `_start`, with what root passed to it.
pub unsafe fn program(address: *const u8, main: fn(&'static StartInfo<'static>)) -> ! {
    static INFO: Once<StartInfo<'static>> = Once::new();
    let length = syscall::read_thread_pointer() as usize;
    // SAFETY: [start.page] root says that the page is mapped and stays.
    let page = unsafe { core::slice::from_raw_parts(address, length) };
    let Ok(info) = StartInfo::decode(page) else { syscall::brk() };
    let info = INFO.call_once(|| info);
    let block = ThreadBlock {
        buffer: NonNull::new(pointer_at(info.buffer).cast()),
        stack: (info.stack, info.stack_bytes),
        thread: info.capability("self.thread").unwrap_or(Cap::new(crate::cap::NULL)),
        name: Text::new(),
    };
    set_up(Image { name: info.name, base: info.image, bytes: info.image_bytes }, block);
    time::initialise(info.platform.counter_hz);
    // SAFETY: [heap.claimed] [start.page] root mapped the heap for this program alone.
    unsafe { heap::claim(pointer_at(info.heap), info.heap_bytes as usize) };
    slots::initialise(ipc_proto::abi::word::CPtr(info.free_slots.first), info.free_slots.count);
    let debug = info
        .capabilities
        .iter()
        .find(|cap| cap.kind == ipc_proto::abi::word::ObjectKind::DebugConsole);
    log::initialise(info.capability("log"), debug.map(|cap| Cap::new(cap.slot)));
    main(info);
    end()
}

/// Runs `main` with the boot info at `address`: where `boot_entry!` leads.
///
/// # Safety
/// Called once, by `_start`, with what the kernel passed to it, and an arena nobody else uses.
pub unsafe fn first_program(
    address: *const u8,
    length: usize,
    arena: (*mut u8, usize),
    main: fn(&'static BootInfo<'static>),
) -> ! {
    use boot_info::{ROOT_BASE, ROOT_BUFFER_ADDRESS, ROOT_SLOTS, ROOT_STACK_ADDRESS};
    use boot_info::{ROOT_STACK_BYTES, slots as known};
    static INFO: Once<BootInfo<'static>> = Once::new();
    // SAFETY: [start.page] the kernel maps the boot info and keeps it.
    let page = unsafe { core::slice::from_raw_parts(address, length) };
    let Ok(info) = decode_exactly(page) else { syscall::brk() };
    let info: &'static BootInfo<'static> = INFO.call_once(|| info);
    let block = ThreadBlock {
        buffer: NonNull::new(pointer_at(ROOT_BUFFER_ADDRESS).cast()),
        stack: (ROOT_STACK_ADDRESS, ROOT_STACK_BYTES),
        thread: Cap::new(known::THREAD),
        name: Text::new(),
    };
    set_up(Image { name: "root", base: ROOT_BASE, bytes: 0 }, block);
    time::initialise(info.platform.counter_hz);
    // SAFETY: [heap.claimed] the caller says so.
    unsafe { heap::claim(arena.0, arena.1) };
    let free = (ROOT_SLOTS as u32).saturating_sub(info.first_free);
    slots::initialise(ipc_proto::abi::word::CPtr(info.first_free), free);
    log::initialise(None, Some(Cap::new(known::DEBUG_CONSOLE)));
    main(info);
    end()
}

/// Ends the calling thread: it stops, or faults where it cannot stop itself.
pub(crate) fn end() -> ! {
    if let Some(thread) = current_thread() {
        let _ = syscall::kernel().thread_stop(thread.slot());
    }
    syscall::brk()
}

/// Makes `$program`, a `fn(&'static StartInfo<'static>)`, the program that root starts.
///
/// On the host it makes a `main` that says where the program runs; so `$program` cannot be
/// called `main`.
#[macro_export]
macro_rules! entry {
    ($program:path) => {
        $crate::enter!(
            |address, _length| $crate::start::program(address, $program),
            $program as fn(&'static $crate::start::StartInfo<'static>)
        );
    };
}

/// Makes `$program`, a `fn(&'static BootInfo<'static>)`, the program that the kernel starts,
/// with a heap of `$bytes` bytes in its image.
#[macro_export]
macro_rules! boot_entry {
    ($program:path, $bytes:expr) => {
        $crate::enter!(
            |address, length| {
                static ARENA: $crate::heap::Arena<{ $bytes }> = $crate::heap::Arena::new();
                $crate::start::first_program(address, length, ARENA.range(), $program)
            },
            $program as fn(&'static $crate::ipc_proto::abi::boot_info::BootInfo<'static>)
        );
    };
}

/// What [`entry!`] and [`boot_entry!`] share.
#[doc(hidden)]
#[macro_export]
macro_rules! enter {
    (|$address:ident, $length:ident| $go:expr, $typed:expr) => {
        // _start: x0 = address, x1 = length of the start page; SP set. Ends the chain of frames.
        #[cfg(target_os = "none")]
        ::core::arch::global_asm!(
            ".section .text._start, \"ax\"",
            ".global _start",
            ".type _start, %function",
            "_start:",
            "mov x29, xzr",
            "mov x30, xzr",
            "b osv_enter",
            ".size _start, . - _start",
        );

        /// Where `_start` goes.
        #[cfg(target_os = "none")]
        #[allow(unsafe_code, reason = "called by `_start`, once, with what it was given")]
        #[unsafe(no_mangle)]
        extern "C" fn osv_enter($address: *const u8, $length: usize) -> ! {
            // SAFETY: [start.page] `_start` passes on what the program was started with.
            unsafe { $go }
        }

        #[cfg(not(target_os = "none"))]
        fn main() {
            let _ = $typed;
            ::std::println!(
                "{} runs on the microkernel: cargo run",
                ::core::env!("CARGO_PKG_NAME")
            );
        }
    };
}
