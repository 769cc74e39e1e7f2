//! The first program's objects: what `root` holds and sees when it is entered.
//!
//! Everything but root's CSpace and Thread is made by the same calls that programs use, issued in
//! root's name; so there is no second way to make objects.

use crate::Kernel;
use crate::calls::Call;
use crate::cap::{Binding, Cap, derivation};
use crate::machine::Machine;
use crate::object::cspace::CSpace;
use crate::object::thread::{Thread, binding_slot};
use crate::store::{PhysAddr, Ref, SlotRef, Store};
use ipc_proto::abi::boot_info::{
    BOOT_INFO_ADDRESS, BootInfo, MAX_RANGES, ROOT_BASE, ROOT_BUFFER_ADDRESS, ROOT_SLOTS,
    ROOT_STACK_ADDRESS, ROOT_STACK_BYTES, Range, RootImage, slots,
};
use ipc_proto::abi::layout::PAGE_BYTES;
use ipc_proto::abi::syscalls::Syscalls;
use ipc_proto::abi::word::{CPtr, MapFlags, ObjectKind, Rights};

/// A range of physical memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PhysRange {
    /// First byte.
    pub base: PhysAddr,
    /// Length in bytes.
    pub bytes: u64,
}

/// What there is to give to root.
#[derive(Clone, Copy, Debug)]
pub struct RootPlan<'a> {
    /// Free RAM.
    pub ram: &'a [PhysRange],
    /// Physical addresses that are no RAM, without the kernel's own devices.
    pub devices: &'a [PhysRange],
    /// The header of root's flat image.
    pub header: RootImage,
    /// The image behind the header.
    pub image: PhysRange,
    /// The bootfs archive.
    pub bootfs: PhysRange,
    /// The initrd.
    pub initrd: Option<PhysRange>,
    /// The device tree.
    pub device_tree: Option<PhysRange>,
}

/// Why root could not be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BootError {
    /// No range of RAM has room for root's objects.
    NoMemory,
    /// The flat image is not one, or its sizes contradict each other.
    BadImage,
    /// The boot info does not fit its pages.
    BootInfoTooLong,
    /// A call in root's name was refused: a kernel bug.
    Refused,
}

/// Pages of the boot info.
const INFO_PAGES: u64 = 2;
/// Pages for root's first page tables.
const TABLE_PAGES: u64 = 96;
/// Root's priority: above all servers that it does not say otherwise for.
const ROOT_PRIORITY: u8 = 200;
/// Root's slice in microseconds.
const ROOT_SLICE_US: u64 = 10_000;
/// Attachments of root's address space that the kernel uses.
mod attachment {
    pub(super) const IMAGE: u64 = 0;
    pub(super) const PRIVATE: u64 = 1;
}

/// Offsets in root's private memory.
struct Private {
    buffer: u64,
    info: u64,
    stack: u64,
    bss: u64,
    bytes: u64,
}

impl Private {
    fn of(header: &RootImage) -> Private {
        let info = PAGE_BYTES;
        let stack = info + INFO_PAGES * PAGE_BYTES;
        let bss = stack + ROOT_STACK_BYTES;
        Private { buffer: 0, info, stack, bss, bytes: bss + header.bss_bytes }
    }
}

fn pages(range: PhysRange) -> u32 {
    u32::try_from(range.bytes.div_ceil(PAGE_BYTES)).unwrap_or(u32::MAX)
}

fn memory(range: PhysRange, is_device: bool) -> Cap {
    Cap::Memory { base: range.base, pages: pages(range), is_device }
}

fn check_header(plan: &RootPlan<'_>) -> Result<(), BootError> {
    let header = plan.header;
    let parts = [header.text_bytes, header.rodata_bytes, header.data_bytes, header.bss_bytes];
    let most = 64 << 20;
    let is_sane = parts.iter().all(|part| part.is_multiple_of(PAGE_BYTES) && *part <= most);
    let loaded = || header.text_bytes + header.rodata_bytes + header.data_bytes;
    if header.magic == RootImage::MAGIC && is_sane && loaded() <= plan.image.bytes {
        Ok(())
    } else {
        Err(BootError::BadImage)
    }
}

