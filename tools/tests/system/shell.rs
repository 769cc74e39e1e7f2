//! Debian's own busybox: by script, and by hand at the console.

use crate::harness::{Boot, has_shell, on_both};
use osv_tools::boot::Session;

/// Runs a script that must end well and print all of `texts`.
fn script(system: &str, script: &str, texts: &[&str]) {
    if !has_shell() {
        return;
    }
    let mut ran = Boot::new(system, &["/bin/sh", "-c", script]).run().status(0);
    for text in texts {
        ran = ran.prints(text);
    }
}

/// A person at the console.
struct Person {
    session: Session,
    seen: usize,
}

impl Person {
    /// Starts a shell and waits for its prompt.
    fn at(system: &str) -> Person {
        let session = Boot::new(system, &["/bin/sh"]).start();
        let mut person = Person { session, seen: 0 };
        person.sees("# ");
        person
    }

    fn types(&mut self, text: &str) {
        self.session.send(text).unwrap();
    }

    #[track_caller]
    fn sees(&mut self, text: &str) {
        self.seen = self.session.expect(text, self.seen).unwrap();
    }
}

on_both! {
    fn the_demo_shows_what_it_should(system) {
        if !has_shell() {
            return;
        }
        Boot::new(system, &["/bin/sh", "/etc/demo.sh"])
            .run()
            .status(0)
            .prints("10000\n9999\n9998\n")
            .prints("22c3683b094136c3398391ae71b20f04  /tmp/hello");
    }

    fn pipes_join_processes(system) {
        script(system, "seq 1 10000 | sort -rn | head -3 | tr '\\n' ' '", &["10000 9999 9998 "]);
        script(system, "echo hello | md5sum", &["b1946ac92492d2347c6235b4d2611184"]);
    }

    fn files_in_tmpfs_are_written_and_read(system) {
        let text = "mkdir /tmp/a && echo one > /tmp/a/b && echo two >> /tmp/a/b && mv /tmp/a/b /tmp/c \
                    && cat /tmp/c && rm -r /tmp/a && ls /tmp && wc -c < /tmp/c";
        script(system, text, &["one\ntwo\n", "c\n", "8\n"]);
    }

    fn the_status_of_the_last_command_is_the_shells(system) {
        script(system, "false || echo so; (exit 3); echo $?", &["so\n", "3\n"]);
        if has_shell() {
            Boot::new(system, &["/bin/sh", "-c", "exit 7"]).run().status(7);
        }
    }

    fn background_jobs_end_and_are_waited_for(system) {
        script(system, "(sleep 0.1; exit 5) & wait $!; echo status $?", &["status 5"]);
        script(system, "sleep 100 & kill $!; wait $!; echo status $?", &["status 143"]);
    }

    fn a_shell_is_used_by_hand(system) {
        if !has_shell() {
            return;
        }
        let mut person = Person::at(system);
        person.types("echo a$((1+1))z\n");
        person.sees("a2z");
        person.sees("# ");
        // The line is edited before the shell sees it.
        person.types("echo wronX\x7fg | tr wg WG\n");
        person.sees("WronG");
        person.sees("# ");
        // ^C ends what runs in the foreground, not the shell.
        person.types("(while echo ro''und; do sleep 0.05; done)\n");
        person.sees("round\n");
        person.sees("round\n");
        person.types("\x03");
        person.sees("# ");
        // Once as it is typed, once by the program.
        person.types("echo read''y; cat\n");
        person.sees("ready\n");
        person.types("echoed\n");
        person.sees("echoed");
        person.sees("echoed");
        // ^D ends the input of cat.
        person.types("\x04");
        person.sees("# ");
        person.types("exit 9\n");
        assert_eq!(person.session.finish().unwrap().status, 9);
    }

    fn an_interrupt_at_the_start_of_a_program_is_not_lost(system) {
        if !has_shell() {
            return;
        }
        let mut person = Person::at(system);
        // Only what is printed, not what is typed, has the word in one piece. What prints it is in
        // the foreground already; before that an interrupt is the shell's alone, as on Linux.
        person.types("sh -c \"echo read''y; exec sleep 1000\"\n");
        person.sees("ready\n");
        person.types("\x03");
        person.sees("# ");
    }
}
