//! System descriptions: read from TOML, checked, encoded for `root`, and shown as authority.
//!
//! The types are [`ipc_proto::system`]'s; here is what they cannot say themselves: that names
//! are distinct, that who is called exists and answers, that what exists once is held once.

use crate::manifest::Manifest;
use ipc_proto::system::{MAX_DESCRIPTION_BYTES, Protocol, ROOT, Server, Source, SystemDescription};
use std::collections::BTreeSet;
use std::fmt::Write;
use thiserror::Error;

/// Why a system description was refused. Names are a server's and a capability's.
#[derive(Debug, Error)]
pub enum SystemError {
    /// It is not TOML of the right shape.
    #[error(transparent)]
    Toml(#[from] toml::de::Error),
    /// Its name is not that of its file.
    #[error("the file of system `{0}` has another name")]
    Name(String),
    /// Two servers, or two capabilities of one server, have the same name.
    #[error("`{0}` is named twice")]
    Twice(String),
    /// A server's program is not in bootfs.
    #[error("{0}: bootfs has no `{1}`")]
    NoProgram(String, String),
    /// A server calls another that does not answer that protocol.
    #[error("{0}: `{1}` calls `{2}`, which does not serve {3:?}")]
    NotServed(String, String, String, Protocol),
    /// A server calls one of lower priority, which might then never get to answer.
    #[error("{0}: `{1}` calls `{2}`, which has a lower priority")]
    Downwards(String, String, String),
    /// Two servers hold what exists once.
    #[error("{0}: `{1}` is already held by another server")]
    HeldTwice(String, String),
    /// The encoding is longer than root accepts.
    #[error("the description takes more than {MAX_DESCRIPTION_BYTES} bytes")]
    TooLong,
}

/// Reads and checks the description in `text`, which must be named `name`.
///
/// # Errors
/// What is wrong with it, naming the server and the capability.
pub fn parse(
    name: &str,
    text: &str,
    manifest: &Manifest,
) -> Result<SystemDescription, SystemError> {
    let system: SystemDescription = toml::from_str(text)?;
    if system.name != name {
        return Err(SystemError::Name(system.name.to_string()));
    }
    let mut names = BTreeSet::from([ROOT]);
    let mut held_once = BTreeSet::new();
    for server in &system.servers {
        if !names.insert(&server.name) {
            return Err(SystemError::Twice(server.name.to_string()));
        }
        if !manifest.contains(&server.program) {
            return Err(SystemError::NoProgram(
                server.name.to_string(),
                server.program.to_string(),
            ));
        }
        check_holds(&system, server, &mut held_once)?;
    }
    Ok(system)
}

fn check_holds(
    system: &SystemDescription,
    server: &Server,
    held_once: &mut BTreeSet<&'static str>,
) -> Result<(), SystemError> {
    let mut names = BTreeSet::new();
    for hold in &server.holds {
        let (holder, name) = (server.name.to_string(), hold.name.to_string());
        if !names.insert(&hold.name) {
            return Err(SystemError::Twice(format!("{holder}.{name}")));
        }
        if let Some(kind) = exists_once(&hold.what)
            && !held_once.insert(kind)
        {
            return Err(SystemError::HeldTwice(holder, name));
        }
        if let Source::Call { server: callee, protocol } = &hold.what {
            check_call(system, server, &name, callee, *protocol)?;
        }
    }
    Ok(())
}

fn check_call(
    system: &SystemDescription,
    caller: &Server,
    name: &str,
    callee: &str,
    protocol: Protocol,
) -> Result<(), SystemError> {
    let names = || (caller.name.to_string(), name.to_owned(), callee.to_owned());
    let (priority, is_served) = if callee == ROOT {
        (u8::MAX, protocol == Protocol::Supervisor)
    } else {
        let server = system.servers.iter().find(|server| server.name == callee);
        let protocols = server.iter().flat_map(|server| &server.holds).filter_map(|hold| {
            if let Source::Serve { protocols } = &hold.what { Some(protocols) } else { None }
        });
        let is_served = protocols.flatten().any(|served| *served == protocol);
        (server.map_or(0, |server| server.priority), is_served)
    };
    if !is_served {
        let (caller, name, callee) = names();
        return Err(SystemError::NotServed(caller, name, callee, protocol));
    }
    if priority < caller.priority {
        let (caller, name, callee) = names();
        return Err(SystemError::Downwards(caller, name, callee));
    }
    Ok(())
}

/// Names the kind of a source that only one server of a system can hold.
fn exists_once(source: &Source) -> Option<&'static str> {
    match source {
        Source::UartRegisters => Some("uart-registers"),
        Source::UartIrq => Some("uart-irq"),
        Source::RtcRegisters => Some("rtc-registers"),
        Source::Pool => Some("pool"),
        _ => None,
    }
}

/// Encodes a description for root.
///
/// # Errors
/// If the encoding is too long.
pub fn encode(system: &SystemDescription) -> Result<Vec<u8>, SystemError> {
    let mut buffer = [0; MAX_DESCRIPTION_BYTES];
    let encoded = postcard::to_slice(system, &mut buffer).map_err(|_| SystemError::TooLong)?;
    Ok(encoded.to_vec())
}

/// Writes who holds what as sorted text, so that a change that widens authority shows in a diff.
#[must_use]
pub fn authority(system: &SystemDescription) -> String {
    let mut lines: Vec<String> = Vec::new();
    for server in &system.servers {
        let (name, domain, priority) = (&server.name, &server.domain, server.priority);
        lines.push(format!("{name}: domain {domain}, priority {priority}"));
        for hold in &server.holds {
            let mut line = format!("{name}: {} = ", hold.name);
            let _ = match &hold.what {
                Source::Call { server, protocol } => write!(line, "call {server} by {protocol:?}"),
                Source::Serve { protocols } => write!(line, "serve {:?}", protocols.as_slice()),
                Source::Untyped(amount) => {
                    write!(line, "untyped, {} KiB and {} ‰ of RAM", amount.kib, amount.per_mille)
                }
                other => write!(line, "{other:?}"),
            };
            lines.push(line);
        }
    }
    lines.sort();
    lines.join("\n") + "\n"
}

#[cfg(test)]
mod tests;
