//! The compiler's and linker's flags of everything that runs on the target: here and nowhere else.
//!
//! The kernel's own linker script is named by `microkernel/build.rs`; servers are laid out by
//! `image/link/server.ld`.

use crate::workspace;
use std::path::Path;

/// The target: no FP or SIMD registers, so that those of a guest stay in the core.
pub const TRIPLE: &str = "aarch64-unknown-none-softfloat";

/// Parts of the core library that are built where there is none for the target.
pub const BUILD_STD: [&str; 2] =
    ["-Zbuild-std=core,alloc,compiler_builtins", "-Zbuild-std-features=compiler-builtins-mem"];

/// Kinds of target program, by how they are linked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The kernel: static, at a fixed address, laid out by its own linker script.
    Kernel,
    /// Servers and root: static, position-independent, relocated by who loads them.
    Server,
    /// Guest programs: static, at a fixed address.
    Guest,
}

impl Kind {
    /// Returns the name of the directory that its programs are built in: what is linked in
    /// different ways is apart, so that a server and a guest program may have the same name.
    #[must_use]
    pub fn directory(self) -> &'static str {
        match self {
            Kind::Kernel | Kind::Guest => "fixed",
            Kind::Server => "servers",
        }
    }

    /// Returns how it is built when `asked` was asked for. The kernel is always optimised as a
    /// whole: its stacks are sized for that, and what is tested is then what is measured.
    #[must_use]
    pub fn profile(self, asked: Profile) -> Profile {
        match self {
            Kind::Kernel => Profile::Release,
            Kind::Server | Kind::Guest => asked,
        }
    }

    /// Returns the compiler's flags, with `linker` as the linker.
    #[must_use]
    pub fn flags(self, linker: &Path) -> Vec<String> {
        // With frame pointers every backtrace works, at no measurable cost.
        let mut flags = vec!["-Cforce-frame-pointers=yes".to_owned()];
        // Nothing unwinds; a function that never returns then saves no registers either.
        flags.push("-Cforce-unwind-tables=no".to_owned());
        flags.push(format!("-Clinker={}", linker.display()));
        let mut link = |argument: &str| flags.push(format!("-Clink-arg={argument}"));
        link("-zseparate-code");
        link("-zmax-page-size=4096");
        if self == Kind::Server {
            link("-pie");
            link("--no-dynamic-linker");
            // The linker script says what is read-only; lld's own RELRO would only split it.
            link("-znorelro");
            link(&format!("-T{}", workspace::root().join("image/link/server.ld").display()));
            flags.push("-Crelocation-model=pie".to_owned());
        }
        flags
    }
}

/// How much time the compiler takes to make the code fast.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Profile {
    /// Back in seconds: what is run and tested while working.
    #[default]
    Fast,
    /// Optimised as a whole: what is measured and given away.
    Release,
}

impl Profile {
    /// Returns the name of the cargo profile, which is also its directory.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Profile::Fast => "fast",
            Profile::Release => "release",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers_are_position_independent_and_nothing_else_is() {
        let linker = Path::new("/usr/bin/ld.lld");
        let server = Kind::Server.flags(linker);
        assert!(server.contains(&"-Clink-arg=-pie".to_owned()));
        assert!(server.contains(&"-Crelocation-model=pie".to_owned()));
        assert!(!Kind::Kernel.flags(linker).iter().any(|flag| flag.contains("pie")));
    }
}