impl<M: Machine> Kernel<M> {
    /// Makes root and everything it starts with; root is the current thread afterwards.
    ///
    /// # Errors
    ///
    /// See [`BootError`]; the machine cannot go on then.
    pub fn create_root(
        &mut self,
        plan: &RootPlan<'_>,
        info: &mut BootInfo<'_>,
    ) -> Result<Ref<Thread>, BootError> {
        check_header(plan)?;
        let cspace_bytes = (size_of::<CSpace>() as u64) * (ROOT_SLOTS + 1);
        let carved = cspace_bytes.next_multiple_of(PAGE_BYTES) + PAGE_BYTES;
        let private = Private::of(&plan.header);
        let needed = carved + private.bytes + (TABLE_PAGES + 64) * PAGE_BYTES;
        let home = (0..plan.ram.len())
            .max_by_key(|&index| plan.ram[index].bytes)
            .filter(|&index| plan.ram[index].bytes >= needed)
            .ok_or(BootError::NoMemory)?;
        let (thread, cspace) = self.create_first(plan.ram[home].base, carved);
        self.grant_memory(plan, home, carved, cspace, info)?;
        let extra = CPtr(info.first_free);
        info.first_free += 3;
        let source = CPtr(slots::FIRST_RANGE.0 + home as u32);
        self.set_up_space(plan, thread, source, extra, &private)?;
        let length = self.write_info(info, extra.offset(2), thread, private.info)?;
        self.set_schedule(
            thread,
            ROOT_PRIORITY,
            self.machine.counter_hz() * ROOT_SLICE_US / 1_000_000,
        );
        let context = &mut self.store.get_mut(thread).context;
        context.pc = plan.header.entry;
        context.sp = ROOT_STACK_ADDRESS + ROOT_STACK_BYTES;
        context.x[0] = BOOT_INFO_ADDRESS;
        context.x[1] = length;
        self.store.get_mut(thread).priority = ROOT_PRIORITY;
        self.make_ready(thread);
        self.reschedule();
        Ok(thread)
    }

    /// Makes the CSpace and Thread at `base`, bound to each other and in their slots.
    fn create_first(&mut self, base: PhysAddr, carved: u64) -> (Ref<Thread>, Ref<CSpace>) {
        let cspace = self.store.create::<CSpace>(base);
        self.store.create_slots(base.offset(size_of::<CSpace>() as u64), ROOT_SLOTS as usize);
        self.store.get_mut(cspace).slots = ROOT_SLOTS as u32;
        let thread = self.store.create::<Thread>(base.offset(carved - PAGE_BYTES));
        self.adopt_thread_slots(thread);
        let slot = |at: CPtr| self.store.slot_behind(cspace, at.0 as usize);
        let (own, own_thread) = (slot(slots::CSPACE), slot(slots::THREAD));
        let all = Rights::ALL;
        derivation::insert_original(&mut self.store, own, Cap::CSpace(cspace), all);
        derivation::insert_original(&mut self.store, own_thread, Cap::Thread(thread), all);
        let binding = binding_slot(&self.store, thread, Binding::CSpace);
        derivation::retain(&mut self.store, &Cap::CSpace(cspace));
        derivation::insert_child(&mut self.store, own, binding, Cap::CSpace(cspace), all);
        self.store.get_mut(thread).cspace = Some(cspace);
        (thread, cspace)
    }

