//! What a job would do, as pictures: `pictures preview|inspect IN OUT [REGION]`. Without a region marks are located.

use std::path::PathBuf;
use std::process::ExitCode;

use cleanplate::{Error, Event, Job, Observer, Options, Region, inspect, preview};

/// Passes lines for people on to the terminal.
struct Terminal;

impl Observer for Terminal {
    #[allow(clippy::print_stderr)] // a program, not the library
    fn event(&mut self, event: Event) {
        if let Event::Log { level, message } = event {
            eprintln!("{level:?}: {message}");
        }
    }
}

fn main() -> ExitCode {
    match draw(&std::env::args().skip(1).collect::<Vec<_>>()) {
        Ok(()) => ExitCode::SUCCESS,
        #[allow(clippy::print_stderr)] // a program, not the library
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn draw(words: &[String]) -> Result<(), Error> {
    let [verb, input, out, region @ ..] = words else {
        return Err(Error::Usage("usage: pictures preview|inspect IN OUT [REGION...]".into()));
    };
    let regions = region.iter().map(|text| text.parse::<Region>()).collect::<Result<_, _>>().map_err(Error::Usage)?;
    let options = Options { regions, ..Options::default() };
    let job = Job { input: input.into(), output: PathBuf::new(), options };
    match verb.as_str() {
        "preview" => preview(&job, None, out.as_ref(), &mut Terminal),
        "inspect" => inspect(&job, None, out.as_ref(), &mut Terminal),
        other => Err(Error::Usage(format!("{other} is neither preview nor inspect"))),
    }
}
