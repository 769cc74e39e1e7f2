//! Mappings: mmap, munmap, mprotect, brk, madvise, and mapped files.

use linux_raw_sys::general::*;
use programs::errno::*;
use programs::memory::*;
use programs::process::{c_str, isolated, temporary};
use programs::signal::{expect_fault, fault_of};
use programs::syscall::{self, Fd};
use programs::{call, group};

group! { "memory":
    fresh_memory_is_zero_and_keeps_what_is_written
    mmap_refuses_bad_arguments
    a_free_hint_is_followed_and_a_taken_one_is_not
    fixed_replaces_and_noreplace_refuses
    munmap_makes_a_hole
    munmap_checks_its_arguments
    mprotect_changes_what_is_allowed
    mprotect_refuses_holes_and_odd_addresses
    adjacent_mappings_act_as_one
    written_code_runs_once_it_is_executable
    the_break_grows_and_shrinks
    the_break_stays_where_it_cannot_go
    a_large_sparse_mapping_costs_only_its_pages
    dontneed_makes_pages_zero_again
    a_private_file_mapping_does_not_change_the_file
    a_shared_file_mapping_is_the_file
    the_tail_of_a_file_mapping_is_zero
    beyond_a_mapped_file_is_a_bus_error
    shared_memory_is_shared_with_a_child
    mremap_grows_and_moves
    the_top_byte_of_an_address_is_ignored
}

fn fresh_memory_is_zero_and_keeps_what_is_written() {
    let base = map_pages(16);
    assert!(bytes(base, 16 * PAGE).iter().all(|byte| *byte == 0));
    for page in 0..16 {
        poke(base + page * PAGE + 8 * page, page as u64 + 1);
    }
    for page in 0..16 {
        assert_eq!(peek::<u64>(base + page * PAGE + 8 * page), page as u64 + 1);
    }
    unmap(base, 16 * PAGE).unwrap();
    let again = map_pages(16);
    assert!(bytes(again, 16 * PAGE).iter().all(|byte| *byte == 0), "pages come back clean");
    unmap(again, 16 * PAGE).unwrap();
}

fn mmap_refuses_bad_arguments() {
    let page = map_pages(1);
    assert_eq!(map(0, 0, READ_WRITE, PRIVATE, -1, 0), Err(EINVAL));
    assert_eq!(map(0, PAGE, READ_WRITE, MAP_ANONYMOUS, -1, 0), Err(EINVAL));
    assert_eq!(map(page + 1, PAGE, READ_WRITE, PRIVATE | MAP_FIXED, -1, 0), Err(EINVAL));
    assert_eq!(map(0, PAGE, READ_WRITE, MAP_PRIVATE, -1, 0), Err(EBADF));
    assert_eq!(map(0, PAGE, READ_WRITE, MAP_PRIVATE, 1, 1), Err(EINVAL));
    assert_eq!(map(0, 1 << 52, READ_WRITE, PRIVATE, -1, 0), Err(ENOMEM));
    assert_eq!(map(0, usize::MAX, READ_WRITE, PRIVATE, -1, 0), Err(ENOMEM));
    assert_eq!(map(1 << 55, PAGE, READ_WRITE, PRIVATE | MAP_FIXED, -1, 0), Err(ENOMEM));
    let (input, output) = syscall::pipe(0).unwrap();
    assert_eq!(map(0, PAGE, PROT_READ, MAP_PRIVATE, input, 0), Err(ENODEV));
    for fd in [input, output] {
        syscall::close(fd).unwrap();
    }
    let file = syscall::open(programs::process::own_path(), O_RDONLY, 0).unwrap();
    assert_eq!(
        map(0, PAGE, READ_WRITE, MAP_SHARED, file, 0),
        Err(EACCES),
        "shared and not writable"
    );
    syscall::close(file).unwrap();
    unmap(page, PAGE).unwrap();
}

