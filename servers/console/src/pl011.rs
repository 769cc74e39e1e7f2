//! Driver of the Arm PrimeCell PL011 UART (DDI 0183), over a trait of its registers.

use crate::uart::{ReceiveInterrupt, Received, TransmitInterrupt, Uart};
use tock_registers::register_bitfields;
use tock_registers::{LocalRegisterCopy, RegisterLongName};

register_bitfields![u32,
    /// Data register (3.3.1).
    Data [
        /// The byte.
        BYTE OFFSET(0) NUMBITS(8) [],
        /// Framing error.
        FRAMING OFFSET(8) NUMBITS(1) [],
        /// Parity error.
        PARITY OFFSET(9) NUMBITS(1) [],
        /// Break condition.
        BREAK OFFSET(10) NUMBITS(1) [],
        /// Bytes were lost before this one.
        OVERRUN OFFSET(11) NUMBITS(1) [],
    ],
    /// Flag register (3.3.3).
    Flags [
        /// A byte is on the wire or in the FIFO.
        BUSY OFFSET(3) NUMBITS(1) [],
        /// The receive FIFO is empty.
        RXFE OFFSET(4) NUMBITS(1) [],
        /// The transmit FIFO is full.
        TXFF OFFSET(5) NUMBITS(1) [],
    ],
    /// Line control register (3.3.7).
    LineControl [
        /// FIFOs on.
        FEN OFFSET(4) NUMBITS(1) [],
        /// Word length.
        WLEN OFFSET(5) NUMBITS(2) [
            /// Eight bits.
            Bits8 = 3
        ],
    ],
    /// Control register (3.3.8).
    Control [
        /// UART on.
        UARTEN OFFSET(0) NUMBITS(1) [],
        /// Transmitter on.
        TXE OFFSET(8) NUMBITS(1) [],
        /// Receiver on.
        RXE OFFSET(9) NUMBITS(1) [],
        /// Data terminal ready.
        DTR OFFSET(10) NUMBITS(1) [],
        /// Request to send.
        RTS OFFSET(11) NUMBITS(1) [],
    ],
    /// FIFO levels at which to interrupt (3.3.9).
    FifoLevels [
        /// Transmit.
        TX OFFSET(0) NUMBITS(3) [
            /// An eighth full or less.
            Eighth = 0
        ],
        /// Receive.
        RX OFFSET(3) NUMBITS(3) [
            /// Half full or more.
            Half = 2
        ],
    ],
    /// The layout of the interrupt mask, status and clear registers (3.3.10).
    Interrupts [
        /// The receive FIFO reached its level.
        RX OFFSET(4) NUMBITS(1) [],
        /// The transmit FIFO fell to its level.
        TX OFFSET(5) NUMBITS(1) [],
        /// Bytes have waited in the receive FIFO for 32 bit times.
        RT OFFSET(6) NUMBITS(1) [],
        /// All of them.
        ALL OFFSET(0) NUMBITS(11) [
            /// Every condition.
            Every = 0x7ff
        ],
    ],
];

/// The registers that the driver uses, by the names of the manual.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Register {
    /// UARTDR.
    Data,
    /// UARTFR.
    Flags,
    /// UARTLCR_H.
    LineControl,
    /// UARTCR.
    Control,
    /// UARTIFLS.
    FifoLevels,
    /// UARTIMSC.
    InterruptMask,
    /// UARTICR.
    InterruptClear,
}

/// The registers of one UART.
pub trait Registers {
    /// Reads a register.
    fn read(&self, register: Register) -> u32;
    /// Writes a register.
    fn write(&mut self, register: Register, value: u32);
}

/// Most times that the driver looks whether the wire is quiet before it sets the UART up.
const QUIET_TRIES: u32 = 1_000_000;

/// A PL011.
#[derive(Debug)]
pub struct Pl011<R> {
    registers: R,
    mask: u32,
}

impl<R: Registers> Pl011<R> {
    /// Makes the driver of the UART behind `registers`.
    pub const fn new(registers: R) -> Pl011<R> {
        Pl011 { registers, mask: 0 }
    }

    fn read<L: RegisterLongName>(&self, register: Register) -> LocalRegisterCopy<u32, L> {
        LocalRegisterCopy::new(self.registers.read(register))
    }

    fn set_mask(&mut self, mask: u32) {
        if mask != self.mask {
            self.mask = mask;
            self.registers.write(Register::InterruptMask, mask);
        }
    }
}

