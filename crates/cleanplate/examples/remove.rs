//! Cleans a video through the public API, with progress and a way to stop:
//! `cargo run --release --example remove -- in.mp4 out.mp4 1650,40,220,90`. Type `q` and Enter to stop; the same command
//! goes on from there.

#![allow(clippy::print_stdout, clippy::print_stderr)] // a program talks

use std::error::Error;
use std::io::BufRead;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use cleanplate::{Control, Event, Job, Observer, Options, run};

struct Terminal {
    stop: Arc<AtomicBool>,
}

impl Observer for Terminal {
    fn event(&mut self, event: Event) {
        match event {
            Event::Progress { phase, done, total, rate, .. } => {
                eprint!("\r{phase:?} {:3.0} % {rate:8.1}/s ", 100.0 * done as f64 / total.max(1) as f64);
            }
            Event::Log { message, .. } => eprintln!("\r{message}"),
            _ => {}
        }
    }

    fn control(&mut self) -> Control {
        if self.stop.load(Ordering::Relaxed) { Control::Cancel } else { Control::Continue }
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [input, output, places @ ..] = args.as_slice() else {
        return Err("usage: remove IN OUT [X,Y,W,H ...]".into());
    };
    let regions = places.iter().map(|place| place.parse()).collect::<Result<_, _>>()?;
    let options = Options { regions, overwrite: true, ..Options::default() };
    let job = Job { input: input.into(), output: output.into(), options };

    let stop = Arc::new(AtomicBool::new(false));
    let asked = Arc::clone(&stop);
    std::thread::spawn(move || {
        let lines = std::io::stdin().lock().lines();
        if lines.map_while(Result::ok).any(|line| line.trim() == "q") {
            asked.store(true, Ordering::Relaxed);
        }
    });
    let report = run(&job, &mut Terminal { stop })?;
    let invented = report.origins.invented;
    println!("{} frames, {} with a mark, {invented} pixels filled", report.frames, report.frames_marked);
    for check in report.checks {
        println!("{} {}: {}", if check.ok { "ok  " } else { "FAIL" }, check.name, check.detail);
    }
    Ok(())
}