fn a_free_hint_is_followed_and_a_taken_one_is_not() {
    let base = map_pages(4);
    unmap(base + PAGE, PAGE).unwrap();
    assert_eq!(map(base + PAGE, PAGE, READ_WRITE, PRIVATE, -1, 0), Ok(base + PAGE));
    poke(base, 7_u8);
    let other = map(base, PAGE, READ_WRITE, PRIVATE, -1, 0).unwrap();
    assert!(other != base && peek::<u8>(base) == 7);
    unmap(other, PAGE).unwrap();
    unmap(base, 4 * PAGE).unwrap();
}

fn fixed_replaces_and_noreplace_refuses() {
    let base = map_pages(3);
    bytes(base, 3 * PAGE).fill(1);
    let middle = base + PAGE;
    let flags = PRIVATE | MAP_FIXED_NOREPLACE;
    assert_eq!(map(middle, PAGE, READ_WRITE, flags, -1, 0), Err(EEXIST));
    assert_eq!(map(middle, PAGE, READ_WRITE, PRIVATE | MAP_FIXED, -1, 0), Ok(middle));
    assert_eq!((peek::<u8>(middle - 1), peek::<u8>(middle), peek::<u8>(middle + PAGE)), (1, 0, 1));
    unmap(middle, PAGE).unwrap();
    assert_eq!(map(middle, PAGE, READ_WRITE, flags, -1, 0), Ok(middle));
    unmap(base, 3 * PAGE).unwrap();
}

fn munmap_makes_a_hole() {
    let base = map_pages(3);
    bytes(base, 3 * PAGE).fill(9);
    unmap(base + PAGE, 1).unwrap();
    assert_eq!((peek::<u8>(base + PAGE - 1), peek::<u8>(base + 2 * PAGE)), (9, 9));
    expect_fault(SIGSEGV, SEGV_MAPERR, base + PAGE, || peek::<u8>(base + PAGE));
    assert_eq!(unmap(base, 3 * PAGE), Ok(0), "a range with a hole");
    assert_eq!(unmap(base, 3 * PAGE), Ok(0), "a range with nothing in it");
}

fn munmap_checks_its_arguments() {
    let base = map_pages(1);
    assert_eq!(unmap(base + 1, PAGE), Err(EINVAL));
    assert_eq!(unmap(base, 0), Err(EINVAL));
    assert_eq!(unmap(base, usize::MAX), Err(EINVAL));
    unmap(base, PAGE).unwrap();
}

fn mprotect_changes_what_is_allowed() {
    let base = map_pages(3);
    let middle = base + PAGE;
    bytes(base, 3 * PAGE).fill(5);
    protect(middle, PAGE, PROT_READ).unwrap();
    assert_eq!(peek::<u8>(middle), 5);
    expect_fault(SIGSEGV, SEGV_ACCERR, middle + 3, || poke(middle + 3, 1_u8));
    poke(base, 1_u8);
    poke(base + 2 * PAGE, 1_u8);
    protect(middle, PAGE, PROT_NONE).unwrap();
    expect_fault(SIGSEGV, SEGV_ACCERR, middle + 8, || peek::<u64>(middle + 8));
    protect(base, 3 * PAGE, READ_WRITE).unwrap();
    assert_eq!(peek::<u8>(middle + 3), 5);
    poke(middle, 6_u8);
    unmap(base, 3 * PAGE).unwrap();
}

fn mprotect_refuses_holes_and_odd_addresses() {
    let base = map_pages(3);
    unmap(base + PAGE, PAGE).unwrap();
    assert_eq!(protect(base, 3 * PAGE, PROT_READ), Err(ENOMEM));
    assert_eq!(protect(base + 1, PAGE, PROT_READ), Err(EINVAL));
    assert_eq!(protect(base, 0, PROT_READ), Ok(0));
    assert_eq!(protect(base, PAGE, 0x80), Err(EINVAL));
    unmap(base, 3 * PAGE).unwrap();
}

fn adjacent_mappings_act_as_one() {
    let base = map_pages(64);
    for page in (0..64).step_by(2) {
        protect(base + page * PAGE, PAGE, PROT_READ).unwrap();
    }
    protect(base, 64 * PAGE, READ_WRITE).unwrap();
    bytes(base, 64 * PAGE).fill(3);
    unmap(base, 64 * PAGE).unwrap();
}

