//! `cleanplate inspect`: masks and origins drawn over frames.

use cleanplate::{Error, Job, Options, Result};

use crate::args::Inspect;

use crate::environment::Environment;
use crate::exit;
use crate::folder;
use crate::paths;
use crate::watch::{Outcome, Watch};

/// Writes the picture or clip. Returns the exit code.
pub(crate) fn run(args: &Inspect, environment: &Environment, watch: &mut Watch) -> Result<u8> {
    if folder::videos(&args.input)?.is_some() {
        return Err(Error::Usage(format!("{} is a folder of videos; inspect takes one video", args.input.display())));
    }
    let mut options = Options { overwrite: args.overwrite, ..Options::default() };
    args.place.apply(&mut options, environment)?;
    args.how.apply(&mut options, environment)?;
    let out = args.output.clone().unwrap_or_else(|| paths::beside(&args.input, "inspect", Some("png")));
    watch.start("inspect", &args.input, Some(&out));
    paths::protect_input(&args.input, Some(&out), "-o")?;
    paths::refuse_existing(&out, args.overwrite)?;
    let job = Job { input: args.input.clone(), output: paths::beside(&args.input, "cleaned", None), options };
    cleanplate::inspect(&job, args.at.as_ref(), &out, watch)?;
    tracing::info!("inspect: wrote {}", out.display());
    watch.done(exit::DONE, Outcome::Output(out.display().to_string()));
    Ok(exit::DONE)
}
