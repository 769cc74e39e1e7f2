//! Signals: actions, masks, pending sets, sending and choosing what to deliver.
//!
//! | module | what it is |
//! | --- | --- |
//! | [`info`] | one signal with its origin: `siginfo_t` |
//! | [`set`] | sets of signals, pending queues |
//! | [`send`] | to a thread, a process, a group |
//! | [`deliver`] | what a thread does with a pending signal before it goes on |
//! | [`frame`] | the signal frame on the program's stack |
//! | [`report`] | what is printed about a program that a fault ends |

use linux_raw_sys::general as linux;

use crate::task::{Task, work};
use core::sync::atomic::Ordering;

pub mod deliver;
pub mod frame;
pub mod info;
pub mod report;
pub mod send;
pub mod set;

pub use info::{Origin, SigInfo};
pub use set::{Pending, SigSet};

/// Number of signals; they count from 1.
pub const SIGNALS: usize = 64;

/// A signal number, 1 to 64.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Signal(u8);

macro_rules! signals {
    ($($name:ident)*) => {
        #[allow(missing_docs, reason = "the names are Linux's; signal(7) documents them")]
        impl Signal {
            $( pub const $name: Signal = Signal(linux::$name as u8); )*

            /// Returns the name.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self { $( Signal::$name => stringify!($name), )* _ => "real-time signal" }
            }
        }
    };
}

signals! {
    SIGHUP SIGINT SIGQUIT SIGILL SIGTRAP SIGABRT SIGBUS SIGFPE SIGKILL SIGUSR1 SIGSEGV SIGUSR2
    SIGPIPE SIGALRM SIGTERM SIGSTKFLT SIGCHLD SIGCONT SIGSTOP SIGTSTP SIGTTIN SIGTTOU SIGURG
    SIGXCPU SIGXFSZ SIGVTALRM SIGPROF SIGWINCH SIGIO SIGPWR SIGSYS
}

impl Signal {
    /// Checks a number.
    #[must_use]
    pub const fn new(number: u64) -> Option<Signal> {
        if number >= 1 && number <= SIGNALS as u64 { Some(Signal(number as u8)) } else { None }
    }

    /// Returns the number.
    #[must_use]
    pub const fn number(self) -> u8 {
        self.0
    }

    /// Returns what happens by default.
    #[must_use]
    pub fn default_action(self) -> Default {
        match self {
            Signal::SIGCHLD | Signal::SIGURG | Signal::SIGWINCH => Default::Ignore,
            Signal::SIGCONT => Default::Continue,
            Signal::SIGSTOP | Signal::SIGTSTP | Signal::SIGTTIN | Signal::SIGTTOU => Default::Stop,
            _ => Default::Terminate,
        }
    }
}

impl core::fmt::Debug for Signal {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "{}({})", self.name(), self.0)
    }
}

/// What a signal does where the program has not said otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Default {
    /// Nothing.
    Ignore,
    /// Ends the process.
    Terminate,
    /// Stops it.
    Stop,
    /// Lets it go on.
    Continue,
}

/// What a program wants done with a signal: `struct sigaction`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Action {
    /// `SIG_DFL`, `SIG_IGN` or the handler's address.
    pub handler: u64,
    /// The `SA_` flags.
    pub flags: u64,
    /// Where the handler returns to, with `SA_RESTORER`.
    pub restorer: u64,
    /// What is blocked besides while it runs.
    pub mask: SigSet,
}

impl Action {
    /// `SIG_DFL`.
    pub const DEFAULT: u64 = 0;
    /// `SIG_IGN`.
    pub const IGNORE: u64 = 1;

    /// The action of a program that has said nothing.
    pub const NONE: Action =
        Action { handler: Action::DEFAULT, flags: 0, restorer: 0, mask: SigSet::EMPTY };

    /// Tells whether a flag is set.
    #[must_use]
    pub const fn has(&self, flag: u32) -> bool {
        self.flags & flag as u64 != 0
    }

    /// Tells whether the signal is thrown away.
    #[must_use]
    pub fn ignores(&self, signal: Signal) -> bool {
        self.handler == Action::IGNORE
            || self.handler == Action::DEFAULT && signal.default_action() == Default::Ignore
    }
}

