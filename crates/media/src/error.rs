//! What can go wrong between a file and its frames, by whose fault it is.

use std::path::PathBuf;

/// A result of this crate.
pub type Result<T> = std::result::Result<T, Error>;

/// Whose fault an error is: decides exit codes and HTTP statuses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The input cannot be read or is damaged beyond use.
    Input,
    /// The input is larger than the limits allow.
    Limit,
    /// Something asked for cannot be done with this input, container or codec.
    Unsupported,
    /// A library refused work that it should be able to do.
    Backend,
    /// The disk or the file system.
    Io,
    /// The caller asked to stop.
    Cancelled,
    /// A defect of this program.
    Internal,
}

/// An error of this crate. The text says what was being done, to what, and what was found.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The input cannot be read or is damaged beyond use.
    #[error("{0}")]
    Input(String),
    /// The input exceeds a limit.
    #[error("{0}")]
    Limit(String),
    /// Something cannot be carried or done; `remedy` names what can.
    #[error("{what}{}", remedy.as_deref().map(|r| format!("; {r}")).unwrap_or_default())]
    Unsupported {
        /// What cannot be done, and why.
        what: String,
        /// What the user can do instead.
        remedy: Option<String>,
    },
    /// A library refused.
    #[error("{0}")]
    Backend(String),
    /// A frame could not be brought into the format that an encoder takes; the encoder is not to blame.
    #[error("{0}")]
    Convert(String),
    /// Reading or writing a file failed.
    #[error("cannot {action} {}: {source}", path.display())]
    Io {
        /// What was being done.
        action: &'static str,
        /// To which file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The caller asked to stop.
    #[error("cancelled")]
    Cancelled,
    /// Something that this program has written earlier is damaged.
    #[error("{0}")]
    Damaged(String),
    /// A defect of this program.
    #[error("internal error: {0}")]
    Internal(String),
}

impl Error {
    /// Whose fault it is.
    pub const fn kind(&self) -> ErrorKind {
        match self {
            Self::Input(_) => ErrorKind::Input,
            Self::Limit(_) => ErrorKind::Limit,
            Self::Unsupported { .. } => ErrorKind::Unsupported,
            Self::Backend(_) | Self::Convert(_) => ErrorKind::Backend,
            Self::Cancelled => ErrorKind::Cancelled,
            Self::Io { .. } | Self::Damaged(_) => ErrorKind::Io,
            Self::Internal(_) => ErrorKind::Internal,
        }
    }

    /// An [`Error::Unsupported`] without a remedy.
    pub fn unsupported(what: impl Into<String>) -> Self {
        Self::Unsupported { what: what.into(), remedy: None }
    }

    /// An [`Error::Unsupported`] with what the user can do instead.
    pub fn unsupported_but(what: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self::Unsupported { what: what.into(), remedy: Some(remedy.into()) }
    }
}
