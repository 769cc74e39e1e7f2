//! Loading a server: its memory, its image and where each part is mapped.
//!
//! A server's private memory is one Memory, the block: start page, IPC buffer, stack and those
//! segments that are not mapped in place from the archive. Root keeps the block mapped for
//! itself, to fill it and to look at a dead server's stack.

use crate::archives::{Archives, File, Source};
use crate::domain::Place;
use crate::error::BootError;
use crate::layout::Slice;
use crate::objects::{Mapping, Objects};
use crate::program::{Program, Segment};
use ipc_proto::abi::boot_info::slots;
use ipc_proto::abi::layout::PAGE_BYTES;
use ipc_proto::abi::syscalls::Trap;
use ipc_proto::abi::word::{CPtr, ObjectKind, Rights};
use ipc_proto::system::{Name, Server};

/// Where the IPC buffer lies in a block.
pub const BUFFER_OFFSET: u64 = PAGE_BYTES;
/// Where the stack lies in a block.
pub const STACK_OFFSET: u64 = 2 * PAGE_BYTES;

/// Root's view of memory that it has mapped.
pub trait Window {
    /// Returns memory that root has mapped writable for itself.
    fn bytes(&mut self, address: u64, bytes: u64) -> &mut [u8];
}

/// A server's memory, filled but for the start page, and mapped.
#[derive(Clone, Copy, Debug)]
pub struct Loaded {
    /// The block.
    pub block: CPtr,
    /// Where root sees the block.
    pub seen_at: u64,
    /// Address of the start page.
    pub start: u64,
    /// Bytes of the start information in it.
    pub start_bytes: u64,
    /// Address of the IPC buffer.
    pub buffer: u64,
    /// Lowest address and bytes of the stack.
    pub stack: (u64, u64),
    /// Address and bytes of the image.
    pub image: (u64, u64),
    /// Address and bytes of the heap.
    pub heap: (u64, u64),
    /// Address of the first instruction.
    pub entry: u64,
}

const READ: Rights = Rights::READ;
const WRITE: Rights = Rights::READ.union(Rights::WRITE);

/// Loads `server` into `place`; root sees its block at `seen_at`, through attachment `seen_by`
/// of its own.
///
/// # Errors
/// If the program is missing or malformed, or there is no memory.
pub fn load<T: Trap>(
    objects: &Objects<T>,
    window: &mut impl Window,
    archives: &Archives<'_>,
    server: &Server,
    place: &mut Place,
    (seen_at, seen_by): (u64, u64),
) -> Result<Loaded, BootError> {
    let name = &server.name;
    let no_program = || BootError::NoProgram(name.clone(), server.program.clone());
    let file = archives.find(&server.program)?.ok_or_else(no_program)?;
    let program = Program::parse(file.data)
        .map_err(|error| BootError::Program(server.program.clone(), error))?;

    let stack_bytes = (u64::from(server.stack_kib) * 1024).next_multiple_of(PAGE_BYTES);
    let is_copied = |segment: &&Segment| !segment.is_in_place(file.offset);
    let copied_bytes: u64 = program.segments.iter().filter(is_copied).map(|s| s.bytes).sum();
    let block_bytes = STACK_OFFSET + stack_bytes + copied_bytes;
    let block = objects.make(name, ObjectKind::Memory, block_bytes)?;
    objects.attach(slots::VSPACE, seen_by, block)?;
    let (vspace, offset) = (slots::VSPACE, 0);
    let (attachment, access) = (seen_by, WRITE);
    let seen = Mapping { vspace, attachment, access, offset, address: seen_at, bytes: block_bytes };
    objects.map(name, seen)?;

    let mut loaded = Loaded {
        block,
        seen_at,
        start: take(&mut place.slice, name, PAGE_BYTES)?,
        start_bytes: 0,
        buffer: take(&mut place.slice, name, PAGE_BYTES)?,
        stack: (take(&mut place.slice, name, stack_bytes)?, stack_bytes),
        image: (take(&mut place.slice, name, program.image_bytes)?, program.image_bytes),
        heap: (0, server.heap.bytes(objects.ram)),
        entry: 0,
    };
    loaded.entry = loaded.image.0 + program.entry;
    let parts = [
        (0, loaded.start, PAGE_BYTES, READ),
        (BUFFER_OFFSET, loaded.buffer, PAGE_BYTES, WRITE),
        (STACK_OFFSET, loaded.stack.0, stack_bytes, WRITE),
    ];
    let attachment = place.attach(objects, block)?;
    let vspace = place.vspace;
    for (offset, address, bytes, access) in parts {
        objects.map(name, Mapping { vspace, attachment, access, offset, address, bytes })?;
    }
    let (image, block) = (loaded.image.0, (attachment, STACK_OFFSET + stack_bytes));
    let mut loader = Loader { objects, window, name, program, image, file, block, seen_at };
    loader.load_segments(place)?;
    loaded.heap.0 = map_heap(objects, name, place, loaded.heap.1)?;
    Ok(loaded)
}

