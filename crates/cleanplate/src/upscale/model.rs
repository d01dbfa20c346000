//! The networks that enlarge: our own, which the program brings, and users'.

use std::path::PathBuf;

use cleanplate_infer::{Overrides, Placement, Upscaler};
use serde::{Deserialize, Serialize};

use super::Condition;
use crate::error::{Error, Result};
use crate::options::{UpscaleModel, UpscaleOptions};

/// Our own, as `train/upscale.py` writes them, each with weights for one condition of the source.
const OWN: [(&str, &[u8]); 4] = [
    ("fast-clean", include_bytes!("../../networks/upscale-fast-clean.onnx")),
    ("fast-coded", include_bytes!("../../networks/upscale-fast-coded.onnx")),
    ("quality-clean", include_bytes!("../../networks/upscale-quality-clean.onnx")),
    ("quality-coded", include_bytes!("../../networks/upscale-quality-coded.onnx")),
];

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
    /// What the user said of it.
    #[serde(default, skip_serializing_if = "is_usual")]
    pub overrides: Overrides,
}

fn is_usual(overrides: &Overrides) -> bool {
    *overrides == Overrides::default()
}

impl Model {
    /// The network that is asked for, with weights for a source of that condition where there are several, opened once so that it is
    /// refused before anything else is done.
    pub(crate) fn of(wanted: &UpscaleOptions, condition: Condition, placement: &Placement) -> Result<(Self, Upscaler)> {
        let overrides = wanted.overrides;
        let (name, path) = match &wanted.model {
            UpscaleModel::File(path) if wanted.condition.is_none() => {
                (path.file_name().unwrap_or_default().to_string_lossy().into_owned(), Some(path.clone()))
            }
            UpscaleModel::File(_) => {
                return Err(Error::Usage("a network of yours has one set of weights for all sources".to_owned()));
            }
            UpscaleModel::Fast | UpscaleModel::Quality if !is_usual(&overrides) => {
                return Err(Error::Usage("only a network of yours can be told what it takes and gives".to_owned()));
            }
            UpscaleModel::Fast => (format!("fast-{}", condition.name()), None),
            UpscaleModel::Quality => (format!("quality-{}", condition.name()), None),
        };
        let mut model = Self { name, path, digest: String::new(), overrides };
        let net = model.read(placement)?;
        net.net().digest().clone_into(&mut model.digest);
        Ok((model, net))
    }

    /// Names of our own networks.
    pub(crate) fn own() -> impl Iterator<Item = &'static str> {
        OWN.iter().map(|own| own.0)
    }

    /// Opens one of our own, to see whether that goes.
    pub(crate) fn check(name: &str, placement: &Placement) -> Result<()> {
        let model = Self { name: name.to_owned(), ..Self::default() };
        model.read(placement).map(drop)
    }

    fn read(&self, placement: &Placement) -> Result<Upscaler> {
        Ok(match &self.path {
            Some(path) => Upscaler::open(path, self.overrides, placement)?,
            None => {
                let Some((name, bytes)) = OWN.iter().find(|own| own.0 == self.name) else {
                    return Err(Error::Usage(format!(
                        "there is no built-in network {} (the plan names it)",
                        self.name
                    )));
                };
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
    pub(crate) fn key(&self) -> serde_json::Value {
        serde_json::json!([self.digest, self.overrides])
    }
}
