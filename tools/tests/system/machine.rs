//! The machines that the image must boot on.

use crate::harness::{Boot, Ran, image, on_both};
use osv_tools::boot::{Echo, Session};
use osv_tools::command::options::Machine;
use osv_tools::{process, qemu};
use std::time::Duration;

/// Boots a changed machine and greets.
fn greets(system: &str, change: impl FnOnce(&mut Machine)) {
    Boot::new(system, &["/tools/hello"]).with(change).run().status(0).prints("Hello from Linux");
}

fn cpu(system: &str, model: &str) {
    greets(system, |machine| machine.cpu = Some(model.into()));
}

on_both! {
    fn boots_on_cortex_a53(system) { cpu(system, "cortex-a53"); }
    fn boots_on_cortex_a57(system) { cpu(system, "cortex-a57"); }
    fn boots_on_cortex_a72(system) { cpu(system, "cortex-a72"); }
    fn boots_on_the_largest_cpu_model(system) { cpu(system, "max"); }

    fn boots_when_entered_at_el2(system) {
        greets(system, |machine| machine.machine = vec!["virtualization=on".into()]);
    }

    fn boots_with_gic_version_2(system) {
        greets(system, |machine| machine.machine = vec!["gic-version=2".into()]);
    }

    fn boots_in_64_mib(system) { greets(system, |machine| machine.mem = "64M".into()); }
    fn boots_in_8_gib(system) { greets(system, |machine| machine.mem = "8G".into()); }
    fn boots_with_four_cores(system) { greets(system, |machine| machine.smp = 4); }

    fn boots_counting_instructions(system) { greets(system, |machine| machine.icount = true); }
}

fn image_path() -> String {
    image().path.display().to_string()
}

/// Runs QEMU with these arguments behind the machine's; its own status is 0 at a power off.
fn run_plainly(arguments: &[&str]) -> Ran {
    let mut command = process::command(qemu::PROGRAM);
    command.args(["-nographic", "-M", "virt", "-cpu", "cortex-a57", "-m", "1024M"]).args(arguments);
    let shown = process::show(&command);
    let mut session = Session::of(command, Echo::Silent, Some(Duration::from_secs(60))).unwrap();
    session.feed(std::io::empty());
    Ran::new(session.finish().unwrap(), shown)
}

#[test]
fn the_plain_command_line_runs_the_program_and_powers_off() {
    let append = "--nomount /tools/hello one two";
    run_plainly(&["-kernel", &image_path(), "-append", append])
        .status(0)
        .prints("hello: argument 1: one")
        .prints("hello: argument 2: two");
}

#[test]
fn without_a_device_tree_it_takes_mach_virt_for_granted_and_says_so() {
    let device = format!("loader,file={},addr=0x40400000,cpu-num=0,force-raw=on", image_path());
    run_plainly(&["-device", &device]).status(0).prints("mach-virt");
}