fn map_heap<T: Trap>(
    objects: &Objects<T>,
    name: &Name,
    place: &mut Place,
    bytes: u64,
) -> Result<u64, BootError> {
    if bytes == 0 {
        return Ok(0);
    }
    let heap = objects.make(name, ObjectKind::Memory, bytes)?;
    let attachment = place.attach(objects, heap)?;
    let address = take(&mut place.slice, name, bytes)?;
    let (vspace, access, offset) = (place.vspace, WRITE, 0);
    objects.map(name, Mapping { vspace, attachment, access, offset, address, bytes })?;
    Ok(address)
}

/// Takes `bytes` of a server's slice of the window.
///
/// # Errors
/// If the slice is full.
pub fn take(slice: &mut Slice, name: &Name, bytes: u64) -> Result<u64, BootError> {
    slice.take(bytes).ok_or_else(|| BootError::NoMemory(name.clone(), bytes))
}

/// Brings the segments of one program to their places.
struct Loader<'a, T, W> {
    objects: &'a Objects<T>,
    window: &'a mut W,
    name: &'a Name,
    program: Program<'a>,
    /// Address of the image.
    image: u64,
    file: File<'a>,
    /// Attachment of the block, and where its part for segments starts.
    block: (u64, u64),
    /// Where root sees the block.
    seen_at: u64,
}

impl<T: Trap, W: Window> Loader<'_, T, W> {
    fn load_segments(&mut self, place: &mut Place) -> Result<(), BootError> {
        let (block, mut next) = self.block;
        for segment in self.program.segments.clone() {
            let is_in_place = segment.is_in_place(self.file.offset);
            let (attachment, offset) = if is_in_place {
                let archive = match self.file.source {
                    Source::Bootfs => slots::BOOTFS,
                    Source::Initrd => slots::INITRD,
                };
                let offset = self.file.offset + segment.file_offset;
                (place.attach(self.objects, archive)?, offset)
            } else {
                (block, next)
            };
            if !is_in_place {
                self.fill(&segment, next);
                next += segment.bytes;
            }
            let (vspace, access, bytes) = (place.vspace, segment.access, segment.bytes);
            let address = self.image + segment.start;
            let mapping = Mapping { vspace, attachment, access, offset, address, bytes };
            self.objects.map(self.name, mapping)?;
        }
        Ok(())
    }

    /// Copies a segment into the block at `offset`, and relocates it.
    fn fill(&mut self, segment: &Segment, offset: u64) {
        let memory = self.window.bytes(self.seen_at + offset, segment.bytes);
        let (head, rest) = memory.split_at_mut(segment.data_start as usize);
        let (data, tail) = rest.split_at_mut(segment.file_bytes as usize);
        head.fill(0);
        data.copy_from_slice(self.program.data(segment));
        tail.fill(0);
        if segment.is_relocated {
            for (place, word) in self.program.relocations(self.image) {
                let start = place.wrapping_sub(segment.start) as usize;
                if let Some(target) = memory.get_mut(start..start.wrapping_add(8)) {
                    target.copy_from_slice(&word.to_le_bytes());
                }
            }
        }
    }
}

impl Loaded {
    /// Returns where root sees the word at `address` of the stack.
    #[must_use]
    pub fn seen(&self, address: u64) -> Option<u64> {
        let offset = address.checked_sub(self.stack.0)?;
        let is_inside = address.is_multiple_of(8) && offset < self.stack.1;
        is_inside.then_some(self.seen_at + STACK_OFFSET + offset)
    }
}
