//! The debug UART, polled: PL011 and 16550.

use core::fmt;
use ipc_proto::abi::boot_info::UartKind;
use tock_registers::interfaces::{ReadWriteable, Readable, Writeable};
use tock_registers::registers::{ReadOnly, ReadWrite, WriteOnly};
use tock_registers::{register_bitfields, register_structs};

register_bitfields! { u32,
    Flags [ TRANSMIT_FULL OFFSET(5) NUMBITS(1) [] ],
    Control [
        RECEIVE_ENABLE OFFSET(9) NUMBITS(1) [],
        TRANSMIT_ENABLE OFFSET(8) NUMBITS(1) [],
        ENABLE OFFSET(0) NUMBITS(1) []
    ],
    LineStatus [ HOLDING_EMPTY OFFSET(5) NUMBITS(1) [] ]
}

register_structs! {
    /// PL011 (DDI 0183G, 3.2).
    Pl011 {
        (0x00 => data: WriteOnly<u32>),
        (0x04 => _status),
        (0x18 => flags: ReadOnly<u32, Flags::Register>),
        (0x1c => _rates),
        (0x30 => control: ReadWrite<u32, Control::Register>),
        (0x34 => @END),
    },
    /// 16550 with its registers one word apart.
    Ns16550 {
        (0x00 => data: WriteOnly<u32>),
        (0x04 => _control),
        (0x14 => line_status: ReadOnly<u32, LineStatus::Register>),
        (0x18 => @END),
    }
}

/// Most polls for one byte: a UART that never gets ready loses text, not the machine.
const PATIENCE: u32 = 1 << 20;

enum Registers {
    Pl011(&'static Pl011),
    Ns16550(&'static Ns16550),
}

/// A UART that the kernel writes to.
pub(crate) struct Uart(Registers);

// SAFETY: the registers are the same from every core, and only the owner of the Uart uses them.
unsafe impl Send for Uart {}

impl Uart {
    /// Takes the UART whose registers are mapped at `address`, as the firmware left it.
    ///
    /// # Safety
    ///
    /// A device of that kind is mapped there for good.
    pub(crate) unsafe fn new(kind: UartKind, address: u64) -> Uart {
        let address = address as usize;
        Uart(match kind {
            UartKind::Pl011 => {
                // SAFETY: the caller's; registers have interior mutability.
                let uart = unsafe { &*core::ptr::with_exposed_provenance::<Pl011>(address) };
                uart.control.modify(
                    Control::ENABLE::SET
                        + Control::TRANSMIT_ENABLE::SET
                        + Control::RECEIVE_ENABLE::SET,
                );
                Registers::Pl011(uart)
            }
            UartKind::Ns16550 => {
                // SAFETY: as above.
                Registers::Ns16550(unsafe { &*core::ptr::with_exposed_provenance(address) })
            }
        })
    }

    fn is_ready(&self) -> bool {
        match self.0 {
            Registers::Pl011(uart) => !uart.flags.is_set(Flags::TRANSMIT_FULL),
            Registers::Ns16550(uart) => uart.line_status.is_set(LineStatus::HOLDING_EMPTY),
        }
    }

    /// Sends one byte.
    pub(crate) fn write_byte(&mut self, byte: u8) {
        for _ in 0..PATIENCE {
            if self.is_ready() {
                match self.0 {
                    Registers::Pl011(uart) => uart.data.set(byte.into()),
                    Registers::Ns16550(uart) => uart.data.set(byte.into()),
                }
                return;
            }
        }
    }
}

impl fmt::Write for Uart {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for byte in text.bytes() {
            if byte == b'\n' {
                self.write_byte(b'\r');
            }
            self.write_byte(byte);
        }
        Ok(())
    }
}
