//! Finds persistent marks: logos, bugs and lettering that stay where they are while the scene behind them moves.
//!
//! Works from the frames alone, without trained weights, in two steps that merge over chunks: a [`Survey`] of thumbnails
//! chooses frames that differ, [`Evidence`] keeps what is needed of those, and [`Evidence::conclude`] names the marks. It
//! refuses to guess: where the scene is as still as a mark would be, the answer says so.

mod candidates;
mod conclude;
mod evidence;
mod extent;
mod figures;
mod judge;
mod persistence;
mod picture;
pub(crate) mod region;
mod slope;
mod stack;
mod support;
mod survey;
mod sway;

pub use conclude::{Conclusion, Detection};
pub use evidence::{Evidence, MOST_FRAMES};
pub use figures::Figures;
pub use survey::Survey;

#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
