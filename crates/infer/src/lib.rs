//! Networks on tensors: users' ONNX files, opened on the first runtime that proves to compute them right.
//!
//! A [`Net`] runs on one of an ordered list of candidates: ONNX Runtime where it is installed (loaded at run time), on a device or on the
//! processor, else the embedded runtime. Each has to reproduce a golden output first, then the network has to give the same finite numbers
//! twice, and on a device what it gives on the processor; who refuses does so with a reason. On top lies what four kinds of networks mean: [`Yolo`] detectors, [`Inpainter`]s, [`DbNet`] text
//! detectors and [`Upscaler`]s. Refuses to know what a video is, where frames come from and what is done with the results.
#![forbid(unsafe_code)]

pub mod dbnet;
mod embedded;
pub mod error;
mod external;
mod golden;
mod graph;
pub mod inpaint;
mod letterbox;
mod libraries;
mod mend;
pub mod net;
mod onnx_runtime;
mod pace;
pub mod place;
mod runtime;
pub mod tensor;
pub mod upscale;
mod wire;
pub mod yolo;

pub use dbnet::DbNet;
pub use error::{Error, Result};
pub use graph::{Graph, Port};
pub use inpaint::Inpainter;
pub use net::{Checked, Net, Role, known as known_runtimes, runtimes};
pub use place::{
    Batches, CARD_SHARE, Card, Incidents, Machine, Meter, Meters, NetFailure, NetFault, Placement, Wanted, Wishes,
    place,
};
pub use tensor::Tensor;
pub use upscale::{Overrides, Upscaler};
pub use yolo::Yolo;
