//! What a message moves: words in registers, a page of buffer, up to four capabilities.

use crate::Kernel;
use crate::cap::{Cap, derivation};
use crate::machine::Machine;
use crate::object::thread::Thread;
use crate::store::{Ref, SlotRef};
use ipc_proto::abi::layout::MESSAGE_CAPS;
use ipc_proto::abi::message::MessageInfo;
use ipc_proto::abi::status::Rejection;
use ipc_proto::abi::word::{CPtr, Word};

/// Which of the two threads of a transfer is at fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TransferError {
    /// The sender: it has no buffer, or no such capability.
    Sender(Rejection),
    /// The receiver: it has no buffer, or no room for a capability.
    Receiver(Rejection),
}

/// First register that names a capability to send.
const FIRST_SENT: usize = 11;
/// The register that names the first slot for capabilities received.
const RECEIVE_SLOTS: usize = 15;

impl<M: Machine> Kernel<M> {
    /// Moves the message `info` from one thread to another, all or nothing.
    #[inline(always)]
    pub(crate) fn transfer(
        &mut self,
        from: Ref<Thread>,
        to: Ref<Thread>,
        info: MessageInfo,
    ) -> Result<(), TransferError> {
        if info.is_bare() {
            return Ok(());
        }
        if !info.is_plain() {
            return self.transfer_long(from, to, info);
        }
        self.transfer_words(from, to, info);
        Ok(())
    }

    #[inline(always)]
    fn transfer_words(&mut self, from: Ref<Thread>, to: Ref<Thread>, info: MessageInfo) {
        let Some((from, to)) = self.store.pair_mut(from, to) else { return };
        let (from, to) = (&from.context.x, &mut to.context.x);
        // Just the words that the length covers: the others are the sender's own business. One
        // word and all eight are the common lengths, and need no loop.
        match info.bytes().div_ceil(8) {
            1 => to[0] = from[0],
            8 => to[..8].copy_from_slice(&from[..8]),
            words => to.iter_mut().zip(from).take(words).for_each(|(to, from)| *to = *from),
        }
    }

    #[inline(never)]
    fn transfer_long(
        &mut self,
        from: Ref<Thread>,
        to: Ref<Thread>,
        info: MessageInfo,
    ) -> Result<(), TransferError> {
        let (source, target) = (self.store.get(from).buffer, self.store.get(to).buffer);
        if !info.is_short() && source.is_null() {
            return Err(TransferError::Sender(Rejection::NoBuffer));
        }
        if !info.is_short() && target.is_null() {
            return Err(TransferError::Receiver(Rejection::NoBuffer));
        }
        if info.caps() != 0 {
            self.transfer_caps(from, to, info.caps())?;
        }
        if info.is_short() {
            self.transfer_words(from, to, info);
        } else {
            self.store.copy_user(source, target, info.bytes().next_multiple_of(8));
        }
        Ok(())
    }

    fn transfer_caps(
        &mut self,
        from: Ref<Thread>,
        to: Ref<Thread>,
        count: usize,
    ) -> Result<(), TransferError> {
        let mut pairs: [Option<(SlotRef, SlotRef)>; MESSAGE_CAPS] = [None; MESSAGE_CAPS];
        for (index, pair) in pairs.iter_mut().enumerate().take(count) {
            let source = self.sent_cap(from, index).map_err(TransferError::Sender)?;
            let target = self.receive_slot(to, index).map_err(TransferError::Receiver)?;
            *pair = Some((source, target));
        }
        for (source, target) in pairs.into_iter().flatten() {
            let place = self.store.slot(source);
            let (cap, rights) = (place.cap, place.rights);
            derivation::retain(&mut self.store, &cap);
            derivation::insert_child(&mut self.store, source, target, cap, rights);
        }
        Ok(())
    }

    /// Finds capability `index` of those that a thread's registers send.
    pub(crate) fn sent_cap(&self, from: Ref<Thread>, index: usize) -> Result<SlotRef, Rejection> {
        let word = self.store.get(from).context.x.get(FIRST_SENT + index).copied();
        let at = word.and_then(CPtr::from_word).ok_or(Rejection::NotPassed)?;
        let slot = self.lookup_slot(from, at).map_err(|_| Rejection::NotPassed)?;
        match self.store.slot(slot).cap {
            // Memory ranges with objects in them, and tables in use, have one holder.
            Cap::Empty | Cap::Untyped { .. } | Cap::Tables(_) => Err(Rejection::NotPassed),
            _ => Ok(slot),
        }
    }

    fn receive_slot(&self, to: Ref<Thread>, index: usize) -> Result<SlotRef, Rejection> {
        let first = self.store.get(to).context.x[RECEIVE_SLOTS];
        let first = CPtr::from_word(first).filter(|&first| first != CPtr::NULL);
        let at = first.ok_or(Rejection::NotPassed)?.offset(index as u32);
        let slot = self.lookup_slot(to, at).map_err(|_| Rejection::NotPassed)?;
        if self.store.slot(slot).is_empty() { Ok(slot) } else { Err(Rejection::NotPassed) }
    }
}