impl<R: Registers> Uart for Pl011<R> {
    fn configure(&mut self) {
        self.registers.write(Register::InterruptMask, 0);
        self.mask = 0;
        // The line control register may only change while the UART is off, and what was still
        // being sent when it goes off would be lost (3.3.8).
        let _ = (0..QUIET_TRIES).find(|_| self.is_idle());
        self.registers.write(Register::Control, 0);
        let line = LineControl::FEN::SET + LineControl::WLEN::Bits8;
        self.registers.write(Register::LineControl, line.value);
        let levels = FifoLevels::TX::Eighth + FifoLevels::RX::Half;
        self.registers.write(Register::FifoLevels, levels.value);
        let control = Control::UARTEN::SET + Control::TXE::SET + Control::RXE::SET;
        let control = control + Control::DTR::SET + Control::RTS::SET;
        self.registers.write(Register::Control, control.value);
        self.clear_interrupts();
        self.set_interrupts(ReceiveInterrupt::On, TransmitInterrupt::Off);
    }

    fn receive(&mut self) -> Option<Received> {
        if self.read::<Flags::Register>(Register::Flags).is_set(Flags::RXFE) {
            return None;
        }
        let data = self.read::<Data::Register>(Register::Data);
        let byte = data.read(Data::BYTE) as u8;
        let damage = Data::FRAMING::SET + Data::PARITY::SET + Data::OVERRUN::SET;
        Some(if data.is_set(Data::BREAK) {
            Received::Break
        } else if data.any_matching_bits_set(damage) {
            Received::Damaged(byte)
        } else {
            Received::Byte(byte)
        })
    }

    fn transmit(&mut self, byte: u8) -> bool {
        let is_full = self.read::<Flags::Register>(Register::Flags).is_set(Flags::TXFF);
        if !is_full {
            self.registers.write(Register::Data, u32::from(byte));
        }
        !is_full
    }

    fn is_idle(&mut self) -> bool {
        !self.read::<Flags::Register>(Register::Flags).is_set(Flags::BUSY)
    }

    fn set_interrupts(&mut self, receive: ReceiveInterrupt, transmit: TransmitInterrupt) {
        let receive = match receive {
            ReceiveInterrupt::On => (Interrupts::RX::SET + Interrupts::RT::SET).value,
            ReceiveInterrupt::Off => 0,
        };
        let transmit = match transmit {
            TransmitInterrupt::On => Interrupts::TX::SET.value,
            TransmitInterrupt::Off => 0,
        };
        self.set_mask(receive | transmit);
    }

    fn clear_interrupts(&mut self) {
        self.registers.write(Register::InterruptClear, Interrupts::ALL::Every.value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::VecDeque;
    use std::vec::Vec;

    /// A PL011 with a slow wire.
    #[derive(Default)]
    struct Fake {
        arrived: core::cell::RefCell<VecDeque<u32>>,
        sent: Vec<u8>,
        fifo: usize,
        mask: u32,
        line: u32,
        control: u32,
    }

    impl Registers for &mut Fake {
        fn read(&self, register: Register) -> u32 {
            match register {
                Register::Data => self.arrived.borrow_mut().pop_front().unwrap(),
                Register::Flags => {
                    u32::from(self.arrived.borrow().is_empty()) << 4
                        | u32::from(self.fifo >= 16) << 5
                }
                _ => 0,
            }
        }
        fn write(&mut self, register: Register, value: u32) {
            match register {
                Register::Data => {
                    assert!(self.control & 0x101 == 0x101, "the UART is off");
                    self.sent.push(value as u8);
                    self.fifo += 1;
                }
                Register::LineControl => {
                    assert_eq!(self.control, 0, "the UART is on");
                    self.line = value;
                }
                Register::Control => self.control = value,
                Register::InterruptMask => self.mask = value,
                _ => {}
            }
        }
    }

    #[test]
    fn configure_turns_the_fifos_on_while_the_uart_is_off() {
        let mut fake = Fake::default();
        Pl011::new(&mut fake).configure();
        assert_eq!((fake.line, fake.control, fake.mask), (0x70, 0xf01, 0x50));
    }

    #[test]
    fn transmit_stops_at_a_full_fifo() {
        let mut fake = Fake::default();
        let mut uart = Pl011::new(&mut fake);
        uart.configure();
        assert_eq!((0..20).filter(|&byte| uart.transmit(byte)).count(), 16);
        uart.set_interrupts(ReceiveInterrupt::On, TransmitInterrupt::On);
        assert_eq!((fake.mask, fake.sent.len()), (0x70, 16));
    }

    #[test]
    fn receive_tells_breaks_and_damage_apart() {
        let mut fake = Fake::default();
        fake.arrived.borrow_mut().extend([0x41, 0x400, 0x142, 0x843]);
        let mut uart = Pl011::new(&mut fake);
        assert_eq!(uart.receive(), Some(Received::Byte(b'A')));
        assert_eq!(uart.receive(), Some(Received::Break));
        assert_eq!(uart.receive(), Some(Received::Damaged(b'B')));
        assert_eq!(uart.receive(), Some(Received::Damaged(b'C')));
        assert_eq!(uart.receive(), None);
    }
}
