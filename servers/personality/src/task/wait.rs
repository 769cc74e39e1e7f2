//! Waiting for children: `wait4` and `waitid`.

use alloc::sync::Arc;
use core::sync::atomic::Ordering;

use super::Process;
use super::tree::{Event, NoChild, Wanted, Which};
use crate::errno::Errno;
use crate::syscall::Ctx;

/// Waits for an event of a child; `Ok(None)` if there is none and `may_block` is not set.
///
/// # Errors
/// `ECHILD`, `EINTR`.
pub fn wait(
    ctx: &mut Ctx<'_>,
    which: Which,
    wanted: Wanted,
    may_block: bool,
) -> Result<Option<(Arc<Process>, Event)>, Errno> {
    let process = ctx.task.process.clone();
    let attempt = |_: &mut Ctx<'_>| {
        process
            .system
            .with_tree(|tree| tree.wait(process.pid, which, wanted))
            .map_err(|NoChild| Errno::ECHILD)
    };
    let found = if may_block {
        ctx.wait_on(&[&process.child_events], None, attempt)?
    } else {
        attempt(ctx)?
    };
    if let Some((child, Event::Ended(_))) = &found
        && !wanted.keep
    {
        let used = child.cpu_ticks() + child.ended.children.load(Ordering::Relaxed);
        process.ended.children.fetch_add(used, Ordering::Relaxed);
    }
    Ok(found)
}
