//! From the server start to the first process.
