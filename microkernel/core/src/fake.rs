//! A machine for tests: records what the kernel asks for, and gives memory to make objects of.

use crate::Kernel;
use crate::boot::{PhysRange, RootPlan};
use crate::invariants::space::Translations;
use crate::machine::{Current, Machine};
use crate::object::thread::Thread;
use crate::store::{PhysAddr, Ref};
use ipc_proto::abi::boot_info::{BootInfo, Platform, ROOT_BASE, RootImage, slots};
use ipc_proto::abi::layout::{BLOCK_BYTES, PAGE_BYTES};
use ipc_proto::abi::word::{ObjectKind, Trigger, Word};
use std::collections::BTreeSet;
use std::vec::Vec;

/// Physical address where the fake RAM begins.
pub const RAM_BASE: u64 = 0x4000_0000;

/// What is to leave the TLBs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Invalidation {
    /// A page, under every identifier.
    Page(u64),
    /// All of an identifier.
    Space(u16),
    /// All.
    All,
}

impl Invalidation {
    /// Tells whether the translation of `bytes` bytes at `address` under `asid` leaves the TLBs.
    fn covers(self, asid: u16, address: u64, bytes: u64) -> bool {
        match self {
            Invalidation::Page(page) => (address..address + bytes).contains(&page),
            Invalidation::Space(space) => space == asid,
            Invalidation::All => true,
        }
    }
}

/// What the kernel asked of the hardware.
#[derive(Debug, Default)]
pub struct FakeMachine {
    /// The last thread announced.
    pub current: Current,
    /// The record whose FP/SIMD registers are "in the core".
    pub fp_owner: usize,
    /// The counter.
    pub now: u64,
    /// The timer.
    pub timer: Option<u64>,
    /// Enabled lines.
    pub lines: BTreeSet<u32>,
    /// What left the TLBs since the last check.
    pub invalidated: Vec<Invalidation>,
    /// Text written to the console.
    pub console: Vec<u8>,
    /// The status of a power-off.
    pub powered_off: Option<u64>,
}

impl Machine for FakeMachine {
    fn publish_tables(&mut self) {}
    fn invalidate_page(&mut self, address: u64) {
        self.invalidated.push(Invalidation::Page(address));
    }
    fn invalidate_space(&mut self, asid: u16) {
        self.invalidated.push(Invalidation::Space(asid));
    }
    fn invalidate_all(&mut self) {
        self.invalidated.push(Invalidation::All);
    }
    fn set_current(&mut self, current: Current) {
        self.current = current;
    }
    fn is_in_guest(&self) -> bool {
        self.current.in_guest
    }
    fn set_in_guest(&mut self, in_guest: bool) {
        self.current.in_guest = in_guest;
    }
    fn save_fp(&mut self, _record: usize) {}
    fn load_fp(&mut self, record: usize) {
        self.fp_owner = record;
    }
    fn fp_owner(&self) -> usize {
        self.fp_owner
    }
    fn disown_fp(&mut self) {
        self.fp_owner = 0;
    }
    fn now(&self) -> u64 {
        self.now
    }
    fn counter_hz(&self) -> u64 {
        62_500_000
    }
    fn set_timer(&mut self, deadline: Option<u64>) {
        self.timer = deadline;
    }
    fn has_line(&self, line: u32) -> bool {
        (32..128).contains(&line)
    }
    fn enable_line(&mut self, line: u32, _trigger: Trigger) {
        self.lines.insert(line);
    }
    fn mask_line(&mut self, line: u32) {
        self.lines.remove(&line);
    }
    fn unmask_line(&mut self, line: u32) {
        self.lines.insert(line);
    }
    fn power_off(&mut self, status: u64) {
        self.powered_off = Some(status);
    }
    fn reset(&mut self) {}
    fn write_console(&mut self, text: &[u8]) {
        self.console.extend_from_slice(text);
    }
}

