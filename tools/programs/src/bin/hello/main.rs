//! A greeting: the first program that a fresh system runs.
//!
//! Prints `Hello from <system> <machine>!`, then `hello: argument N: TEXT` for each argument.
#![cfg_attr(target_os = "none", no_std, no_main)]

programs::program!(greet);

#[cfg(target_os = "none")]
fn greet(environment: &programs::start::Environment) -> i32 {
    use linux_raw_sys::general::__NR_uname;
    use programs::{call, println};

    // `struct new_utsname`: six texts of 65 bytes; the first is the system, the fifth the machine.
    let mut names = [[0_u8; 65]; 6];
    let known = call!(__NR_uname, &mut names).is_ok();
    let name = |index: usize| {
        let text = core::ffi::CStr::from_bytes_until_nul(&names[index]).ok()?;
        text.to_str().ok().filter(|_| known)
    };
    println!("Hello from {} {}!", name(0).unwrap_or("?"), name(4).unwrap_or("?"));
    for (index, argument) in environment.arguments(1).enumerate() {
        println!("hello: argument {}: {argument}", index + 1);
    }
    0
}
