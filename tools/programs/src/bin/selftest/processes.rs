//! Processes: fork, copy-on-write, statuses, wait4, orphans, many children.

use linux_raw_sys::general::*;
use programs::errno::*;
use programs::memory::{PAGE, map_pages, peek, poke, unmap};
use programs::process::{Child, Outcome, fork, isolated, receive, send};
use programs::signal::{self, Context, Info};
use programs::syscall::{self, close, getpid, getppid, kill, pipe, wait};
use programs::{call, group, memory, thread};

group! { "processes":
    the_status_reaches_the_parent
    a_signal_shows_in_the_status
    a_child_knows_its_parent
    writes_stay_with_their_process
    a_call_writes_into_a_shared_page
    grandchildren_have_copies_of_copies
    the_parent_can_go_on_while_the_child_reads
    waiting_needs_a_child
    nohang_does_not_wait
    a_child_can_be_waited_for_by_number
    a_zombie_stays_until_it_is_waited_for
    many_children_live_at_once
    a_thousand_children_one_after_another
    an_orphan_gets_a_new_parent
    a_file_offset_is_shared_with_the_child
    descriptors_are_copied
    handlers_and_mask_are_inherited_and_pending_is_not
    vfork_stops_the_parent_and_shares_memory
    process_groups_and_sessions
}

fn the_status_reaches_the_parent() {
    for status in [0, 1, 42, 255] {
        assert_eq!(fork(|| status).join(), Outcome::Exited(status));
    }
    assert_eq!(fork(|| 256 + 7).join(), Outcome::Exited(7));
    assert_eq!(fork(|| -1).join(), Outcome::Exited(255));
}

fn a_signal_shows_in_the_status() {
    for signal in [SIGTERM, SIGKILL, SIGHUP, SIGUSR1, SIGPIPE] {
        let child = fork(|| {
            kill(getpid(), signal).unwrap();
            1
        });
        assert_eq!(child.join(), Outcome::Killed(signal));
    }
}

fn a_child_knows_its_parent() {
    let parent = getpid();
    isolated(|| {
        assert_eq!(getppid(), parent);
        assert_ne!(getpid(), parent);
        assert_eq!(syscall::gettid(), getpid());
    });
}

fn writes_stay_with_their_process() {
    let pages = map_pages(8);
    let mut local = core::hint::black_box(1_u64);
    poke(pages, 1_u64);
    let (to_child, go) = pipe(0).unwrap();
    let child = fork(|| {
        receive(to_child);
        assert_eq!((peek::<u64>(pages), local), (1, 1), "the parent's later writes do not show");
        poke(pages, 2_u64);
        poke(pages + 5 * PAGE, 2_u64);
        assert_eq!(peek::<u64>(pages), 2);
        0
    });
    poke(pages, 3_u64);
    local += 2;
    send(go, 0);
    assert_eq!(child.join(), Outcome::Exited(0));
    assert_eq!((peek::<u64>(pages), peek::<u64>(pages + 5 * PAGE), local), (3, 0, 3));
    close(to_child).unwrap();
    close(go).unwrap();
    unmap(pages, 8 * PAGE).unwrap();
}

fn a_call_writes_into_a_shared_page() {
    let page = map_pages(1);
    poke(page, 5_u64);
    isolated(|| {
        assert!(call!(__NR_uname, page).is_ok());
        assert_ne!(peek::<u64>(page), 5);
    });
    assert_eq!(peek::<u64>(page), 5, "the kernel's write into the child's memory is the child's");
    unmap(page, PAGE).unwrap();
}

fn chain(page: usize, depth: u64) {
    assert_eq!(peek::<u64>(page), depth);
    poke(page, depth + 1);
    if depth < 10 {
        isolated(|| chain(page, depth + 1));
    }
    assert_eq!(peek::<u64>(page), depth + 1);
}

fn grandchildren_have_copies_of_copies() {
    let page = map_pages(1);
    chain(page, 0);
    unmap(page, PAGE).unwrap();
}

fn the_parent_can_go_on_while_the_child_reads() {
    let pages = map_pages(64);
    for page in 0..64 {
        poke(pages + page * PAGE, page);
    }
    let (go, say_go) = pipe(0).unwrap();
    let child = fork(|| {
        receive(go);
        (0..64).all(|page| peek::<usize>(pages + page * PAGE) == page).into()
    });
    unmap(pages, 32 * PAGE).unwrap();
    for page in 32..64 {
        poke(pages + page * PAGE, 0_usize);
    }
    send(say_go, 0);
    assert_eq!(child.join(), Outcome::Exited(1));
    close(go).unwrap();
    close(say_go).unwrap();
    unmap(pages, 64 * PAGE).unwrap();
}

fn waiting_needs_a_child() {
    isolated(|| {
        assert_eq!(wait(-1, 0), Err(ECHILD));
        assert_eq!(wait(getpid(), 0), Err(ECHILD));
        assert_eq!(wait(-1, 0x4000), Err(EINVAL));
    });
}

/// A child that lives until the returned descriptor is closed.
fn waiting_child(status: i32) -> (Child, i32) {
    let (input, output) = pipe(O_CLOEXEC).unwrap();
    let child = fork(|| {
        close(output).unwrap();
        let _ = syscall::read(input, &mut [0]);
        status
    });
    close(input).unwrap();
    (child, output)
}

fn nohang_does_not_wait() {
    isolated(|| {
        let (child, hold) = waiting_child(3);
        assert_eq!(wait(-1, WNOHANG), Ok((0, 0)));
        close(hold).unwrap();
        assert_eq!(child.join(), Outcome::Exited(3));
        assert_eq!(wait(-1, WNOHANG), Err(ECHILD));
    });
}

