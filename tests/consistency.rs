//! One test binary; the modules stand in the order of the data.
#![recursion_limit = "256"]

mod architecture;
mod dataset;
mod stages;
mod sampler;
mod policy;
mod training;
mod checkpoint;
