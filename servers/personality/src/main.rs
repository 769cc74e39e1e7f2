//! The personality's program: all of it is in the library.
#![cfg_attr(target_os = "none", no_std, no_main)]
#![deny(unsafe_code)]

use libosv::start::StartInfo;

libosv::entry!(program);

fn program(start: &'static StartInfo<'static>) {
    personality::start::program(start);
}
