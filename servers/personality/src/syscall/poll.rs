//! Waiting for several files: ppoll, pselect6, epoll.

use alloc::sync::Arc;
use alloc::vec;
use alloc::vec::Vec;
use core::sync::atomic::Ordering;

use linux_raw_sys::general as linux;

use super::pipe::install_nameless;
use super::{Ctx, fd};
use crate::errno::Errno;
use crate::signal::SigSet;
use crate::task::work;
use crate::time::SECOND;
use crate::vfs::OpenFile;
use crate::vfs::abi::{Record, read_half, read_long, read_word};
use crate::vfs::epoll::{EpollSet, Interest, Report, set_of};
use crate::vfs::vnode::Direction;
use crate::wait::{Deadline, WaitQueue};

/// Bytes of `sigset_t` as the system calls have it.
const SIGSET_BYTES: u64 = 8;
/// Bytes of `struct pollfd`.
const POLLFD_BYTES: usize = 8;
/// Events that are told without being asked for.
const ALWAYS: u32 = linux::POLLERR | linux::POLLHUP | linux::POLLNVAL;

/// How long to wait.
#[derive(Clone, Copy)]
enum Timeout {
    Never,
    /// Only look.
    Now,
    At(Deadline),
}

impl Timeout {
    /// So many nanoseconds from now.
    fn after(ctx: &Ctx<'_>, nanoseconds: u64) -> Self {
        if nanoseconds == 0 {
            return Timeout::Now;
        }
        let system = ctx.system();
        Timeout::At(system.clock.deadline(system.monotonic().saturating_add(nanoseconds)))
    }

    /// Reads a `struct timespec` at an address that may be null.
    fn read(ctx: &Ctx<'_>, address: u64) -> Result<Self, Errno> {
        if address == 0 {
            return Ok(Timeout::Never);
        }
        let mut bytes = [0; 16];
        ctx.memory.read(address, &mut bytes)?;
        let (seconds, nanoseconds) = (read_long(&bytes, 0), read_long(&bytes, 8));
        if seconds > i64::MAX as u64 || nanoseconds >= SECOND {
            return Err(Errno::EINVAL);
        }
        Ok(Self::after(ctx, seconds.saturating_mul(SECOND).saturating_add(nanoseconds)))
    }

    /// Writes back what is left, as `ppoll` and `pselect6` do; a bad address is no error.
    fn write_rest(self, ctx: &Ctx<'_>, address: u64) {
        if address == 0 {
            return;
        }
        let system = ctx.system();
        let left = match self {
            Timeout::At(deadline) => {
                system.clock.monotonic(deadline.0).saturating_sub(system.monotonic())
            }
            _ => 0,
        };
        let record: [u8; 16] = Record::default().long(left / SECOND).long(left % SECOND).finish();
        let _ = ctx.memory.write(address, &record);
    }
}

/// Blocks other signals while the call waits; the mask comes back when the call has ended.
fn set_mask(ctx: &Ctx<'_>, address: u64, size: u64) -> Result<(), Errno> {
    if address == 0 {
        return Ok(());
    }
    if size != SIGSET_BYTES {
        return Err(Errno::EINVAL);
    }
    let mask = SigSet(ctx.memory.read_u64(address)?).blockable();
    let mut signals = ctx.task.signals.lock();
    let old = core::mem::replace(&mut signals.mask, mask);
    signals.saved_mask.get_or_insert(old);
    drop(signals);
    // What the new mask lets through must be looked for.
    ctx.task.work.fetch_or(work::RESTORE_MASK | work::SIGNAL, Ordering::AcqRel);
    Ok(())
}

/// One file to wait for.
struct Watch {
    /// `None` when the descriptor is not open.
    file: Option<Arc<OpenFile>>,
    /// What is asked for.
    events: u32,
}

impl Watch {
    /// The events that hold, of those asked for.
    fn look(&self) -> u32 {
        match &self.file {
            None => linux::POLLNVAL,
            Some(file) if file.is_path() => linux::POLLNVAL,
            Some(file) => file.io().readiness() & (self.events | ALWAYS),
        }
    }
}

