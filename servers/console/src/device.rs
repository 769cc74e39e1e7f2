//! The UART's registers, mapped by root: the only unsafe code of the console.
//!
//! # Invariants
//!
//! - `device.mapped`: root maps the registers as device memory for the life of the program, and
//!   nothing else in this program uses them.

use console::{ns16550, pl011};
use tock_registers::interfaces::{Readable, Writeable};
use tock_registers::register_structs;
use tock_registers::registers::ReadWrite;

register_structs! {
    Pl011Block {
        (0x000 => data: ReadWrite<u32>),
        (0x004 => _status),
        (0x018 => flags: ReadWrite<u32>),
        (0x01c => _speed),
        (0x02c => line_control: ReadWrite<u32>),
        (0x030 => control: ReadWrite<u32>),
        (0x034 => fifo_levels: ReadWrite<u32>),
        (0x038 => interrupt_mask: ReadWrite<u32>),
        (0x03c => _interrupt_status),
        (0x044 => interrupt_clear: ReadWrite<u32>),
        (0x048 => @END),
    },
    Ns16550Block {
        (0x000 => data: ReadWrite<u32>),
        (0x004 => interrupt_enable: ReadWrite<u32>),
        (0x008 => fifo_control: ReadWrite<u32>),
        (0x00c => line_control: ReadWrite<u32>),
        (0x010 => modem_control: ReadWrite<u32>),
        (0x014 => line_status: ReadWrite<u32>),
        (0x018 => @END),
    }
}

/// The registers of a PL011.
pub(crate) struct MappedPl011(&'static Pl011Block);

impl MappedPl011 {
    /// # Safety
    /// The registers of a PL011 are mapped at `address` and nothing else uses them.
    pub(crate) unsafe fn new(address: u64) -> MappedPl011 {
        let block = core::ptr::with_exposed_provenance(address as usize);
        // SAFETY: [device.mapped] the caller says so; the registers may change under a shared
        // reference.
        MappedPl011(unsafe { &*block })
    }

    fn register(&self, register: pl011::Register) -> &ReadWrite<u32> {
        match register {
            pl011::Register::Data => &self.0.data,
            pl011::Register::Flags => &self.0.flags,
            pl011::Register::LineControl => &self.0.line_control,
            pl011::Register::Control => &self.0.control,
            pl011::Register::FifoLevels => &self.0.fifo_levels,
            pl011::Register::InterruptMask => &self.0.interrupt_mask,
            pl011::Register::InterruptClear => &self.0.interrupt_clear,
        }
    }
}

impl pl011::Registers for MappedPl011 {
    fn read(&self, register: pl011::Register) -> u32 {
        self.register(register).get()
    }
    fn write(&mut self, register: pl011::Register, value: u32) {
        self.register(register).set(value);
    }
}

/// The registers of a 16550.
pub(crate) struct MappedNs16550(&'static Ns16550Block);

impl MappedNs16550 {
    /// # Safety
    /// The registers of a 16550, 32 bits apart, are mapped at `address` and nothing else uses
    /// them.
    pub(crate) unsafe fn new(address: u64) -> MappedNs16550 {
        let block = core::ptr::with_exposed_provenance(address as usize);
        // SAFETY: [device.mapped] the caller says so; the registers may change under a shared
        // reference.
        MappedNs16550(unsafe { &*block })
    }

    fn register(&self, register: ns16550::Register) -> &ReadWrite<u32> {
        match register {
            ns16550::Register::Data => &self.0.data,
            ns16550::Register::InterruptEnable => &self.0.interrupt_enable,
            ns16550::Register::FifoControl => &self.0.fifo_control,
            ns16550::Register::LineControl => &self.0.line_control,
            ns16550::Register::ModemControl => &self.0.modem_control,
            ns16550::Register::LineStatus => &self.0.line_status,
        }
    }
}

impl ns16550::Registers for MappedNs16550 {
    fn read(&self, register: ns16550::Register) -> u32 {
        self.register(register).get()
    }
    fn write(&mut self, register: ns16550::Register, value: u32) {
        self.register(register).set(value);
    }
}
