//! What may be written on the command line. It refuses to know what is done with it.

use std::path::PathBuf;

use clap::builder::FalseyValueParser;
use clap::{ArgAction, Args, CommandFactory, Parser, Subcommand, ValueEnum, ValueHint};
use cleanplate::{Length, Region, Tier, Times, UpscaleModel, Wish};

use crate::bench::scene::{Kind, Size};
use crate::values;

const EXAMPLES: &str = "\
Examples:
  cleanplate remove in.mp4 -o out.mp4
      find the marks and remove them
  cleanplate remove in.mp4 -o out.mp4 --region 1650,40,220,90
      only look there
  cleanplate captions in.mp4 -o out.mp4
      find burned-in captions and remove them
  cleanplate upscale in.mp4 -o out.mp4
      twice as large
  cleanplate probe in.mp4
      what is in it, what will be kept

Any long flag can come from the environment: CLEANPLATE_CRF=20 stands for --crf 20. Flags win.
Exit codes: 0 done, 1 a defect of cleanplate, 2 usage, 3 the input, 4 unsupported or a limit,
5 the disk, 6 a device or library, 10 nothing found (nothing written), 130 interrupted (run again
to resume).";

const REMOVE_EXAMPLES: &str = "\
Examples:
  cleanplate remove in.mp4 -o out.mp4
      find persistent marks and remove them
  cleanplate remove in.mp4 -o out.mp4 --region 1650,40,220,90
      a mark lies inside this rectangle (x, y, width, height, as displayed)
  cleanplate remove in.mp4 -o out.mp4 --region top-right@10-25,1:30-2:00
      a named place, at some times only
  cleanplate remove in.mp4 --preview 12.5 --region bottom-right
      before | after of one moment as a picture, nothing else
  cleanplate remove in.mp4 -o out.mkv -c:v ffv1 --report report.json
      lossless, with a report
  cleanplate remove in.mp4 -o out.mp4 --detector marks.onnx --min-score 0.25
      a network of yours finds the marks
  cleanplate remove clips/ -o cleaned/ --mask logo.png
      every video of a folder; a table at the end
  cleanplate remove frames/frame_%04d.png -o clean/frame_%04d.png --fill-region 70%,5%,25%,10%
      numbered pictures";

const CAPTIONS_EXAMPLES: &str = "\
Examples:
  cleanplate captions in.mp4 -o out.mp4
      find every burned-in caption and remove it
  cleanplate captions in.mp4 -o out.mp4 --region bottom
      only look at the bottom of the picture
  cleanplate plan in.mp4 --target captions -o plan.json
      one entry for every caption, to be edited: cleanplate captions in.mp4 -o out.mp4 --plan-in plan.json";

const UPSCALE_EXAMPLES: &str = "\
Examples:
  cleanplate upscale in.mp4 -o out.mp4
      twice as large
  cleanplate upscale in.mp4 -o out.mp4 --width 3840
      as wide as that, in the shape of the picture
  cleanplate upscale in.mp4 -o out.mp4 -s 4 -n model.onnx
      a network of yours
  cleanplate upscale in.mp4 -o out.mp4 --target marks
      remove the marks in the same pass
  cleanplate upscale in.mp4 --frames-out frames/
      every frame as PNG instead of a video";

const PROBE_EXAMPLES: &str = "\
Examples:
  cleanplate probe in.mp4
  cleanplate probe in.mp4 --json | jq .lost
  cleanplate probe clips/";

const INSPECT_EXAMPLES: &str = "\
Examples:
  cleanplate inspect in.mp4
      the most telling moment, to in.inspect.png beside the input
  cleanplate inspect in.mp4 -o masks.png --at 12.5 --region top-right
  cleanplate inspect in.mp4 -o masks.mp4 --at 10-15
      a clip of five seconds";

const PLAN_EXAMPLES: &str = "\
Examples:
  cleanplate plan in.mp4 -o plan.json
      edit the plan, then: cleanplate remove in.mp4 -o out.mp4 --plan-in plan.json
  cleanplate plan in.mp4 --region bottom --json | jq .";

