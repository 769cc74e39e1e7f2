//! Resource limits: kept and told; the stack's and the descriptors' are also obeyed.

use linux_raw_sys::general as linux;

/// No limit.
pub const INFINITY: u64 = u64::MAX;

/// Number of resources.
pub const RESOURCES: usize = 16;

/// A soft and a hard limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limit {
    /// What is enforced.
    pub soft: u64,
    /// What `soft` may be raised to.
    pub hard: u64,
}

/// The limits of a process, by resource number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits([Limit; RESOURCES]);

impl Default for Limits {
    fn default() -> Limits {
        let mut limits = Limits([Limit { soft: INFINITY, hard: INFINITY }; RESOURCES]);
        let mut set =
            |resource: u32, soft, hard| limits.0[resource as usize] = Limit { soft, hard };
        set(linux::RLIMIT_STACK, 8 << 20, INFINITY);
        set(linux::RLIMIT_CORE, 0, INFINITY);
        set(linux::RLIMIT_NOFILE, 1024, 1 << 20);
        set(linux::RLIMIT_MEMLOCK, 8 << 20, 8 << 20);
        set(linux::RLIMIT_NICE, 0, 0);
        set(linux::RLIMIT_RTPRIO, 0, 0);
        set(linux::RLIMIT_MSGQUEUE, 819_200, 819_200);
        limits
    }
}

impl Limits {
    /// Returns a limit; `None` for a resource that Linux does not have.
    #[must_use]
    pub fn get(&self, resource: u32) -> Option<Limit> {
        self.0.get(resource as usize).copied()
    }

    /// Sets a limit. `false`: no such resource, or the soft limit is above the hard one.
    pub fn set(&mut self, resource: u32, limit: Limit) -> bool {
        match self.0.get_mut(resource as usize) {
            Some(slot) if limit.soft <= limit.hard => {
                *slot = limit;
                true
            }
            _ => false,
        }
    }

    /// Returns the soft limit of the stack in bytes.
    #[must_use]
    pub fn stack_bytes(&self) -> u64 {
        self.0[linux::RLIMIT_STACK as usize].soft
    }

    /// Returns the soft limit of open descriptors.
    #[must_use]
    pub fn open_files(&self) -> u64 {
        self.0[linux::RLIMIT_NOFILE as usize].soft
    }
}
