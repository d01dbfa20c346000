//! The tier that always has an answer: the spatial fill, or a user's network.

use cleanplate_core::{Hole, SpatialFill, Window};

use crate::error::Result;
use crate::net_fill::NetFill;
pub(crate) use crate::net_fill::Promise;
use crate::options::Tier;
use crate::restore::Means;

/// What leaves no sample open.
pub(crate) enum LastTier {
    Spatial(Box<SpatialFill>),
    Network(Box<NetFill>),
}

impl LastTier {
    /// What `means` name; `None` where nothing may be filled.
    pub(crate) fn of(means: &Means) -> Result<Option<Self>> {
        if !means.tiers.contains(&Tier::Fill) {
            return Ok(None);
        }
        Ok(Some(match &means.fill_model {
            Some(model) => Self::Network(Box::new(NetFill::open(model, &means.placement)?)),
            None => Self::Spatial(Box::default()),
        }))
    }

    /// Frames that are worked on together at best.
    pub(crate) fn batch(&self) -> usize {
        match self {
            Self::Spatial(_) => 1,
            Self::Network(net) => net.batch(),
        }
    }

    /// Whether it looks farther around a hole than the hole itself shows, even in its own frame.
    pub(crate) const fn looks_around(&self) -> bool {
        matches!(self, Self::Network(_))
    }

    /// Settles what is open of `hole`, or asks for it.
    pub(crate) fn ask(&mut self, window: Window<'_>, hole: &mut Hole) -> Result<Promise> {
        match self {
            Self::Spatial(fill) => {
                fill.fill(hole);
                Ok(Promise::default())
            }
            Self::Network(net) => net.ask(window, hole),
        }
    }

    /// Works on what was asked for.
    pub(crate) fn run(&mut self) -> Result<()> {
        match self {
            Self::Spatial(_) => Ok(()),
            Self::Network(net) => net.run(),
        }
    }
}
