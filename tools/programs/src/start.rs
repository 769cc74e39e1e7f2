//! Start and end of a program: from the argument block on the stack to `main`, and panics.

use core::ffi::{CStr, c_char};
use core::sync::atomic::{AtomicPtr, Ordering};

use crate::{check, syscall};

/// What the kernel handed over: arguments, environment, auxiliary vector.
pub struct Environment {
    block: *const usize,
    /// Virtual counter at the first instruction.
    pub ticks: u64,
    /// Register x0 at the first instruction.
    pub x0: u64,
}

/// The program's own environment, for code that is not handed it.
static ENVIRONMENT: AtomicPtr<Environment> = AtomicPtr::new(core::ptr::null_mut());

/// Runs `main` on the argument block and ends the process with its result.
pub fn run(block: *const usize, ticks: u64, x0: u64, main: fn(&Environment) -> i32) -> ! {
    let mut environment = Environment { block, ticks, x0 };
    ENVIRONMENT.store(&raw mut environment, Ordering::Release);
    syscall::exit(main(&environment))
}

/// The environment that the program was started with.
pub fn environment() -> &'static Environment {
    // SAFETY: `run` stored it before any other code, on a stack frame that never ends.
    unsafe { &*ENVIRONMENT.load(Ordering::Acquire) }
}

impl Environment {
    /// The word `index` words above the initial stack pointer.
    pub fn word(&self, index: usize) -> usize {
        // SAFETY: the block ends with a null auxiliary entry, and callers stop there.
        unsafe { self.block.add(index).read() }
    }

    /// Address of the block: the initial stack pointer.
    pub fn address(&self) -> usize {
        self.block.addr()
    }

    /// Number of arguments, the program's name among them.
    pub fn argc(&self) -> usize {
        self.word(0)
    }

    /// Argument `index`, the program's name being 0.
    pub fn argument(&self, index: usize) -> Option<&'static CStr> {
        (index < self.argc()).then(|| string(self.word(1 + index)))
    }

    /// Arguments from `first` on, as text.
    pub fn arguments(&self, first: usize) -> impl Iterator<Item = &'static str> {
        (first..self.argc()).filter_map(|index| self.argument(index)?.to_str().ok())
    }

    /// The environment's `NAME=VALUE` strings.
    pub fn variables(&self) -> impl Iterator<Item = &'static CStr> {
        let first = self.argc() + 2;
        (first..).map(|index| self.word(index)).take_while(|word| *word != 0).map(string)
    }

    /// Address of the pointers to the environment's strings, for `execve`.
    pub fn variables_address(&self) -> usize {
        self.address() + (self.argc() + 2) * size_of::<usize>()
    }

    /// The auxiliary vector: pairs of key and value, the null pair left out.
    pub fn auxiliary(&self) -> impl Iterator<Item = (usize, usize)> {
        let first = self.argc() + 3 + self.variables().count();
        (first..)
            .step_by(2)
            .map(|index| (self.word(index), self.word(index + 1)))
            .take_while(|(key, _)| *key != 0)
    }

    /// The value of one auxiliary entry (an `AT_` constant).
    pub fn auxiliary_value(&self, key: u32) -> Option<usize> {
        self.auxiliary().find(|entry| entry.0 == key as usize).map(|entry| entry.1)
    }
}

/// The C string at an address that the kernel gave.
pub fn string(address: usize) -> &'static CStr {
    // SAFETY: the kernel puts terminated strings on the initial stack, and nothing moves them.
    unsafe { CStr::from_ptr(core::ptr::with_exposed_provenance::<c_char>(address)) }
}

#[panic_handler]
fn panic(info: &core::panic::PanicInfo<'_>) -> ! {
    check::fail(info)
}