    /// Fills the slots that come from no call: memory, devices and the kernel's own rights.
    fn grant_memory(
        &mut self,
        plan: &RootPlan<'_>,
        home: usize,
        carved: u64,
        cspace: Ref<CSpace>,
        info: &mut BootInfo<'_>,
    ) -> Result<(), BootError> {
        let read = Rights::READ;
        let run = read.union(Rights::EXECUTE);
        let fixed = [
            (slots::IRQ_CONTROL, Some(Cap::IrqControl), Rights::ALL),
            (slots::POWER, Some(Cap::Power), Rights::ALL),
            (slots::DEBUG_CONSOLE, Some(Cap::DebugConsole), Rights::ALL),
            (slots::BOOTFS, Some(memory(plan.bootfs, false)), run),
            (slots::INITRD, plan.initrd.map(|range| memory(range, false)), run),
            (slots::DEVICE_TREE, plan.device_tree.map(|range| memory(range, false)), read),
        ];
        for (at, cap, rights) in fixed {
            if let Some(cap) = cap {
                let slot = self.store.slot_behind(cspace, at.0 as usize);
                derivation::insert_original(&mut self.store, slot, cap, rights);
            }
        }
        let ram = plan.ram.iter().enumerate().map(|(index, &range)| {
            let skip = if index == home { carved } else { 0 };
            (PhysRange { base: range.base.offset(skip), bytes: range.bytes - skip }, false)
        });
        let ranges = ram.chain(plan.devices.iter().map(|&range| (range, true)));
        for ((range, is_device), next) in ranges.zip(slots::FIRST_RANGE.0..) {
            let slot = self.store.slot_behind(cspace, next as usize);
            let cap = if is_device {
                memory(range, true)
            } else {
                Cap::Untyped { base: range.base, pages: pages(range), used: 0 }
            };
            // An instruction fetched ahead could disturb a device.
            let rights = if is_device { read.union(Rights::WRITE) } else { Rights::ALL };
            derivation::insert_original(&mut self.store, slot, cap, rights);
            let PhysRange { base: PhysAddr(base), bytes } = range;
            let entry = Range { slot: next, base, bytes, is_device };
            info.memory.push(entry).map_err(|_| BootError::NoMemory)?;
        }
        info.first_free = slots::FIRST_RANGE.0 + MAX_RANGES as u32;
        let image = self.store.slot_behind(cspace, info.first_free as usize + 1);
        derivation::insert_original(&mut self.store, image, memory(plan.image, false), Rights::ALL);
        Ok(())
    }

    /// Makes root's address space and maps its image, stack, buffer and boot info.
    fn set_up_space(
        &mut self,
        plan: &RootPlan<'_>,
        thread: Ref<Thread>,
        source: CPtr,
        extra: CPtr,
        private: &Private,
    ) -> Result<(), BootError> {
        const READ: Rights = Rights::READ;
        const WRITE: Rights = Rights::READ.union(Rights::WRITE);
        const EXECUTE: Rights = Rights::READ.union(Rights::EXECUTE);
        let (tables, image, memory) = (extra, extra.offset(1), extra.offset(2));
        let header = plan.header;
        let mut call = Call { kernel: self, thread };
        let refused = |_| BootError::Refused;
        let own = CPtr::NULL;
        let make = ObjectKind::VSpace;
        call.retype(source, make, 0, own, slots::VSPACE, 1).map_err(refused)?;
        call.retype(source, ObjectKind::Tables, TABLE_PAGES, own, tables, 1).map_err(refused)?;
        call.retype(source, ObjectKind::Memory, private.bytes, own, memory, 1).map_err(refused)?;
        let refused = |_| BootError::Refused;
        call.vspace_supply(slots::VSPACE, tables).map_err(refused)?;
        call.vspace_make_window(slots::VSPACE).map_err(|_| BootError::Refused)?;
        for (index, memory) in [(attachment::IMAGE, image), (attachment::PRIVATE, memory)] {
            call.vspace_attach(slots::VSPACE, index, memory).map_err(|_| BootError::Refused)?;
        }
        let rodata = header.text_bytes;
        let data = rodata + header.rodata_bytes;
        let bss = data + header.data_bytes;
        let (from_image, from_private) = (attachment::IMAGE, attachment::PRIVATE);
        let parts = [
            (from_image, EXECUTE, 0, ROOT_BASE, header.text_bytes),
            (from_image, READ, rodata, ROOT_BASE + rodata, header.rodata_bytes),
            (from_image, WRITE, data, ROOT_BASE + data, header.data_bytes),
            (from_private, WRITE, private.bss, ROOT_BASE + bss, header.bss_bytes),
            (from_private, WRITE, private.stack, ROOT_STACK_ADDRESS, ROOT_STACK_BYTES),
            (from_private, WRITE, private.buffer, ROOT_BUFFER_ADDRESS, PAGE_BYTES),
            (from_private, READ, private.info, BOOT_INFO_ADDRESS, INFO_PAGES * PAGE_BYTES),
        ];
        for (index, access, offset, address, bytes) in parts {
            let flags = MapFlags::new(index, access);
            call.map(slots::VSPACE, flags, offset, address, bytes / PAGE_BYTES)
                .map_err(|_| BootError::Refused)?;
        }
        call.thread_set_spaces(slots::THREAD, slots::CSPACE, slots::VSPACE)
            .map_err(|_| BootError::Refused)?;
        call.thread_set_buffer(slots::THREAD, memory, private.buffer)
            .map_err(|_| BootError::Refused)?;
        self.clean_private(thread, memory, private)
    }

