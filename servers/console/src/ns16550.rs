//! Driver of the 16550 UART with its registers 32 bits apart, over a trait of its registers.

use crate::uart::{ReceiveInterrupt, Received, TransmitInterrupt, Uart};
use tock_registers::register_bitfields;
use tock_registers::{LocalRegisterCopy, RegisterLongName};

register_bitfields![u32,
    /// Interrupt enable register.
    InterruptEnable [
        /// Bytes arrived.
        RX OFFSET(0) NUMBITS(1) [],
        /// The transmit FIFO is empty.
        TX OFFSET(1) NUMBITS(1) [],
    ],
    /// FIFO control register.
    FifoControl [
        /// FIFOs on.
        ENABLE OFFSET(0) NUMBITS(1) [],
        /// Level at which received bytes interrupt.
        LEVEL OFFSET(6) NUMBITS(2) [
            /// Eight bytes.
            Bytes8 = 2
        ],
    ],
    /// Line control register.
    LineControl [
        /// Word length.
        WORD OFFSET(0) NUMBITS(2) [
            /// Eight bits.
            Bits8 = 3
        ],
    ],
    /// Modem control register.
    ModemControl [
        /// Data terminal ready.
        DTR OFFSET(0) NUMBITS(1) [],
        /// Request to send.
        RTS OFFSET(1) NUMBITS(1) [],
        /// Gates the interrupt line.
        OUT2 OFFSET(3) NUMBITS(1) [],
    ],
    /// Line status register.
    LineStatus [
        /// A byte has arrived.
        READY OFFSET(0) NUMBITS(1) [],
        /// Bytes were lost.
        OVERRUN OFFSET(1) NUMBITS(1) [],
        /// Parity error.
        PARITY OFFSET(2) NUMBITS(1) [],
        /// Framing error.
        FRAMING OFFSET(3) NUMBITS(1) [],
        /// Break condition.
        BREAK OFFSET(4) NUMBITS(1) [],
        /// The transmit FIFO is empty.
        THRE OFFSET(5) NUMBITS(1) [],
        /// The transmit FIFO and the wire are empty.
        TEMT OFFSET(6) NUMBITS(1) [],
    ],
];

/// The registers that the driver uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Register {
    /// RBR when read, THR when written.
    Data,
    /// IER.
    InterruptEnable,
    /// FCR.
    FifoControl,
    /// LCR.
    LineControl,
    /// MCR.
    ModemControl,
    /// LSR.
    LineStatus,
}

/// The registers of one UART.
pub trait Registers {
    /// Reads a register.
    fn read(&self, register: Register) -> u32;
    /// Writes a register.
    fn write(&mut self, register: Register, value: u32);
}

/// Bytes of the transmit FIFO.
const FIFO_BYTES: u32 = 16;

/// A 16550.
#[derive(Debug)]
pub struct Ns16550<R> {
    registers: R,
    enabled: u32,
    /// Bytes that may be sent before the line status must be looked at again.
    credit: u32,
}

impl<R: Registers> Ns16550<R> {
    /// Makes the driver of the UART behind `registers`.
    pub const fn new(registers: R) -> Ns16550<R> {
        Ns16550 { registers, enabled: 0, credit: 0 }
    }

    fn status(&self) -> LocalRegisterCopy<u32, LineStatus::Register> {
        self.read(Register::LineStatus)
    }

    fn read<L: RegisterLongName>(&self, register: Register) -> LocalRegisterCopy<u32, L> {
        LocalRegisterCopy::new(self.registers.read(register))
    }
}

impl<R: Registers> Uart for Ns16550<R> {
    fn configure(&mut self) {
        self.registers.write(Register::InterruptEnable, 0);
        self.enabled = 0;
        self.registers.write(Register::LineControl, LineControl::WORD::Bits8.value);
        let fifo = FifoControl::ENABLE::SET + FifoControl::LEVEL::Bytes8;
        self.registers.write(Register::FifoControl, fifo.value);
        let modem = ModemControl::DTR::SET + ModemControl::RTS::SET + ModemControl::OUT2::SET;
        self.registers.write(Register::ModemControl, modem.value);
        self.set_interrupts(ReceiveInterrupt::On, TransmitInterrupt::Off);
    }

    fn receive(&mut self) -> Option<Received> {
        let status = self.status();
        if !status.is_set(LineStatus::READY) {
            return None;
        }
        let byte = self.registers.read(Register::Data) as u8;
        let damage = LineStatus::FRAMING::SET + LineStatus::PARITY::SET + LineStatus::OVERRUN::SET;
        Some(if status.is_set(LineStatus::BREAK) {
            Received::Break
        } else if status.any_matching_bits_set(damage) {
            Received::Damaged(byte)
        } else {
            Received::Byte(byte)
        })
    }

    fn transmit(&mut self, byte: u8) -> bool {
        if self.credit == 0 && self.status().is_set(LineStatus::THRE) {
            self.credit = FIFO_BYTES;
        }
        let is_ready = self.credit > 0;
        if is_ready {
            self.credit -= 1;
            self.registers.write(Register::Data, u32::from(byte));
        }
        is_ready
    }

    fn is_idle(&mut self) -> bool {
        self.status().is_set(LineStatus::TEMT)
    }

    fn set_interrupts(&mut self, receive: ReceiveInterrupt, transmit: TransmitInterrupt) {
        let receive = match receive {
            ReceiveInterrupt::On => InterruptEnable::RX::SET.value,
            ReceiveInterrupt::Off => 0,
        };
        let transmit = match transmit {
            TransmitInterrupt::On => InterruptEnable::TX::SET.value,
            TransmitInterrupt::Off => 0,
        };
        if receive | transmit != self.enabled {
            self.enabled = receive | transmit;
            self.registers.write(Register::InterruptEnable, self.enabled);
        }
    }

    fn clear_interrupts(&mut self) {
        // Reading and writing the FIFOs clears them.
    }
}
