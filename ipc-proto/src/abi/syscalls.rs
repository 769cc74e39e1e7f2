//! The system-call table. Stubs, dispatch, refusal enums and documentation follow from it.
//!
//! Two groups. The calls of the table below take and give words; the kernel implements
//! [`Syscalls`], programs use [`Stubs`]. The calls of [`ipc`] may block or switch threads and
//! have their own register convention ([`super::message`]); they are numbered here too so that
//! no number is given twice.
//!
//! Conventions: a `CPtr` argument named `into` is the CSpace that the next slot argument counts
//! in, [`CPtr::NULL`] for the caller's own. "In bounded steps" means: the call does a bounded
//! part of the work and returns how many rounds may be left; call again until it returns 0.

use super::status::{Refusal, Rejection, SyscallError};
use super::word::{CPtr, MapFlags, ObjectKind, Rights, Trigger, View, Word};

/// Numbers of the calls that may block or switch threads.
pub mod ipc {
    /// Sends a request to an endpoint and waits for the reply.
    pub const CALL: u64 = 1;
    /// Waits for a request at an endpoint, or for a signal of the bound notification.
    pub const RECV: u64 = 2;
    /// Answers the caller that a Reply holds.
    pub const REPLY: u64 = 3;
    /// `REPLY`, then `RECV` into the same Reply; a Reply that holds no caller is only received into.
    pub const REPLY_RECV: u64 = 4;
    /// Waits for bits of a notification and takes them. x0: notification, x1: deadline
    /// ([`super::super::layout::NO_DEADLINE`] for none). Gives the bits in x0.
    pub const WAIT: u64 = 5;
    /// Takes the bits of a notification without waiting. x0: notification. Gives the bits in x0.
    pub const POLL: u64 = 6;
    /// Sets the bits of the capability's badge (bit 0 if it has none). x0: notification.
    pub const SIGNAL: u64 = 7;
    /// Lets the next thread of the same priority run.
    pub const YIELD: u64 = 8;
    /// Runs the calling thread's guest. Gives a [`super::super::guest::GuestExit`] in x0.
    pub const RUN: u64 = 9;
    /// Writes text to the kernel's debug console (registers of [`super::super::message`]).
    pub const DEBUG_WRITE: u64 = 10;
}

/// One row of the table, as data.
#[derive(Clone, Copy, Debug)]
pub struct Call {
    /// The number in x8.
    pub number: u64,
    /// The name.
    pub name: &'static str,
    /// The documentation, a line each.
    pub doc: &'static [&'static str],
    /// Names of the arguments, in register order from x0.
    pub arguments: &'static [&'static str],
}

/// The result of a call that gives none.
pub type Nothing = ();

/// Something that can trap into the kernel.
pub trait Trap {
    /// Issues system call `number`; returns the status of x8 and the results of x0–x3.
    fn trap(&self, number: u64, arguments: [u64; 6]) -> (u64, [u64; 4]);
}

