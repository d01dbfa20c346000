//! Users' networks: which machine they run on, how plans name them, and what is said about them.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use cleanplate_core::Reach;
use cleanplate_infer::{Incidents, Inpainter, Machine, Net, Placement, Wanted, Wishes, place};
use serde::{Deserialize, Serialize};

use crate::analyse::REFUSED;
use crate::cards::cards;
use crate::devices::Wish;
use crate::error::{Error, Result};
use crate::faults::Fault;
use crate::observer::Event;
use crate::options::{Options, Tier};
use crate::upscale::Model;
use crate::watch::Watch;
use crate::{mended_fill, resources, segmenter};

/// What a network sees around a hole and of how many frames: it continues structures from about as far as the hole is wide,
/// and two neighbours on each side quiet what it makes of noise.
const REACH: Reach = Reach { before: 2, after: 2, margin: 64 };

/// A user's network that fills holes, as a plan names it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FillModel {
    /// Where it lies.
    pub path: PathBuf,
    /// SHA-256 of the file.
    pub digest: String,
    /// Frames before and after that are looked at, and samples around the hole that it is shown. They decide bits.
    pub reach: Reach,
}

impl FillModel {
    /// The network that `options` name, opened once so that it is refused before anything else is done; with what is to be
    /// said about it, in words.
    pub(crate) fn of(options: &Options, watch: &mut Watch<'_>) -> Result<(Option<Self>, Vec<String>)> {
        let Some(path) = options.fill_model.as_ref().filter(|_| options.tiers.contains(&Tier::Fill)) else {
            return Ok((None, Vec::new()));
        };
        let net = open(path, &placement(options, watch))?;
        let said = words("fill model", net.net());
        said.iter().for_each(|line| watch.tell(Event::info(line.clone())));
        let digest = net.net().digest().to_owned();
        Ok((Some(Self { path: path.clone(), digest, reach: REACH }), said))
    }

    /// The network, which must be the one that was pinned.
    pub(crate) fn open(&self, placement: &Placement) -> Result<Inpainter> {
        let net = open(&self.path, placement)?;
        if net.net().digest() != self.digest {
            return Err(Error::Usage(format!(
                "the network {} is another one than the plan names (sha256 {} instead of {})",
                self.path.display(),
                net.net().digest(),
                self.digest
            )));
        }
        Ok(net)
    }

    /// What of it decides bits.
    pub(crate) fn key(&self) -> serde_json::Value {
        serde_json::json!([self.digest, self.reach])
    }
}

/// Opens every network that the program brings, as jobs do; name, what came of it, and how long it took.
pub(crate) fn own(placement: &Placement) -> Vec<(String, std::result::Result<(), String>, Duration)> {
    let timed = |name: &str, open: &dyn Fn() -> Result<()>| {
        let since = Instant::now();
        let verdict = open().map_err(|error| error.to_string());
        (name.to_owned(), verdict, since.elapsed())
    };
    let upscalers = Model::own().map(|name| timed(&format!("upscale {name}"), &|| Model::check(name, placement)));
    [
        timed("fill", &|| mended_fill::network(placement).map(drop)),
        timed("text", &|| segmenter::network(placement).map(drop)),
    ]
    .into_iter()
    .chain(upscalers)
    .collect()
}

fn open(path: &Path, placement: &Placement) -> Result<Inpainter> {
    Ok(Inpainter::open(path, placement)?)
}

/// Where networks of a job run, which is told of what they do. The machine is measured when a job asks first: what it takes itself makes it no
/// smaller.
pub(crate) fn placement(options: &Options, watch: &Watch<'_>) -> Placement {
    let measured = watch.placement.get_or_init(|| placed(options)).clone();
    Placement { meters: watch.meters.clone(), incidents: Incidents::default(), ..measured }
}

/// Where networks run, by what the machine has now.
pub(crate) fn placed(options: &Options) -> Placement {
    let (cores, free_memory) = (resources::cores(), resources::free_memory());
    let onnx_runtimes = options.onnx_runtimes.clone();
    let devices = &options.devices;
    let wanted = match &devices.networks {
        Wish::Auto => Wanted::Any,
        Wish::Hardware => Wanted::Device,
        Wish::Software => Wanted::Processor,
        Wish::Named(name) => Wanted::Named(name.clone()),
    };
    let wishes = Wishes {
        detect_batch: options.detect.batch,
        fill_batch: options.fill_batch,
        window: options.window,
        card_share: options.card_share,
        wanted,
        is_strict: devices.strict,
        index: devices.index,
    };
    let (plugins, cache) = (options.runtime_plugins.clone(), options.cache.clone());
    let has_none = devices.networks == Wish::Software;
    let card = if has_none { None } else { cards().into_iter().nth(devices.index) };
    let placed = place(&Machine { cores, free_memory, onnx_runtimes, plugins, card, cache }, wishes);
    Placement { faults: options.devices.faults.iter().filter_map(Fault::of_network).collect(), ..placed }
}

/// What has gone wrong with networks on the way, told and as plans and reports have it.
pub(crate) fn lost(placement: &Placement, watch: &mut Watch<'_>) -> Vec<String> {
    let lines: Vec<String> = placement.incidents.take().iter().map(|line| format!("{REFUSED} {line}")).collect();
    lines.iter().for_each(|line| watch.tell(Event::warning(line.clone())));
    lines
}

/// What runs `net`, and what refused to, a line each; the first is about the network itself.
pub(crate) fn words(role: &str, net: &Net) -> Vec<String> {
    let digest = &net.digest()[..16];
    let mut words = vec![format!("{role}: {} (sha256 {digest}) on {}", net.name(), net.title())];
    words.extend(net.refusals().iter().map(|line| format!("{REFUSED} {role} on {line}")));
    words
}

impl From<cleanplate_infer::Error> for Error {
    fn from(error: cleanplate_infer::Error) -> Self {
        match error {
            cleanplate_infer::Error::Io { path, source } => Self::Io { action: "read the network", path, source },
            cleanplate_infer::Error::Model(words) => Self::Usage(words),
            other => Self::Backend(other.to_string()),
        }
    }
}
