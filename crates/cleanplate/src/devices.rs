//! Where a job runs, stage by stage: candidates in order, each shown to work by a trial before it is taken, each refused alone and with its
//! reason.

use std::str::FromStr;

use cleanplate_media::encode::{Choice, EncoderSpec, HARDWARE, Possible, try_encoder};
use cleanplate_media::source::{DECODERS, DecodeDevice, Source};
use serde::{Deserialize, Serialize};

use crate::analyse::REFUSED;
use crate::error::{Error, Result};
use crate::faults::Fault;
use crate::observer::Event;
use crate::watch::Watch;

/// Which candidates of a stage may be used.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Wish {
    /// Hardware where it works, else software.
    #[default]
    Auto,
    /// Hardware alone.
    Hardware,
    /// Software alone.
    Software,
    /// The one of that name alone.
    Named(String),
}

impl FromStr for Wish {
    type Err = String;

    fn from_str(text: &str) -> std::result::Result<Self, String> {
        Ok(match text {
            "" => return Err("an empty name".to_owned()),
            "auto" => Self::Auto,
            "hw" => Self::Hardware,
            "sw" | "cpu" => Self::Software,
            name => Self::Named(name.to_owned()),
        })
    }
}

/// Where a job runs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct DeviceOptions {
    /// What decodes the source. Never shows in the pixels.
    pub decoder: Wish,
    /// The encoder of the worked-on track.
    pub encoder: Wish,
    /// What computes networks: a runtime by name (`cuda`, `webgpu`), or a kind. Shows in the pixels by rounding alone.
    pub networks: Wish,
    /// The number of the device among those of its kind, from 0, for all stages.
    pub index: usize,
    /// A candidate that refuses is an error instead of a reason to take the next one.
    pub strict: bool,
    /// Failures to be rehearsed.
    pub faults: Vec<Fault>,
}

/// A candidate that was not used, and why.
#[derive(Clone, Debug)]
pub(crate) struct Refusal {
    /// [`DECODE`] or [`ENCODE`].
    pub(crate) stage: &'static str,
    /// Its name.
    pub(crate) name: String,
    /// In the library's own words where it has any.
    pub(crate) reason: String,
}

impl Refusal {
    /// As plans and reports have it.
    pub(crate) fn line(&self) -> String {
        format!("{REFUSED} {} by {}: {}", self.stage, self.name, self.reason)
    }

    pub(crate) fn words(&self, instead: &str) -> String {
        format!("{}: {} refused ({}), using {instead}", self.stage, self.name, self.reason)
    }

    /// As the error that it is where nothing may be refused.
    fn strictly(&self) -> Error {
        Error::Backend(format!("{}: {} refused ({})", self.stage, self.name, self.reason))
    }
}

/// The error where all that were asked for have refused.
fn all_refused(stage: &str, refusals: &[Refusal]) -> Error {
    let reasons: Vec<String> = refusals.iter().map(|own| format!("{} ({})", own.name, own.reason)).collect();
    Error::Backend(format!("{stage}: refused: {}", reasons.join("; ")))
}

/// The stage of decoding, as refusals name it.
pub(crate) const DECODE: &str = "decode";

/// The stage of encoding.
pub(crate) const ENCODE: &str = "encode";

/// The stage of enlarging.
pub(crate) const UPSCALE: &str = "upscale";

/// The stage of bringing frames into the format that an encoder takes.
pub(crate) const CONVERT: &str = "convert";

/// The stage of decoding again what was encoded.
pub(crate) const CHECK: &str = "check";

/// The stage of joining what was encoded with all other streams.
pub(crate) const MUX: &str = "mux";

/// The stage of running networks, as faults name it.
pub(crate) const NET: &str = "net";

/// Tries the devices that may decode `source`, in order; the first one that works does from then on, until it is lost.
///
/// # Errors
/// Where none of those that are asked for works, or `strict` and one refuses.
pub(crate) fn decoder(source: &Source, devices: &DeviceOptions) -> Result<Vec<Refusal>> {
    let mut refusals: Vec<Refusal> = Vec::new();
    if devices.decoder == Wish::Software {
        return Ok(refusals);
    }
    let is_meant = |name: &str| !matches!(&devices.decoder, Wish::Named(wanted) if wanted != name);
    for (name, kind) in DECODERS.iter().filter(|own| is_meant(own.0)) {
        let is_played = devices.faults.iter().any(|fault| fault.is_stand_in(DECODE, name));
        if !is_played && !source.could_decode_on(kind) && devices.decoder == Wish::Auto {
            // Of another system, or for other codecs: no candidate here.
            continue;
        }
        match device(name, devices).and_then(|device| source.decode_on(device)) {
            Ok(()) => return Ok(refusals),
            Err(reason) => refusals.push(Refusal { stage: DECODE, name: (*name).to_owned(), reason }),
        }
        if let Some(refusal) = refusals.last().filter(|_| devices.strict) {
            return Err(refusal.strictly());
        }
    }
    match &devices.decoder {
        Wish::Named(name) if refusals.is_empty() => {
            let known: Vec<&str> = DECODERS.iter().map(|own| own.0).collect();
            Err(Error::Usage(format!("there is no decoder {name}; known: {}, and sw", known.join(", "))))
        }
        Wish::Hardware | Wish::Named(_) => Err(all_refused(DECODE, &refusals)),
        _ => Ok(refusals),
    }
}

