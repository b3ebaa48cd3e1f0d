//! One test binary; the modules stand in the order of the data.
#![recursion_limit = "256"]

mod dataset;
mod stages;
mod training;
