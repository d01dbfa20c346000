//! The networks that enlarge: our own, which the program brings, and users'.

use std::path::PathBuf;

use cleanplate_infer::{Placement, Upscaler};
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::options::UpscaleModel;

/// Our own, as `train/upscale.py` writes them.
const FAST: (&str, &[u8]) = ("fast", include_bytes!("../../networks/upscale-fast.onnx"));
const QUALITY: (&str, &[u8]) = ("quality", include_bytes!("../../networks/upscale-quality.onnx"));

/// A network that enlarges, as a plan names it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Model {
    /// Its name.
    pub name: String,
    /// Where it lies; `None` for one that the program brings.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<PathBuf>,
    /// SHA-256 of it.
    pub digest: String,
}

impl Model {
    /// The network that is asked for, opened once so that it is refused before anything else is done.
    pub(crate) fn of(wanted: &UpscaleModel, placement: &Placement) -> Result<(Self, Upscaler)> {
        let (name, path) = match wanted {
            UpscaleModel::Fast => (FAST.0.to_owned(), None),
            UpscaleModel::Quality => (QUALITY.0.to_owned(), None),
            UpscaleModel::File(path) => {
                (path.file_name().unwrap_or_default().to_string_lossy().into_owned(), Some(path.clone()))
            }
        };
        let mut model = Self { name, path, digest: String::new() };
        let net = model.read(placement)?;
        net.net().digest().clone_into(&mut model.digest);
        Ok((model, net))
    }

    fn read(&self, placement: &Placement) -> Result<Upscaler> {
        Ok(match &self.path {
            Some(path) => Upscaler::open(path, placement)?,
            None => {
                let (name, bytes) = if self.name == QUALITY.0 { QUALITY } else { FAST };
                Upscaler::read(&format!("the built-in network {name}"), bytes, placement)?
            }
        })
    }

    /// The network, which must be the one that was pinned.
    pub(crate) fn open(&self, placement: &Placement) -> Result<Upscaler> {
        let net = self.read(placement)?;
        if net.net().digest() != self.digest {
            return Err(Error::Usage(format!(
                "the network {} is another one than the plan names (sha256 {} instead of {})",
                self.name,
                net.net().digest(),
                self.digest
            )));
        }
        Ok(net)
    }

    /// What of it decides bits.
    pub(crate) fn key(&self) -> &str {
        &self.digest
    }
}
