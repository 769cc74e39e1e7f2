//! From the discovered machine to the first program.

use crate::discovered::{Discovered, reached};
use crate::exception;
use crate::machine::{self, Hardware};
use crate::{boot, cpu, mmu, panic, timer};
use heapless::Vec;
use ipc_proto::abi::boot_info::{BootInfo, MAX_RANGES, RootImage};
use ipc_proto::abi::layout::PAGE_BYTES;
use microkernel_core::Kernel;
use microkernel_core::boot::{PhysRange, RootPlan};
use microkernel_core::store::{PhysAddr, Store};
use microkernel_platform::span::Span;

fn range(span: Span) -> PhysRange {
    PhysRange { base: PhysAddr(span.base()), bytes: span.bytes() }
}

/// Reads the header of root's flat image.
fn root_header(image: Span) -> RootImage {
    let header =
        core::ptr::with_exposed_provenance::<RootImage>(mmu::linear(image.base()) as usize);
    // SAFETY: [mmu.ram] the payload lies in RAM on pages of its own; any bits are a header, which
    // `create_root` checks.
    unsafe { header.read() }
}

/// Makes root and enters it.
pub(crate) fn start(mut found: Discovered) -> ! {
    machine::install_vectors(boot::stacks_start() + boot::STACK_STRIDE);
    // SAFETY: [mmu.ram] all RAM is mapped at LINEAR_BASE; this is the only store.
    let store = unsafe { Store::new(mmu::LINEAR_BASE as usize) };
    found.interrupts.enable(found.timer.line());
    let hardware =
        Hardware { interrupts: found.interrupts, timer: found.timer, empty_root: found.empty_root };
    let kernel = exception::install_kernel(Kernel::new(store, hardware, cpu::asid_bits()));
    let ram: Vec<PhysRange, MAX_RANGES> = found.memory.free.iter().copied().map(range).collect();
    let devices: Vec<PhysRange, MAX_RANGES> =
        found.memory.device.iter().copied().map(range).collect();
    let root = found.payload.root;
    let plan = RootPlan {
        ram: &ram,
        devices: &devices,
        header: root_header(root),
        image: PhysRange {
            base: PhysAddr(root.base() + PAGE_BYTES),
            bytes: root.bytes().saturating_sub(PAGE_BYTES),
        },
        bootfs: range(found.payload.bootfs),
        initrd: found.initrd.map(range),
        device_tree: found.device_tree.map(range),
    };
    reached(&mut found.stages, "root", timer::now());
    let bytes = |span: Option<Span>| span.map_or(0, Span::bytes);
    let mut info = BootInfo {
        command_line: found.command_line,
        platform: found.machine,
        memory: Vec::new(),
        first_free: 0,
        bootfs_bytes: found.payload.bootfs.bytes(),
        initrd_bytes: bytes(found.initrd),
        device_tree_bytes: bytes(found.device_tree),
        seed: found.seed,
        stages: found.stages,
    };
    let mut kernel = kernel.lock();
    match kernel.create_root(&plan, &mut info) {
        Ok(_) => exception::leave(kernel),
        Err(why) => panic::give_up(format_args!("the root program cannot be started: {why:?}")),
    }
}
