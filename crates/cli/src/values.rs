//! Values of flags that the engine's own types do not read: moments, sizes, pairs.

use std::path::PathBuf;

use cleanplate::{Times, UpscaleModel, Wish};

/// One moment (`12.5`, `1:30`, `f120`), read as the range that starts there, or a range.
pub(crate) fn moment(text: &str) -> Result<Times, String> {
    if text.contains('-') { text.parse() } else { format!("{}-", text.trim()).parse() }
}

/// Bytes with an optional suffix: `500000`, `64M`, `1.5G`, `512MiB`. Suffixes are powers of 1024.
pub(crate) fn bytes(text: &str) -> Result<u64, String> {
    let wrong = || format!("{text:?} is not a size: write bytes or a suffix, for example 64M or 1.5G");
    let lower = text.trim().to_ascii_lowercase();
    let number = lower.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit = match &lower[number.len()..] {
        "" | "b" => 1u64,
        "k" | "kb" | "kib" => 1 << 10,
        "m" | "mb" | "mib" => 1 << 20,
        "g" | "gb" | "gib" => 1 << 30,
        "t" | "tb" | "tib" => 1 << 40,
        _ => return Err(wrong()),
    };
    let count: f64 = number.trim().parse().map_err(|_| wrong())?;
    let size = count * unit as f64;
    if !(1.0..=(1u64 << 50) as f64).contains(&size) {
        return Err(wrong());
    }
    Ok(size as u64)
}

/// `KEY=VALUE`.
pub(crate) fn pair(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
        _ => Err(format!("{text:?} is not KEY=VALUE")),
    }
}

/// A number from 0 to 1.
pub(crate) fn share(text: &str) -> Result<f32, String> {
    match text.trim().parse::<f32>() {
        Ok(value) if (0.0..=1.0).contains(&value) => Ok(value),
        _ => Err(format!("{text:?} is not a number from 0 to 1")),
    }
}

/// A share of something that is more than nothing.
pub(crate) fn fraction(text: &str) -> Result<f64, String> {
    match text.trim().parse::<f64>() {
        Ok(value) if (0.05..=1.0).contains(&value) => Ok(value),
        _ => Err(format!("{text:?} is not a number from 0.05 to 1")),
    }
}

/// What computes networks, and the number of the device: `cuda:1`.
pub(crate) fn device(text: &str) -> Result<(Wish, usize), String> {
    let (name, number) = text.trim().split_once(':').unwrap_or((text.trim(), "0"));
    let number = number.parse::<usize>().ok().filter(|n| *n < 64);
    let number = number.ok_or_else(|| format!("{text:?} ends in no number of a device (cuda:1)"))?;
    let wish: Wish = name.parse()?;
    if let Wish::Named(name) = &wish {
        let known = cleanplate::known_runtimes();
        if !known.contains(&name.as_str()) {
            return Err(format!("nothing called {name} computes networks; known: auto, hw, cpu, {}", known.join(", ")));
        }
    }
    Ok((wish, number))
}

/// How many times as large.
pub(crate) fn factor(text: &str) -> Result<f64, String> {
    match text.trim().trim_end_matches(['x', 'X']).parse::<f64>() {
        Ok(value) if (1.0..=16.0).contains(&value) => Ok(value),
        _ => Err(format!("{text:?} is not a factor from 1 to 16")),
    }
}

/// The name of a built-in network, or a file.
pub(crate) fn upscaler(text: &str) -> Result<UpscaleModel, String> {
    Ok(match text {
        "" => return Err("an empty name".to_owned()),
        "fast" => UpscaleModel::Fast,
        "quality" => UpscaleModel::Quality,
        path => UpscaleModel::File(PathBuf::from(path)),
    })
}

/// A finite number.
pub(crate) fn quality(text: &str) -> Result<f32, String> {
    match text.parse::<f32>() {
        Ok(value) if value.is_finite() => Ok(value),
        _ => Err(format!("{text:?} is not a number")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_bytes_or_powers_of_1024() {
        for (text, size) in [("1", 1), ("64M", 64 << 20), ("1.5g", 3 << 29), ("512MiB", 512 << 20), ("2 kb", 2048)] {
            assert_eq!(bytes(text), Ok(size), "{text}");
        }
        for text in ["", "0", "-1", "64X", "M", "nan", "inf", "1e30", "9i"] {
            assert!(bytes(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_moment_is_the_range_that_starts_there() {
        let starts: Vec<f64> = (0..100).map(f64::from).collect();
        for (text, frame) in [("12.5", 13), ("0:30", 30), ("f7", 7), ("10-12", 10), ("f3-f5", 3)] {
            assert_eq!(moment(text).unwrap().first_frame(&starts), Some(frame), "{text}");
        }
        assert!(moment("noon").unwrap_err().contains("noon"));
    }

    #[test]
    fn a_pair_keeps_everything_after_its_first_equals_sign() {
        assert_eq!(pair("x264-params=a=1:b=2"), Ok(("x264-params".to_owned(), "a=1:b=2".to_owned())));
        assert!(pair("=1").is_err());
        assert!(pair("novalue").is_err());
    }
}
