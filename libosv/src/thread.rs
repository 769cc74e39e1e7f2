//! Native threads: made once, started as often as wanted, in the address space given.
//!
//! [`Stacks`] lays out where threads live: guard page, stack, IPC buffer, in one row. [`Thread`]
//! is one thread with its place; [`spawn`] makes and starts one that nobody asks about again.
//!
//! # Invariants
//!
//! - `thread.block`: the thread pointer of a started thread is its [`Shared`], which is freed only
//!   by [`Thread::destroy`], after the kernel's Thread is gone.

use crate::cap::{self, Cap, MakeError, kind, untyped};
use crate::start::{THREAD_NAME_BYTES, ThreadBlock};
use crate::sync::Mutex;
use crate::syscall::{Buffer, kernel};
use alloc::boxed::Box;
use alloc::sync::Arc;
use core::fmt;
use core::mem::ManuallyDrop;
use core::ptr::NonNull;
use core::sync::atomic::{AtomicBool, Ordering};
use ipc_proto::abi::status::Rejection;
use ipc_proto::abi::syscalls::RetypeError;
use ipc_proto::data::Text;

pub use crate::stacks::{Place, Stacks};

/// What a thread does.
pub type Body = Box<dyn FnOnce() + Send>;

/// What a thread is made from.
#[derive(Clone, Debug)]
pub struct Setup {
    /// Its name, for logs and reports.
    pub name: Text<THREAD_NAME_BYTES>,
    /// Memory for the Thread object.
    pub untyped: Cap<kind::Untyped>,
    /// Its address space.
    pub vspace: Cap<kind::VSpace>,
    /// Where it lives.
    pub place: Place,
    /// Its priority.
    pub priority: u8,
    /// Its time slice in microseconds.
    pub slice_us: u64,
    /// Where its faults go; the badge names it.
    pub fault: Option<Cap<kind::Endpoint>>,
    /// The notification that wakes its `recv` and interrupts its `run`.
    pub notification: Option<Cap<kind::Notification>>,
}

/// Why a thread could not be made, changed or started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ThreadError {
    /// The Thread object could not be made.
    Make(MakeError<RetypeError>),
    /// The kernel refused the step named.
    Step(&'static str, Option<Rejection>),
}

impl fmt::Display for ThreadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ThreadError::Make(error) => write!(f, "no thread: {error}"),
            ThreadError::Step(step, Some(rejection)) => write!(f, "no {step}: {rejection}"),
            ThreadError::Step(step, None) => write!(f, "no {step}: the kernel refused"),
        }
    }
}

/// What the thread and those who know it share. The block comes first: see `thread.block`.
#[derive(Debug)]
#[repr(C)]
struct Shared {
    block: ThreadBlock,
    body: Mutex<Option<BodyCell>>,
    /// The body returned. Set with Release by the thread, read with Acquire by who asks, so that
    /// what the body did is seen.
    is_finished: AtomicBool,
}

struct BodyCell(Body);

impl fmt::Debug for BodyCell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("body")
    }
}

/// A native thread.
#[derive(Debug)]
pub struct Thread {
    /// Dropping a `Thread` leaves it running, so this is never dropped by itself.
    shared: ManuallyDrop<Arc<Shared>>,
    place: Place,
}

macro_rules! step {
    ($name:literal, $call:expr) => {
        $call.map_err(|error| match error {
            ipc_proto::abi::status::SyscallError::Rejected(why) => {
                ThreadError::Step($name, Some(why))
            }
            ipc_proto::abi::status::SyscallError::Refused(_) => ThreadError::Step($name, None),
        })
    };
}

impl Thread {
    /// Makes a thread that waits to be started.
    ///
    /// # Errors
    /// The step that the kernel refused; the Thread object is gone again then.
    pub fn prepare(setup: Setup) -> Result<Thread, ThreadError> {
        let thread = untyped::make::<kind::Thread>(setup.untyped).map_err(ThreadError::Make)?;
        if let Err(error) = configure(thread, &setup) {
            // It was just made and has no other capability, so nothing can keep it.
            let _ = cap::delete(thread);
            return Err(error);
        }
        let buffer = core::ptr::with_exposed_provenance_mut::<Buffer>(setup.place.buffer as usize);
        let block = ThreadBlock {
            buffer: NonNull::new(buffer),
            stack: (setup.place.stack, setup.place.stack_bytes),
            thread,
            name: setup.name,
        };
        let (body, is_finished) = (Mutex::new(None), AtomicBool::new(true));
        let shared = ManuallyDrop::new(Arc::new(Shared { block, body, is_finished }));
        Ok(Thread { shared, place: setup.place })
    }

    /// Returns the thread's capability.
    #[must_use]
    pub fn cap(&self) -> Cap<kind::Thread> {
        self.shared.block.thread
    }

