//! Terminal modes: how termios' flags and control characters are asked for.

use ipc_proto::console::Modes;
use linux_raw_sys::general as linux;

/// Returns the modes that Linux gives a new terminal.
#[must_use]
pub fn initial() -> Modes {
    let mut characters = [0; 19];
    for (index, value) in [
        (linux::VINTR, 0x03),
        (linux::VQUIT, 0x1c),
        (linux::VERASE, 0x7f),
        (linux::VKILL, 0x15),
        (linux::VEOF, 0x04),
        (linux::VMIN, 1),
        (linux::VSTART, 0x11),
        (linux::VSTOP, 0x13),
        (linux::VSUSP, 0x1a),
        (linux::VREPRINT, 0x12),
        (linux::VDISCARD, 0x0f),
        (linux::VWERASE, 0x17),
        (linux::VLNEXT, 0x16),
    ] {
        if let Some(slot) = characters.get_mut(index as usize) {
            *slot = value;
        }
    }
    Modes {
        input: linux::ICRNL | linux::IXON,
        output: linux::OPOST | linux::ONLCR,
        control: linux::B115200 | linux::CS8 | linux::CREAD | linux::HUPCL,
        local: linux::ISIG
            | linux::ICANON
            | linux::ECHO
            | linux::ECHOE
            | linux::ECHOK
            | linux::ECHOCTL
            | linux::ECHOKE
            | linux::IEXTEN,
        characters,
    }
}

/// Questions to terminal modes.
pub trait ModeFlags {
    /// Tells whether one of the input flags is set.
    fn has_input(&self, flags: u32) -> bool;
    /// Tells whether one of the output flags is set.
    fn has_output(&self, flags: u32) -> bool;
    /// Tells whether one of the local flags is set.
    fn has_local(&self, flags: u32) -> bool;
    /// Tells whether `byte` is the control character `index` (`VINTR` and so on).
    fn is_character(&self, index: u32, byte: u8) -> bool;
    /// Tells whether `byte` is the control character `index` and the extended ones are on.
    fn is_extended(&self, index: u32, byte: u8) -> bool {
        self.has_local(linux::IEXTEN) && self.is_character(index, byte)
    }
}

impl ModeFlags for Modes {
    fn has_input(&self, flags: u32) -> bool {
        self.input & flags != 0
    }
    fn has_output(&self, flags: u32) -> bool {
        self.output & flags != 0
    }
    fn has_local(&self, flags: u32) -> bool {
        self.local & flags != 0
    }
    fn is_character(&self, index: u32, byte: u8) -> bool {
        byte != 0 && self.characters.get(index as usize) == Some(&byte)
    }
}
