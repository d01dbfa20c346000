//! `cleanplate plan`: what would be done, as a file to be edited and run later.

use cleanplate::{Error, Job, Options, Result};

use crate::args::Plan;
use crate::environment::Environment;
use crate::exit;
use crate::folder;
use crate::paths;
use crate::terminal;
use crate::watch::Watch;

/// Makes the plan; saves it with `-o`, prints it with `--json`. Returns the exit code.
pub(crate) fn run(args: &Plan, environment: &Environment, watch: &mut Watch) -> Result<u8> {
    if folder::videos(&args.input)?.is_some() {
        return Err(Error::Usage(format!("{} is a folder of videos; plan takes one video", args.input.display())));
    }
    let devices = args.encode.devices(environment)?;
    let mut options =
        Options { encode: args.encode.options(), devices, overwrite: args.overwrite, ..Options::default() };
    args.place.apply(&mut options, environment)?;
    args.how.apply(&mut options, environment)?;
    args.kept.apply(&mut options);
    args.found.apply(&mut options);
    watch.start("plan", &args.input, args.output.as_deref());
    if let Some(path) = &args.output {
        paths::protect_input(&args.input, Some(path), "-o")?;
        paths::refuse_existing(path, args.overwrite)?;
    }
    if let Some(path) = &options.captions_out {
        paths::protect_input(&args.input, Some(path), "--captions-out")?;
        paths::refuse_existing(path, args.overwrite)?;
    }
    let job = Job { input: args.input.clone(), output: paths::beside(&args.input, "cleaned", None), options };
    // Its masks lie in a temporary folder that lives as long as this.
    let planned = cleanplate::plan(&job, watch)?;
    let plan = &planned.plan;
    watch.end();
    if let Some(path) = &args.output {
        plan.save(path)?;
        tracing::info!("plan: wrote {}", path.display());
    }
    if args.talk.json {
        terminal::print_document(plan).map_err(terminal::failed)?;
    }
    Ok(exit::DONE)
}
