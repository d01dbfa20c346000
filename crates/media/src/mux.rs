//! tmp
#![allow(missing_docs, clippy::all)]
use crate::*;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::ops::ControlFlow;
use std::path::Path;
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CopyPlan {}
impl CopyPlan {
    pub fn fates(&self) -> Vec<(usize, String, String)> {
        vec![]
    }
}
pub struct Written {
    pub bytes: u64,
}
pub struct Check {
    pub name: String,
    pub ok: bool,
    pub detail: String,
}
pub struct Verification {
    pub checks: Vec<Check>,
}
pub fn container_of(_: &Path, _: &SourceInfo) -> Result<Container> {
    todo!()
}
pub fn plan_copy(_: &Source, _: Container, _: &EncoderSpec, _: bool, _: &BTreeSet<String>) -> Result<CopyPlan> {
    todo!()
}
pub fn assemble<R: std::io::Read>(
    _: &Source,
    _: &CopyPlan,
    _: &mut dyn Iterator<Item = Result<PackReader<R>>>,
    _: &Path,
    _: &mut dyn FnMut(u64, u64) -> ControlFlow<()>,
) -> Result<Written> {
    todo!()
}
pub fn assemble_alone<R: std::io::Read>(
    _: &mut dyn Iterator<Item = Result<PackReader<R>>>,
    _: &Path,
    _: &mut dyn FnMut(u64, u64) -> ControlFlow<()>,
) -> Result<Written> {
    todo!()
}
pub fn verify(
    _: &Path,
    _: &Source,
    _: &CopyPlan,
    _: &Written,
    _: &mut dyn FnMut(u64, u64) -> ControlFlow<()>,
) -> Result<Verification> {
    todo!()
}
pub fn commit(_: &Path, _: &Path, _: bool) -> Result<()> {
    todo!()
}
