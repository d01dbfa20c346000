//! Spellings that ffmpeg users write, turned into ours before the arguments are parsed.

use std::ffi::OsString;

use crate::values;

/// Single-dash options of ffmpeg and the flag that means the same.
const SPELLINGS: [(&str, &str); 7] = [
    ("-c:v", "--codec"),
    ("-codec:v", "--codec"),
    ("-vcodec", "--codec"),
    ("-crf", "--crf"),
    ("-preset", "--preset"),
    ("-pix_fmt", "--pix-fmt"),
    ("-pix-fmt", "--pix-fmt"),
];

/// The same arguments with ffmpeg's spellings replaced, and `--preview TIME` joined where a time follows, so that
/// `--preview in.mp4` is not read as one. Nothing after `--` is touched.
pub(crate) fn normalise(args: impl Iterator<Item = OsString>) -> Vec<OsString> {
    let mut args = args.peekable();
    let mut out = Vec::new();
    while let Some(arg) = args.next() {
        if arg == "--" {
            out.push(arg);
            break;
        }
        if let Some((_, flag)) = SPELLINGS.iter().find(|(spelling, _)| arg == *spelling) {
            out.push(OsString::from(flag));
        } else if arg == "--preview"
            && let Some(time) = args.next_if(|next| next.to_str().is_some_and(|text| values::moment(text).is_ok()))
        {
            let mut joined = OsString::from("--preview=");
            joined.push(time);
            out.push(joined);
        } else {
            out.push(arg);
        }
    }
    out.extend(args);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn normalised(line: &str) -> String {
        let args = normalise(line.split(' ').map(OsString::from));
        args.iter().map(|arg| arg.to_str().unwrap()).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn spellings_of_ffmpeg_become_flags_but_not_after_the_double_dash() {
        assert_eq!(normalised("x remove -c:v libx264 -crf 18"), "x remove --codec libx264 --crf 18");
        assert_eq!(normalised("x remove -- -c:v"), "x remove -- -c:v");
    }

    #[test]
    fn preview_takes_what_follows_only_when_it_is_a_time() {
        assert_eq!(normalised("x remove --preview 1:30 in.mp4"), "x remove --preview=1:30 in.mp4");
        assert_eq!(normalised("x remove --preview f12"), "x remove --preview=f12");
        assert_eq!(normalised("x remove --preview in.mp4"), "x remove --preview in.mp4");
        assert_eq!(normalised("x remove --preview --json"), "x remove --preview --json");
    }
}