/// The device of that name that decodes, or software in its place, where that is rehearsed; or why there is none.
pub(crate) fn device(name: &str, devices: &DeviceOptions) -> std::result::Result<DecodeDevice, String> {
    let faults = &devices.faults;
    if let Some(reason) = faults.iter().find_map(|fault| fault.refuses(DECODE, name)) {
        return Err(reason);
    }
    if faults.iter().any(|fault| fault.is_stand_in(DECODE, name)) {
        let fails = faults.iter().find_map(|fault| fault.failure(DECODE, name));
        return Ok(DecodeDevice::stand_in(name, fails));
    }
    DecodeDevice::open(name, devices.index)
}

/// The device that was lost while it decoded `source`.
pub(crate) fn lost_decoder(source: &Source) -> Option<Refusal> {
    let device = source.device()?;
    let reason = device.lost()?;
    Some(Refusal { stage: DECODE, name: device.name().to_owned(), reason })
}

/// The encoder that was taken.
pub(crate) struct Picked {
    pub(crate) spec: EncoderSpec,
    /// What takes its place should it be lost on the way.
    pub(crate) substitute: Option<EncoderSpec>,
    pub(crate) refusals: Vec<Refusal>,
}

/// Tries the encoders of `choice` that may be used, in order.
///
/// # Errors
/// Where none of those works, or `strict` and one refuses.
pub(crate) fn encoder(choice: &Choice, devices: &DeviceOptions) -> Result<Picked> {
    let mut refusals = Vec::new();
    let software = &choice.spec;
    let may_be = |name: &str| match &devices.encoder {
        Wish::Auto | Wish::Hardware => true,
        Wish::Software => false,
        Wish::Named(wanted) => wanted == name,
    };
    for possible in choice.hardware.iter().filter(|possible| may_be(&possible.name)) {
        match tried(possible, software, devices) {
            Ok(spec) => {
                let substitute = matches!(devices.encoder, Wish::Auto).then(|| software.clone());
                return Ok(Picked { spec, substitute, refusals });
            }
            Err(reason) => refusals.push(Refusal { stage: ENCODE, name: possible.name.clone(), reason }),
        }
        if let Some(refusal) = refusals.last().filter(|_| devices.strict) {
            return Err(refusal.strictly());
        }
    }
    let is_meant = match &devices.encoder {
        Wish::Auto | Wish::Software => true,
        Wish::Hardware => false,
        Wish::Named(name) => *name == software.encoder,
    };
    let gone = devices.faults.iter().find_map(|fault| fault.refuses(ENCODE, &software.encoder));
    if let Some(reason) = gone.filter(|_| is_meant) {
        refusals.push(Refusal { stage: ENCODE, name: software.encoder.clone(), reason });
        return Err(all_refused(ENCODE, &refusals));
    }
    if is_meant {
        return Ok(Picked { spec: software.clone(), substitute: None, refusals });
    }
    let codec = software.codec.title();
    Err(match (&devices.encoder, refusals.is_empty()) {
        (Wish::Named(name), true) => {
            let known: Vec<&str> = HARDWARE.iter().filter(|own| own.1 == software.codec).map(|own| own.0).collect();
            let known = [known, vec![software.encoder.as_str()]].concat().join(", ");
            Error::Usage(format!("there is no encoder {name} of {codec} here; known: {known}"))
        }
        (_, true) => Error::Backend(format!("encode: no hardware is known here that writes {codec}")),
        _ => all_refused(ENCODE, &refusals),
    })
}

/// The candidate's settings once it has done its trial, or those of the software encoder under its name, where that is rehearsed; or why it
/// cannot be used.
pub(crate) fn tried(
    possible: &Possible,
    software: &EncoderSpec,
    devices: &DeviceOptions,
) -> std::result::Result<EncoderSpec, String> {
    let (name, faults) = (&possible.name, &devices.faults);
    if let Some(reason) = faults.iter().find_map(|fault| fault.refuses(ENCODE, name)) {
        return Err(reason);
    }
    let mut spec = possible.spec.clone()?;
    if devices.index > 0 && name.ends_with("_nvenc") {
        spec.options.push(("gpu".to_owned(), devices.index.to_string()));
    }
    if faults.iter().any(|fault| fault.is_stand_in(ENCODE, name)) {
        spec = EncoderSpec { encoder: spec.encoder, stand_in: Some(software.encoder.clone()), ..software.clone() };
    }
    try_encoder(&spec)?;
    Ok(spec)
}

/// Tells of what was refused and what is used instead.
pub(crate) fn tell(refusals: &[Refusal], instead: &str, watch: &mut Watch<'_>) {
    refusals.iter().for_each(|refusal| watch.tell(Event::info(refusal.words(instead))));
}
