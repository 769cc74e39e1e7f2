//! Carriers: native threads that run guests, one for each Linux thread, recycled.
//!
//! A carrier is a kernel Thread with stack and IPC buffer, a Guest with its record, and a
//! Notification bound to the thread: it sleeps on it, and signals interrupt its guest.

use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicU64, Ordering};

use ipc_proto::abi::guest::{GuestExit, GuestRecord};
use ipc_proto::abi::layout::NO_DEADLINE;
use ipc_proto::abi::status::Rejection;
use ipc_proto::abi::word::CPtr;
use ipc_proto::capability::{Cap, kind};
use ipc_proto::data::Text;
use libosv::cap::{NULL, untyped};
use libosv::syscall::{self, kernel};
use libosv::thread::{Setup, Stacks, Thread};

use super::Resources;
use super::memory::CarrierMemory;
use crate::guest_copy;
use crate::machine::{Carrier, NoMemory};
use crate::run;
use crate::sync::Mutex;
use crate::task::Task;
use crate::wait::{Deadline, Parker, Woken};

/// Time slice of carriers in microseconds.
const SLICE_US: u64 = 5000;

/// What a carrier is to do next.
struct Job {
    task: Arc<Task>,
    registers: Box<GuestRecord>,
}

/// Carriers without a task.
#[derive(Default)]
pub struct Carriers {
    idle: Mutex<Vec<Arc<NativeCarrier>>>,
}

impl Carriers {
    /// Takes an idle carrier.
    pub(super) fn take(&self) -> Option<Arc<dyn Carrier>> {
        let carrier = self.idle.lock().pop()?;
        Some(carrier)
    }
}

/// A carrier.
pub struct NativeCarrier {
    thread: Cap<kind::Thread>,
    notification: Cap<kind::Notification>,
    guest: Cap<kind::Guest>,
    /// The personality's own address space.
    home: CPtr,
    /// The address space that the thread is in. Only the thread itself touches it.
    space: AtomicU64,
    job: Mutex<Option<Job>>,
    carriers: Arc<Carriers>,
}

/// Makes a carrier that waits for a task.
///
/// # Errors
/// No memory for one.
pub(super) fn make(
    resources: &Resources,
    stacks: &Mutex<Stacks>,
    carriers: &Arc<Carriers>,
) -> Result<Arc<dyn Carrier>, NoMemory> {
    let place = stacks.lock().allocate().ok().flatten().ok_or(NoMemory)?;
    let made = make_at(resources, place, carriers);
    if made.is_err() {
        stacks.lock().free(place);
    }
    made
}

fn make_at(
    resources: &Resources,
    place: libosv::thread::Place,
    carriers: &Arc<Carriers>,
) -> Result<Arc<dyn Carrier>, NoMemory> {
    let untyped = resources.untyped;
    let notification = untyped::make::<kind::Notification>(untyped).map_err(|_| NoMemory)?;
    let guest = untyped::make::<kind::Guest>(untyped).map_err(|_| NoMemory)?;
    let (frame, record) = resources.pool.take_record().ok_or(NoMemory)?;
    let memory = resources.pool_memory.slot();
    kernel().guest_set_record(guest.slot(), memory, frame.offset()).map_err(|_| NoMemory)?;
    let setup = Setup {
        name: Text::prefix("carrier"),
        untyped,
        vspace: resources.vspace,
        place,
        priority: resources.priority,
        slice_us: SLICE_US,
        fault: Some(resources.supervisor),
        notification: Some(notification),
    };
    let thread = Thread::prepare(setup).map_err(|_| NoMemory)?;
    kernel().thread_bind_guest(thread.cap().slot(), guest.slot()).map_err(|_| NoMemory)?;
    let carrier = Arc::new(NativeCarrier {
        thread: thread.cap(),
        notification,
        guest,
        home: resources.vspace.slot(),
        space: AtomicU64::new(u64::MAX),
        job: Mutex::new(None),
        carriers: carriers.clone(),
    });
    let own = carrier.clone();
    thread.start(Box::new(move || own.work(record))).map_err(|_| NoMemory)?;
    Ok(carrier)
}

impl NativeCarrier {
    /// The life of the thread: task after task.
    fn work(self: Arc<Self>, record: &'static mut GuestRecord) {
        guest_copy::declare();
        loop {
            let Some(job) = self.job.lock().take() else {
                // Woken for nothing, or by the start of a task: look again.
                let _ = syscall::wait(self.notification);
                continue;
            };
            // Takes the last guest's FP registers out of the core, so that the new ones come in.
            self.sync_fp();
            *record = *job.registers;
            let task = job.task;
            run::run_task(&task, &CarrierMemory(&task), record);
            drop(task);
            self.enter(None);
            self.carriers.idle.lock().push(self.clone());
        }
    }
}

impl Parker for NativeCarrier {
    fn wake(&self) {
        // Cannot fail: the notification is this server's own.
        let _ = syscall::signal(self.notification);
    }

    fn sleep(&self, deadline: Option<Deadline>) -> Woken {
        let deadline = deadline.map_or(NO_DEADLINE, |deadline| deadline.0);
        match syscall::wait_until(self.notification, deadline) {
            Err(Rejection::TimedOut) => Woken::TimedOut,
            _ => Woken::Called,
        }
    }
}

impl Carrier for NativeCarrier {
    fn start(&self, task: Arc<Task>, registers: &GuestRecord) {
        *self.job.lock() = Some(Job { task, registers: Box::new(*registers) });
        self.wake();
    }

    fn release(self: Arc<Self>) {
        // It never left its wait; only the list must have it again.
        self.carriers.clone().idle.lock().push(self);
    }

    #[inline(always)]
    fn run(&self, record: &mut GuestRecord) -> GuestExit {
        match libosv::guest::run(record) {
            Ok(GuestExit::Interrupted) => {
                let _ = syscall::poll(self.notification);
                GuestExit::Interrupted
            }
            Ok(exit) => exit,
            Err(rejection) => panic!("the kernel refused to run a guest: {rejection}"),
        }
    }

    fn sync_fp(&self) {
        if let Err(error) = kernel().guest_sync_fp(self.guest.slot()) {
            panic!("the kernel refused a guest's registers: {error}");
        }
    }

    fn enter(&self, id: Option<u64>) {
        let target = id.unwrap_or(u64::from(self.home.0));
        if self.space.swap(target, Ordering::Relaxed) == target {
            return;
        }
        let vspace = CPtr(target as u32);
        if let Err(error) = kernel().thread_set_spaces(self.thread.slot(), NULL, vspace) {
            panic!("the kernel refused an address space: {error}");
        }
    }
}