/// What the threads of a process share.
#[derive(Clone, Debug)]
pub struct ProcessSignals {
    actions: [Action; SIGNALS],
    /// Signals sent to the process as a whole.
    pub pending: Pending,
}

impl core::default::Default for ProcessSignals {
    fn default() -> Self {
        ProcessSignals { actions: [Action::NONE; SIGNALS], pending: Pending::default() }
    }
}

impl ProcessSignals {
    /// Returns the action of a signal.
    #[must_use]
    pub fn action(&self, signal: Signal) -> Action {
        self.actions[usize::from(signal.0 - 1)]
    }

    /// Sets the action of a signal.
    pub fn set_action(&mut self, signal: Signal, action: Action) {
        self.actions[usize::from(signal.0 - 1)] = action;
    }

    /// Returns what a forked child starts with: the actions, nothing pending.
    #[must_use]
    pub fn forked(&self) -> ProcessSignals {
        ProcessSignals { actions: self.actions, pending: Pending::default() }
    }

    /// Forgets handlers, as a new program does not have them; ignored signals stay so.
    pub fn reset_handlers(&mut self) {
        for action in &mut self.actions {
            let handler =
                if action.handler == Action::IGNORE { Action::IGNORE } else { Action::DEFAULT };
            *action = Action { handler, ..Action::NONE };
        }
    }
}

/// The alternate stack of a thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AltStack {
    /// Lowest address.
    pub base: u64,
    /// Size in bytes; 0: none.
    pub bytes: u64,
    /// `SS_AUTODISARM` or 0.
    pub flags: u32,
}

impl AltStack {
    /// No alternate stack.
    pub const NONE: AltStack = AltStack { base: 0, bytes: 0, flags: 0 };

    /// Tells whether a stack pointer lies on it.
    #[must_use]
    pub const fn holds(&self, sp: u64) -> bool {
        sp > self.base && sp - self.base <= self.bytes
    }

    /// Returns the flags that `sigaltstack` shows.
    #[must_use]
    pub const fn shown_flags(&self, sp: u64) -> u32 {
        if self.bytes == 0 {
            linux::SS_DISABLE
        } else if self.holds(sp) {
            linux::SS_ONSTACK
        } else {
            self.flags
        }
    }
}

/// What belongs to one thread.
#[derive(Clone, Debug)]
pub struct TaskSignals {
    /// Signals sent to this thread.
    pub pending: Pending,
    /// Signals that wait.
    pub mask: SigSet,
    /// The mask to put back after a call that had its own.
    pub saved_mask: Option<SigSet>,
    /// The alternate stack.
    pub stack: AltStack,
}

impl core::default::Default for TaskSignals {
    fn default() -> Self {
        TaskSignals {
            pending: Pending::default(),
            mask: SigSet::EMPTY,
            saved_mask: None,
            stack: AltStack::NONE,
        }
    }
}

/// Looks whether a thread has a signal to deliver, and sets or clears its `SIGNAL` bit.
pub fn refresh(task: &Task) -> bool {
    let process = task.process.signals.lock();
    let own = task.signals.lock();
    let ready = process.pending.set().union(own.pending.set()).without(own.mask);
    if ready.is_empty() {
        // Under both locks, so no sender can have set the bit for something newer.
        task.work.fetch_and(!work::SIGNAL, Ordering::AcqRel);
        return false;
    }
    task.work.fetch_or(work::SIGNAL, Ordering::AcqRel);
    true
}

/// Replaces the mask of a thread; gives the old one.
pub fn set_mask(task: &Task, mask: SigSet) -> SigSet {
    let mask = mask.blockable();
    let old = core::mem::replace(&mut task.signals.lock().mask, mask);
    refresh(task);
    old
}

/// Takes the next signal that the thread does not block.
pub fn take_next(task: &Task) -> Option<(SigInfo, Action)> {
    let mut process = task.process.signals.lock();
    let mut own = task.signals.lock();
    let allowed = own.mask.complement();
    let info = match own.pending.take(allowed) {
        Some(info) => info,
        None => process.pending.take(allowed)?,
    };
    let action = process.action(info.signal);
    if action.has(linux::SA_RESETHAND) && action.handler > Action::IGNORE {
        process.set_action(info.signal, Action { handler: Action::DEFAULT, ..action });
    }
    Some((info, action))
}
