//! The golden files: every number, name, size bound and variant order, compared by a test.
//!
//! `UPDATE_GOLDEN=1 cargo test -p ipc-proto` writes them anew; the diff is for review. Lines
//! that start with `#` are kept: they name retired numbers.

use crate::abi::syscalls::{CALLS, ipc};
use crate::call::Operation;
use crate::{console, echo, log, start, supervisor};
use postcard::experimental::max_size::MaxSize;
use serde::Deserialize;
use serde::de::{Error, Visitor};
use std::fmt::Write;
use std::string::String;
use std::{format, println};

/// The description of a type, brought out as the error of a deserialisation.
#[derive(Debug)]
struct Shape(String);

impl std::fmt::Display for Shape {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Shape {}

impl Error for Shape {
    fn custom<T: std::fmt::Display>(text: T) -> Self {
        Shape(format!("{text}"))
    }
}

/// A deserialiser that finds out what a type is called and consists of, in order.
struct Names;

impl<'de> serde::Deserializer<'de> for Names {
    type Error = Shape;
    fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Shape> {
        Err(Shape::custom("…"))
    }
    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &str,
        variants: &[&str],
        _: V,
    ) -> Result<V::Value, Shape> {
        Err(Shape::custom(format!("enum {name} = {}", variants.join(" | "))))
    }
    fn deserialize_struct<V: Visitor<'de>>(
        self,
        name: &str,
        fields: &[&str],
        _: V,
    ) -> Result<V::Value, Shape> {
        Err(Shape::custom(format!("struct {name} {{ {} }}", fields.join(", "))))
    }
    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        name: &str,
        _: V,
    ) -> Result<V::Value, Shape> {
        Err(Shape::custom(format!("struct {name}(_)")))
    }
    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option
        unit unit_struct seq tuple tuple_struct map identifier ignored_any
    }
}

fn describe<'de, T: Deserialize<'de>>() -> String {
    match T::deserialize(Names) {
        Ok(_) => String::from("?"),
        Err(shape) => format!("{shape}"),
    }
}

fn typed<T: MaxSize + for<'de> Deserialize<'de>>() -> String {
    format!("  {}, at most {} bytes\n", describe::<T>(), T::POSTCARD_MAX_SIZE)
}

fn protocol(name: &str, id: u16, version: u16, operations: &[Operation]) -> String {
    let mut text = format!("protocol {name} {id} version {version}\n");
    let list = |pairs: &[(&str, &str)]| {
        let items = pairs.iter().map(|(name, kind)| format!("{name}: {kind}"));
        items.collect::<std::vec::Vec<_>>().join(", ")
    };
    for op in operations {
        let takes = match op.capabilities {
            [] => String::new(),
            caps => format!(" takes ({})", list(caps)),
        };
        writeln!(
            text,
            "  {} {:?} {}({}){takes} -> {} ({} -> {} bytes)",
            op.number,
            op.retry,
            op.name,
            list(op.arguments),
            op.result,
            op.max_request,
            op.max_reply
        )
        .unwrap();
    }
    text
}

fn protocols() -> String {
    let mut text = protocol(console::NAME, console::ID, console::VERSION, console::OPERATIONS);
    text += &typed::<console::ConsoleError>();
    text += &typed::<console::Modes>();
    text += &typed::<console::WindowSize>();
    text += &typed::<console::Events>();
    text += &protocol(log::NAME, log::ID, log::VERSION, log::OPERATIONS);
    text += &typed::<log::LogError>();
    text += &typed::<log::Level>();
    text +=
        &protocol(supervisor::NAME, supervisor::ID, supervisor::VERSION, supervisor::OPERATIONS);
    text += &typed::<supervisor::SupervisorError>();
    text += &typed::<supervisor::MemoryReport>();
    text += &protocol(echo::NAME, echo::ID, echo::VERSION, echo::OPERATIONS);
    text += &typed::<echo::EchoError>();
    text += "start\n";
    text += &format!("  {}\n", describe::<start::StartInfo<'_>>());
    text += &format!("  {}\n", describe::<start::NamedCapability<'_>>());
    text += &format!("  {}\n", describe::<start::Region<'_>>());
    text += &format!("  {}\n", describe::<start::Span>());
    text
}

fn abi() -> String {
    let mut text = format!(
        "ipc call {} recv {} reply {} reply_recv {} wait {} poll {} signal {} yield {} run {} debug_write {}\n",
        ipc::CALL,
        ipc::RECV,
        ipc::REPLY,
        ipc::REPLY_RECV,
        ipc::WAIT,
        ipc::POLL,
        ipc::SIGNAL,
        ipc::YIELD,
        ipc::RUN,
        ipc::DEBUG_WRITE
    );
    for call in CALLS {
        writeln!(text, "{} {}({})", call.number, call.name, call.arguments.join(", ")).unwrap();
    }
    text
}

fn compare(file: &str, text: &str) {
    let path = format!("{}/golden/{file}", env!("CARGO_MANIFEST_DIR"));
    let old = std::fs::read_to_string(&path).unwrap_or_default();
    let (kept, rest): (std::vec::Vec<_>, std::vec::Vec<_>) =
        old.lines().partition(|line| line.starts_with('#'));
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        let kept: String = kept.iter().map(|line| format!("{line}\n")).collect();
        std::fs::write(&path, kept + text).unwrap();
        return;
    }
    let new: std::vec::Vec<_> = text.lines().collect();
    for line in rest.iter().filter(|line| !new.contains(line)) {
        println!("-{line}");
    }
    for line in new.iter().filter(|line| !rest.contains(line)) {
        println!("+{line}");
    }
    assert_eq!(rest, new, "{file} differs: UPDATE_GOLDEN=1 cargo test -p ipc-proto accepts it");
}

#[test]
fn the_protocols_are_as_the_golden_file_says() {
    compare("protocols.txt", &protocols());
}

#[test]
fn the_system_calls_are_as_the_golden_file_says() {
    compare("abi.txt", &abi());
}

#[test]
fn no_protocol_number_is_given_twice() {
    let ids = [console::ID, log::ID, supervisor::ID, echo::ID];
    let distinct: std::collections::BTreeSet<_> = ids.iter().collect();
    assert_eq!(distinct.len(), ids.len());
}
