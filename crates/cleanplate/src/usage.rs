//! How much of the machine a job uses while it runs: looked at now and then, without a thread of its own.

use std::time::{Duration, Instant};

use crate::cards::{Cards, Look};
use crate::report::{GpuReport, Resources};
use crate::resources;

/// Cards are asked this often at most: a driver's own figures are means over a sixth of a second to a second.
const EVERY: Duration = Duration::from_millis(500);

/// What a job uses from now on.
pub(crate) struct Usage {
    since: Instant,
    cpu_before: Option<Duration>,
    /// Opens the cards when they are looked at for the first time.
    open: fn() -> Option<Box<dyn Cards>>,
    cards: Option<Box<dyn Cards>>,
    looked: Option<Instant>,
    seen: Vec<Seen>,
}

/// What was seen of a card.
struct Seen {
    name: String,
    looks: u32,
    busy: f64,
    most_busy: f64,
    most_bytes: u64,
}

impl Usage {
    pub(crate) fn new(open: fn() -> Option<Box<dyn Cards>>) -> Self {
        let (since, cpu_before) = (Instant::now(), resources::cpu_time());
        Self { since, cpu_before, open, cards: None, looked: None, seen: Vec::new() }
    }

    /// Looks at the cards, where the last time is long enough ago.
    pub(crate) fn look(&mut self) {
        if self.looked.is_some_and(|looked| looked.elapsed() < EVERY) {
            return;
        }
        if self.looked.is_none() {
            self.cards = (self.open)();
        }
        self.looked = Some(Instant::now());
        let looks = self.cards.as_mut().map(|cards| cards.look()).unwrap_or_default();
        for (n, Look { name, busy, used_bytes }) in looks.into_iter().enumerate() {
            if n == self.seen.len() {
                self.seen.push(Seen { name, looks: 0, busy: 0.0, most_busy: 0.0, most_bytes: 0 });
            }
            let seen = &mut self.seen[n];
            seen.looks += 1;
            seen.busy += busy;
            seen.most_busy = seen.most_busy.max(busy);
            seen.most_bytes = seen.most_bytes.max(used_bytes);
        }
    }

    /// What was used until now.
    pub(crate) fn report(&mut self) -> Resources {
        self.look();
        let (wall, cpu, cores) = (self.since.elapsed().as_secs_f64(), resources::cpu_time(), resources::cores());
        let own = cpu.zip(self.cpu_before).map(|(now, before)| now.saturating_sub(before).as_secs_f64());
        let gpu = |seen: &Seen| GpuReport {
            name: seen.name.clone(),
            busy_mean: seen.busy / f64::from(seen.looks),
            busy_peak: seen.most_busy,
            memory_peak_bytes: seen.most_bytes,
        };
        Resources {
            wall_seconds: wall,
            cpu_seconds: cpu.map(|time| time.as_secs_f64()),
            cpu_share: own.map(|seconds| seconds / wall.max(1e-9) / cores as f64),
            cores: cores as u64,
            peak_rss_bytes: resources::peak_rss_bytes(),
            gpus: self.seen.iter().map(gpu).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A card that is a quarter busy, then three quarters, and holds ever less.
    struct Played(u32);

    impl Cards for Played {
        fn look(&mut self) -> Vec<Look> {
            self.0 += 1;
            let (busy, used_bytes) = if self.0 == 1 { (0.25, 3 << 30) } else { (0.75, 1 << 30) };
            vec![Look { name: "a card".to_owned(), busy, used_bytes }]
        }
    }

    #[test]
    fn a_card_is_looked_at_twice_a_second_at_most_and_its_mean_and_peaks_are_reported() {
        let mut usage = Usage::new(|| Some(Box::new(Played(0))));
        (0..1000).for_each(|_| usage.look());
        assert_eq!(usage.seen[0].looks, 1);
        // As if a second had gone by.
        usage.looked = usage.looked.and_then(|looked| looked.checked_sub(2 * EVERY));
        let report = usage.report();
        let wanted =
            GpuReport { name: "a card".to_owned(), busy_mean: 0.5, busy_peak: 0.75, memory_peak_bytes: 3 << 30 };
        assert_eq!(report.gpus, [wanted]);
    }

    #[test]
    fn without_a_driver_nothing_is_said_of_cards_and_the_processor_is_measured() {
        let mut usage = Usage::new(|| None);
        let mut sum = 0u64;
        while usage.since.elapsed() < Duration::from_millis(60) {
            sum = std::hint::black_box(sum.wrapping_mul(31) + 1);
        }
        let report = usage.report();
        let json = serde_json::to_value(&report).unwrap();
        assert!(json.get("gpus").is_none() && report.wall_seconds >= 0.06, "{json}");
        if let Some(share) = report.cpu_share {
            // Other tests of this process, and other processes, may run beside.
            assert!(share > 0.0 && share < 1.2, "{json}");
        }
    }
}
