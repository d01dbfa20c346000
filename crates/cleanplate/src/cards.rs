//! NVIDIA cards: what they are and how busy they are, as their driver tells (NVML). The driver's library is loaded when it is there;
//! where it is not, there are no cards.

use cleanplate_infer::Card;
use nvml_wrapper::{Device, Nvml};

/// What a card does at a moment, for whomever.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Look {
    pub(crate) name: String,
    /// Share of the last moments in which it computed, 0..=1.
    pub(crate) busy: f64,
    pub(crate) used_bytes: u64,
}

/// Cards that can be looked at.
pub(crate) trait Cards {
    /// What each does now; one that does not answer is left out.
    fn look(&mut self) -> Vec<Look>;
}

/// The driver's library.
struct Driver(Nvml);

impl Driver {
    fn load() -> Option<Self> {
        Nvml::init().ok().map(Self)
    }

    fn devices(&self) -> impl Iterator<Item = Device<'_>> {
        (0..self.0.device_count().unwrap_or(0)).filter_map(|n| self.0.device_by_index(n).ok())
    }
}

impl Cards for Driver {
    fn look(&mut self) -> Vec<Look> {
        let look = |device: Device<'_>| {
            let (busy, memory) = (device.utilization_rates().ok()?, device.memory_info().ok()?);
            Some(Look { name: device.name().ok()?, busy: f64::from(busy.gpu) / 100.0, used_bytes: memory.used })
        };
        self.devices().filter_map(look).collect()
    }
}

/// The cards of this machine, to be looked at; `None` without a driver.
pub(crate) fn open() -> Option<Box<dyn Cards>> {
    Some(Box::new(Driver::load()?))
}

/// The cards of this machine.
pub(crate) fn cards() -> Vec<Card> {
    let Some(driver) = Driver::load() else { return Vec::new() };
    let version = driver.0.sys_driver_version().unwrap_or_default();
    let card = |device: Device<'_>| {
        let memory = device.memory_info().ok()?;
        let (memory_bytes, free_bytes) = (memory.total, memory.free);
        Some(Card { name: device.name().ok()?, driver: version.clone(), memory_bytes, free_bytes })
    };
    driver.devices().filter_map(card).collect()
}

/// Engines that decode on a card of that name: a session never uses more than one (NVIDIA's table of its Video Codec SDK). Those that are known to
/// have several; the others count as one.
pub(crate) fn decode_engines(name: &str) -> u32 {
    const KNOWN: [(&str, u32); 6] = [("H100", 7), ("H200", 7), ("A100", 5), ("A30", 4), ("L4", 4), ("L40", 3)];
    let words = || name.split(|c: char| !c.is_ascii_alphanumeric());
    KNOWN
        .iter()
        .find(|(card, _)| words().any(|word| word == *card || word == format!("{card}S")))
        .map_or(1, |own| own.1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn engines_are_known_by_whole_words() {
        let names = ["NVIDIA H200", "NVIDIA A100-SXM4-80GB", "NVIDIA L40S", "NVIDIA L4", "NVIDIA GeForce RTX 4090", ""];
        assert_eq!(names.map(decode_engines), [7, 5, 3, 4, 1, 1]);
    }
}