const DOCTOR_EXAMPLES: &str = "\
Examples:
  cleanplate doctor
  cleanplate doctor --json | jq '.candidates[] | select(.available | not)'";

const BENCH_EXAMPLES: &str = "\
Examples:
  cleanplate bench
      every job at every size: some minutes on two cores
  cleanplate bench --size 1080p --job remove --frames 300
  cleanplate bench -o bench.svg -o bench.json
      a plot and the document, besides the table
  cleanplate bench --json | jq '.rows[] | {job, size, fps, times_transcode}'

A size is that of the picture that a job makes: upscale makes it from one of half as many columns
and rows (4k: from 1080p). The transcode beside each job is of the same clip at its own size.";

const RUNTIME_EXAMPLES: &str = "\
Examples:
  pip download --no-deps onnxruntime
  cleanplate runtime install --wheel onnxruntime-*.whl
  cleanplate runtime list";

const COMPLETIONS_EXAMPLES: &str = "\
Examples:
  cleanplate completions bash > ~/.local/share/bash-completion/completions/cleanplate
  cleanplate completions zsh > ~/.zfunc/_cleanplate
  cleanplate completions fish > ~/.config/fish/completions/cleanplate.fish";

const MAN_EXAMPLES: &str = "\
Examples:
  cleanplate man | man -l -
  cleanplate man ~/.local/share/man/man1
      one page for every verb";

