//! Where a checkpoint's bytes come from, as far as that is arithmetic and words: no browser is needed here.
//!
//! ```text
//!   address, or dropped names ─▶ paths ─▶ pieces ─▶ windows ─▶ answers ─▶ a record in the cache
//! ```
//!
//! The engine's loading half asks these modules what to request next and what to make of an answer, and does the requesting.

pub mod address;
pub mod dropped;
pub mod listing;
pub mod pieces;
pub mod answer;
pub mod patience;
pub mod impostor;
pub mod record;
pub mod size;

pub use address::{AddressError, Folder};
pub use answer::{ContentRange, Stamp};
pub use dropped::{Selection, SelectionError};
pub use impostor::Impostor;
pub use patience::Patience;
pub use pieces::{Pieces, Window};
pub use record::Record;
