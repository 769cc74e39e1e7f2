//! The first program: starts and supervises the servers.