fn a_child_can_be_waited_for_by_number() {
    let (first, hold_first) = waiting_child(1);
    let (second, hold_second) = waiting_child(2);
    close(hold_second).unwrap();
    assert_eq!(second.join(), Outcome::Exited(2));
    close(hold_first).unwrap();
    assert_eq!(first.join(), Outcome::Exited(1));
}

fn a_zombie_stays_until_it_is_waited_for() {
    let child = fork(|| 9);
    let pid = child.0;
    let mut info = [0_u32; 32];
    assert_eq!(call!(__NR_waitid, P_PID, pid, &mut info, WEXITED | WNOWAIT, 0), Ok(0));
    // siginfo: signal, errno, code, padding, pid, uid, status.
    assert_eq!((info[0], info[2], info[4], info[6]), (SIGCHLD, CLD_EXITED, pid as u32, 9));
    assert_eq!(kill(pid, 0), Ok(0));
    assert_eq!(child.join(), Outcome::Exited(9));
    assert_eq!(kill(pid, 0), Err(ESRCH));
}

fn many_children_live_at_once() {
    isolated(|| {
        let (input, output) = pipe(0).unwrap();
        for number in 0..60 {
            fork(|| {
                close(output).unwrap();
                let _ = syscall::read(input, &mut [0]);
                number
            });
        }
        close(output).unwrap();
        let mut sum = 0;
        while let Ok((_, status)) = wait(-1, 0) {
            sum += status >> 8;
        }
        assert_eq!(sum, (0..60).sum());
    });
}

fn a_thousand_children_one_after_another() {
    for number in 0..1000 {
        assert_eq!(fork(|| number & 0xff).join(), Outcome::Exited(number & 0xff));
    }
}

fn an_orphan_gets_a_new_parent() {
    let (input, output) = pipe(0).unwrap();
    let (go, say_go) = pipe(0).unwrap();
    let child = fork(|| {
        let parent = getpid();
        fork(|| {
            receive(go);
            send(output, u64::from(getppid() != parent));
            0
        });
        0
    });
    assert_eq!(child.join(), Outcome::Exited(0));
    send(say_go, 0);
    assert_eq!(receive(input), 1);
    // Where this program is the first process, the orphan is its child now.
    let _ = wait(-1, WNOHANG);
    for fd in [input, output, go, say_go] {
        close(fd).unwrap();
    }
}

fn a_file_offset_is_shared_with_the_child() {
    let file = syscall::open(programs::process::own_path(), O_RDONLY, 0).unwrap();
    isolated(|| assert_eq!(syscall::read(file, &mut [0; 10]), Ok(10)));
    assert_eq!(syscall::seek(file, 0, SEEK_CUR), Ok(10));
    close(file).unwrap();
}

fn descriptors_are_copied() {
    let (input, output) = pipe(0).unwrap();
    isolated(|| {
        close(input).unwrap();
        assert_eq!(close(input), Err(EBADF));
    });
    assert_eq!(syscall::write(output, b"x"), Ok(1));
    close(input).unwrap();
    close(output).unwrap();
}

extern "C" fn ignore_it(_: u32, _: &mut Info, _: &mut Context) {}

fn handlers_and_mask_are_inherited_and_pending_is_not() {
    signal::handle(SIGUSR1, ignore_it, SA_RESTART);
    let action = signal::action(SIGUSR1).unwrap();
    signal::mask(SIG_BLOCK, signal::bit(SIGUSR1));
    kill(getpid(), SIGUSR1).unwrap();
    assert_eq!(signal::pending(), signal::bit(SIGUSR1));
    isolated(|| {
        assert_eq!(signal::action(SIGUSR1), Ok(action));
        assert_eq!(signal::mask(SIG_BLOCK, 0), signal::bit(SIGUSR1));
        assert_eq!(signal::pending(), 0);
    });
    signal::reset();
}

extern "C" fn write_and_exit(page: u64) -> u64 {
    syscall::pause_ms(20);
    poke(page as usize, 5_u64);
    9
}

fn vfork_stops_the_parent_and_shares_memory() {
    let page = map_pages(1);
    let child = thread::clone(CLONE_VM | CLONE_VFORK | SIGCHLD, 0, write_and_exit, page as u64);
    assert_eq!(peek::<u64>(page), 5);
    assert_eq!(Child(child.tid).join(), Outcome::Exited(9));
    child.release();
    memory::unmap(page, PAGE).unwrap();
}

fn process_groups_and_sessions() {
    isolated(|| {
        let pid = getpid();
        let group = call!(__NR_getpgid, 0).unwrap();
        assert_ne!(group, pid as u64);
        assert_eq!(call!(__NR_setpgid, 0, 0), Ok(0));
        assert_eq!(call!(__NR_getpgid, 0), Ok(pid as u64));
        assert_eq!(call!(__NR_setsid), Err(EPERM), "a group leader cannot start a session");
        isolated(|| {
            assert_eq!(call!(__NR_getpgid, 0), Ok(pid as u64));
            assert_eq!(call!(__NR_setsid), Ok(getpid() as u64));
            assert_eq!(call!(__NR_getsid, 0), Ok(getpid() as u64));
        });
        // A negative number means the group.
        let (child, hold) = waiting_child(0);
        signal::ignore(SIGTERM);
        kill(-pid, SIGTERM).unwrap();
        close(hold).unwrap();
        assert_eq!(child.join(), Outcome::Killed(SIGTERM));
    });
}
