//! Stands in for functions of the engine until they land; deleted before the end.
#![allow(dead_code)]
use std::path::Path;

use cleanplate::{Error, Job, Observer, Options, Report, Result, Times};
use serde::Serialize;

#[derive(Debug, Serialize)]
pub(crate) struct Probe {
    pub(crate) source: cleanplate_media::SourceInfo,
    pub(crate) kept: Vec<String>,
    pub(crate) lost: Vec<String>,
    pub(crate) encoder: Vec<String>,
    pub(crate) damage: Vec<String>,
}

#[derive(Debug, Serialize)]
pub(crate) struct Plan {}

impl Plan {
    pub(crate) fn save(&self, _: &Path) -> Result<()> {
        Err(missing())
    }
}

fn missing() -> Error {
    Error::Internal("not there yet".to_owned())
}

pub(crate) fn run(_: &Job, _: &mut dyn Observer) -> Result<Report> {
    Err(missing())
}
pub(crate) fn probe(_: &Path, _: &Options) -> Result<Probe> {
    Err(missing())
}
pub(crate) fn plan(_: &Job, _: &mut dyn Observer) -> Result<Plan> {
    Err(missing())
}
pub(crate) fn preview(_: &Job, _: Option<&Times>, _: &Path, _: &mut dyn Observer) -> Result<()> {
    Err(missing())
}
pub(crate) fn inspect(_: &Job, _: Option<&Times>, _: &Path, _: &mut dyn Observer) -> Result<()> {
    Err(missing())
}
