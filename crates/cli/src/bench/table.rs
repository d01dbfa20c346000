//! What was measured, for people.

use std::ops::Range;

use cleanplate::Machine;

use super::{Bench, Processor, Row};
use crate::human::{self, printable};
use crate::progress;

/// What the columns mean.
const LEGEND: [&str; 4] = [
    "One run of each job. The transcode is of the same clip, at its own size, with the same encoder and settings: mean of one before and one after.",
    "times, CPU times: wall and processor seconds of the job for one of the transcode.",
    "CPU: share of all cores that the job kept busy.",
    "PSNR: of luma inside of the mark against the clip without it, before -> after.",
];

/// The machine in a line.
pub(crate) fn machine(machine: &Machine) -> String {
    let cards = machine.nvidia.iter().map(|card| format!(", {card}")).collect::<String>();
    let Machine { system, processor, cores, .. } = machine;
    format!("{system}, {processor}, {cores} cores{cards}")
}

/// Everything.
pub(crate) fn text(bench: &Bench) -> String {
    let mut lines = vec![
        format!("cleanplate {} on {}", bench.engine, machine(&bench.machine)),
        if bench.runtimes.is_empty() {
            "no network ran".to_owned()
        } else {
            format!("networks on {}", bench.runtimes.join(", "))
        },
        String::new(),
    ];
    lines.extend(aligned(&rows(&bench.rows), &(3..11)));
    lines.push(String::new());
    lines.extend(LEGEND.map(str::to_owned));
    lines.push(String::new());
    lines.push("Frames a busy second of each stage (stages overlap), and seconds of each phase".to_owned());
    lines.extend(aligned(&bench.rows.iter().map(details).collect::<Vec<_>>(), &(0..0)));
    lines.extend(devices(&bench.rows));
    lines.extend(elsewhere(bench));
    lines.push(String::new());
    lines.join("\n")
}

fn rows(rows: &[Row]) -> Vec<Vec<String>> {
    let head = [
        "job",
        "size",
        "from",
        "frames",
        "seconds",
        "fps",
        "transcode fps",
        "times",
        "CPU times",
        "CPU",
        "peak memory",
        "PSNR",
    ];
    let line = |row: &Row| {
        let decibels = |db: Option<f64>| db.map_or_else(|| "-".to_owned(), |db| format!("{db:.1}"));
        let psnr = row
            .psnr
            .map_or_else(String::new, |psnr| format!("{} -> {} dB", decibels(psnr.before_db), decibels(psnr.after_db)));
        vec![
            row.job.to_owned(),
            row.size.clone(),
            format!("{}x{}", row.from.0, row.from.1),
            row.frames.to_string(),
            format!("{:.1}", row.seconds),
            rate(row.fps),
            rate(row.transcode.fps),
            format!("{:.2}", row.times_transcode),
            row.times_transcode_cpu.map_or_else(String::new, |times| format!("{times:.2}")),
            row.cpu.map_or_else(String::new, utilisation),
            row.peak_rss_bytes.map_or_else(String::new, human::size),
            psnr,
        ]
    };
    std::iter::once(head.map(str::to_owned).to_vec()).chain(rows.iter().map(line)).collect()
}

fn details(row: &Row) -> Vec<String> {
    // A stage that does next to nothing has no rate worth telling.
    let stages = row.stages.iter().filter(|stage| stage.seconds > 0.01);
    let stages: Vec<String> = stages.map(|stage| format!("{} {}", stage.name, rate(stage.rate))).collect();
    let mut phases: Vec<(&str, f64)> = Vec::new();
    for phase in &row.phases {
        let name = progress::name(phase.phase);
        match phases.iter_mut().find(|(known, _)| *known == name) {
            Some((_, seconds)) => *seconds += phase.seconds,
            None => phases.push((name, phase.seconds)),
        }
    }
    let phases: Vec<String> = phases.iter().map(|(name, seconds)| format!("{name} {seconds:.1} s")).collect();
    vec![row.job.to_owned(), row.size.clone(), stages.join(" | "), phases.join(" | ")]
}

