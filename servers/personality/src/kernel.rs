//! The microkernel below: implements [`crate::machine`].
//!
//! | module | what it is |
//! | --- | --- |
//! | [`space`] | guest address spaces, recycled |
//! | [`carrier`] | native threads that run guests, recycled |
//! | [`memory`] | guest memory as a carrier sees it |
//! | [`console`] | the console server as a terminal |

use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;

use ipc_proto::abi::word::View;
use ipc_proto::capability::{Cap, kind};
use ipc_proto::supervisor;
use libosv::ipc::Endpoint;
use libosv::thread::Stacks;

use crate::frames::pool::Pool;
use crate::machine::{Carrier, Machine, NoMemory, Translation};
use crate::sync::Mutex;

pub mod carrier;
pub mod console;
pub mod memory;
pub mod space;

/// What the personality makes kernel objects from, and with which memory.
pub struct Resources {
    /// Memory for kernel objects and page tables.
    pub untyped: Cap<kind::Untyped>,
    /// The personality's own address space: where carriers are that run no guest.
    pub vspace: Cap<kind::VSpace>,
    /// Memory that guests map from, by attachment number.
    pub attachments: Vec<(u64, Cap<kind::Memory>)>,
    /// The Memory of the pool.
    pub pool_memory: Cap<kind::Memory>,
    /// The frames in it.
    pub pool: Arc<Pool>,
    /// What guests see of the server window.
    pub view: View,
    /// Root: where faults of carriers go, and the end of the system.
    pub supervisor: Cap<kind::Endpoint>,
    /// What the service thread waits on.
    pub service: Cap<kind::Notification>,
    /// Priority of carriers.
    pub priority: u8,
}

/// The microkernel as the personality uses it.
pub struct Native {
    resources: Resources,
    stacks: Mutex<Stacks>,
    spaces: Arc<space::Spaces>,
    carriers: Arc<carrier::Carriers>,
}

impl Native {
    /// Puts it together; `stacks` are the places of carriers.
    #[must_use]
    pub fn new(resources: Resources, stacks: Stacks) -> Native {
        Native {
            resources,
            stacks: Mutex::new(stacks),
            spaces: Arc::default(),
            carriers: Arc::default(),
        }
    }
}

impl Machine for Native {
    fn now(&self) -> u64 {
        libosv::time::now()
    }

    fn make_space(&self) -> Result<Box<dyn Translation>, NoMemory> {
        let kit = self.spaces.take(&self.resources)?;
        let pool = self.resources.pool.clone();
        Ok(Box::new(space::NativeSpace::new(
            kit,
            self.resources.untyped,
            pool,
            self.spaces.clone(),
        )))
    }

    fn make_carrier(&self) -> Result<Arc<dyn Carrier>, NoMemory> {
        if let Some(idle) = self.carriers.take() {
            return Ok(idle);
        }
        carrier::make(&self.resources, &self.stacks, &self.carriers)
    }

    fn wake_service(&self) {
        // Cannot fail: the notification is this server's own.
        let _ = libosv::syscall::signal(self.resources.service);
    }

    fn yield_now(&self) {
        libosv::syscall::yield_now();
    }

    fn log(&self, line: fmt::Arguments<'_>) {
        libosv::log::write(libosv::log::Level::Warn, line);
    }

    fn finish(&self, status: i32) {
        let root = supervisor::Client(Endpoint::new(self.resources.supervisor));
        if root.exit(status).is_err() {
            libosv::log::write(
                libosv::log::Level::Error,
                format_args!("root did not end the system"),
            );
        }
    }
}
