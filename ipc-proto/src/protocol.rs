//! The `protocol!` macro: from one declaration the server's trait, dispatch, client and tables.
//!
//! ```ignore
//! protocol! {
//!     /// A block device.
//!     protocol Block: id = 7, version = 1, error = BlockError;
//!
//!     /// Returns the geometry.
//!     1 Idempotent fn geometry() -> Geometry;
//!
//!     /// Signals `event` at every change.
//!     2 Once fn watch() takes (event: Notification) -> ();
//! }
//! ```
//!
//! makes, in the module of the declaration: `ID`, `VERSION`, `NAME`, `MAX_MESSAGE`, `OPERATIONS`,
//! `trait Block`, `dispatch`, `Server<S: Block>` (a [`Service`](crate::call::Service)) and
//! `Client<T: Transport>`. An operation without documentation, a number given twice and a message
//! that may become too long do not compile.

macro_rules! protocol {
    ($(#[$doc:meta])* protocol $name:ident: id = $id:literal, version = $version:literal, error = $error:ty;
     $( $(#[doc = $opdoc:literal])+ $number:literal $retry:ident fn $op:ident($($arg:ident: $ty:ty),* $(,)?)
        $(takes ($($cap:ident: $kind:ident),+))? -> $ret:ty; )*) => {
        /// The protocol's number.
        pub const ID: u16 = $id;
        /// The protocol's version.
        pub const VERSION: u16 = $version;
        /// The protocol's name.
        pub const NAME: &str = stringify!($name);

        /// The operations as data, in the order of their declaration.
        pub static OPERATIONS: &[$crate::call::Operation] = &[$( $crate::call::Operation {
            number: $number, name: stringify!($op), doc: &[$($opdoc),+], retry: $crate::call::Retry::$retry,
            arguments: &[$((stringify!($arg), stringify!($ty))),*],
            capabilities: &[$($((stringify!($cap), stringify!($kind))),+)?],
            result: stringify!($ret),
            max_request: shape::$op.max_request, max_reply: shape::$op.max_reply,
        } ),*];

        #[allow(non_upper_case_globals, reason = "one constant for each operation, by its name")]
        mod shape {
            #[allow(unused_imports, reason = "the types of the declaration")]
            use super::*;
            use postcard::experimental::max_size::MaxSize;
            use $crate::call::{Retry, Shape, max_reply};
            $( pub(super) const $op: Shape = Shape {
                operation: $number, retry: Retry::$retry,
                max_request: <($($ty,)*) as MaxSize>::POSTCARD_MAX_SIZE, max_reply: max_reply::<$ret, $error>(),
                capabilities: { const NAMES: &[&str] = &[$($(stringify!($cap)),+)?]; NAMES.len() },
            };
            const _: () = assert!($op.max_request <= $crate::abi::layout::MESSAGE_BYTES, "request too long");
            const _: () = assert!($op.max_reply <= $crate::abi::layout::MESSAGE_BYTES, "reply too long");
            const _: () = assert!($number > 0 && $number < $crate::abi::message::MessageInfo::FIRST_RESERVED_LABEL); )*
        }

        /// Most bytes of any request or reply of the protocol.
        pub const MAX_MESSAGE: usize = {
            let lengths = [$( shape::$op.max_request, shape::$op.max_reply ),*];
            let (mut longest, mut at) = (0, 0);
            while at < lengths.len() { if lengths[at] > longest { longest = lengths[at]; } at += 1; }
            longest
        };

        $(#[$doc])*
        pub trait $name {
            $( $(#[doc = $opdoc])+
               ///
               /// # Errors
               /// As the protocol's error says.
               fn $op(&mut self, caller: $crate::call::Badge, $($arg: $ty,)* $($($cap: $crate::capability::Cap<$crate::capability::kind::$kind>),+)?)
                   -> Result<$ret, $error>; )*
        }

        /// Decodes a request, carries it out on `server`, encodes the reply; returns its length.
        ///
        /// # Errors
        /// [`Malformed`](crate::call::Malformed) if the request stands for nothing; then nothing was done.
        #[deny(unreachable_patterns)]
        #[inline(always)]
        pub fn dispatch(server: &mut impl $name, message: $crate::call::Message<'_>) -> Result<usize, $crate::call::Malformed> {
            match message.operation {
                $( $number => {
                    #[allow(unused_mut, reason = "most operations take no capabilities")]
                    let mut received = message.capabilities;
                    received.check_count(shape::$op.capabilities)?;
                    $($( let $cap = received.next_of_kind()?; )+)?
                    let request = message.space.get(..message.length).ok_or($crate::call::Malformed)?;
                    let ($($arg,)*): ($($ty,)*) = $crate::call::decode_exactly(request)?;
                    let answer: Result<$ret, $error> = server.$op(message.caller, $($arg,)* $($($cap),+)?);
                    $crate::call::encode_reply(&answer, message.space)
                } )*
                _ => Err($crate::call::Malformed),
            }
        }

        /// A server of this protocol alone, as a service.
        #[derive(Debug)]
        pub struct Server<S>(pub S);

        impl<S: $name> $crate::call::Service for Server<S> {
            const MAX_MESSAGE: usize = MAX_MESSAGE;
            #[inline(always)]
            fn request(&mut self, message: $crate::call::Message<'_>) -> Result<usize, $crate::call::Malformed> {
                dispatch(&mut self.0, message)
            }
        }

        /// The client's side over any transport.
        #[derive(Clone, Copy, Debug)]
        pub struct Client<T>(pub T);

        impl<T: $crate::call::Transport> Client<T> {
            $( $(#[doc = $opdoc])+
               ///
               /// # Errors
               /// The server's refusal, or what kept the call from it.
               #[inline]
               pub fn $op(&self, $($arg: $ty,)* $($($cap: $crate::capability::Cap<$crate::capability::kind::$kind>),+)?)
                   -> Result<$ret, $crate::call::CallError<$error>> {
                   $crate::call::call(&self.0, shape::$op, &[$($($cap.slot()),+)?], &($($arg,)*))
               } )*
        }
    };
}

pub(crate) use protocol;

#[cfg(test)]
mod tests;
