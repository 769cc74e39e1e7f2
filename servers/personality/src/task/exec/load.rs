//! Maps the segments of a program and its interpreter, and builds its stack.

use alloc::sync::Arc;
use core::sync::atomic::Ordering;

use ipc_proto::abi::word::Rights;
use linux_raw_sys::auxvec as aux;

use super::open::Executable;
use super::{ExecError, stack};
use crate::elf::{ElfError, Plan, SEGMENT_BYTES, Segment};
use crate::mm::area::{Backing, MappedFile, Vma};
use crate::mm::space::Placement;
use crate::mm::{AddressSpace, PAGE, page_ceil, page_floor};
use crate::signal::frame;
use crate::syscall::Ctx;
use crate::vdso::Vdso;
use crate::vfs::{self, Located};

const READ_WRITE: Rights = Rights::READ.union(Rights::WRITE);
/// Stack that is there from the start, below the strings; the rest grows at faults.
const FIRST_STACK: u64 = 128 << 10;
/// `HWCAP_CPUID`: reads of identification registers are emulated. They are not here.
const HWCAP_CPUID: u64 = 1 << 11;

/// Loads everything into `space`, which is empty and in which the carrier is; gives the first
/// instruction and the stack pointer.
pub(super) fn load(
    ctx: &mut Ctx<'_>,
    space: &Arc<AddressSpace>,
    executable: &Executable,
) -> Result<(u64, u64), ExecError> {
    let layout = space.layout();
    let plan = &executable.plan;
    let bias = program_bias(plan, layout.pie_base);
    map_file(ctx, space, &executable.file, plan, bias)?;
    let heap = bias.wrapping_add(plan.extent().1) + layout.heap_gap;
    space.set_heap(heap);
    let mut entry = bias.wrapping_add(plan.entry);
    let mut base = 0;
    if let Some((file, plan)) = &executable.interpreter {
        base = interpreter_bias(space, plan)?;
        map_file(ctx, space, file, plan, base)?;
        entry = base.wrapping_add(plan.entry);
    }
    let vdso = map_vdso(ctx, space)?;
    let sp = build_stack(ctx, space, executable, &Auxiliary { bias, base, vdso })?;
    Ok((entry, sp))
}

/// Where a position-independent program goes.
fn program_bias(plan: &Plan, pie_base: u64) -> u64 {
    if !plan.is_relocatable {
        return 0;
    }
    let start = plan.extent().0 & !(plan.align - 1);
    pie_base.next_multiple_of(plan.align).wrapping_sub(start)
}

/// Finds room for the interpreter where mmap would put it.
fn interpreter_bias(space: &AddressSpace, plan: &Plan) -> Result<u64, ExecError> {
    if !plan.is_relocatable {
        return Ok(0);
    }
    let (start, end) = plan.extent();
    let room = end - start + plan.align;
    let at = space
        .map(0, room, Placement::Anywhere, Vma::anonymous(Rights(0), ""))
        .map_err(|_| ExecError::NoMemory)?;
    space.unmap(at, room).map_err(|_| ExecError::NoMemory)?;
    Ok(at.next_multiple_of(plan.align).wrapping_sub(start & !(plan.align - 1)))
}

fn map_file(
    ctx: &Ctx<'_>,
    space: &AddressSpace,
    file: &Located,
    plan: &Plan,
    bias: u64,
) -> Result<(), ExecError> {
    let vnode = file.place.vnode.clone();
    if vnode.backing() == vfs::Backing::None {
        return Err(ExecError::File(crate::errno::Errno::EACCES));
    }
    let root = ctx.process().fs.lock().root.clone();
    let mapped = Arc::new(MappedFile { vnode, path: file.path(&root), may_write: false });
    for segment in &plan.segments {
        map_segment(ctx, space, &mapped, segment, bias)?;
    }
    Ok(())
}