    /// Zeroes root's buffer and bss: the firmware may have left something there.
    fn clean_private(
        &mut self,
        thread: Ref<Thread>,
        memory: CPtr,
        private: &Private,
    ) -> Result<(), BootError> {
        let base = self.private_base(thread, memory)?;
        self.store.zero(base, private.stack);
        self.store.zero(base.offset(private.bss), private.bytes - private.bss);
        Ok(())
    }

    fn private_base(&self, thread: Ref<Thread>, memory: CPtr) -> Result<PhysAddr, BootError> {
        let slot: Result<SlotRef, _> = self.lookup_slot(thread, memory);
        match self.store.slot(slot.map_err(|_| BootError::Refused)?).cap {
            Cap::Memory { base, .. } => Ok(base),
            _ => Err(BootError::Refused),
        }
    }

    /// Writes the boot info to its pages; returns its length in bytes.
    fn write_info(
        &mut self,
        info: &BootInfo<'_>,
        memory: CPtr,
        thread: Ref<Thread>,
        offset: u64,
    ) -> Result<u64, BootError> {
        let base = self.private_base(thread, memory)?.offset(offset);
        let writer = PageWriter { store: &mut self.store, base, written: 0, word: 0 };
        postcard::serialize_with_flavor(info, writer).map_err(|_| BootError::BootInfoTooLong)
    }
}

/// Where the boot info is encoded to: straight into its pages, a word at a time.
struct PageWriter<'a> {
    store: &'a mut Store,
    base: PhysAddr,
    written: u64,
    word: u64,
}

impl PageWriter<'_> {
    fn flush(&mut self, end: u64) {
        let at = end.saturating_sub(1) / 8 * 8;
        self.store.write_user(self.base.offset(at), self.word);
        self.word = 0;
    }
}

impl postcard::ser_flavors::Flavor for PageWriter<'_> {
    type Output = u64;

    fn try_push(&mut self, byte: u8) -> postcard::Result<()> {
        if self.written == INFO_PAGES * PAGE_BYTES {
            return Err(postcard::Error::SerializeBufferFull);
        }
        self.word |= u64::from(byte) << (self.written % 8 * 8);
        self.written += 1;
        if self.written.is_multiple_of(8) {
            self.flush(self.written);
        }
        Ok(())
    }

    fn finalize(mut self) -> postcard::Result<u64> {
        if !self.written.is_multiple_of(8) {
            self.flush(self.written);
        }
        Ok(self.written)
    }
}
