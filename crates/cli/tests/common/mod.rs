//! Runs the built binary and makes tiny clips for it with the ffmpeg program.
#![allow(dead_code, reason = "every test file takes what it needs")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "this is test code outside of a test function"
)]

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::Value;

/// The verbs, as the help lists them.
pub(crate) const VERBS: [&str; 11] =
    ["remove", "captions", "upscale", "probe", "inspect", "plan", "doctor", "bench", "runtime", "completions", "man"];

/// A temporary folder in which the binary runs.
pub(crate) struct Dir(tempfile::TempDir);

/// What a run of the binary left behind.
pub(crate) struct Ran {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Ran {
    /// The lines of stdout as JSON; fails where one is not.
    pub(crate) fn events(&self) -> Vec<Value> {
        let parse = |line| serde_json::from_str(line).unwrap_or_else(|e| panic!("{e} in {line:?}\n{}", self.err));
        self.out.lines().map(parse).collect()
    }

    /// Fails with what was said unless the exit code is `code`.
    #[track_caller]
    pub(crate) fn exits(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "stdout:\n{}\nstderr:\n{}", self.out, self.err);
        self
    }
}

impl From<Output> for Ran {
    fn from(output: Output) -> Self {
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        Self { code: output.status.code(), out: text(output.stdout), err: text(output.stderr) }
    }
}

impl Dir {
    /// An empty one.
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    /// A path in it.
    pub(crate) fn path(&self, name: impl AsRef<Path>) -> PathBuf {
        self.0.path().join(name)
    }

    /// The binary, to be run in this folder with an environment that does not reach it.
    pub(crate) fn command(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_cleanplate"));
        let read = ["CLEANPLATE_", "WATERMARK_", "YOLO_BATCH_SIZE", "INPAINT_BATCH_SIZE", "ORT_DYLIB_PATH"];
        let ours = |name: &OsStr| read.iter().any(|start| name.to_string_lossy().starts_with(start));
        for (name, _) in std::env::vars_os().filter(|(name, _)| ours(name)) {
            command.env_remove(name);
        }
        command.current_dir(self.0.path()).stdin(Stdio::null());
        command
    }

    /// Runs the binary with `args`.
    pub(crate) fn run<S: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = S>) -> Ran {
        self.command().args(args).output().unwrap().into()
    }

    /// Runs the binary with the words of `line`.
    pub(crate) fn say(&self, line: &str) -> Ran {
        self.run(line.split_whitespace())
    }

    /// Makes a file with the ffmpeg program from a moving test picture of `size`, `frames` long, and `options` before the
    /// name. The clip carries a white box as a mark.
    pub(crate) fn clip(&self, name: &str, size: &str, frames: u32, options: &str) -> PathBuf {
        let path = self.path(name);
        let source = format!("testsrc2=size={size}:rate=25,drawbox=x=8:y=8:w=24:h=12:color=white:t=fill");
        let mut ffmpeg = Command::new("ffmpeg");
        ffmpeg.args(["-v", "error", "-y", "-f", "lavfi", "-i", &source]).args(options.split_whitespace());
        ffmpeg.args(["-frames:v", &frames.to_string()]).arg(format!("file:{}", path.display()));
        let output = ffmpeg.stdin(Stdio::null()).output().expect("the ffmpeg program is installed");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        path
    }

    /// Names in it, sorted.
    pub(crate) fn names(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.0.path()).unwrap();
        let mut names: Vec<String> = entries.map(|e| e.unwrap().file_name().to_string_lossy().into_owned()).collect();
        names.sort();
        names
    }
}

/// Fast options for a small clip.
pub(crate) const FAST: &str = "-c:v libx264 -preset ultrafast -pix_fmt yuv420p";