fn written_code_runs_once_it_is_executable() {
    let base = map_pages(1);
    poke(base, 0x5280_0540_u32); // mov w0, #42
    poke(base + 4, 0xd65f_03c0_u32); // ret
    let fault = fault_of(|| call_code(base)).expect("no execution from a data page");
    assert_eq!((fault.signal, fault.code), (SIGSEGV, SEGV_ACCERR as i32));
    assert_eq!((fault.address, fault.pc), (base as u64, base as u64));
    protect(base, PAGE, PROT_READ | PROT_EXEC).unwrap();
    synchronise_code(base);
    assert_eq!(call_code(base), 42);
    protect(base, PAGE, READ_WRITE).unwrap();
    poke(base, 0x5280_0560_u32); // mov w0, #43
    protect(base, PAGE, PROT_READ | PROT_EXEC).unwrap();
    synchronise_code(base);
    assert_eq!(call_code(base), 43);
    unmap(base, PAGE).unwrap();
}

fn the_break_grows_and_shrinks() {
    let start = brk(0);
    assert_eq!(brk(start + 5 * PAGE + 100), start + 5 * PAGE + 100);
    let heap = bytes(start, 5 * PAGE);
    assert!(heap.iter().all(|byte| *byte == 0));
    heap.fill(8);
    assert_eq!(brk(start), start);
    let past = start.next_multiple_of(PAGE);
    expect_fault(SIGSEGV, SEGV_MAPERR, past, || peek::<u8>(past));
    assert_eq!(brk(start + 2 * PAGE), start + 2 * PAGE);
    assert_eq!(peek::<u8>(past), 0, "grown again it is zero");
    assert_eq!(brk(start), start);
}

fn the_break_stays_where_it_cannot_go() {
    let start = brk(0);
    assert_eq!(brk(1), start);
    assert_eq!(brk(usize::MAX), start);
    assert_eq!(brk(1 << 47), start);
}

fn a_large_sparse_mapping_costs_only_its_pages() {
    let bytes = 64 << 30;
    let base = map(0, bytes, READ_WRITE, PRIVATE | MAP_NORESERVE, -1, 0).unwrap();
    for gigabyte in 0..64 {
        poke(base + (gigabyte << 30) + gigabyte * PAGE, gigabyte);
    }
    for gigabyte in 0..64 {
        assert_eq!(peek::<usize>(base + (gigabyte << 30) + gigabyte * PAGE), gigabyte);
    }
    unmap(base, bytes).unwrap();
}

fn dontneed_makes_pages_zero_again() {
    let base = map_pages(3);
    bytes(base, 3 * PAGE).fill(4);
    assert_eq!(call!(__NR_madvise, base + PAGE, PAGE, MADV_DONTNEED), Ok(0));
    assert_eq!((peek::<u8>(base), peek::<u8>(base + PAGE), peek::<u8>(base + 2 * PAGE)), (4, 0, 4));
    assert_eq!(call!(__NR_madvise, base + 1, PAGE, MADV_DONTNEED), Err(EINVAL));
    unmap(base, 3 * PAGE).unwrap();
}

/// A file of `len` bytes 'a' that has no name any more.
fn file_of(len: usize) -> Fd {
    let name = temporary("mapped");
    let path = c_str(&name);
    let fd = syscall::open(path, O_RDWR | O_CREAT | O_EXCL, 0o600).unwrap();
    syscall::unlink(path, 0).unwrap();
    let page = [b'a'; PAGE];
    let mut rest = len;
    while rest > 0 {
        rest -= syscall::write(fd, &page[..rest.min(PAGE)]).unwrap();
    }
    fd
}

fn a_private_file_mapping_does_not_change_the_file() {
    let fd = file_of(2 * PAGE);
    let base = map(0, 2 * PAGE, READ_WRITE, MAP_PRIVATE, fd, 0).unwrap();
    assert_eq!(peek::<u8>(base + PAGE + 1), b'a');
    poke(base + 1, b'x');
    let mut read = [0; 2];
    assert_eq!(syscall::pread(fd, &mut read, 0), Ok(2));
    assert_eq!(&read, b"aa");
    syscall::close(fd).unwrap();
    assert_eq!(peek::<u8>(base + PAGE), b'a', "the mapping outlives the descriptor");
    unmap(base, 2 * PAGE).unwrap();
}

