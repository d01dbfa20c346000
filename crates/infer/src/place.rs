//! Where networks run: chosen from what the machine has. It never shows in the results beyond rounding.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// What a machine has, as far as networks care.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Machine {
    /// Cores that may be used; 0 counts as 1.
    pub cores: usize,
    /// Bytes of memory that are free.
    pub free_memory: u64,
    /// Places where the library of ONNX Runtime may lie, the likeliest first. A bare name is looked up as the system does.
    pub onnx_runtimes: Vec<PathBuf>,
    /// Places where a plug-in of it may lie that reaches any GPU, the likeliest first.
    pub plugins: Vec<PathBuf>,
    /// The card that networks would run on, where a driver tells of one.
    pub card: Option<Card>,
    /// Where what was found out about devices is kept between runs; `None` keeps nothing.
    pub cache: Option<PathBuf>,
}

/// A card as its driver describes it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Card {
    /// Its name.
    pub name: String,
    /// Version of the driver.
    pub driver: String,
    /// Bytes of its memory.
    pub memory_bytes: u64,
    /// Bytes of it that are free now.
    pub free_bytes: u64,
}

/// On what networks may run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Wanted {
    /// On a device that proves to compute right, else on the processor.
    #[default]
    Any,
    /// On a device alone.
    Device,
    /// On the processor alone.
    Processor,
    /// On the runtime of that name alone.
    Named(String),
}

/// How many inputs a network is shown at once at most, where it allows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Batches {
    /// Frames for a detector of marks or of text.
    pub detect: usize,
    /// Crops for an inpainting network, tiles for one that enlarges.
    pub fill: usize,
}

/// Where networks run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Placement {
    /// Threads of a run.
    pub threads: usize,
    /// Inputs at once on the processor.
    pub processor: Batches,
    /// Inputs at once on a device.
    pub device: Batches,
    /// Whether `device` is what the user wishes, and not a first guess.
    pub is_wished: (bool, bool),
    /// Frames that wait between stages at most where they are computed on a device; `None` leaves it to the memory.
    pub window: Option<usize>,
    /// Which runtimes may be used.
    pub wanted: Wanted,
    /// Whether a runtime that is there and refuses is an error, instead of a reason to take the next one.
    pub is_strict: bool,
    /// The number of the device among those of its kind.
    pub index: usize,
    /// Bytes of a card's memory that may be taken; `None` where nobody knows.
    pub card_bytes: Option<u64>,
    /// The card, as [`Machine::card`].
    pub card: Option<Card>,
    /// As [`Machine::onnx_runtimes`].
    pub onnx_runtimes: Vec<PathBuf>,
    /// As [`Machine::plugins`].
    pub plugins: Vec<PathBuf>,
    /// As [`Machine::cache`].
    pub cache: Option<PathBuf>,
    /// Failures to be rehearsed.
    pub faults: Vec<NetFault>,
    /// What goes wrong with networks on the way.
    pub incidents: Incidents,
    /// What networks do.
    pub meters: Meters,
}

impl Placement {
    /// On what it runs and how much at once, in a line.
    pub fn words(&self) -> String {
        let Batches { detect, fill } = if self.card.is_some() { self.device } else { self.processor };
        let window = self.window.map(|frames| format!(", window {frames}")).unwrap_or_default();
        let numbers = format!("detect batch {detect}, fill batch {fill}{window}");
        match &self.card {
            Some(card) => {
                let tier = Tier::of(usable(card)).name;
                format!("gpu: {}, {:.1} GB, tier {tier}: {numbers}", card.name, nominal(card.memory_bytes))
            }
            None => format!("cpu: {} threads: {numbers}", self.threads),
        }
    }

    /// The same for the network of that name: failures that are rehearsed of others are left out.
    pub(crate) fn of_network(&self, name: &str) -> Self {
        let mut own = self.clone();
        own.faults.retain(|fault| fault.is_of(name));
        own
    }
}

/// What a network has done on a runtime since it was opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Meter {
    /// The network's name.
    pub network: String,
    /// The runtime's.
    pub runtime: &'static str,
    /// Runtimes that refused the network when it was opened, each with its reason.
    pub refusals: Vec<String>,
    /// Inputs that it has answered: pictures, crops or tiles.
    pub inputs: u64,
    /// How long its runs took.
    pub busy: Duration,
}

