//! What each verb does with its flags.

pub(crate) mod bench;
pub(crate) mod doctor;
pub(crate) mod inspect;
pub(crate) mod plan;
pub(crate) mod probe;
pub(crate) mod remove;
pub(crate) mod runtime;
pub(crate) mod shell;