fn a_shared_file_mapping_is_the_file() {
    let fd = file_of(2 * PAGE);
    let one = map(0, 2 * PAGE, READ_WRITE, MAP_SHARED, fd, 0).unwrap();
    let two = map(0, PAGE, PROT_READ, MAP_SHARED, fd, PAGE as i64).unwrap();
    poke(one + PAGE + 5, b'y');
    assert_eq!(peek::<u8>(two + 5), b'y');
    let mut read = [0];
    syscall::pread(fd, &mut read, PAGE as i64 + 5).unwrap();
    assert_eq!(&read, b"y");
    syscall::pwrite(fd, b"z", 3).unwrap();
    assert_eq!(peek::<u8>(one + 3), b'z');
    unmap(one, 2 * PAGE).unwrap();
    unmap(two, PAGE).unwrap();
    syscall::close(fd).unwrap();
}

fn the_tail_of_a_file_mapping_is_zero() {
    let fd = file_of(PAGE + 100);
    let base = map(0, 2 * PAGE, PROT_READ, MAP_PRIVATE, fd, 0).unwrap();
    assert_eq!(peek::<u8>(base + PAGE + 99), b'a');
    assert!(bytes(base + PAGE + 100, PAGE - 100).iter().all(|byte| *byte == 0));
    unmap(base, 2 * PAGE).unwrap();
    syscall::close(fd).unwrap();
}

fn beyond_a_mapped_file_is_a_bus_error() {
    let fd = file_of(100);
    for flags in [MAP_PRIVATE, MAP_SHARED] {
        let base = map(0, 3 * PAGE, READ_WRITE, flags, fd, 0).unwrap();
        let past = base + PAGE + 16;
        expect_fault(SIGBUS, BUS_ADRERR, past, || peek::<u8>(past));
        expect_fault(SIGBUS, BUS_ADRERR, past, || poke(past, 1_u8));
        unmap(base, 3 * PAGE).unwrap();
    }
    syscall::close(fd).unwrap();
}

fn shared_memory_is_shared_with_a_child() {
    let base = map(0, PAGE, READ_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0).unwrap();
    isolated(|| poke(base + 8, 77_u64));
    assert_eq!(peek::<u64>(base + 8), 77);
    unmap(base, PAGE).unwrap();
}

fn mremap_grows_and_moves() {
    let base = map_pages(4);
    bytes(base, 4 * PAGE).fill(6);
    unmap(base + 2 * PAGE, PAGE).unwrap();
    assert_eq!(call!(__NR_mremap, base, 2 * PAGE, 3 * PAGE, 0), Ok(base as u64), "into the hole");
    assert_eq!(
        call!(__NR_mremap, base, 3 * PAGE, 8 * PAGE, 0),
        Err(ENOMEM),
        "no room and may not move"
    );
    let moved = call!(__NR_mremap, base, 3 * PAGE, 8 * PAGE, MREMAP_MAYMOVE).unwrap() as usize;
    assert_eq!((peek::<u8>(moved + 2 * PAGE - 1), peek::<u8>(moved + 7 * PAGE)), (6, 0));
    expect_fault(SIGSEGV, SEGV_MAPERR, base, || peek::<u8>(base));
    assert_eq!(call!(__NR_mremap, moved, 8 * PAGE, PAGE, 0), Ok(moved as u64), "shrinks in place");
    unmap(moved, 8 * PAGE).unwrap();
    unmap(base + 3 * PAGE, PAGE).unwrap();
}

fn the_top_byte_of_an_address_is_ignored() {
    let base = map_pages(1);
    poke(base, 0x1234_u64);
    assert_eq!(peek::<u64>(base | 0x5a << 56), 0x1234);
    unmap(base, PAGE).unwrap();
}