macro_rules! syscalls {
    ($( $(#[doc = $doc:literal])+ $number:literal fn $name:ident($($arg:ident: $ty:ty),* $(,)?) -> $ret:ident
        refuses $error:ident { $( $(#[doc = $variant_doc:literal])+ $variant:ident = $code:literal ),* $(,)? } )*) => {
        $(
            #[doc = concat!("Why `", stringify!($name), "` was refused.")]
            #[derive(Clone, Copy, Debug, PartialEq, Eq)]
            pub enum $error { $( $(#[doc = $variant_doc])+ $variant ),* }

            impl $error {
                fn text(self) -> &'static str {
                    match self { $( $error::$variant => [$($variant_doc),+][0], )* }
                }
            }

            impl Refusal for $error {
                fn code(self) -> u64 { match self { $( $error::$variant => $code, )* } }
                fn from_code(code: u64) -> Option<Self> {
                    match code { $( $code => Some($error::$variant), )* _ => None }
                }
            }

            impl core::fmt::Display for $error {
                fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                    f.write_str(self.text().trim())
                }
            }
        )*

        /// The table as data, in the order of its declaration.
        pub static CALLS: &[Call] = &[ $( Call {
            number: $number, name: stringify!($name), doc: &[$($doc),+],
            arguments: &[$(stringify!($arg)),*],
        } ),* ];

        /// The kernel's side: one method for each call of the table.
        pub trait Syscalls {
            $( $(#[doc = $doc])+
               fn $name(&mut self, $($arg: $ty),*) -> Result<$ret, SyscallError<$error>>; )*
        }

        /// Decodes and carries out a call of the table; gives the status and the result word.
        pub fn dispatch(kernel: &mut impl Syscalls, number: u64, arguments: &[u64; 6]) -> (u64, u64) {
            match number {
                $( $number => {
                    let mut words = arguments.iter().copied();
                    let mut step = || -> Result<$ret, SyscallError<$error>> {
                        $( let $arg = words.next().and_then(<$ty>::from_word).ok_or(Rejection::Malformed)?; )*
                        let _ = &mut words;
                        kernel.$name($($arg),*)
                    };
                    match step() {
                        Ok(value) => (0, value.to_word()),
                        Err(error) => (error.status(), 0),
                    }
                } )*
                _ => (Rejection::NoSuchCall as u64, 0),
            }
        }

        /// The program's side: one method for each call of the table, over any [`Trap`].
        #[derive(Clone, Copy, Debug)]
        pub struct Stubs<T>(pub T);

        impl<T: Trap> Stubs<T> {
            $( $(#[doc = $doc])+
               ///
               /// # Errors
               /// The shared rejections, and the refusals of this call.
               #[inline]
               pub fn $name(&self, $($arg: $ty),*) -> Result<$ret, SyscallError<$error>> {
                   let mut arguments = [0; 6];
                   let words = [$($arg.to_word()),*];
                   arguments[..words.len()].copy_from_slice(&words);
                   let (status, results) = self.0.trap($number, arguments);
                   SyscallError::check(status)?;
                   <$ret>::from_word(results[0]).ok_or(SyscallError::Rejected(Rejection::Malformed))
               } )*
        }
    };
}

syscalls! {
    /// Makes `count` objects of `kind` out of `untyped`, one capability each, in the slots from
    /// `first` of the CSpace `into`. `argument` is the size where the kind has one (see
    /// `ObjectKind`); Memory and Untyped of 2 MiB and more are aligned to 2 MiB, else to pages.
    /// Kernel objects start zeroed. Memory from an untyped that was used before is zeroed;
    /// Memory that nothing used since boot is as the firmware left it.
    16 fn retype(untyped: CPtr, kind: ObjectKind, argument: u64, into: CPtr, first: CPtr, count: u64) -> Nothing
    refuses RetypeError {
        /// the kind cannot be made from untyped memory
        NotMakeable = 1,
        /// the size is zero, too large, or not a multiple of what the kind needs
        BadSize = 2,
        /// a slot in the range does not exist or already holds a capability
        SlotTaken = 3,
        /// the untyped range has too little room left
        NotEnoughMemory = 4,
        /// device memory can only become smaller device ranges
        DeviceMemory = 5,
        /// more than 256 objects, or 65,536 slots, in one call
        TooMany = 6,
    }

    /// Copies the capability in `source` to slot `target` of the CSpace `into`, with at most
    /// `rights` and, where `badge` is not 0 and the source has none, with that badge (Endpoint
    /// and Notification only). The copy is derived from the source.
    17 fn copy(source: CPtr, into: CPtr, target: CPtr, rights: Rights, badge: u64) -> Nothing
    refuses CopyError {
        /// the target slot does not exist or already holds a capability
        SlotTaken = 1,
        /// the capability has a badge already, or its kind takes none
        BadgeFixed = 2,
        /// an untyped range and tables have one holder: move the capability
        SingleHolder = 3,
    }

    /// Moves a capability to slot `target` of the CSpace `into`; what was derived from it stays so.
    18 fn move_cap(source: CPtr, into: CPtr, target: CPtr) -> Nothing
    refuses MoveError {
        /// the target slot does not exist or already holds a capability
        SlotTaken = 1,
    }

    /// Deletes the capability in `slot` of the CSpace `from`; with the last capability to an
    /// object the object goes too. In bounded steps.
    19 fn delete(from: CPtr, slot: CPtr) -> u64
    refuses DeleteError {
    }

    /// Deletes every capability derived from the one in `slot`, and so every object, mapping
    /// and binding made through them. An untyped is empty afterwards. In bounded steps.
    20 fn revoke(slot: CPtr) -> u64
    refuses RevokeError {
    }

    /// Derives a capability to the part of a Memory from `offset` on, `bytes` long (both
    /// multiples of the page size), with at most `rights`.
    21 fn derive_memory(source: CPtr, into: CPtr, target: CPtr, offset: u64, bytes: u64, rights: Rights) -> Nothing
    refuses DeriveError {
        /// the target slot does not exist or already holds a capability
        SlotTaken = 1,
        /// the range is empty, not page-aligned, or ends past the Memory
        OutOfRange = 2,
    }

    /// Returns the kind of the capability in `slot` (as in `ObjectKind`); 0 if it is empty.
    22 fn identify(slot: CPtr) -> u64
    refuses IdentifyError {
    }

    /// Returns the bytes of a Memory, or those an untyped has left.
    23 fn size(slot: CPtr) -> u64
    refuses SizeError {
    }

    /// Gives the pages of `tables` to `vspace` for its page tables. When the Tables go, the
    /// address space loses every mapping.
    32 fn vspace_supply(vspace: CPtr, tables: CPtr) -> Nothing
    refuses SupplyError {
        /// these tables serve an address space already
        InUse = 1,
    }

    /// Lets `vspace` map from `memory` under the attachment number `index` (see `MapFlags`).
    /// The attachment is derived from the Memory capability: revoking that ends its mappings.
    33 fn vspace_attach(vspace: CPtr, index: u64, memory: CPtr) -> Nothing
    refuses AttachError {
        /// the index is 64 or more
        OutOfRange = 1,
        /// the attachment is taken; detach first
        InUse = 2,
    }

    /// Ends an attachment and every mapping made through it. In bounded steps.
    34 fn vspace_detach(vspace: CPtr, index: u64) -> u64
    refuses DetachError {
        /// the index is 64 or more
        OutOfRange = 1,
    }

    /// Maps `pages` pages at `address` to the attached Memory from `offset` (bytes) on, as
    /// `flags` say. What was mapped there is replaced. Large aligned ranges use 2 MiB blocks.
    /// The attached capability bounds the access.
    35 fn map(vspace: CPtr, flags: MapFlags, offset: u64, address: u64, pages: u64) -> Nothing
    refuses MapError {
        /// nothing is attached under this index
        NotAttached = 1,
        /// the address is not page-aligned, or the range leaves the user half or enters a foreign window
        BadAddress = 2,
        /// the offset is not page-aligned, or the range ends past the Memory
        OutOfRange = 3,
        /// the attached capability does not permit this access
        MissingAccess = 4,
        /// writable and executable at once is allowed to guests only
        WriteExecute = 5,
        /// the address space has too few pages for tables: supply more and repeat
        NoTables = 6,
        /// more than 1 GiB in one call
        TooMany = 7,
    }

    /// Removes the mappings of `pages` pages at `address`.
    36 fn unmap(vspace: CPtr, address: u64, pages: u64) -> Nothing
    refuses UnmapError {
        /// the address is not page-aligned, or the range leaves the user half
        BadAddress = 1,
        /// a 2 MiB block would have to be split and there is no page for the table
        NoTables = 2,
        /// more than 1 GiB in one call
        TooMany = 3,
    }

    /// Changes the access of what is mapped in `pages` pages at `address`; holes stay holes.
    37 fn protect(vspace: CPtr, address: u64, pages: u64, access: Rights) -> Nothing
    refuses ProtectError {
        /// the address is not page-aligned, or the range leaves the user half
        BadAddress = 1,
        /// an attached capability does not permit this access
        MissingAccess = 2,
        /// writable and executable at once is allowed to guests only
        WriteExecute = 3,
        /// a 2 MiB block would have to be split and there is no page for the table
        NoTables = 4,
        /// more than 1 GiB in one call
        TooMany = 5,
    }

    /// Maps `count` single pages as listed in the caller's IPC buffer: `count` (at most 256)
    /// pairs of words, the address with `MapFlags` in its low 12 bits (access in bits 0–2,
    /// attachment in bits 3–8) and the offset in the attached Memory. Stops at the first entry
    /// that is refused; entries before it are mapped.
    38 fn map_list(vspace: CPtr, count: u64) -> Nothing
    refuses MapListError {
        /// more than 256 entries
        TooMany = 1,
        /// an entry is malformed, out of range, not attached or not permitted
        BadEntry = 2,
        /// the address space has too few pages for tables: supply more and repeat
        NoTables = 3,
    }

    /// Gives `vspace` the server window of `domain`: its threads see that window in slot 511.
    /// `view` says what guests in it see.
    39 fn vspace_set_window(vspace: CPtr, domain: CPtr, view: View) -> Nothing
    refuses SetWindowError {
        /// the domain has no window of its own
        NoWindow = 1,
        /// the address space has a window already
        InUse = 2,
        /// the address space has no page for its root table: supply Tables first
        NoTables = 3,
    }

    /// Gives `vspace` a window of its own, empty.
    40 fn vspace_make_window(vspace: CPtr) -> Nothing
    refuses MakeWindowError {
        /// the address space has a window already
        InUse = 1,
        /// the address space has no page for its tables: supply Tables first
        NoTables = 2,
    }

    /// Sets the CSpace (`CPtr::NULL`: the caller's own) and VSpace of a stopped thread, or of the
    /// calling one.
    48 fn thread_set_spaces(thread: CPtr, cspace: CPtr, vspace: CPtr) -> Nothing
    refuses SetSpacesError {
        /// the thread is running or waiting
        NotStopped = 1,
        /// the address space has no window
        NoWindow = 2,
    }

    /// Makes the page at `offset` of a Memory the thread's IPC buffer.
    49 fn thread_set_buffer(thread: CPtr, memory: CPtr, offset: u64) -> Nothing
    refuses SetBufferError {
        /// the page lies outside the Memory, is device memory or not writable
        BadPage = 1,
    }

    /// Sets the endpoint that the thread's faults go to; the capability's badge names the thread.
    50 fn thread_set_fault(thread: CPtr, endpoint: CPtr) -> Nothing
    refuses SetFaultError {
    }

    /// Binds a notification to a thread: its bits wake `recv` and interrupt `run`.
    51 fn thread_bind_notification(thread: CPtr, notification: CPtr) -> Nothing
    refuses BindNotificationError {
        /// the notification is bound to another thread
        InUse = 1,
    }

    /// Sets priority (0–255, the highest is 255) and time slice in microseconds (100 to 1,000,000).
    52 fn thread_set_schedule(thread: CPtr, priority: u64, slice_us: u64) -> Nothing
    refuses SetScheduleError {
        /// the priority or the slice is out of range
        OutOfRange = 1,
    }

    /// Starts a stopped thread at `pc` with stack pointer `sp` and `argument` in x0; TPIDR_EL0
    /// is `thread_pointer`.
    53 fn thread_start(thread: CPtr, pc: u64, sp: u64, argument: u64, thread_pointer: u64) -> Nothing
    refuses StartError {
        /// the thread is running or waiting
        NotStopped = 1,
    }

    /// Stops a thread wherever it is; a caller it was serving gets `ServerDied` only when the
    /// Reply goes too.
    54 fn thread_stop(thread: CPtr) -> Nothing
    refuses StopError {
    }

    /// Writes a thread's registers to the caller's IPC buffer: x0–x30, SP, PC, PSTATE, TPIDR_EL0.
    55 fn thread_read_registers(thread: CPtr) -> Nothing
    refuses ReadRegistersError {
    }

    /// Declares code of the calling thread that may fault: a data abort with the PC in
    /// `[start, end)` continues at `landing` with the fault address in x0 and ESR_EL1 in x1.
    56 fn thread_set_fixup(start: u64, end: u64, landing: u64) -> Nothing
    refuses SetFixupError {
    }

    /// Makes the page at `offset` of a Memory the record of a guest (`guest::GuestRecord`).
    64 fn guest_set_record(guest: CPtr, memory: CPtr, offset: u64) -> Nothing
    refuses SetRecordError {
        /// the page lies outside the Memory, is device memory or not writable
        BadPage = 1,
        /// a thread is in the guest
        InUse = 2,
    }

    /// Binds a guest to a thread: `run` of that thread enters it, in the thread's VSpace.
    65 fn thread_bind_guest(thread: CPtr, guest: CPtr) -> Nothing
    refuses BindGuestError {
        /// the guest is bound to another thread
        InUse = 1,
        /// the guest has no record
        NoRecord = 2,
    }

    /// Brings the guest's FP/SIMD registers into its record; the next `run` loads them from there.
    66 fn guest_sync_fp(guest: CPtr) -> Nothing
    refuses SyncFpError {
        /// the guest has no record
        NoRecord = 1,
    }

    /// Claims interrupt `line` (the GIC's INTID): makes its Irq out of `untyped`, in slot `target`
    /// of the CSpace `into`.
    72 fn irq_claim(control: CPtr, untyped: CPtr, line: u64, trigger: Trigger, into: CPtr, target: CPtr) -> Nothing
    refuses ClaimError {
        /// the interrupt controller has no such line, or the kernel needs it
        NoSuchLine = 1,
        /// the line is claimed already
        InUse = 2,
        /// the target slot does not exist or already holds a capability
        SlotTaken = 3,
        /// the untyped range has too little room left
        NotEnoughMemory = 4,
    }

    /// Signals `notification` (with the capability's badge) at each interrupt; enables the line.
    73 fn irq_bind(irq: CPtr, notification: CPtr) -> Nothing
    refuses IrqBindError {
    }

    /// Lets the line interrupt again.
    74 fn irq_acknowledge(irq: CPtr) -> Nothing
    refuses AcknowledgeError {
    }

    /// Powers the machine off. `status` is told to an emulator that asked for it.
    80 fn power_off(power: CPtr, status: u64) -> Nothing
    refuses PowerError {
        /// the firmware offers no way to do this
        NotSupported = 1,
    }

    /// Resets the machine.
    81 fn power_reset(power: CPtr) -> Nothing
    refuses ResetError {
        /// the firmware offers no way to do this
        NotSupported = 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_number_is_given_twice() {
        let mut numbers: std::vec::Vec<u64> = CALLS.iter().map(|call| call.number).collect();
        numbers.extend(1..=10);
        numbers.sort_unstable();
        let before = numbers.len();
        numbers.dedup();
        assert_eq!(before, numbers.len());
    }

    #[test]
    fn a_status_decodes_to_what_was_encoded() {
        let refused = SyscallError::Refused(RetypeError::SlotTaken);
        assert_eq!(SyscallError::<RetypeError>::check(refused.status()), Err(refused));
        let rejected = SyscallError::<RetypeError>::Rejected(Rejection::MissingRight);
        assert_eq!(SyscallError::<RetypeError>::check(rejected.status()), Err(rejected));
        assert_eq!(SyscallError::<RetypeError>::check(0), Ok(()));
    }
}
