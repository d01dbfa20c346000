//! Weights in files of their own beside a model (`model.onnx.data`), put into it. What they name outside the model's folder is refused.
//!
//! Source: ONNX, "External Data" (docs/ExternalData.md) and onnx.proto3, `TensorProto.external_data`. Works on the bytes of whole messages
//! ([`wire::is_model`](crate::wire::is_model)).

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Component, Path, PathBuf};

use crate::mend::{Field, fields, put_bytes};
use crate::wire::Message;

/// onnx.proto3, `TensorProto.DataLocation.EXTERNAL`.
const EXTERNAL: u64 = 1;

/// `bytes`, which are a whole model that lies in `folder`, with all weights in it, `most` bytes of them at most; `None` where they are already.
///
/// # Errors
/// In words, where weights lie outside the folder, or cannot be read.
pub(crate) fn gathered(bytes: &[u8], folder: &Path, most: u64) -> Result<Option<Vec<u8>>, String> {
    let mut gather = Gather { folder, left: most, found: false };
    let all = gather.rewritten(bytes, Message::Model)?;
    Ok(gather.found.then_some(all))
}

struct Gather<'a> {
    folder: &'a Path,
    /// Bytes that may still be read.
    left: u64,
    found: bool,
}

impl Gather<'_> {
    fn rewritten(&mut self, bytes: &[u8], message: Message) -> Result<Vec<u8>, String> {
        let fields = fields(bytes).ok_or("it is no ONNX file, or not all of one")?;
        let is_outside = |f: &Field<'_>| f.number == 14 && f.value == EXTERNAL && f.bytes.is_empty();
        if matches!(message, Message::Tensor) && fields.iter().any(is_outside) {
            self.found = true;
            return self.tensor(&fields);
        }
        let mut out = Vec::with_capacity(bytes.len());
        for f in &fields {
            match message.inner(f.number) {
                Some(inner) => put_bytes(&mut out, f.number, &self.rewritten(f.bytes, inner)?),
                None => out.extend(f.whole),
            }
        }
        Ok(out)
    }

    /// A tensor with its numbers in it.
    fn tensor(&mut self, tensor: &[Field<'_>]) -> Result<Vec<u8>, String> {
        let (mut location, mut offset, mut length) = (None, 0u64, None);
        for entry in tensor.iter().filter(|f| f.number == 13) {
            let pair = fields(entry.bytes).unwrap_or_default();
            let text = |number| {
                let bytes = pair.iter().find(|f| f.number == number).map(|f| f.bytes).unwrap_or_default();
                String::from_utf8_lossy(bytes).into_owned()
            };
            let number =
                |text: String| text.parse::<u64>().map_err(|_| format!("{text:?} is no place in a file of weights"));
            match text(1).as_str() {
                "location" => location = Some(text(2)),
                "offset" => offset = number(text(2))?,
                "length" => length = Some(number(text(2))?),
                _ => {}
            }
        }
        let location = location.ok_or("its weights lie in a file of their own that it does not name")?;
        let data = self.read(&location, offset, length)?;
        let mut out = Vec::with_capacity(data.len() + 64);
        tensor.iter().filter(|f| !matches!(f.number, 9 | 13 | 14)).for_each(|f| out.extend(f.whole));
        put_bytes(&mut out, 9, &data);
        Ok(out)
    }

    fn read(&mut self, location: &str, offset: u64, length: Option<u64>) -> Result<Vec<u8>, String> {
        let path = self.inside(location)?;
        let failed = |error: std::io::Error| format!("its weights in {} cannot be read: {error}", path.display());
        let mut file = File::open(&path).map_err(failed)?;
        let size = file.metadata().map_err(failed)?.len();
        let short = || format!("{} has {size} bytes, and its weights go beyond them", path.display());
        let there = size.checked_sub(offset).ok_or_else(short)?;
        let length = length.unwrap_or(there);
        if length > there {
            return Err(short());
        }
        self.left = self.left.checked_sub(length).ok_or("its weights are too large")?;
        file.seek(SeekFrom::Start(offset)).map_err(failed)?;
        let mut data = Vec::new();
        file.take(length).read_to_end(&mut data).map_err(failed)?;
        if data.len() as u64 != length {
            return Err(short());
        }
        Ok(data)
    }

    /// The file of that name in the folder, also behind links.
    fn inside(&self, location: &str) -> Result<PathBuf, String> {
        let outside = || format!("its weights lie in {location:?}, outside its folder: this is refused");
        let relative = Path::new(location);
        let is_plain = |part: Component<'_>| matches!(part, Component::Normal(_) | Component::CurDir);
        if location.contains(['\\', ':']) || !relative.components().all(is_plain) {
            return Err(outside());
        }
        let missing =
            |error: std::io::Error| format!("its weights lie in {location:?} beside it, which cannot be read: {error}");
        let folder = self.folder.canonicalize().map_err(missing)?;
        let path = folder.join(relative).canonicalize().map_err(missing)?;
        if path.starts_with(&folder) { Ok(path) } else { Err(outside()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MODEL: &[u8] = include_bytes!("../tests/data/detector_v8.onnx");

    /// The model with all weights of raw bytes moved to `location`, one after another from `data`'s end on.
    fn parted(bytes: &[u8], message: Message, location: &str, data: &mut Vec<u8>) -> Vec<u8> {
        let mut out = Vec::new();
        for f in fields(bytes).unwrap() {
            match (message.inner(f.number), message, f.number) {
                (Some(inner), ..) => put_bytes(&mut out, f.number, &parted(f.bytes, inner, location, data)),
                (None, Message::Tensor, 9) => {
                    let (offset, length) = (data.len().to_string(), f.bytes.len().to_string());
                    for (key, value) in [("location", location), ("offset", &offset), ("length", &length)] {
                        let mut entry = Vec::new();
                        put_bytes(&mut entry, 1, key.as_bytes());
                        put_bytes(&mut entry, 2, value.as_bytes());
                        put_bytes(&mut out, 13, &entry);
                    }
                    out.extend([14 << 3, EXTERNAL as u8]);
                    data.extend(f.bytes);
                }
                _ => out.extend(f.whole),
            }
        }
        out
    }

    #[test]
    fn weights_beside_a_model_are_put_into_it() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("weights")).unwrap();
        let mut data = b"something before".to_vec();
        let model = parted(MODEL, Message::Model, "weights/all.data", &mut data);
        std::fs::write(folder.path().join("weights/all.data"), &data).unwrap();
        assert!(model != MODEL && data.len() > 100);
        let whole = gathered(&model, folder.path(), 1 << 20).unwrap().unwrap();
        assert!(whole == MODEL);
        assert_eq!(gathered(MODEL, folder.path(), 0), Ok(None));
        // Too much of it, and too little.
        assert!(gathered(&model, folder.path(), 99).unwrap_err().contains("too large"));
        std::fs::write(folder.path().join("weights/all.data"), &data[..50]).unwrap();
        assert!(gathered(&model, folder.path(), 1 << 20).unwrap_err().contains("go beyond them"));
        std::fs::remove_file(folder.path().join("weights/all.data")).unwrap();
        assert!(gathered(&model, folder.path(), 1 << 20).unwrap_err().contains("cannot be read"));
    }

    #[test]
    fn weights_outside_the_folder_of_a_model_are_refused() {
        let root = tempfile::tempdir().unwrap();
        let folder = root.path().join("model");
        std::fs::create_dir(&folder).unwrap();
        std::fs::write(root.path().join("secret"), [0; 1 << 16]).unwrap();
        let absolute = root.path().join("secret").display().to_string();
        for location in ["../secret", "weights/../../secret", &absolute, "..\\secret", "c:secret"] {
            let model = parted(MODEL, Message::Model, location, &mut Vec::new());
            let refusal = gathered(&model, &folder, 1 << 20).unwrap_err();
            assert!(refusal.contains("outside its folder"), "{location}: {refusal}");
        }
        #[cfg(unix)]
        {
            std::os::unix::fs::symlink(root.path().join("secret"), folder.join("inside")).unwrap();
            let model = parted(MODEL, Message::Model, "inside", &mut Vec::new());
            assert!(gathered(&model, &folder, 1 << 20).unwrap_err().contains("outside its folder"));
        }
    }
}