/// What networks do, each on each of its runtimes. All that is placed alike writes into one.
#[derive(Clone, Debug, Default)]
pub struct Meters(Arc<Mutex<Vec<Meter>>>);

impl Meters {
    /// A network begins a run on a runtime.
    pub(crate) fn start(&self, network: &str, runtime: &'static str, refusals: &[String]) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if all.iter().any(|own| own.network == network && own.runtime == runtime) {
            return;
        }
        // What has refused on the way is among the incidents.
        let is_opened = !all.iter().any(|own| own.network == network);
        let refusals = if is_opened { refusals.to_vec() } else { Vec::new() };
        all.push(Meter { network: network.to_owned(), runtime, refusals, inputs: 0, busy: Duration::ZERO });
    }

    /// It has answered so many inputs there, in that time.
    pub(crate) fn add(&self, network: &str, runtime: &'static str, inputs: u64, busy: Duration) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(own) = all.iter_mut().find(|own| own.network == network && own.runtime == runtime) {
            own.inputs += inputs;
            own.busy += busy;
        }
    }

    /// Those that have been run, in the order in which they came; from the `first` on.
    pub fn since(&self, first: usize) -> Vec<Meter> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).iter().skip(first).cloned().collect()
    }
}

impl PartialEq for Meters {
    /// What has been done makes no other placement.
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for Meters {}

/// What goes wrong with networks after they were opened, a line each: the runtime and its reason. All that is placed alike writes into one.
#[derive(Clone, Debug, Default)]
pub struct Incidents(Arc<Mutex<Vec<String>>>);

impl Incidents {
    pub(crate) fn add(&self, line: &str) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(line.to_owned());
    }

    /// What has come since it was last asked.
    pub fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl PartialEq for Incidents {
    /// What has happened makes no other placement.
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for Incidents {}

/// A failure of a runtime on demand, so that every way out is walked on machines that lack the hardware.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NetFault {
    /// A word of the name of the only network that it meets (`text`, `fast-coded`, the name of a file); all without one.
    pub network: Option<String>,
    /// The runtime's name.
    pub runtime: String,
    /// What happens.
    pub what: NetFailure,
}

/// What happens to a runtime.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NetFailure {
    /// It cannot be opened, for this reason.
    Refuses(String),
    /// From so many runs of a network on (the first is 1, after those of its probe) it fails, for this reason.
    From(u64, String),
    /// As that, once.
    Once(u64, String),
    /// It is there: the embedded runtime plays it.
    StandIn,
}

impl NetFault {
    fn is_of(&self, name: &str) -> bool {
        self.network.as_ref().is_none_or(|own| own == name || name.split(' ').any(|word| word == own))
    }

    pub(crate) fn refuses(&self, runtime: &str) -> Option<String> {
        match &self.what {
            NetFailure::Refuses(reason) if self.runtime == runtime => Some(reason.clone()),
            _ => None,
        }
    }

    pub(crate) fn fails(&self, runtime: &str, run: u64) -> Option<String> {
        match &self.what {
            NetFailure::From(first, reason) if self.runtime == runtime && run >= *first => Some(reason.clone()),
            NetFailure::Once(at, reason) if self.runtime == runtime && run == *at => Some(reason.clone()),
            _ => None,
        }
    }

    pub(crate) fn is_stand_in(&self, runtime: &str) -> bool {
        self.runtime == runtime && self.what == NetFailure::StandIn
    }
}

/// Bytes that a run may take for each of its inputs: YOLO-type networks at 640 pixels take about 150 MB in ONNX Runtime.
const BYTES_AN_INPUT: u64 = 256 << 20;

/// More inputs at once bring nothing on a CPU: a single one keeps all cores busy.
const BATCH: usize = 4;

/// More than these are never shown at once, whatever is wished: what waits for them takes memory, and nothing gains from more.
const LARGEST_BATCH: usize = 32;

/// What the user wishes.
#[derive(Clone, Debug, PartialEq)]
pub struct Wishes {
    /// See [`Batches::detect`].
    pub detect_batch: Option<usize>,
    /// See [`Batches::fill`].
    pub fill_batch: Option<usize>,
    /// See [`Placement::window`].
    pub window: Option<usize>,
    /// Share of a card's memory that may be taken, 0..=1.
    pub card_share: f64,
    /// See [`Placement::wanted`].
    pub wanted: Wanted,
    /// See [`Placement::is_strict`].
    pub is_strict: bool,
    /// See [`Placement::index`].
    pub index: usize,
}

