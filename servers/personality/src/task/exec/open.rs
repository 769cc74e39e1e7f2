//! From a path to files that can be run: scripts lead to their interpreters, ELF files may name
//! one.

use alloc::sync::Arc;
use alloc::vec::Vec;

use super::{ExecError, Request};
use crate::elf::{self, ElfError, Image, Plan};
use crate::errno::Errno;
use crate::syscall::Ctx;
use crate::vfs::transfer::Bytes;
use crate::vfs::tree::locate;
use crate::vfs::vnode::MAY_EXECUTE;
use crate::vfs::walk::{LastLink, Walker};
use crate::vfs::{Kind, Located, Vnode};

/// Bytes of a script's first line that are looked at.
const SCRIPT_LINE: usize = 256;
/// Scripts that may name scripts.
const SCRIPT_DEPTH: usize = 5;

/// A program ready to be loaded.
pub struct Executable {
    /// The file, and what its headers ask for.
    pub file: Located,
    /// Its plan.
    pub plan: Plan,
    /// The interpreter that it names.
    pub interpreter: Option<(Located, Plan)>,
    /// What to run, after scripts have added their arguments.
    pub request: Request,
}

/// A vnode as something to read headers from.
pub struct VnodeImage<'a>(pub &'a Arc<dyn Vnode>);

impl Image for VnodeImage<'_> {
    fn read_at(&self, offset: u64, into: &mut [u8]) -> usize {
        let mut done = 0;
        while done < into.len() {
            match self.0.read_at(offset + done as u64, &mut Bytes(&mut into[done..])) {
                Ok(0) | Err(_) => break,
                Ok(count) => done += count,
            }
        }
        done
    }
    fn size(&self) -> u64 {
        self.0.stat().size
    }
}

/// Finds the file and reads its headers.
///
/// # Errors
/// Why it cannot be run.
pub fn open(ctx: &Ctx<'_>, mut request: Request) -> Result<Executable, ExecError> {
    let mut path = request.path.clone();
    let mut depth = 0;
    loop {
        let file = find(ctx, &path).map_err(|errno| match depth {
            0 => ExecError::File(errno),
            _ => ExecError::Interpreter(errno),
        })?;
        let Some((interpreter, argument)) = script_line(&file) else {
            return read_headers(ctx, file, request);
        };
        depth += 1;
        if depth == SCRIPT_DEPTH {
            return Err(ExecError::TooManyScripts);
        }
        let rest = request.arguments.get(1..).unwrap_or_default().to_vec();
        request.arguments = Vec::new();
        request.arguments.push(interpreter.clone());
        request.arguments.extend(argument);
        request.arguments.push(path);
        request.arguments.extend(rest);
        path = interpreter;
    }
}

/// Finds a file that the caller may execute.
fn find(ctx: &Ctx<'_>, path: &[u8]) -> Result<Located, Errno> {
    let process = ctx.process();
    let (root, cwd) = {
        let fs = process.fs.lock();
        (fs.root.clone(), fs.cwd.clone())
    };
    let caller = process.caller(ctx.task.tid);
    let mounts = &process.system.vfs.mounts;
    let walker = Walker { mounts, root: &root, caller: &caller };
    let file = locate(walker.walk(&cwd, path, LastLink::Follow)?)?;
    let vnode = &file.place.vnode;
    if vnode.kind() != Kind::File {
        return Err(Errno::EACCES);
    }
    caller.check(&vnode.stat(), MAY_EXECUTE)?;
    Ok(file)
}

/// Reads a script's first line: the interpreter and its argument.
fn script_line(file: &Located) -> Option<(Vec<u8>, Option<Vec<u8>>)> {
    let mut bytes = [0; SCRIPT_LINE];
    let count = VnodeImage(&file.place.vnode).read_at(0, &mut bytes);
    parse_script(&bytes[..count])
}

/// Parses `#! interpreter argument`; the argument is all the rest of the line.
fn parse_script(bytes: &[u8]) -> Option<(Vec<u8>, Option<Vec<u8>>)> {
    let line = bytes.strip_prefix(b"#!")?;
    let line = line.split(|&byte| byte == b'\n').next()?.trim_ascii();
    let end = line.iter().position(|byte| b" \t".contains(byte)).unwrap_or(line.len());
    let (interpreter, rest) = line.split_at(end);
    let rest = rest.trim_ascii();
    let argument = if rest.is_empty() { None } else { Some(rest.to_vec()) };
    (!interpreter.is_empty()).then(|| (interpreter.to_vec(), argument))
}

fn read_headers(ctx: &Ctx<'_>, file: Located, request: Request) -> Result<Executable, ExecError> {
    let image = VnodeImage(&file.place.vnode);
    let plan = elf::plan(&image).map_err(ExecError::Elf)?;
    let interpreter = match plan.interpreter {
        None => None,
        Some(place) => {
            let path = elf::interpreter_path(&image, place).map_err(ExecError::Elf)?;
            let file = find(ctx, &path).map_err(ExecError::Interpreter)?;
            let plan = elf::plan(&VnodeImage(&file.place.vnode));
            let plan = plan.map_err(ExecError::BadInterpreter)?;
            if plan.interpreter.is_some() {
                let nested = ElfError::Malformed("it names an interpreter itself");
                return Err(ExecError::BadInterpreter(nested));
            }
            Some((file, plan))
        }
    };
    Ok(Executable { file, plan, interpreter, request })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_script_names_its_interpreter_and_one_argument() {
        let parse = |text: &str| parse_script(text.as_bytes());
        let some = |path: &str, argument: Option<&str>| {
            Some((path.as_bytes().to_vec(), argument.map(|text| text.as_bytes().to_vec())))
        };
        assert_eq!(parse("#!/bin/sh\necho"), some("/bin/sh", None));
        assert_eq!(parse("#! /bin/awk -f x \n"), some("/bin/awk", Some("-f x")));
        assert_eq!(parse("#!\n"), None);
        assert_eq!(parse("echo"), None);
    }
}