/// A kernel on a fake machine, with its RAM.
#[derive(Debug)]
pub struct Fixture {
    /// The kernel.
    pub kernel: Kernel<FakeMachine>,
    /// The first thread.
    pub root: Ref<Thread>,
    arena: Vec<u64>,
    /// What the TLBs may hold at worst.
    cached: Translations,
}

impl Fixture {
    /// Makes a kernel with `mebibytes` of RAM and its root.
    #[must_use]
    pub fn new(mebibytes: u64) -> Fixture {
        let bytes = mebibytes << 20;
        let arena = std::vec![0u64; ((bytes + BLOCK_BYTES) / 8) as usize];
        let start = arena.as_ptr().expose_provenance();
        let aligned = start.next_multiple_of(BLOCK_BYTES as usize);
        let store = crate::store::over_arena(aligned, RAM_BASE);
        let mut kernel = Kernel::new(store, FakeMachine::default(), 16);
        let image = PhysRange { base: PhysAddr(RAM_BASE), bytes: 4 * PAGE_BYTES };
        let ram = PhysRange {
            base: PhysAddr(RAM_BASE + 16 * PAGE_BYTES),
            bytes: bytes - 16 * PAGE_BYTES,
        };
        let header = RootImage {
            magic: RootImage::MAGIC,
            entry: ROOT_BASE,
            text_bytes: PAGE_BYTES,
            rodata_bytes: PAGE_BYTES,
            data_bytes: PAGE_BYTES,
            bss_bytes: PAGE_BYTES,
        };
        let device = PhysRange { base: PhysAddr(0x0900_0000), bytes: PAGE_BYTES };
        let plan = RootPlan {
            ram: &[ram],
            devices: &[device],
            header,
            image,
            bootfs: image,
            initrd: None,
            device_tree: None,
        };
        let root = kernel.create_root(&plan, &mut Self::info()).expect("root fits");
        Fixture { kernel, root, arena, cached: Translations::new() }
    }

    fn info() -> BootInfo<'static> {
        let platform =
            Platform { counter_hz: 1, cores: 1, uart: None, rtc: None, hwcap: 0, hwcap2: 0 };
        BootInfo {
            command_line: "",
            platform,
            memory: Default::default(),
            first_free: 0,
            bootfs_bytes: 0,
            initrd_bytes: 0,
            device_tree_bytes: 0,
            seed: [0; 32],
            stages: Default::default(),
        }
    }

    /// Returns the bytes of RAM behind the machine.
    #[must_use]
    pub fn ram_bytes(&self) -> usize {
        self.arena.len() * 8
    }

    /// Checks the invariants of the kernel, and what it asked of the machine: no TLB keeps a
    /// translation that is none any more, and what the machine refers to is there.
    ///
    /// # Panics
    ///
    /// With the name of what does not hold.
    pub fn check(&mut self) {
        let now = self.kernel.check_invariants(self.root);
        let invalidated = core::mem::take(&mut self.kernel.machine.invalidated);
        for (&(asid, address), &(leaf, bytes)) in &self.cached {
            let is_same = now.get(&(asid, address)).is_some_and(|&(other, _)| other == leaf);
            let has_left = || invalidated.iter().any(|one| one.covers(asid, address, bytes));
            assert!(is_same || has_left(), "a TLB still maps {address:#x} of space {asid}");
        }
        self.cached = now;
        self.check_current();
    }

    fn check_current(&self) {
        if let Some(first) = self.kernel.first_deadline {
            let deadline = self.kernel.store.get(first).deadline;
            let timer = self.kernel.machine.timer;
            assert!(timer.is_some_and(|timer| timer <= deadline), "the timer of a deadline");
        }
        let current = self.kernel.machine.current;
        let Some(thread) = self.kernel.cpu().current else { return };
        let state = self.kernel.store.get(thread);
        assert_eq!(current.context, core::ptr::from_ref(&state.context).addr(), "the context");
        assert_eq!(current.record, self.kernel.record_of(thread), "the record");
        let bits = state.notification.map_or(0, |notification| {
            core::ptr::from_ref(&self.kernel.store.get(notification).bits).addr()
        });
        assert_eq!(current.signals, bits, "the signals");
        let roots = state.vspace.map_or((0, 0), |vspace| self.kernel.store.get(vspace).roots);
        assert_eq!((current.thread_space, current.guest_space), roots, "the live space");
        let owner = self.kernel.machine.fp_owner;
        assert!(!current.in_guest || owner == current.record, "the FP/SIMD registers");
    }

    /// Issues a system call as the current thread; returns x8 and x0.
    pub fn syscall(&mut self, number: u64, arguments: &[u64]) -> (u64, u64) {
        let thread = self.kernel.cpu().current.expect("a thread runs");
        let context = &mut self.kernel.store.get_mut(thread).context;
        context.x[..arguments.len()].copy_from_slice(arguments);
        context.x[8] = number;
        self.kernel.exception(0x15 << 26, 0);
        let context = &self.kernel.store.get(thread).context;
        (context.x[8], context.x[0])
    }
}

