//! The command line from outside: what a person types, what they get, and what happens when something is wrong.
//!
//! Every test runs the built binary in a folder of its own, on the processor, with a policy small enough for seconds.
#![cfg(feature = "flex")]

mod place;
mod train;
mod interrupted;
mod refused;
mod predict;
mod report;
mod tabletop;
mod shipped;
mod bench;
mod samples;
mod hub;
mod publish;
