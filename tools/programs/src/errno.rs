//! Linux error numbers, printed by name.

use core::fmt;

/// An error that a system call returned.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Errno(pub u32);

macro_rules! errnos {
    ($($name:ident)*) => {
        $(
            #[doc = concat!("`", stringify!($name), "` of Linux.")]
            pub const $name: Errno = Errno(linux_raw_sys::errno::$name);
        )*

        impl fmt::Debug for Errno {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                match *self {
                    $($name => f.write_str(stringify!($name)),)*
                    Errno(number) => write!(f, "errno {number}"),
                }
            }
        }
    };
}

errnos! {
    E2BIG EACCES EAGAIN EBADF ECHILD EEXIST EFAULT EINTR EINVAL EISDIR ELOOP EMFILE ENAMETOOLONG ENODEV
    ENOENT ENOEXEC ENOMEM ENOSPC ENOSYS ENOTDIR ENOTEMPTY ENOTTY ENXIO EOPNOTSUPP EPERM
    EPIPE ERANGE EROFS ESPIPE ESRCH ETIMEDOUT EXDEV
}