/// Removes burned-in marks from video: true pixels first, nothing else touched.
#[derive(Debug, Parser)]
#[command(name = "cleanplate", version, max_term_width = 100, after_help = EXAMPLES)]
#[command(subcommand_required = true, arg_required_else_help = true)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) verb: Verb,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// Remove marks from a video, an image, numbered images or a folder
    #[command(after_help = REMOVE_EXAMPLES)]
    Remove(Box<Remove>),
    /// Remove burned-in captions: `remove --target captions`
    #[command(after_help = CAPTIONS_EXAMPLES)]
    Captions(Box<Remove>),
    /// Enlarge a video; repeated frames are computed once
    #[command(after_help = UPSCALE_EXAMPLES)]
    Upscale(Box<Remove>),
    /// Tell what is in a file, what will be kept and what cannot be
    #[command(after_help = PROBE_EXAMPLES)]
    Probe(Box<Probe>),
    /// Draw masks and origins over frames, as a picture or a clip
    #[command(after_help = INSPECT_EXAMPLES)]
    Inspect(Box<Inspect>),
    /// Find the marks and write what would be done, to be edited and run later
    #[command(after_help = PLAN_EXAMPLES)]
    Plan(Box<Plan>),
    /// Try everything that jobs need on this machine, and say what would help
    #[command(after_help = DOCTOR_EXAMPLES)]
    Doctor(Doctor),
    /// Measure how fast jobs are on this machine, on drawn clips, against a plain transcode
    #[command(after_help = BENCH_EXAMPLES)]
    Bench(Box<Bench>),
    /// Install ONNX Runtime from a Python wheel, so that networks run about twice as fast, or list what is installed
    #[command(after_help = RUNTIME_EXAMPLES)]
    Runtime {
        #[command(subcommand)]
        action: Runtime,
    },
    /// Print completions for a shell
    #[command(after_help = COMPLETIONS_EXAMPLES)]
    Completions {
        /// For which shell
        shell: clap_complete::Shell,
    },
    /// Print the manual page, or write one for every verb
    #[command(after_help = MAN_EXAMPLES)]
    Man {
        /// Folder for one page per verb; the main page goes to stdout without it
        #[arg(value_hint = ValueHint::DirPath)]
        dir: Option<PathBuf>,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum Runtime {
    /// Take the library out of a wheel, check it, and use it from now on
    Install {
        /// A wheel of onnxruntime for this system
        #[arg(long, value_name = "FILE.whl", value_hint = ValueHint::FilePath)]
        wheel: PathBuf,
    },
    /// What is installed, the one that is used first
    List {
        /// One JSON document on stdout
        #[arg(long)]
        json: bool,
    },
}

#[derive(Debug, Args)]
pub(crate) struct Doctor {
    /// One JSON document on stdout
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Bench {
    /// 720p, 1080p, 4k or WIDTHxHEIGHT; repeatable [default: 720p, 1080p and 4k]
    #[arg(long, value_name = "SIZE", value_delimiter = ',')]
    pub(crate) size: Vec<Size>,
    /// What is measured; repeatable [default: all three]
    #[arg(long, value_name = "JOB", value_enum, value_delimiter = ',')]
    pub(crate) job: Vec<Kind>,
    /// Frames of every clip [default: 96 at 720p, 42 at 1080p, 24 at 4k]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(8..=10_000))]
    pub(crate) frames: Option<u32>,
    /// A plot, or what --json prints; repeatable
    #[arg(short, long, value_name = "FILE.svg|FILE.png|FILE.json", value_hint = ValueHint::FilePath)]
    pub(crate) output: Vec<PathBuf>,
    /// Replace an existing output
    #[arg(short = 'y', long)]
    pub(crate) overwrite: bool,
    #[command(flatten)]
    pub(crate) encode: Encode,
    #[command(flatten)]
    pub(crate) talk: Talk,
}

#[derive(Debug, Args)]
pub(crate) struct Remove {
    /// A video, an image, numbered images (frame_%04d.png) or a folder
    #[arg(value_name = "IN", value_hint = ValueHint::AnyPath)]
    pub(crate) input: PathBuf,
    /// What to write; a folder where IN is one
    #[arg(short, long, value_name = "OUT", value_hint = ValueHint::AnyPath, required_unless_present_any = ["preview", "dry_run", "frames_out"])]
    pub(crate) output: Option<PathBuf>,
    /// Replace an existing output
    #[arg(short = 'y', long)]
    pub(crate) overwrite: bool,
    /// Only write before | after of one moment as PNG, 1:1; without TIME the most telling one
    #[arg(long, value_name = "TIME", num_args = 0..=1, require_equals = true, value_parser = values::moment)]
    #[expect(clippy::option_option, reason = "the flag and its value are both optional")]
    pub(crate) preview: Option<Option<Times>>,
    /// Everything but the rendering: what would be done
    #[arg(long)]
    pub(crate) dry_run: bool,
    #[command(flatten)]
    pub(crate) place: Place,
    #[command(flatten)]
    pub(crate) how: How,
    #[command(flatten)]
    pub(crate) enlarge: Enlarge,
    #[command(flatten)]
    pub(crate) encode: Encode,
    #[command(flatten)]
    pub(crate) kept: Kept,
    #[command(flatten)]
    pub(crate) state: State,
    #[command(flatten)]
    pub(crate) found: Found,
    #[command(flatten)]
    pub(crate) written: Written,
    #[command(flatten)]
    pub(crate) talk: Talk,
}

#[derive(Debug, Args)]
pub(crate) struct Probe {
    /// A video, an image, numbered images (frame_%04d.png) or a folder
    #[arg(value_name = "IN", value_hint = ValueHint::AnyPath)]
    pub(crate) input: PathBuf,
    #[command(flatten)]
    pub(crate) stream: Stream,
    #[command(flatten)]
    pub(crate) encode: Encode,
    #[command(flatten)]
    pub(crate) talk: Talk,
}

#[derive(Debug, Args)]
pub(crate) struct Inspect {
    /// A video, an image, or numbered images (frame_%04d.png)
    #[arg(value_name = "IN", value_hint = ValueHint::AnyPath)]
    pub(crate) input: PathBuf,
    /// A picture or a video; default: IN.inspect.png beside the input
    #[arg(short, long, value_name = "OUT", value_hint = ValueHint::FilePath)]
    pub(crate) output: Option<PathBuf>,
    /// Replace an existing output
    #[arg(short = 'y', long)]
    pub(crate) overwrite: bool,
    /// The moment, or for a video the range (10-15); default: the most telling one
    #[arg(long, value_name = "TIMES", value_parser = values::moment)]
    pub(crate) at: Option<Times>,
    #[command(flatten)]
    pub(crate) place: Place,
    #[command(flatten)]
    pub(crate) how: How,
    #[command(flatten)]
    pub(crate) talk: Talk,
}

#[derive(Debug, Args)]
pub(crate) struct Plan {
    /// A video, an image, or numbered images (frame_%04d.png)
    #[arg(value_name = "IN", value_hint = ValueHint::AnyPath)]
    pub(crate) input: PathBuf,
    /// The plan; its masks go to a folder beside it (plan.blobs)
    #[arg(short, long, value_name = "PLAN", value_hint = ValueHint::FilePath, required_unless_present = "json")]
    pub(crate) output: Option<PathBuf>,
    /// Replace an existing plan
    #[arg(short = 'y', long)]
    pub(crate) overwrite: bool,
    #[command(flatten)]
    pub(crate) place: Place,
    #[command(flatten)]
    pub(crate) how: How,
    #[command(flatten)]
    pub(crate) encode: Encode,
    #[command(flatten)]
    pub(crate) kept: Kept,
    #[command(flatten)]
    pub(crate) found: Found,
    #[command(flatten)]
    pub(crate) talk: Talk,
}

/// Where marks are. Without any of these they are located.
#[derive(Debug, Args)]
#[command(next_help_heading = "Where the marks are (located when nothing is said)")]
pub(crate) struct Place {
    /// What is removed [default: marks; of the verb captions: captions]
    #[arg(long, value_name = "TARGET", value_enum)]
    pub(crate) target: Option<Target>,
    /// What is shown for less is no caption: seconds (0.25s) or frames (6) [default: 0.25s]
    #[arg(long, value_name = "LENGTH")]
    pub(crate) min_duration: Option<Length>,
    /// The mark lies in this rectangle (pixels or %, as displayed), or look in a named place (top, bottom-right ...);
    /// repeatable
    #[arg(long, value_name = "X,Y,W,H[@TIMES]", value_delimiter = ';', allow_hyphen_values = true)]
    pub(crate) region: Vec<Region>,
    /// Fill the whole rectangle without looking; repeatable
    #[arg(long, value_name = "X,Y,W,H[@TIMES]", value_delimiter = ';', allow_hyphen_values = true)]
    pub(crate) fill_region: Vec<Region>,
    /// A gray picture of the displayed size: white is the mark; repeatable
    #[arg(long, value_name = "M.png", value_hint = ValueHint::FilePath)]
    pub(crate) mask: Vec<PathBuf>,
    /// A gray video of the displayed size, frame for frame: white is the mark
    #[arg(long, value_name = "M.mkv", value_hint = ValueHint::FilePath)]
    pub(crate) mask_video: Option<PathBuf>,
    /// A picture of the mark with its opacity (of the displayed size, or smaller: then it is looked for, inside --region
    /// where that is given), or a matte that --matte-out has written on a clip of the same size and format; repeatable
    #[arg(long, value_name = "RGBA.png|M.matte", value_hint = ValueHint::FilePath)]
    pub(crate) matte: Vec<PathBuf>,
    /// A YOLO-type network (ONNX) that finds the marks, moving ones too; see docs/models.md
    #[arg(long, value_name = "D.onnx", value_hint = ValueHint::FilePath)]
    pub(crate) detector: Option<PathBuf>,
    /// A DBNet-type text detector (PP-OCR, ONNX) that finds captions instead of the built-in network; see docs/models.md
    #[arg(long, value_name = "T.onnx", value_hint = ValueHint::FilePath)]
    pub(crate) text_model: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) track: Track,
    /// Never touch this rectangle; wins over everything; repeatable
    #[arg(long, value_name = "X,Y,W,H[@TIMES]", value_delimiter = ';', allow_hyphen_values = true)]
    pub(crate) keep_region: Vec<Region>,
    /// Touch nothing at other times: seconds, clock or frames (10-25,1:30-2:00,f120-f180)
    #[arg(long, alias = "segments", value_name = "TIMES", allow_hyphen_values = true)]
    pub(crate) only: Option<Times>,
    /// Grow masks by this many pixels a side [default: 3 for found ones, 0 for given ones]
    #[arg(long, value_name = "PX")]
    pub(crate) dilate: Option<u32>,
    /// Take a plan made earlier instead of looking again
    #[arg(long, value_name = "P.json", value_hint = ValueHint::FilePath)]
    pub(crate) plan_in: Option<PathBuf>,
}

/// How a detector's boxes become marks. Lengths are frames (18) or seconds (0.6s).
#[derive(Debug, Args)]
#[command(next_help_heading = "How boxes of --detector become marks")]
pub(crate) struct Track {
    /// The least score of a box that counts [default: 0.10]
    #[arg(long, value_name = "SCORE", value_parser = values::share)]
    pub(crate) min_score: Option<f32>,
    /// How long a mark is held before it is first and after it is last seen [default: 18]
    #[arg(long, value_name = "LENGTH")]
    pub(crate) persistence: Option<Length>,
    /// A mark that is seen again at its place within this time was there all the time [default: 2s]
    #[arg(long, value_name = "LENGTH")]
    pub(crate) accumulate: Option<Length>,
    /// Over a gap of at most this length a box moves evenly, over a longer one it covers both ends [default: 5]
    #[arg(long, value_name = "LENGTH")]
    pub(crate) max_gap: Option<Length>,
    /// Show the detector (captions: the text network) every so many frames [default: 1, for captions 2]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=250))]
    pub(crate) every: Option<u32>,
    /// Frames that the detector or the text network takes at once at most, up to 32; never shows in what it sees
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=256))]
    pub(crate) detect_batch: Option<u16>,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "How")]
