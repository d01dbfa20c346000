//! The checks that every change has to pass, in the order in which they fail fastest.

use std::time::Instant;

use crate::step::{Failure, cargo, run};
use crate::{deny, docs, layers};

type Step = (&'static str, fn() -> Result<(), Failure>);

const STEPS: [Step; 7] = [
    ("fmt", || run(&mut cargo(&["fmt", "--all", "--check"]))),
    ("docs", docs::check),
    ("layers", layers::check),
    ("clippy", || run(&mut cargo(&["clippy", "--locked", "--workspace", "--all-targets", "--", "-D", "warnings"]))),
    ("test", || run(&mut cargo(&["test", "--locked", "--workspace", "--quiet"]))),
    ("doc", || {
        let mut doc = cargo(&["doc", "--locked", "--workspace", "--no-deps"]);
        run(doc.env("RUSTDOCFLAGS", "-D warnings"))
    }),
    ("deny", deny::check),
];

/// Runs all steps, or those named, up to the first that fails.
pub(crate) fn run_steps(names: &[String]) -> Result<(), Failure> {
    if let Some(stranger) = names.iter().find(|name| STEPS.iter().all(|(step, _)| step != name)) {
        let known = STEPS.map(|(step, _)| step).join(", ");
        return Err(format!("no check is called `{stranger}`; there are {known}"));
    }
    let start = Instant::now();
    for (name, check) in STEPS.iter().filter(|(step, _)| names.is_empty() || names.iter().any(|name| name == step)) {
        println!("== {name}");
        let began = Instant::now();
        check().map_err(|error| format!("{name}: {error}"))?;
        println!("== {name}: done in {:.0} s", began.elapsed().as_secs_f64());
    }
    println!("all checks passed in {:.0} s", start.elapsed().as_secs_f64());
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_check_is_refused_before_anything_runs() {
        let failure = run_steps(&["fmt".into(), "lint".into()]).unwrap_err();
        assert!(failure.contains("`lint`") && failure.contains("clippy"), "{failure}");
    }
}