/// As much of a card's memory as may be taken: the rest is for what the driver needs and drivers do not tell.
pub const CARD_SHARE: f64 = 0.95;

impl Default for Wishes {
    fn default() -> Self {
        let (detect_batch, fill_batch, window) = (None, None, None);
        let (wanted, is_strict, index) = (Wanted::Any, false, 0);
        Self { detect_batch, fill_batch, window, card_share: CARD_SHARE, wanted, is_strict, index }
    }
}

/// First guesses by the memory of a card: those of the systems that this program replaces, which ran on all of them.
struct Tier {
    name: &'static str,
    /// Gibibytes, at least.
    from: f64,
    batches: Batches,
    window: usize,
}

const TIERS: [Tier; 5] = [
    Tier { name: "high", from: 24.0, batches: Batches { detect: 32, fill: 16 }, window: 450 },
    Tier { name: "upper", from: 16.0, batches: Batches { detect: 24, fill: 12 }, window: 360 },
    Tier { name: "middle", from: 10.0, batches: Batches { detect: 20, fill: 10 }, window: 300 },
    Tier { name: "low", from: 8.0, batches: Batches { detect: 16, fill: 8 }, window: 240 },
    Tier { name: "least", from: 0.0, batches: Batches { detect: 12, fill: 6 }, window: 180 },
];

impl Tier {
    /// The one of a card with so many gibibytes.
    fn of(gibibytes: f64) -> &'static Self {
        let [.., least] = &TIERS;
        TIERS.iter().find(|tier| gibibytes >= tier.from).unwrap_or(least)
    }
}

const GIB: f64 = (1u64 << 30) as f64;

/// Gibibytes as cards are sold: drivers keep a few hundredths (a card of 24 tells of 23.99).
fn nominal(bytes: u64) -> f64 {
    let gibibytes = bytes as f64 / GIB;
    if (gibibytes.round() - gibibytes).abs() < 0.2 { gibibytes.round() } else { gibibytes }
}

/// Gibibytes of a card that a job can count on. A desktop and the driver's own share, up to a sixteenth, do not make it a smaller card.
fn usable(card: &Card) -> f64 {
    nominal(card.memory_bytes.min(card.free_bytes + card.memory_bytes / 16))
}

