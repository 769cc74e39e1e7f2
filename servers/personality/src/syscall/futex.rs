//! `futex` and its relatives.

use linux_raw_sys::general as linux;

use super::Ctx;
use super::time::{after, read_timespec};
use crate::errno::Errno;
use crate::futex::{ANY, key_of, wait};
use crate::wait::Deadline;

/// `futex(word, op, value, timeout, word2, value3)`.
pub(super) fn futex(ctx: &mut Ctx<'_>, args: [u64; 6]) -> Result<u64, Errno> {
    let [word, op, value, timeout, word2, value3] = args;
    let op = op as u32;
    let is_private = op & linux::FUTEX_PRIVATE_FLAG != 0;
    let value = value as u32;
    match op & linux::FUTEX_CMD_MASK as u32 {
        linux::FUTEX_WAIT => sleep(ctx, word, is_private, value, timeout, None, ANY),
        linux::FUTEX_WAIT_BITSET => {
            let is_realtime = op & linux::FUTEX_CLOCK_REALTIME != 0;
            sleep(ctx, word, is_private, value, timeout, Some(is_realtime), value3 as u32)
        }
        linux::FUTEX_WAKE => wake(ctx, word, is_private, value, ANY),
        linux::FUTEX_WAKE_BITSET => wake(ctx, word, is_private, value, value3 as u32),
        linux::FUTEX_REQUEUE => {
            requeue(ctx, [word, word2], is_private, value, timeout as u32, None)
        }
        linux::FUTEX_CMP_REQUEUE => {
            requeue(ctx, [word, word2], is_private, value, timeout as u32, Some(value3 as u32))
        }
        _ => Err(Errno::ENOSYS),
    }
}

/// `absolute` says whether the timeout is absolute, and then whether it is the time of day.
fn sleep(
    ctx: &mut Ctx<'_>,
    word: u64,
    is_private: bool,
    value: u32,
    timeout: u64,
    absolute: Option<bool>,
    bits: u32,
) -> Result<u64, Errno> {
    if bits == 0 {
        return Err(Errno::EINVAL);
    }
    let deadline = read_deadline(ctx, timeout, absolute)?;
    let key = key_of(ctx.task, word, is_private)?;
    match wait(ctx, key, word, value, bits, deadline)? {
        true => Ok(0),
        false => Err(Errno::ETIMEDOUT),
    }
}

fn read_deadline(
    ctx: &Ctx<'_>,
    timeout: u64,
    absolute: Option<bool>,
) -> Result<Option<Deadline>, Errno> {
    if timeout == 0 {
        return Ok(None);
    }
    let time = read_timespec(ctx, timeout)?;
    let system = ctx.system();
    Ok(Some(match absolute {
        None => after(ctx, time),
        Some(false) => system.clock.deadline(time),
        Some(true) => system.clock.deadline(time.saturating_sub(system.clock.epoch())),
    }))
}

fn wake(ctx: &Ctx<'_>, word: u64, is_private: bool, count: u32, bits: u32) -> Result<u64, Errno> {
    if bits == 0 {
        return Err(Errno::EINVAL);
    }
    let key = key_of(ctx.task, word, is_private)?;
    // As in Linux: 0 and negative counts wake one.
    let count = (count as i32).max(1) as usize;
    Ok(ctx.system().futexes.wake(key, count, bits) as u64)
}

fn requeue(
    ctx: &Ctx<'_>,
    words: [u64; 2],
    is_private: bool,
    wake: u32,
    move_on: u32,
    expected: Option<u32>,
) -> Result<u64, Errno> {
    if (wake as i32) < 0 || (move_on as i32) < 0 {
        return Err(Errno::EINVAL);
    }
    let from = key_of(ctx.task, words[0], is_private)?;
    let to = key_of(ctx.task, words[1], is_private)?;
    if let Some(expected) = expected
        && ctx.memory.read_u32(words[0])? != expected
    {
        return Err(Errno::EAGAIN);
    }
    let (woken, moved) = ctx.system().futexes.requeue(from, to, wake as usize, move_on as usize);
    Ok(if expected.is_some() { woken + moved } else { woken } as u64)
}