/// All files whose queues must be waited on for `files`: the members of sets among them too.
fn with_members(files: impl Iterator<Item = Arc<OpenFile>>) -> Vec<Arc<OpenFile>> {
    let mut all: Vec<_> = files.collect();
    let mut next = 0;
    while let Some(file) = all.get(next) {
        let members = set_of(file).map(EpollSet::files);
        all.extend(members.unwrap_or_default());
        next += 1;
    }
    all
}

/// The queues of files, in both directions: an end that closes shows in the other one.
fn queues_of(files: &[Arc<OpenFile>]) -> Vec<&WaitQueue> {
    let mut queues = Vec::new();
    for file in files {
        for direction in [Direction::Input, Direction::Output] {
            queues.extend(file.io().queue(direction));
        }
    }
    queues
}

/// Repeats `look` until it finds something or time is up.
fn wait_for_any(
    ctx: &mut Ctx<'_>,
    timeout: Timeout,
    files: impl Fn() -> Vec<Arc<OpenFile>>,
    mut look: impl FnMut() -> usize,
) -> Result<usize, Errno> {
    let found = look();
    let deadline = match timeout {
        _ if found > 0 => return Ok(found),
        Timeout::Now => return Ok(0),
        Timeout::Never => None,
        Timeout::At(deadline) => Some(deadline),
    };
    let watched = files();
    let queues = queues_of(&watched);
    let found = ctx.wait_on(&queues, deadline, |_| match look() {
        0 => Ok(None),
        found => Ok(Some(found)),
    })?;
    Ok(found.unwrap_or(0))
}

fn wait_watches(
    ctx: &mut Ctx<'_>,
    timeout: Timeout,
    watches: &[Watch],
    results: &mut [u32],
) -> Result<usize, Errno> {
    let files = || with_members(watches.iter().filter_map(|watch| watch.file.clone()));
    wait_for_any(ctx, timeout, files, || {
        let mut found = 0;
        for (watch, result) in watches.iter().zip(results.iter_mut()) {
            *result = watch.look();
            found += usize::from(*result != 0);
        }
        found
    })
}

pub(super) fn ppoll(ctx: &mut Ctx<'_>, args: [u64; 6]) -> Result<u64, Errno> {
    let [address, count, timeout_address, mask, mask_size, ..] = args;
    if count > fd::open_limit(ctx) {
        return Err(Errno::EINVAL);
    }
    let timeout = Timeout::read(ctx, timeout_address)?;
    let mut bytes = ctx.memory.read_bytes(address, count as usize * POLLFD_BYTES)?;
    set_mask(ctx, mask, mask_size)?;
    let watches: Vec<Option<Watch>> = bytes
        .chunks_exact(POLLFD_BYTES)
        .map(|entry| {
            let number = read_word(entry, 0);
            // A negative descriptor is skipped, and nothing is told about it.
            let file =
                (number.cast_signed() >= 0).then(|| fd::file(ctx, u64::from(number)).ok())?;
            Some(Watch { file, events: u32::from(read_half(entry, 4)) })
        })
        .collect();
    let indices: Vec<usize> =
        watches.iter().enumerate().filter(|(_, watch)| watch.is_some()).map(|(at, _)| at).collect();
    let watches: Vec<Watch> = watches.into_iter().flatten().collect();
    let mut results = vec![0; watches.len()];
    let found = wait_watches(ctx, timeout, &watches, &mut results);
    timeout.write_rest(ctx, timeout_address);
    let found = found?;
    for entry in bytes.chunks_exact_mut(POLLFD_BYTES) {
        entry[6..].fill(0);
    }
    for (index, result) in indices.into_iter().zip(results) {
        let at = index * POLLFD_BYTES + 6;
        if let Some(field) = bytes.get_mut(at..at + 2) {
            field.copy_from_slice(&(result as u16).to_le_bytes());
        }
    }
    ctx.memory.write(address, &bytes)?;
    Ok(found as u64)
}

