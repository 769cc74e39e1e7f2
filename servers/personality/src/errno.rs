//! Error numbers of Linux, and the one place where domain errors become them.

use linux_raw_sys::errno as raw;

/// An error number as a Linux system call reports it (negated, in x0).
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Errno(pub u16);

macro_rules! errnos {
    ($($name:ident)*) => {
        #[allow(missing_docs, reason = "the names are Linux's; errno(3) documents them")]
        impl Errno {
            $( pub const $name: Errno = Errno(raw::$name as u16); )*

            /// Returns the symbolic name, or `E?` for a number that has none here.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self { $( Errno::$name => stringify!($name), )* _ => "E?" }
            }
        }
    };
}

errnos! {
    EPERM ENOENT ESRCH EINTR EIO ENXIO E2BIG ENOEXEC EBADF ECHILD EAGAIN ENOMEM EACCES EFAULT
    ENOTBLK EBUSY EEXIST EXDEV ENODEV ENOTDIR EISDIR EINVAL ENFILE EMFILE ENOTTY ETXTBSY EFBIG
    ENOSPC ESPIPE EROFS EMLINK EPIPE EDOM ERANGE EDEADLK ENAMETOOLONG ENOLCK ENOSYS ENOTEMPTY
    ELOOP ENODATA EOVERFLOW ELIBBAD ENOTSOCK EOPNOTSUPP EAFNOSUPPORT ETIMEDOUT ESTALE
    EUSERS EBADMSG EPROTO ECANCELED
}

impl core::fmt::Debug for Errno {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "{}({})", self.name(), self.0)
    }
}

impl core::fmt::Display for Errno {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(self.name())
    }
}
