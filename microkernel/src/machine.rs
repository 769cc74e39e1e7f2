//! The AArch64 machine: what `microkernel-core` asks of the hardware.
//!
//! # Invariants
//!
//! - `machine.percpu`: `PER_CPU` of a core is touched only by that core, in EL1 with interrupts
//!   masked: by the trap entry (exception.S) and by this file.
//! - `machine.record`: a non-zero record address is the kernel's mapping of a page that is the
//!   record of a live guest; the core tells us before it goes.

use crate::gic::Controller;
use crate::timer::{self, Timer};
use crate::{console, power};
use aarch64_cpu::asm::barrier;
use aarch64_cpu::registers::{CPACR_EL1, TPIDR_EL1, TTBR0_EL1, Writeable};
use core::arch::{asm, global_asm};
use core::cell::UnsafeCell;
use core::mem::offset_of;
use ipc_proto::abi::word::Trigger;
use microkernel_core::machine::{Current, Machine};

global_asm!(include_str!("exception.S"));

unsafe extern "C" {
    fn save_fp_registers(record: usize);
    fn load_fp_registers(record: usize);
    static exception_vectors: u8;
}

/// What the trap entry knows of its core. The offsets stand in exception.S, too.
#[repr(C, align(64))]
struct PerCpu {
    context: usize,
    record: usize,
    signals: usize,
    thread_space: u64,
    guest_space: u64,
    in_guest: u64,
    fp_owner: usize,
    stack: u64,
}

const _: () = {
    assert!(offset_of!(PerCpu, record) == 8);
    assert!(offset_of!(PerCpu, signals) == 16);
    assert!(offset_of!(PerCpu, thread_space) == 24);
    assert!(offset_of!(PerCpu, guest_space) == 32);
    assert!(offset_of!(PerCpu, in_guest) == 40);
    assert!(offset_of!(PerCpu, fp_owner) == 48);
    assert!(offset_of!(PerCpu, stack) == 56);
};

struct PerCpuCell(UnsafeCell<PerCpu>);

// SAFETY: [machine.percpu]
unsafe impl Sync for PerCpuCell {}

static PER_CPU: PerCpuCell = PerCpuCell(UnsafeCell::new(PerCpu {
    context: 0,
    record: 0,
    signals: 0,
    thread_space: 0,
    guest_space: 0,
    in_guest: 0,
    fp_owner: 0,
    stack: 0,
}));

/// A word that is always 0: the signals of threads without a bound notification.
static NO_SIGNALS: u64 = 0;

/// The hardware of this core.
#[derive(Debug)]
pub(crate) struct Hardware {
    /// Its interrupt controller.
    pub(crate) interrupts: Controller,
    /// Its timer.
    pub(crate) timer: Timer,
    /// Physical address of an empty root table.
    pub(crate) empty_root: u64,
}

/// Points this core's trap entry at its state and the vectors at the trap entry.
pub(crate) fn install_vectors(stack_top: u64) {
    // SAFETY: [machine.percpu] no trap is under way.
    unsafe { (*PER_CPU.0.get()).stack = stack_top };
    TPIDR_EL1.set(PER_CPU.0.get().addr() as u64);
    aarch64_cpu::registers::VBAR_EL1.set((&raw const exception_vectors).addr() as u64);
    barrier::isb(barrier::SY);
}

impl Hardware {
    fn per_cpu(&mut self) -> &mut PerCpu {
        // SAFETY: [machine.percpu] exclusive through `&mut self`, of which there is one.
        unsafe { &mut *PER_CPU.0.get() }
    }

    fn per_cpu_ref(&self) -> &PerCpu {
        // SAFETY: [machine.percpu]
        unsafe { &*PER_CPU.0.get() }
    }

    /// Returns the address of the register file that the trap exit is to restore.
    pub(crate) fn register_file(&self) -> usize {
        let cpu = self.per_cpu_ref();
        if cpu.in_guest == 0 { cpu.context } else { cpu.record }
    }

    /// Makes what runs next the live address space, and lets EL0 use FP/SIMD or not.
    fn apply(&mut self, was: u64) {
        let cpu = self.per_cpu();
        let (space, fp) = if cpu.in_guest == 0 {
            (cpu.thread_space, CPACR_EL1::FPEN::TrapEl0)
        } else {
            (cpu.guest_space, CPACR_EL1::FPEN::TrapNothing)
        };
        CPACR_EL1.write(fp);
        if space != was {
            self.set_space(space);
        }
    }

    #[inline(always)]
    fn set_space(&self, space: u64) {
        // No isb: the return to EL0 synchronises, and EL1 uses no address of EL0.
        TTBR0_EL1.set(if space == 0 { self.empty_root } else { space });
    }