/// The three sets of `select`, and the events that each stands for.
const SELECT_EVENTS: [u32; 3] = [
    linux::POLLIN | linux::POLLRDNORM | linux::POLLRDBAND | linux::POLLHUP | linux::POLLERR,
    linux::POLLOUT | linux::POLLWRNORM | linux::POLLWRBAND | linux::POLLERR,
    linux::POLLPRI,
];

pub(super) fn pselect6(ctx: &mut Ctx<'_>, args: [u64; 6]) -> Result<u64, Errno> {
    let [count, input, output, exceptional, timeout_address, mask] = args;
    if count as i32 as i64 != count.cast_signed() || (count as i32) < 0 {
        return Err(Errno::EINVAL);
    }
    let count = (count as usize).min(fd::open_limit(ctx) as usize);
    let timeout = Timeout::read(ctx, timeout_address)?;
    let addresses = [input, output, exceptional];
    let mut sets = [const { Vec::new() }; 3];
    for (set, address) in sets.iter_mut().zip(addresses) {
        if address != 0 {
            *set = ctx.memory.read_bytes(address, count.div_ceil(64) * 8)?;
        }
    }
    if mask != 0 {
        set_mask(ctx, ctx.memory.read_u64(mask)?, ctx.memory.read_u64(mask.wrapping_add(8))?)?;
    }
    let (numbers, watches) = select_watches(ctx, count, &sets)?;
    let mut results = vec![0; watches.len()];
    let found = wait_watches(ctx, timeout, &watches, &mut results);
    timeout.write_rest(ctx, timeout_address);
    found?;
    let mut told = 0;
    for ((set, events), address) in sets.iter_mut().zip(SELECT_EVENTS).zip(addresses) {
        let asked = core::mem::replace(set, vec![0; set.len()]);
        for (&number, &result) in numbers.iter().zip(&results) {
            if has_bit(&asked, number) && result & events != 0 {
                set_bit(set, number);
                told += 1;
            }
        }
        if address != 0 {
            ctx.memory.write(address, set)?;
        }
    }
    Ok(told)
}

/// The descriptors in any of the sets, and what to look for in each.
fn select_watches(
    ctx: &Ctx<'_>,
    count: usize,
    sets: &[Vec<u8>; 3],
) -> Result<(Vec<usize>, Vec<Watch>), Errno> {
    let (mut numbers, mut watches) = (Vec::new(), Vec::new());
    for number in 0..count {
        let asked = sets.iter().zip(SELECT_EVENTS).filter(|(set, _)| has_bit(set, number));
        let events = asked.fold(0, |events, (_, one)| events | one);
        if events != 0 {
            let file = Some(fd::file(ctx, number as u64)?);
            numbers.push(number);
            watches.push(Watch { file, events });
        }
    }
    Ok((numbers, watches))
}

fn has_bit(set: &[u8], number: usize) -> bool {
    set.get(number / 8).is_some_and(|byte| byte >> (number % 8) & 1 != 0)
}

fn set_bit(set: &mut [u8], number: usize) {
    if let Some(byte) = set.get_mut(number / 8) {
        *byte |= 1 << (number % 8);
    }
}

/// Bytes of `struct epoll_event` on arm64, where it is not packed.
const EPOLL_EVENT_BYTES: usize = 16;
/// Most events that one wait tells.
const EPOLL_EVENTS_LIMIT: usize = i32::MAX as usize / EPOLL_EVENT_BYTES;

pub(super) fn epoll_create1(ctx: &mut Ctx<'_>, [flags, ..]: [u64; 6]) -> Result<u64, Errno> {
    let flags = flags as u32;
    if flags & !linux::EPOLL_CLOEXEC != 0 {
        return Err(Errno::EINVAL);
    }
    install_nameless(ctx, Arc::new(EpollSet::default()), flags | linux::O_RDWR)
}

