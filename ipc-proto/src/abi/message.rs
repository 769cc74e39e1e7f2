//! The registers of an IPC and the message-information word.
//!
//! | register | `call`, `reply`, `reply_recv`, `recv` take | and give |
//! | --- | --- | --- |
//! | x0–x7 | up to 64 message bytes, little endian, in order | the other side's bytes |
//! | x8 | the system-call number | the status |
//! | x9 | endpoint (`call`, `recv`, `reply_recv`) | the caller's badge (`recv`, `reply_recv`) |
//! | x10 | [`MessageInfo`] of what is sent | [`MessageInfo`] of what arrived |
//! | x11–x14 | slots of the capabilities sent, as many as the info says | – |
//! | x15 | first of four slots for capabilities received; 0: accept none | – |
//! | x16 | deadline, absolute counter value; 0: none | – |
//! | x17 | the Reply to answer or to receive into (`reply`, `recv`, `reply_recv`) | – |
//!
//! A message longer than 64 bytes lies whole in the sender's IPC buffer and arrives whole in
//! the receiver's; x0–x7 then carry nothing. Only the registers the length covers are defined.
//!
//! `recv` and `reply_recv` also wake when a notification bound to the thread has bits: then the
//! info is [`MessageInfo::SIGNAL`] and x9 holds the bits.
//!
//! `debug_write` uses the same registers: x9 the DebugConsole, x10 the info, text in x0–x7.

use super::layout::{MESSAGE_BYTES, MESSAGE_CAPS, REGISTER_BYTES};
use super::word::Word;

/// What a message holds: bits 0–15 the label, 16–28 the length in bytes, 29–31 the capabilities.
///
/// The label of a request is the operation's number in its protocol; of a reply, 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct MessageInfo(pub u64);

impl MessageInfo {
    /// Label of a message that is no request but the bits of the bound notification.
    pub const SIGNAL_LABEL: u16 = 0xffff;
    /// Label of a fault message (see [`super::fault`]).
    pub const FAULT_LABEL: u16 = 0xfffe;
    /// Label of a reply that says: the request was malformed, nothing was done.
    pub const MALFORMED_LABEL: u16 = 0xfffd;
    /// First of the labels that no protocol may use as an operation number.
    pub const FIRST_RESERVED_LABEL: u16 = 0xff00;
    /// Information of a received signal.
    pub const SIGNAL: MessageInfo = MessageInfo(Self::SIGNAL_LABEL as u64);

    /// Builds the information of a message; lengths above the limits are cut to them.
    #[must_use]
    pub const fn new(label: u16, bytes: usize, caps: usize) -> MessageInfo {
        let bytes = if bytes > MESSAGE_BYTES { MESSAGE_BYTES } else { bytes };
        let caps = if caps > MESSAGE_CAPS { MESSAGE_CAPS } else { caps };
        MessageInfo(label as u64 | (bytes as u64) << 16 | (caps as u64) << 29)
    }
    /// Returns the label: the operation's number.
    #[must_use]
    pub const fn label(self) -> u16 {
        self.0 as u16
    }
    /// Returns the length in bytes.
    #[must_use]
    pub const fn bytes(self) -> usize {
        (self.0 >> 16 & 0x1fff) as usize
    }
    /// Returns the number of capabilities.
    #[must_use]
    pub const fn caps(self) -> usize {
        (self.0 >> 29 & 7) as usize
    }
    /// Tells whether the message is its label alone: no bytes, no capabilities.
    #[must_use]
    pub const fn is_bare(self) -> bool {
        self.0 >> 16 == 0
    }
    /// Tells whether the message is nothing but words in registers: short, no capabilities.
    #[must_use]
    pub const fn is_plain(self) -> bool {
        // Length and capabilities lie above the label, the length lowest.
        self.0 >> 16 <= REGISTER_BYTES as u64
    }
    /// Tells whether the message travels in registers alone.
    #[must_use]
    pub const fn is_short(self) -> bool {
        self.bytes() <= REGISTER_BYTES
    }
}

impl Word for MessageInfo {
    fn to_word(self) -> u64 {
        self.0
    }
    fn from_word(word: u64) -> Option<Self> {
        let info = MessageInfo(word);
        if info.is_plain() {
            return Some(info);
        }
        (word >> 32 == 0 && info.bytes() <= MESSAGE_BYTES && info.caps() <= MESSAGE_CAPS)
            .then_some(info)
    }
}