/// System calls with all checks after each, as the tests of behaviour issue them.
impl Fixture {
    /// Issues a system call as the current thread; returns x8 and x0.
    ///
    /// # Panics
    /// If an invariant does not hold afterwards.
    pub fn call(&mut self, number: u64, arguments: &[u64]) -> (u64, u64) {
        let result = self.syscall(number, arguments);
        self.check();
        result
    }

    /// Issues a system call that must succeed; returns x0.
    ///
    /// # Panics
    /// If it is refused.
    pub fn must(&mut self, number: u64, arguments: &[u64]) -> u64 {
        let (status, value) = self.call(number, arguments);
        assert_eq!(status, 0, "call {number} with {arguments:?}");
        value
    }

    /// Repeats a call that works in bounded steps.
    pub fn finish(&mut self, number: u64, arguments: &[u64]) {
        while self.must(number, arguments) != 0 {}
    }

    /// Makes an object out of the boot-time memory.
    pub fn make(&mut self, kind: ObjectKind, argument: u64, slot: u64) {
        let untyped = u64::from(slots::FIRST_RANGE.0);
        self.must(RETYPE, &[untyped, kind.to_word(), argument, 0, slot, 1]);
    }

    /// Makes a thread in `slot` at `priority` in root's spaces and starts it.
    pub fn start_thread(&mut self, slot: u64, priority: u64) {
        self.make(ObjectKind::Thread, 0, slot);
        self.must(SET_SPACES, &[slot, 1, 2]);
        self.must(SET_SCHEDULE, &[slot, priority, 1000]);
        self.must(START, &[slot, 0x1000, 0x2000, 7, 0]);
    }

    /// Sets registers of the current thread and traps.
    ///
    /// # Panics
    /// If nobody runs, or an invariant does not hold afterwards.
    pub fn ipc(&mut self, number: u64, registers: &[(usize, u64)]) {
        let thread = self.kernel.cpu().current.expect("a thread runs");
        let context = &mut self.kernel.store.get_mut(thread).context;
        context.x[15..18].fill(0);
        for (register, word) in registers {
            context.x[*register] = *word;
        }
        context.x[8] = number;
        self.kernel.exception(0x15 << 26, 0);
        self.check();
    }

    /// Returns a register of the current thread.
    ///
    /// # Panics
    /// If nobody runs.
    #[must_use]
    pub fn register(&self, index: usize) -> u64 {
        let thread = self.kernel.cpu().current.expect("a thread runs");
        self.kernel.store.get(thread).context.x[index]
    }

    /// Tells whether root is the thread that runs.
    #[must_use]
    pub fn is_root_running(&self) -> bool {
        self.kernel.cpu().current == Some(self.root)
    }
}

const RETYPE: u64 = 16;
const SET_SPACES: u64 = 48;
const SET_SCHEDULE: u64 = 52;
const START: u64 = 53;