pub(super) fn epoll_ctl(ctx: &mut Ctx<'_>, args: [u64; 6]) -> Result<u64, Errno> {
    let [set_fd, operation, number, event, ..] = args;
    let operation = operation as u32;
    let mut interest = Interest { events: 0, data: 0 };
    if operation != linux::EPOLL_CTL_DEL {
        let mut bytes = [0; EPOLL_EVENT_BYTES];
        ctx.memory.read(event, &mut bytes)?;
        interest = Interest { events: read_word(&bytes, 0), data: read_long(&bytes, 8) };
    }
    let (holder, file) = (fd::usable_file(ctx, set_fd)?, fd::usable_file(ctx, number)?);
    let set = set_of(&holder).ok_or(Errno::EINVAL)?;
    if Arc::ptr_eq(&holder, &file) {
        return Err(Errno::EINVAL);
    }
    // Files and directories are always ready, and Linux takes none into a set.
    if file.io().queue(Direction::Input).is_none() {
        return Err(Errno::EPERM);
    }
    let number = number as u32;
    match operation {
        linux::EPOLL_CTL_ADD => set.add(number, &file, interest),
        linux::EPOLL_CTL_MOD => set.modify(number, &file, interest),
        linux::EPOLL_CTL_DEL => set.remove(number, &file),
        _ => Err(Errno::EINVAL),
    }?;
    Ok(0)
}

pub(super) fn epoll_pwait(ctx: &mut Ctx<'_>, args: [u64; 6]) -> Result<u64, Errno> {
    let [_, _, _, timeout, mask, mask_size] = args;
    // An int of milliseconds; negative is for ever.
    let timeout = match timeout as i32 {
        milliseconds @ 0.. => Timeout::after(ctx, milliseconds as u64 * (SECOND / 1000)),
        _ => Timeout::Never,
    };
    wait_set(ctx, args, timeout, mask, mask_size)
}

pub(super) fn epoll_pwait2(ctx: &mut Ctx<'_>, args: [u64; 6]) -> Result<u64, Errno> {
    let [_, _, _, timeout, mask, mask_size] = args;
    let timeout = Timeout::read(ctx, timeout)?;
    wait_set(ctx, args, timeout, mask, mask_size)
}

fn wait_set(
    ctx: &mut Ctx<'_>,
    [set_fd, events, limit, ..]: [u64; 6],
    timeout: Timeout,
    mask: u64,
    mask_size: u64,
) -> Result<u64, Errno> {
    let limit = limit as i32;
    if limit <= 0 || limit as usize > EPOLL_EVENTS_LIMIT {
        return Err(Errno::EINVAL);
    }
    let holder = fd::usable_file(ctx, set_fd)?;
    let set = set_of(&holder).ok_or(Errno::EINVAL)?;
    set_mask(ctx, mask, mask_size)?;
    let reports = collect(ctx, &holder, set, limit as usize, timeout)?;
    for (index, report) in reports.iter().enumerate() {
        let record: [u8; EPOLL_EVENT_BYTES] =
            Record::default().word(report.events).skip(4).long(report.data).finish();
        let at = events.wrapping_add((index * EPOLL_EVENT_BYTES) as u64);
        ctx.memory.write(at, &record)?;
    }
    Ok(reports.len() as u64)
}

fn collect(
    ctx: &mut Ctx<'_>,
    holder: &Arc<OpenFile>,
    set: &EpollSet,
    limit: usize,
    timeout: Timeout,
) -> Result<Vec<Report>, Errno> {
    loop {
        let generation = set.generation();
        let mut reports = Vec::new();
        let files = || with_members(core::iter::once(holder.clone()));
        let found = wait_for_any(ctx, timeout, files, || {
            reports = set.collect(limit);
            // New members have queues that nobody waits on yet: begin again.
            reports.len().max(usize::from(set.generation() != generation))
        })?;
        if found == 0 || !reports.is_empty() {
            return Ok(reports);
        }
    }
}
