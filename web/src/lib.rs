//! The policy in a browser tab.
//!
//! ```text
//!            page (Leptos, main thread)                engine (a worker that owns the device)
//!   inputs, link, files ──────── protocol ────────▶  bytes ─▶ checkpoint ─▶ policy
//!   plots, timings, table ◀───── protocol ─────────  every denoising step ◀──┘
//! ```
//!
//! Two programs are built from this package: `page`, small, so that it paints at once, and `engine`, which holds the policy and
//! the backends. They share [`protocol`] and [`tabletop`]'s part of it, nothing else. [`manifest`] is what `mtdit publish`
//! writes for them.
#![recursion_limit = "512"]

pub mod manifest;
pub mod protocol;
pub mod tabletop;
pub mod link;
pub mod answer;
pub mod record;
pub mod quantity;
pub mod scale;

#[cfg(any(not(target_family = "wasm"), feature = "engine"))]
pub mod origin;
#[cfg(all(target_family = "wasm", feature = "engine"))]
pub mod engine;
#[cfg(target_family = "wasm")]
pub mod page;
