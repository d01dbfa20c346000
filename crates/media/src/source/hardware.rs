//! Decoding on a device: which there may be, the trial that shows whether one works, and how it is lost.
//!
//! None of them was ever run on hardware here. What a device decodes has to equal what software decodes, sample for sample.

use std::sync::{Arc, Mutex, PoisonError};

use cleanplate_core::{Frame, FrameIdx};

use super::Source;
use super::reader::VideoReader;
use crate::av::{self, Device};
use crate::error::{Error, Result};

/// Names of devices that may decode, each with libav's name of its kind, the best first.
pub const DECODERS: [(&str, &str); 5] = [
    ("nvdec", "cuda"),
    ("vaapi", "vaapi"),
    ("videotoolbox", "videotoolbox"),
    ("d3d11va", "d3d11va"),
    ("vulkan", "vulkan"),
];

/// Whether this build of libav knows devices of that kind.
pub fn is_known_device(kind: &str) -> bool {
    Device::is_known(kind)
}

/// A device that decodes for a source, until it is lost.
#[derive(Debug)]
pub struct DecodeDevice {
    name: String,
    /// `None` where software plays it.
    device: Option<Device>,
    /// At which frame it is lost, and why, where that is rehearsed.
    fails: Option<(FrameIdx, String)>,
    lost: Mutex<Option<String>>,
}

impl DecodeDevice {
    /// Opens the device of that name with that number, from 0.
    ///
    /// # Errors
    /// Where there is none, in the library's own words where it has any.
    pub fn open(name: &str, index: usize) -> std::result::Result<Self, String> {
        let kind = DECODERS.iter().find(|own| own.0 == name).map_or(name, |own| own.1);
        if !Device::is_known(kind) {
            return Err(format!("this build of libav knows no {kind}"));
        }
        let device = Device::open(kind, index)?;
        Ok(Self { name: name.to_owned(), device: Some(device), fails: None, lost: Mutex::new(None) })
    }

    /// Software under the name of a device, which is lost at a frame where that is wished: for rehearsals.
    pub fn stand_in(name: &str, fails: Option<(FrameIdx, String)>) -> Self {
        Self { name: name.to_owned(), device: None, fails, lost: Mutex::new(None) }
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Why it was lost, once it is.
    pub fn lost(&self) -> Option<String> {
        self.lost.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) const fn device(&self) -> Option<&Device> {
        self.device.as_ref()
    }

    /// Takes it out of service.
    pub(super) fn lose(&self, reason: String) {
        self.lost.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(reason);
    }

    /// Why it fails at frame `idx`.
    pub(super) fn fails(&self, idx: FrameIdx) -> Option<String> {
        self.fails.as_ref().filter(|(at, _)| idx >= *at).map(|(at, words)| format!("at frame {at}: {words}"))
    }
}

impl Source {
    /// Has `device` decode the first frames, compares them with what software decodes, and decodes on it from then on until it is lost.
    ///
    /// # Errors
    /// Why it cannot be used; in the library's own words where it has any.
    pub fn decode_on(&self, device: DecodeDevice) -> std::result::Result<(), String> {
        const FRAMES: usize = 3;
        let (device, log) = (Arc::new(device), av::capture());
        let words = |error: &Error| av::reason(log, error);
        let first = |device: Option<Arc<DecodeDevice>>| -> Result<Vec<Frame>> {
            let mut reader = VideoReader::on(Arc::clone(&self.shared), 1, device)?;
            let mut frames = Vec::new();
            while frames.len() < FRAMES
                && let Some(frame) = reader.read()?
            {
                frames.push(frame);
            }
            Ok(frames)
        };
        let here = first(Some(Arc::clone(&device))).map_err(|error| words(&error))?;
        if let Some(reason) = device.lost() {
            return Err(reason);
        }
        let software = first(None).map_err(|error| words(&error))?;
        if here.len() != software.len() || !here.iter().zip(&software).all(|(a, b)| a.has_samples_of(b)) {
            return Err("it decodes other samples than software does".to_owned());
        }
        *self.device.lock().unwrap_or_else(PoisonError::into_inner) = Some(device);
        Ok(())
    }

    /// Whether this build of libav could decode it on devices of that kind (`cuda`, `vaapi` ...), were one there.
    pub fn could_decode_on(&self, kind: &str) -> bool {
        Device::decodes(self.shared.recipe().parameters.get().codec_id, kind)
    }

    /// The device that decodes, or did until it was lost.
    pub fn device(&self) -> Option<Arc<DecodeDevice>> {
        self.device.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
