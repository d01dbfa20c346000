//! Jobs on pictures in files: one image, a folder of them, or a numbered pattern.
//!
//! Knows image files and how they are named. What is done to the pixels is the same as for the frames of a video.

mod about;
mod blocks;
mod input;
mod job;
mod sequence;
mod still;
mod tiff;

pub(crate) use about::probe;
pub(crate) use input::input;
pub(crate) use job::run;
pub(crate) use sequence::Sequence;