/// Maps one segment: pages of the file, and zeros behind them.
fn map_segment(
    ctx: &Ctx<'_>,
    space: &AddressSpace,
    file: &Arc<MappedFile>,
    segment: &Segment,
    bias: u64,
) -> Result<(), ExecError> {
    let start = bias.wrapping_add(segment.start());
    let end = bias.wrapping_add(segment.end());
    let file_end = bias.wrapping_add(segment.address).wrapping_add(segment.file_bytes);
    let file_pages_end =
        if segment.file_bytes == 0 { start } else { page_ceil(file_end).unwrap_or(end) };
    let put = |at: u64, end: u64, vma: Vma| {
        let placed = space.map(at, end - at, Placement::IfFree, vma);
        placed.map(|_| ()).map_err(|_| ExecError::Elf(ElfError::OutOfRange))
    };
    if file_pages_end > start {
        let backing = Backing::File(file.clone(), page_floor(segment.offset));
        put(start, file_pages_end, Vma { backing, ..Vma::anonymous(segment.access, "") })?;
    }
    if end > file_pages_end {
        put(file_pages_end, end, Vma::anonymous(segment.access, ""))?;
    }
    // The rest of the file's last page: it is the program's only if it may write there.
    let tail = file_pages_end.saturating_sub(file_end) as usize;
    if tail > 0
        && segment.memory_bytes > segment.file_bytes
        && segment.access.contains(Rights::WRITE)
    {
        let zeros = [0; PAGE as usize];
        ctx.memory.write(file_end, &zeros[..tail]).map_err(|_| ExecError::NoMemory)?;
    }
    Ok(())
}

/// Maps the vDSO's data and code; gives the address of its ELF header, 0 if there is none.
fn map_vdso(ctx: &Ctx<'_>, space: &AddressSpace) -> Result<u64, ExecError> {
    let Some(vdso) = &ctx.system().vdso else { return Ok(0) };
    let area = |access, label, offset| Vma {
        backing: Backing::Object(vdso.pages.clone(), offset),
        ..Vma::anonymous(access, label)
    };
    let data = space
        .map(0, Vdso::BYTES, Placement::Anywhere, area(Rights::READ, "[vvar]", 0))
        .map_err(|_| ExecError::NoMemory)?;
    let code = area(Rights::READ.union(Rights::EXECUTE), "[vdso]", PAGE);
    space.map(data + PAGE, PAGE, Placement::Replace, code).map_err(|_| ExecError::NoMemory)?;
    ctx.process().vdso.store(data + PAGE, Ordering::Relaxed);
    Ok(data + PAGE)
}

/// Addresses that the auxiliary vector tells.
struct Auxiliary {
    bias: u64,
    base: u64,
    vdso: u64,
}

fn build_stack(
    ctx: &Ctx<'_>,
    space: &AddressSpace,
    executable: &Executable,
    addresses: &Auxiliary,
) -> Result<u64, ExecError> {
    let mut random = [0; 16];
    ctx.system().random.fill(&mut random);
    let top = space.layout().stack_top;
    let request = &executable.request;
    let strings = stack::Strings {
        path: &request.path,
        arguments: &request.arguments,
        environment: &request.environment,
        random,
    };
    let image = stack::build(top, &strings, &auxiliary(ctx, executable, addresses));
    let image = image.ok_or(ExecError::TooLong)?;
    let bottom = page_floor(image.sp).saturating_sub(FIRST_STACK);
    let stack = Vma { grows_down: true, ..Vma::anonymous(READ_WRITE, "[stack]") };
    space.map(bottom, top - bottom, Placement::Replace, stack).map_err(|_| ExecError::NoMemory)?;
    ctx.memory.write(image.sp, &image.bytes).map_err(|_| ExecError::NoMemory)?;
    Ok(image.sp)
}

fn auxiliary(
    ctx: &Ctx<'_>,
    executable: &Executable,
    addresses: &Auxiliary,
) -> alloc::vec::Vec<(u32, u64)> {
    let plan = &executable.plan;
    let hardware = ctx.system().hardware;
    let (user, group) = {
        let credentials = ctx.process().credentials.lock();
        (credentials.user, credentials.group)
    };
    let headers = if plan.headers == 0 { 0 } else { addresses.bias.wrapping_add(plan.headers) };
    alloc::vec![
        (aux::AT_SYSINFO_EHDR, addresses.vdso),
        (aux::AT_MINSIGSTKSZ, frame::MIN_STACK),
        (aux::AT_HWCAP, hardware.hwcap & !HWCAP_CPUID),
        (aux::AT_PAGESZ, PAGE),
        (aux::AT_CLKTCK, 100),
        (aux::AT_PHDR, headers),
        (aux::AT_PHENT, SEGMENT_BYTES as u64),
        (aux::AT_PHNUM, plan.header_count),
        (aux::AT_BASE, addresses.base),
        (aux::AT_FLAGS, 0),
        (aux::AT_ENTRY, addresses.bias.wrapping_add(plan.entry)),
        (aux::AT_UID, u64::from(user.real)),
        (aux::AT_EUID, u64::from(user.effective)),
        (aux::AT_GID, u64::from(group.real)),
        (aux::AT_EGID, u64::from(group.effective)),
        (aux::AT_SECURE, 0),
        (aux::AT_HWCAP2, hardware.hwcap2),
    ]
}