/// A placement for `machine` after the user's `wishes`. Pure: the same machine gives the same placement.
pub fn place(machine: &Machine, wishes: Wishes) -> Placement {
    let fits = (machine.free_memory / 2 / BYTES_AN_INPUT).clamp(1, BATCH as u64) as usize;
    let card = machine.card.clone().filter(|_| wishes.wanted != Wanted::Processor);
    // A share below the usual one makes the card smaller.
    let tier = Tier::of(card.as_ref().map_or(0.0, |card| usable(card) * (wishes.card_share / CARD_SHARE).min(1.0)));
    let batches = |guess: Batches| Batches {
        detect: wishes.detect_batch.unwrap_or(guess.detect).clamp(1, LARGEST_BATCH),
        fill: wishes.fill_batch.unwrap_or(guess.fill).max(1),
    };
    Placement {
        threads: machine.cores.max(1),
        // A single crop keeps all cores busy, and inpainting networks take gigabytes.
        processor: batches(Batches { detect: fits, fill: 1 }),
        device: batches(tier.batches),
        is_wished: (wishes.detect_batch.is_some(), wishes.fill_batch.is_some()),
        window: wishes.window.or(card.as_ref().map(|_| tier.window)),
        wanted: wishes.wanted,
        is_strict: wishes.is_strict,
        index: wishes.index,
        card_bytes: card.as_ref().map(|card| (card.free_bytes as f64 * wishes.card_share.clamp(0.0, 1.0)) as u64),
        card,
        onnx_runtimes: machine.onnx_runtimes.clone(),
        plugins: machine.plugins.clone(),
        cache: machine.cache.clone(),
        faults: Vec::new(),
        incidents: Incidents::default(),
        meters: Meters::default(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn little_memory_makes_batches_small_and_a_wish_wins() {
        let machine = |free_memory| Machine { cores: 2, free_memory, ..Machine::default() };
        let batch = |memory, detect_batch| {
            place(&machine(memory), Wishes { detect_batch, ..Wishes::default() }).processor.detect
        };
        assert_eq!(batch(64 << 30, None), BATCH);
        assert_eq!(batch(1 << 30, None), 2);
        assert_eq!(batch(0, None), 1);
        assert_eq!((batch(0, Some(7)), batch(64 << 30, Some(200))), (7, LARGEST_BATCH));
        let fill = |fill_batch| place(&machine(0), Wishes { fill_batch, ..Wishes::default() }).processor.fill;
        assert_eq!((fill(None), fill(Some(5))), (1, 5));
        assert_eq!(place(&Machine::default(), Wishes::default()).threads, 1);
    }

    /// A machine with a card of so many mebibytes, of which so many are free.
    fn with_card(memory: u64, free: u64) -> Machine {
        let (memory_bytes, free_bytes) = (memory << 20, free << 20);
        let card = Card { name: "Some Card".to_owned(), memory_bytes, free_bytes, ..Card::default() };
        Machine { cores: 8, free_memory: 32 << 30, card: Some(card), ..Machine::default() }
    }

    #[test]
    fn tiers_of_cards_are_half_open() {
        // Mebibytes as drivers tell them (of 24, 16, 12, 10 and 8 GB as sold), then the borders to the mebibyte.
        let rows = [
            (143_771, "high", (32, 16, 450)),
            (32_607, "high", (32, 16, 450)),
            (24_564, "high", (32, 16, 450)),
            (24 << 10, "high", (32, 16, 450)),
            (23 << 10, "upper", (24, 12, 360)),
            (16_376, "upper", (24, 12, 360)),
            (15 << 10, "middle", (20, 10, 300)),
            (12_288, "middle", (20, 10, 300)),
            (10_240, "middle", (20, 10, 300)),
            (9 << 10, "low", (16, 8, 240)),
            (8_188, "low", (16, 8, 240)),
            (7 << 10, "least", (12, 6, 180)),
            (4_096, "least", (12, 6, 180)),
            (0, "least", (12, 6, 180)),
        ];
        for (mebibytes, name, numbers) in rows {
            let placed = place(&with_card(mebibytes, mebibytes), Wishes::default());
            let found = (placed.device.detect, placed.device.fill, placed.window.unwrap());
            assert_eq!(found, numbers, "{mebibytes} MiB");
            assert!(placed.words().contains(&format!("tier {name}:")), "{}", placed.words());
        }
        for (border, below) in [(24.0, "upper"), (16.0, "middle"), (10.0, "low"), (8.0, "least")] {
            assert_eq!(Tier::of(border).from, border);
            assert_eq!(Tier::of(border - 1e-6).name, below);
        }
    }

    #[test]
    fn a_card_that_others_use_or_a_smaller_share_counts_as_a_smaller_one() {
        let placed = |machine: &Machine, card_share| place(machine, Wishes { card_share, ..Wishes::default() });
        assert_eq!(placed(&with_card(24_564, 23_800), CARD_SHARE).device.detect, 32);
        assert_eq!(placed(&with_card(24_564, 9_000), CARD_SHARE).device.detect, 20);
        assert_eq!(placed(&with_card(24_564, 24_000), 0.5).device.detect, 20);
        assert_eq!(placed(&with_card(24_564, 20_000), 0.5).card_bytes, Some(10_000 << 20));
        let words = placed(&with_card(32_607, 32_000), CARD_SHARE).words();
        assert_eq!(words, "gpu: Some Card, 32.0 GB, tier high: detect batch 32, fill batch 16, window 450");
    }

    #[test]
    fn who_wants_the_processor_alone_gets_no_window_of_a_card() {
        let placed = place(&with_card(24_564, 24_000), Wishes { wanted: Wanted::Processor, ..Wishes::default() });
        assert_eq!((placed.window, placed.card.is_none()), (None, true));
        assert_eq!(placed.words(), "cpu: 8 threads: detect batch 4, fill batch 1");
        let wished = place(&with_card(24_564, 24_000), Wishes { window: Some(20), ..Wishes::default() });
        assert_eq!(wished.window, Some(20));
    }
}