pub(crate) struct How {
    /// Ways of restoring that may be used, the truest first [default: all]
    #[arg(long, value_name = "TIERS", value_delimiter = ',', help = tiers_help())]
    pub(crate) tiers: Vec<Tier>,
    /// An inpainting network (LaMa-type, ONNX) that fills instead of the spatial fill; see docs/models.md
    #[arg(long, value_name = "F.onnx", value_hint = ValueHint::FilePath)]
    pub(crate) fill_model: Option<PathBuf>,
    /// Crops that an inpainting network, or tiles that one that enlarges, is shown at once at most; never shows in the pixels [default: 1 on
    /// processors; on devices what turns out to be fastest]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=256))]
    pub(crate) fill_batch: Option<u16>,
    #[command(flatten)]
    pub(crate) stream: Stream,
    /// Bytes of frames that wait between stages at most (64M, 1G); never shows in the pixels [default: 64M; on a card what --window takes]
    #[arg(long, value_name = "SIZE", value_parser = values::bytes)]
    pub(crate) memory: Option<u64>,
    /// Frames that wait between stages at most; never shows in the pixels [default: 180 to 450 by the memory of a card; without one --memory says]
    #[arg(long, value_name = "FRAMES", value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub(crate) window: Option<u32>,
    /// Share of a card's memory that networks may take [default: 0.95]
    #[arg(long, value_name = "SHARE", value_parser = values::fraction)]
    pub(crate) vram_fraction: Option<f64>,
}

