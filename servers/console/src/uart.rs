//! What the console needs of a UART, whatever its kind.

/// What a UART received.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Received {
    /// A byte.
    Byte(u8),
    /// A break condition.
    Break,
    /// A byte that arrived damaged, or in whose place others were lost.
    Damaged(u8),
}

/// Whether the UART interrupts when there is room in its transmit FIFO.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TransmitInterrupt {
    /// It does: there is more to send.
    On,
    /// It does not.
    Off,
}

/// Whether the UART interrupts when bytes arrive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReceiveInterrupt {
    /// It does.
    On,
    /// It does not: there is no room for them now, they wait in the FIFO.
    Off,
}

/// A UART with FIFOs. Nothing here waits.
pub trait Uart {
    /// Sets the UART up: FIFOs on, 8 bits, no parity, receive interrupts on; speed as it is.
    fn configure(&mut self);
    /// Takes what arrived next out of the receive FIFO.
    fn receive(&mut self) -> Option<Received>;
    /// Puts a byte into the transmit FIFO; false if it is full.
    fn transmit(&mut self, byte: u8) -> bool;
    /// Tells whether every byte has left the wire.
    fn is_idle(&mut self) -> bool;
    /// Chooses the interrupts.
    fn set_interrupts(&mut self, receive: ReceiveInterrupt, transmit: TransmitInterrupt);
    /// Clears those interrupt conditions that do not clear themselves.
    fn clear_interrupts(&mut self);
}
