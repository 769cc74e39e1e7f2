//! Scheduling: fixed priorities, round robin within one, budgets that travel with calls.
//!
//! | module | what it does |
//! | --- | --- |
//! | [`queue`] | queues of threads, linked through the threads |
//! | [`run_queue`] | the ready threads of one core, by priority |
//! | [`deadline`] | the waiting threads that have a deadline, earliest first |
//! | [`switch`] | who runs next, and what the machine must do for it |

pub mod deadline;
pub mod queue;
pub mod run_queue;
pub mod switch;