/// How the picture is enlarged. Without a size it keeps its own; the verb upscale doubles it.
#[derive(Debug, Args)]
#[command(next_help_heading = "Enlarging (upscale doubles the size when none is given)")]
pub(crate) struct Enlarge {
    /// So many times as large on both sides (2, 1.5, 4)
    #[arg(short = 's', long, value_name = "FACTOR", value_parser = values::factor, conflicts_with_all = ["width", "height"])]
    pub(crate) scale: Option<f64>,
    /// So many columns, as displayed; rows follow from the picture's shape unless --height is given
    #[arg(long, value_name = "PX", value_parser = clap::value_parser!(u32).range(1..=16384))]
    pub(crate) width: Option<u32>,
    /// So many rows, as displayed
    #[arg(long, value_name = "PX", value_parser = clap::value_parser!(u32).range(1..=16384))]
    pub(crate) height: Option<u32>,
    /// What enlarges: fast or quality (built in), or a network of yours (ONNX: a picture in, the same picture larger out) [default: fast]
    #[arg(short = 'n', long, value_name = "fast|quality|FILE.onnx", value_parser = values::upscaler)]
    pub(crate) model: Option<UpscaleModel>,
    /// What you know better than what is found out. Of a built-in network: source=clean|coded; of one of yours: channels=1|3, factor=N,
    /// white=1|255, order=rgb|bgr, multiple=N (of which sides have to be multiples), reach=N (samples around one that it looks at). Repeatable
    #[arg(long, value_name = "KEY=VALUE", value_parser = values::pair)]
    pub(crate) model_set: Vec<(String, String)>,
    /// Samples a side of what goes through the network at once [default: 128]
    #[arg(short = 't', long, value_name = "PX", value_parser = clap::value_parser!(u32).range(16..=4096))]
    pub(crate) tile: Option<u32>,
    /// What counts as a repeated frame, which is computed once [default: perceptual]
    #[arg(long, value_name = "RULE", value_enum)]
    pub(crate) repeats: Option<Repeats>,
    /// Write every frame as PNG into this folder, as it is displayed, instead of a video; frames.ffconcat there has their times
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath, conflicts_with_all = ["output", "preview"])]
    pub(crate) frames_out: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Repeats {
    Exact,
    Perceptual,
    Off,
}

