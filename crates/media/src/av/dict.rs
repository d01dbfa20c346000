//! Key and value pairs as libav passes them.

use std::ffi::CString;
use std::ptr;

use super::{ffi, text};

/// An owned dictionary.
#[derive(Debug)]
pub struct Dict(*mut ffi::AVDictionary);

// SAFETY: a dictionary is plain memory without ties to a thread.
unsafe impl Send for Dict {}

impl Default for Dict {
    fn default() -> Self {
        Self(ptr::null_mut())
    }
}

impl Dict {
    /// An empty one.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds or replaces; keys and values with an inner zero byte are cut there.
    pub fn set(&mut self, key: &str, value: &str) {
        self.insert(key, value, 0);
    }

    /// Adds also where the key is there already (containers allow repeated keys).
    pub fn add(&mut self, key: &str, value: &str) {
        self.insert(key, value, ffi::AV_DICT_MULTIKEY);
    }

    fn insert(&mut self, key: &str, value: &str, flags: i32) {
        let c = |s: &str| CString::new(s.split('\0').next().unwrap_or_default()).unwrap_or_default();
        let (key, value) = (c(key), c(value));
        // SAFETY: both strings live during the call and are copied by libav; the dictionary pointer is ours.
        unsafe { ffi::av_dict_set(&mut self.0, key.as_ptr(), value.as_ptr(), flags) };
    }

    /// Every pair of a dictionary that libav owns.
    ///
    /// # Safety
    /// `dict` is null or a valid dictionary during the call.
    pub unsafe fn pairs(dict: *const ffi::AVDictionary) -> Vec<(String, String)> {
        let mut pairs = Vec::new();
        let mut entry: *const ffi::AVDictionaryEntry = ptr::null();
        loop {
            // SAFETY: an empty key with IGNORE_SUFFIX walks all entries; `entry` is null or from the same dictionary.
            entry = unsafe { ffi::av_dict_get(dict, c"".as_ptr(), entry, ffi::AV_DICT_IGNORE_SUFFIX) };
            if entry.is_null() {
                return pairs;
            }
            // SAFETY: a valid entry has two zero-terminated strings.
            pairs.push(unsafe { (text((*entry).key), text((*entry).value)) });
        }
    }

    /// What is in it.
    pub fn entries(&self) -> Vec<(String, String)> {
        // SAFETY: ours and valid.
        unsafe { Self::pairs(self.0) }
    }

    /// The address that libav's functions take to read and replace it.
    pub fn as_mut(&mut self) -> *mut *mut ffi::AVDictionary {
        &mut self.0
    }

    /// Gives it away, to a field that libav frees.
    pub fn into_raw(mut self) -> *mut ffi::AVDictionary {
        std::mem::replace(&mut self.0, ptr::null_mut())
    }
}

impl FromIterator<(String, String)> for Dict {
    fn from_iter<I: IntoIterator<Item = (String, String)>>(pairs: I) -> Self {
        let mut dict = Self::new();
        pairs.into_iter().for_each(|(key, value)| dict.add(&key, &value));
        dict
    }
}

impl Drop for Dict {
    fn drop(&mut self) {
        // SAFETY: ours; freeing null is allowed.
        unsafe { ffi::av_dict_free(&mut self.0) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dictionary_gives_back_what_was_set() {
        let mut dict = Dict::new();
        dict.set("crf", "18");
        dict.set("crf", "20");
        dict.add("crf", "22");
        assert_eq!(dict.entries(), [("crf".into(), "20".into()), ("crf".into(), "22".into())]);
    }
}
