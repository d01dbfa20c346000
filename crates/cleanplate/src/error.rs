//! What can go wrong with a job, by whose fault it is.

use std::path::PathBuf;

use cleanplate_media::ErrorKind as MediaKind;

/// A result of the engine.
pub type Result<T> = std::result::Result<T, Error>;

/// Whose fault an error is: exit codes and HTTP statuses come from this alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// A defect of this program.
    Internal,
    /// The request makes no sense.
    Usage,
    /// The input cannot be read or is damaged beyond use.
    Input,
    /// This cannot be done with this input, container or codec; or a limit is exceeded.
    Unsupported,
    /// The disk or the file system.
    Io,
    /// A device or library refused.
    Backend,
    /// No mark was found with confidence; nothing was written.
    NothingFound,
    /// Interrupted; finished segments are kept.
    Cancelled,
}

/// An error of the engine. The text says what was being done, to what, and what was found.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The request makes no sense.
    #[error("{0}")]
    Usage(String),
    /// Something about the media.
    #[error(transparent)]
    Media(#[from] cleanplate_media::Error),
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
    /// No mark was found with confidence.
    #[error("{0}")]
    NothingFound(String),
    /// Interrupted by the observer.
    #[error("interrupted")]
    Cancelled,
    /// A network or what runs it refused.
    #[error("{0}")]
    Backend(String),
    /// A candidate of a stage failed on the way; another one can take its place.
    #[error("{stage}: {name} was lost at frame {frame} ({reason})")]
    Lost {
        /// Of which stage.
        stage: &'static str,
        /// Its name.
        name: String,
        /// Where it was.
        frame: u64,
        /// In the library's own words.
        reason: String,
    },
    /// A stage failed for which nothing can take its place. Finished segments are kept.
    #[error("{stage}: failed{} ({reason}), and nothing can take its place", frame.map(|n| format!(" at frame {n}")).unwrap_or_default())]
    Failed {
        /// Which.
        stage: &'static str,
        /// At which frame; `None` before the first one, or where that is not known.
        frame: Option<u64>,
        /// In the library's own words.
        reason: String,
    },
    /// A check of the finished file failed.
    #[error("{0}")]
    Verification(String),
    /// A defect of this program.
    #[error("internal error: {0}")]
    Internal(String),
}

impl Error {
    /// Whose fault it is.
    pub const fn kind(&self) -> ErrorKind {
        match self {
            Self::Usage(_) => ErrorKind::Usage,
            Self::Media(error) => match error.kind() {
                MediaKind::Input => ErrorKind::Input,
                MediaKind::Limit | MediaKind::Unsupported => ErrorKind::Unsupported,
                MediaKind::Backend => ErrorKind::Backend,
                MediaKind::Io => ErrorKind::Io,
                MediaKind::Cancelled => ErrorKind::Cancelled,
                _ => ErrorKind::Internal,
            },
            Self::Io { .. } => ErrorKind::Io,
            Self::Backend(_) | Self::Lost { .. } | Self::Failed { .. } => ErrorKind::Backend,
            Self::NothingFound(_) => ErrorKind::NothingFound,
            Self::Cancelled => ErrorKind::Cancelled,
            Self::Verification(_) | Self::Internal(_) => ErrorKind::Internal,
        }
    }

    /// The same as the failure of a stage for which nothing can take its place, where a device or library is to blame.
    pub(crate) fn of_stage(self, stage: &'static str, frame: Option<u64>) -> Self {
        match self {
            Self::Lost { .. } | Self::Failed { .. } => self,
            own if own.kind() == ErrorKind::Backend => Self::Failed { stage, frame, reason: own.to_string() },
            own => own,
        }
    }

    /// For `map_err` on a file operation.
    pub(crate) fn io(action: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io { action, path, source }
    }
}