/// What decoded and encoded, and what refused to, each said once.
fn devices(rows: &[Row]) -> Vec<String> {
    let mut lines = vec![String::new()];
    let own = rows.iter().map(|row| format!("decoded by {}, encoded by {}", row.decoder, row.encoder));
    let refusals = rows.iter().flat_map(|row| &row.refusals).map(|line| printable(line).into_owned());
    for line in own.chain(refusals) {
        if !lines.contains(&line) {
            lines.push(line);
        }
    }
    for row in rows {
        let Row { job, size, flashes, transcode, .. } = row;
        for gpu in &row.gpus {
            let memory = human::size(gpu.memory_peak_bytes as f64);
            let (mean, peak) = (100.0 * gpu.busy_mean, 100.0 * gpu.busy_peak);
            lines.push(format!(
                "{job} {size}: {} busy {mean:.0} % (at most {peak:.0} %), {memory} of its memory",
                gpu.name
            ));
        }
        if *flashes > 0 {
            lines.push(format!("{job} {size}: the mark still shows in {flashes} frames"));
        }
        if let Some(unrest) = transcode.unrest() {
            let [before, after] = transcode.runs;
            lines.push(format!(
                "{job} {size}: not to be relied on: the transcode took {before:.1} s before and {after:.1} s after the job, {:.0} % apart; \
                 something else kept the machine busy",
                100.0 * unrest
            ));
        }
    }
    lines
}

fn elsewhere(bench: &Bench) -> Vec<String> {
    let mut lines = vec![
        String::new(),
        "Published elsewhere, by the systems that cleanplate replaces; not measured here, and of other clips"
            .to_owned(),
    ];
    for entry in &bench.elsewhere {
        lines.push(format!("  {} frames, {}", entry.frames, entry.what));
        lines.extend(entry.published.iter().map(|own| format!("    {:>8} s  {}", own.seconds, own.on)));
        if let Some(computed) = &entry.computed {
            lines.push(format!("    {:>8.0} s  this machine, computed from {} above", computed.seconds, computed.from));
        }
    }
    lines
}

/// Frames a second, as precise as slow jobs need.
pub(crate) fn rate(fps: f64) -> String {
    if fps < 10.0 { format!("{fps:.2}") } else { format!("{fps:.1}") }
}

fn utilisation(cpu: Processor) -> String {
    format!("{:.0} %", 100.0 * cpu.utilisation)
}

/// Columns of equal width, those of `numbers` flush to the right.
fn aligned(rows: &[Vec<String>], numbers: &Range<usize>) -> Vec<String> {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max();
    let widths: Vec<usize> = (0..columns).map(|column| width(column).unwrap_or(0)).collect();
    let line = |row: &Vec<String>| {
        let cells = row.iter().zip(&widths).enumerate().map(|(column, (cell, width))| {
            if numbers.contains(&column) { format!("{cell:>width$}") } else { format!("{cell:<width$}") }
        });
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    rows.iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::super::tests::{bench, row};
    use super::*;

    #[test]
    fn the_table_has_a_line_a_row_and_says_what_was_not_measured_here() {
        let text = text(&bench(vec![row("remove", "1080p", 20.0, 40.0), row("upscale", "4k", 1.234, 160.0)]));
        for part in [
            "remove   1080p  1920x1080      50      2.5  20.0           40.0    2.00       2.00  80 %     500.0 MB  18.0 -> - dB",
            "upscale  4k     1920x1080      50     40.5  1.23          160.0  129.66     129.66  80 %     500.0 MB",
            "remove   1080p  decode 100.0",
            "not measured here",
            "15 s  this machine, computed from remove 1080p above",
            "no \\u{1b}card",
        ] {
            assert!(text.contains(part), "{part:?} in:\n{text}");
        }
        assert_eq!(text.matches("decoded by h264").count(), 1, "said once:\n{text}");
        assert!(!text.contains("still shows"), "{text}");
    }

    #[test]
    fn a_machine_that_was_busy_with_something_else_is_told_of() {
        let mut row = row("captions", "4k", 1.0, 2.0);
        row.transcode.runs = [20.0, 30.0];
        row.flashes = 3;
        let text = text(&bench(vec![row]));
        assert!(text.contains("captions 4k: not to be relied on") && text.contains("50 % apart"), "{text}");
        assert!(text.contains("captions 4k: the mark still shows in 3 frames"), "{text}");
    }

    #[test]
    fn columns_of_numbers_are_flush_to_the_right() {
        let row = |cells: [&str; 2]| cells.map(str::to_owned).to_vec();
        assert_eq!(aligned(&[row(["a", "n"]), row(["bc", "100"])], &(1..2)), ["a     n", "bc  100"]);
    }
}