fn tiers_help() -> String {
    let names: Vec<&str> = Tier::ALL.iter().map(|tier| tier.name()).collect();
    format!("Ways of restoring that may be used, of: {} [default: all]", names.join(", "))
}

#[derive(Debug, Args)]
pub(crate) struct Stream {
    /// The video track worked on, by its number in the file [default: as ffmpeg chooses]
    #[arg(long, value_name = "N")]
    pub(crate) stream: Option<usize>,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Encoder (default: as the source)")]
pub(crate) struct Encode {
    /// A codec (h264, hevc, av1, ffv1, prores, mpeg2video) or libav's name of an encoder; also -c:v
    #[arg(long, value_name = "NAME")]
    pub(crate) codec: Option<String>,
    /// Constant quality on the encoder's own scale
    #[arg(long, value_name = "Q", value_parser = values::quality, allow_negative_numbers = true)]
    pub(crate) crf: Option<f32>,
    /// The encoder's speed preset
    #[arg(long, value_name = "NAME")]
    pub(crate) preset: Option<String>,
    /// libav's name of a sample format (yuv420p10le)
    #[arg(long, value_name = "NAME")]
    pub(crate) pix_fmt: Option<String>,
    /// The encoder's own option; repeatable
    #[arg(short = 'e', long, value_name = "KEY=VALUE", value_parser = values::pair)]
    pub(crate) encoder_option: Vec<(String, String)>,
    /// What decodes the source: auto (a device that decodes the first frames as software does, else software), hw, sw, or a device by name
    /// (nvdec, vaapi, videotoolbox, d3d11va, vulkan); never shows in the pixels [default: auto]
    #[arg(long, value_name = "auto|hw|sw|NAME")]
    pub(crate) decoder: Option<Wish>,
    /// What computes networks: auto (a device that computes as the processor does, else the processor), hw, cpu, or a runtime by name
    /// (tensorrt, cuda, webgpu, onnxruntime, rten), each with :N for the N-th device from 0, which then decodes and encodes too; with cpu nothing
    /// but the processor is used where --decoder and --encoder say nothing else [default: auto]
    #[arg(long, value_name = "auto|hw|cpu|NAME[:N]", value_parser = values::device)]
    pub(crate) device: Option<(Wish, usize)>,
    /// Where it is encoded: auto (hardware that passes a trial, else software), hw, sw, or libav's name of an encoder (h264_nvenc) [default: auto]
    #[arg(long, value_name = "auto|hw|sw|NAME")]
    pub(crate) encoder: Option<Wish>,
    /// Hardware or a library that refuses is an error (exit code 6) instead of a reason to take the next one
    #[arg(long)]
    pub(crate) strict: bool,
    /// Threads of the encoder; decides bits, and is part of the plan
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=256))]
    pub(crate) encoder_threads: Option<u32>,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "What is kept")]