    fn live_space(&self) -> u64 {
        let cpu = self.per_cpu_ref();
        if cpu.in_guest == 0 { cpu.thread_space } else { cpu.guest_space }
    }
}

fn invalidate_barrier() {
    barrier::dsb(barrier::ISHST);
}

fn complete_invalidation() {
    barrier::dsb(barrier::ISH);
    barrier::isb(barrier::SY);
}

impl Machine for Hardware {
    fn publish_tables(&mut self) {
        barrier::dsb(barrier::ISHST);
    }

    fn invalidate_page(&mut self, address: u64) {
        invalidate_barrier();
        // SAFETY: removes translations only; TLBI VAAE1IS takes VA[55:12] (Arm ARM C5.5.68).
        unsafe {
            asm!("tlbi vaae1is, {}", in(reg) address >> 12 & 0xfff_ffff_ffff, options(nostack))
        };
        complete_invalidation();
    }

    fn invalidate_space(&mut self, asid: u16) {
        invalidate_barrier();
        // A switch away from the space must be done, or a walk ahead of time fills the TLB again.
        barrier::isb(barrier::SY);
        // SAFETY: removes translations only.
        unsafe { asm!("tlbi aside1is, {}", in(reg) u64::from(asid) << 48, options(nostack)) };
        complete_invalidation();
    }

    fn invalidate_all(&mut self) {
        invalidate_barrier();
        // SAFETY: removes translations only.
        unsafe { asm!("tlbi vmalle1is", options(nostack)) };
        complete_invalidation();
    }

    #[inline(always)]
    fn set_current(&mut self, current: Current) {
        let was_in_guest = self.is_in_guest();
        let was = self.live_space();
        let cpu = self.per_cpu();
        cpu.context = current.context;
        cpu.record = current.record;
        cpu.signals = match current.signals {
            0 => (&raw const NO_SIGNALS).addr(),
            address => address,
        };
        cpu.thread_space = current.thread_space;
        cpu.guest_space = current.guest_space;
        cpu.in_guest = u64::from(current.in_guest);
        if was_in_guest || current.in_guest {
            return self.apply(was);
        }
        // From one native thread to another: FP/SIMD traps as before.
        if current.thread_space != was {
            self.set_space(current.thread_space);
        }
    }

    fn is_in_guest(&self) -> bool {
        self.per_cpu_ref().in_guest != 0
    }

    fn set_in_guest(&mut self, in_guest: bool) {
        let was = self.live_space();
        self.per_cpu().in_guest = u64::from(in_guest);
        self.apply(was);
    }

    fn save_fp(&mut self, record: usize) {
        CPACR_EL1.write(CPACR_EL1::FPEN::TrapNothing);
        barrier::isb(barrier::SY);
        // SAFETY: [machine.record]
        unsafe { save_fp_registers(record) };
        if !self.is_in_guest() {
            // They may be another program's that the thread is not to see.
            CPACR_EL1.write(CPACR_EL1::FPEN::TrapEl0);
        }
    }

    fn load_fp(&mut self, record: usize) {
        CPACR_EL1.write(CPACR_EL1::FPEN::TrapNothing);
        barrier::isb(barrier::SY);
        // SAFETY: [machine.record]
        unsafe { load_fp_registers(record) };
        self.per_cpu().fp_owner = record;
    }

    fn fp_owner(&self) -> usize {
        self.per_cpu_ref().fp_owner
    }

    fn disown_fp(&mut self) {
        self.per_cpu().fp_owner = 0;
    }

    #[inline]
    fn now(&self) -> u64 {
        timer::now()
    }

    fn counter_hz(&self) -> u64 {
        timer::hz()
    }

    fn set_timer(&mut self, deadline: Option<u64>) {
        match deadline {
            Some(deadline) => self.timer.set_deadline(deadline),
            None => self.timer.disarm(),
        }
    }

    fn has_line(&self, line: u32) -> bool {
        (32..self.interrupts.lines()).contains(&line)
    }

    fn enable_line(&mut self, line: u32, trigger: Trigger) {
        self.interrupts.configure(line, trigger);
        self.interrupts.enable(line);
    }

    fn mask_line(&mut self, line: u32) {
        self.interrupts.disable(line);
    }

    fn unmask_line(&mut self, line: u32) {
        self.interrupts.enable(line);
    }

    fn power_off(&mut self, status: u64) {
        // The caller learns of a machine that cannot by our coming back.
        let _ = power::off(status);
    }

    fn reset(&mut self) {
        let _ = power::reset();
    }

    fn write_console(&mut self, text: &[u8]) {
        console::write(text);
    }
}
