//! `cleanplate doctor`: what this machine can do, and what would help where it cannot.

use cleanplate::{Candidate, Card, DeviceOptions, Options, Result};

use crate::args::Doctor;
use crate::environment::{self, Environment};
use crate::exit;
use crate::human;
use crate::terminal;

/// Examines the machine and prints what was found. Returns the exit code: 6 where something is missing without which jobs fail.
pub(crate) fn run(args: &Doctor, environment: &Environment) -> Result<u8> {
    let devices = DeviceOptions { faults: environment.faults()?, ..DeviceOptions::default() };
    let mut options = Options { devices, ..Options::default() };
    environment::networks(&mut options);
    let found = cleanplate::doctor(&options);
    let printed = if args.json { terminal::print_document(&found) } else { terminal::print(&text(&found)) };
    printed.map_err(terminal::failed)?;
    Ok(if found.is_healthy { exit::DONE } else { exit::BACKEND })
}

fn card(card: &Card) -> String {
    let Card { name, driver, memory_bytes, free_bytes } = card;
    let (memory, free) = (human::size(*memory_bytes as f64), human::size(*free_bytes as f64));
    format!("{name} ({memory}, {free} of them free, driver {driver})")
}

fn text(found: &cleanplate::Doctor) -> String {
    let machine = &found.machine;
    let mut lines = vec![
        format!("cleanplate {} on {}", found.engine, machine.system),
        format!(
            "  processor  {}, {} cores, {} of memory free",
            machine.processor,
            machine.cores,
            human::size(machine.free_memory as f64)
        ),
    ];
    let nvidia = match &machine.cards[..] {
        [] => machine.nvidia.clone(),
        cards => cards.iter().map(card).collect(),
    };
    let cards = [nvidia, machine.render_devices.clone()].concat();
    lines.push(format!(
        "  graphics   {}",
        if cards.is_empty() { "none that this process can reach".to_owned() } else { cards.join(", ") }
    ));
    lines.extend(found.libraries.iter().map(|(name, what)| format!("  {name:<10} {what}")));
    let width = found.candidates.iter().map(|c| c.stage.len() + c.name.len() + 2).max().unwrap_or(0);
    lines.push(String::new());
    for candidate in &found.candidates {
        let Candidate { stage, name, available, is_needed, reason, remedy, ms } = candidate;
        let mark = match (available, is_needed) {
            (true, _) => "OK  ",
            (false, true) => "FAIL",
            (false, false) => "no  ",
        };
        let what = format!("{stage}: {name}");
        lines.push(match (reason, remedy) {
            (Some(reason), Some(remedy)) => format!("{mark} {what:<width$} {reason}\n       -> {remedy}"),
            _ => format!("{mark} {what:<width$} {ms:.0} ms"),
        });
    }
    let there = found.candidates.iter().filter(|c| c.available).count();
    let failed = found.candidates.iter().filter(|c| !c.available && c.is_needed).count();
    let verdict = if found.is_healthy { "healthy" } else { "not healthy" };
    lines.push(format!(
        "\n{there} of {} are there, {failed} that are needed are not: {verdict}\n",
        found.candidates.len()
    ));
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_card_is_shown_with_its_memory_and_driver() {
        let own = Card {
            name: "NVIDIA H200".to_owned(),
            driver: "570.86".to_owned(),
            memory_bytes: 150_754_000_000,
            free_bytes: 150_200_000_000,
        };
        assert_eq!(card(&own), "NVIDIA H200 (150.8 GB, 150.2 GB of them free, driver 570.86)");
    }
}
