//! The console server's program: capabilities in, serve loop.
#![cfg_attr(target_os = "none", no_std, no_main)]
#![deny(unsafe_code)]

extern crate alloc;

#[expect(unsafe_code, reason = "device registers")]
mod device;

use alloc::boxed::Box;
use console::ns16550::Ns16550;
use console::pl011::Pl011;
use console::server::{ConsoleServer, Host};
use console::uart::Uart;
use ipc_proto::abi::boot_info::UartKind;
use ipc_proto::capability::{Cap, kind};
use ipc_proto::supervisor;
use ipc_proto::system::ConsoleStart;
use libosv::ipc::Endpoint;
use libosv::start::StartInfo;
use libosv::syscall;

libosv::entry!(program);

/// The system around the server.
struct System {
    irq: Cap<kind::Irq>,
    supervisor: supervisor::Client<Endpoint>,
}

impl Host for System {
    fn signal(&mut self, notification: Cap<kind::Notification>) {
        // A watcher that is gone needs no signal.
        let _ = syscall::signal(notification);
    }
    fn acknowledge(&mut self) {
        // It can only fail if the capability is not what root says.
        let _ = syscall::kernel().irq_acknowledge(self.irq.slot());
    }
    fn report_drained(&mut self) {
        // Root powers the machine off in answer.
        let _ = self.supervisor.exit(0);
    }
}

fn program(start: &'static StartInfo<'static>) {
    let config: ConsoleStart = start.config().expect("root passes a ConsoleStart");
    let registers = start.region("uart.registers").expect("the UART is mapped").address;
    match config.uart {
        UartKind::Pl011 => {
            #[expect(unsafe_code, reason = "device registers")]
            // SAFETY: [device.mapped] root maps this UART's registers, and this is their only use.
            let registers = unsafe { device::MappedPl011::new(registers) };
            serve(Pl011::new(registers), config, start);
        }
        UartKind::Ns16550 => {
            #[expect(unsafe_code, reason = "device registers")]
            // SAFETY: [device.mapped] root maps this UART's registers, and this is their only use.
            let registers = unsafe { device::MappedNs16550::new(registers) };
            serve(Ns16550::new(registers), config, start);
        }
    }
}

fn serve(uart: impl Uart, config: ConsoleStart, start: &StartInfo<'_>) {
    let endpoint = start.capability("serve").expect("an endpoint to serve");
    let reply = start.capability("reply").expect("a Reply to serve with");
    let supervisor = start.capability("supervisor").expect("an endpoint of root's");
    let system = System {
        irq: start.capability("uart.irq").expect("the UART's interrupt"),
        supervisor: supervisor::Client(Endpoint::new(supervisor)),
    };
    let mut server = Box::new(ConsoleServer::new(uart, system, config));
    let rejection = libosv::ipc::serve(&mut *server, endpoint, reply);
    panic!("cannot serve: {rejection}");
}