    /// Moves the stopped thread to another address space.
    ///
    /// # Errors
    /// The thread runs, or the address space has no window.
    pub fn set_vspace(&self, vspace: Cap<kind::VSpace>) -> Result<(), ThreadError> {
        step!(
            "address space",
            kernel().thread_set_spaces(self.cap().slot(), cap::NULL, vspace.slot())
        )
    }

    /// Tells whether the body returned, or was never started.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        self.shared.is_finished.load(Ordering::Acquire)
    }

    /// Starts `body` from the stack's top. The thread must not be running a body.
    ///
    /// # Errors
    /// A body runs, or the kernel refused.
    pub fn start(&self, body: Body) -> Result<(), ThreadError> {
        if !self.is_finished() {
            return Err(ThreadError::Step("start: it runs", None));
        }
        // A thread whose body returned may still be on its way to stop itself.
        step!("stop", kernel().thread_stop(self.cap().slot()))?;
        *self.shared.body.lock() = Some(BodyCell(body));
        self.shared.is_finished.store(false, Ordering::Relaxed);
        let pointer = Arc::as_ptr(&self.shared).expose_provenance() as u64;
        let top = self.place.stack + self.place.stack_bytes;
        let pc = first_instruction();
        step!("start", kernel().thread_start(self.cap().slot(), pc, top, pointer, pointer))
    }

    /// Stops the thread wherever it is. What its stack held is not dropped.
    ///
    /// # Errors
    /// The shared rejections.
    pub fn stop(&self) -> Result<(), ThreadError> {
        step!("stop", kernel().thread_stop(self.cap().slot()))?;
        self.shared.is_finished.store(true, Ordering::Release);
        Ok(())
    }

    /// Ends the thread for good; returns its place.
    ///
    /// # Errors
    /// The shared rejections.
    pub fn destroy(self) -> Result<Place, ThreadError> {
        self.stop()?;
        step!("deletion", cap::delete(self.cap()))?;
        drop(ManuallyDrop::into_inner(self.shared));
        Ok(self.place)
    }
}

/// Sets everything up that a thread needs before it starts.
fn configure(thread: Cap<kind::Thread>, setup: &Setup) -> Result<(), ThreadError> {
    let (kernel, slot, place) = (kernel(), thread.slot(), &setup.place);
    step!("address space", kernel.thread_set_spaces(slot, cap::NULL, setup.vspace.slot()))?;
    let (memory, offset) = (place.memory.slot(), place.buffer_offset);
    step!("IPC buffer", kernel.thread_set_buffer(slot, memory, offset))?;
    let priority = u64::from(setup.priority);
    step!("schedule", kernel.thread_set_schedule(slot, priority, setup.slice_us))?;
    if let Some(endpoint) = setup.fault {
        step!("fault endpoint", kernel.thread_set_fault(slot, endpoint.slot()))?;
    }
    if let Some(notification) = setup.notification {
        let notification = notification.slot();
        step!("notification", kernel.thread_bind_notification(slot, notification))?;
    }
    Ok(())
}

/// Makes a thread and starts `body` in it; nothing of it is given back when the body returns.
///
/// # Errors
/// As [`Thread::prepare`] and [`Thread::start`].
pub fn spawn(setup: Setup, body: impl FnOnce() + Send + 'static) -> Result<(), ThreadError> {
    let thread = Thread::prepare(setup)?;
    thread.start(Box::new(body))
}

#[cfg(target_os = "none")]
core::arch::global_asm!(
    // osv_thread_start: x0 = the thread's `Shared`; SP set. Ends the chain of frames.
    ".section .text.osv_thread_start, \"ax\"",
    ".global osv_thread_start",
    ".type osv_thread_start, %function",
    "osv_thread_start:",
    "mov x29, xzr",
    "mov x30, xzr",
    "b {body}",
    ".size osv_thread_start, . - osv_thread_start",
    body = sym run_body,
);

/// Returns the address where threads start.
#[cfg(target_os = "none")]
fn first_instruction() -> u64 {
    unsafe extern "C" {
        safe fn osv_thread_start();
    }
    osv_thread_start as *const () as u64
}

/// Returns where threads would start, if the host's kernel knew them.
#[cfg(not(target_os = "none"))]
fn first_instruction() -> u64 {
    run_body as *const () as u64
}

/// Runs the body of a thread that just started, then stops it.
extern "C" fn run_body(shared: *const Shared) -> ! {
    {
        // SAFETY: [thread.block] it is freed only when this thread is gone.
        let shared = unsafe { &*shared };
        let body = shared.body.lock().take();
        if let Some(BodyCell(body)) = body {
            body();
        }
        shared.is_finished.store(true, Ordering::Release);
    }
    crate::start::end()
}