pub(crate) struct Kept {
    /// Leave out streams that the target cannot carry, instead of refusing
    #[arg(long)]
    pub(crate) drop_streams: bool,
    /// Consent to a loss (alpha, hdr-dynamic, captions ...); repeatable
    #[arg(long, value_name = "KIND", value_delimiter = ',')]
    pub(crate) accept_loss: Vec<String>,
    /// Copy the file where no mark is found, instead of exit code 10
    #[arg(long)]
    pub(crate) copy_if_clean: bool,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "State and checks")]
pub(crate) struct State {
    /// full: decode the whole output; packets: structure, counts, times and copied packets
    #[arg(long, value_name = "MODE", value_enum, default_value = "full")]
    pub(crate) verify: Verify,
    /// Where finished segments lie until the end [default: .OUT.cleanplate beside the output]
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub(crate) work_dir: Option<PathBuf>,
    /// Start anew instead of using the finished segments of an earlier run
    #[arg(long)]
    pub(crate) no_resume: bool,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "What was found")]
pub(crate) struct Found {
    /// Write times and boxes of the captions as .srt or .ass with empty text
    #[arg(long, value_name = "F.srt|F.ass", value_hint = ValueHint::FilePath)]
    pub(crate) captions_out: Option<PathBuf>,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "What was done")]
pub(crate) struct Written {
    /// Write a report as JSON
    #[arg(long, value_name = "R.json", value_hint = ValueHint::FilePath)]
    pub(crate) report: Option<PathBuf>,
    /// Write the origin of every pixel as a gray FFV1 video
    #[arg(long, value_name = "O.mkv", value_hint = ValueHint::FilePath)]
    pub(crate) origin_map: Option<PathBuf>,
    /// Write the masks as a gray FFV1 video
    #[arg(long, value_name = "M.mkv", value_hint = ValueHint::FilePath)]
    pub(crate) mask_out: Option<PathBuf>,
    /// Write the matte of the mark that has one, for --matte on other clips
    #[arg(long, value_name = "M.matte", value_hint = ValueHint::FilePath)]
    pub(crate) matte_out: Option<PathBuf>,
    /// Write the plan
    #[arg(long, value_name = "P.json", value_hint = ValueHint::FilePath)]
    pub(crate) plan_out: Option<PathBuf>,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Messages")]
pub(crate) struct Talk {
    /// Machine-readable output on stdout: events as JSON lines for jobs, one document otherwise
    #[arg(long)]
    pub(crate) json: bool,
    /// auto: a bar on a terminal, a line every 5 s elsewhere
    #[arg(long, value_name = "KIND", value_enum, default_value = "auto")]
    pub(crate) progress: Progress,
    /// The least serious lines shown on stderr and written to the log file
    #[arg(long, value_name = "LEVEL", value_enum, default_value = "info")]
    pub(crate) log_level: LogLevel,
    /// Append the log to this file as well
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) log_file: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Target {
    Marks,
    Captions,
    All,
    Nothing,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Verify {
    Full,
    Packets,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Progress {
    Auto,
    Plain,
    None,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub(crate) enum LogLevel {
    Error,
    Warning,
    Info,
    Debug,
}

/// The whole command. Every long flag of a verb can come from the environment.
pub(crate) fn command() -> clap::Command {
    Cli::command().mut_subcommands(|verb| {
        verb.mut_args(|arg| match arg.get_long().map(variable) {
            Some(name) if !matches!(arg.get_action(), ArgAction::Help | ArgAction::Version) => {
                let arg = if matches!(arg.get_action(), ArgAction::SetTrue) {
                    arg.value_parser(FalseyValueParser::new())
                } else {
                    arg
                };
                arg.env(name).hide_env(true)
            }
            _ => arg,
        })
    })
}

/// The environment variable that stands for a long flag.
pub(crate) fn variable(long: &str) -> String {
    format!("CLEANPLATE_{}", long.to_uppercase().replace('-', "_"))
}
