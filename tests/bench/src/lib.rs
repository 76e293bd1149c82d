//! What `cargo xtask bench` measures, and how it writes that into docs/PERFORMANCE.md.
//!
//! Everything runs against `tools/stub` on loopback: exact counts of calls with their price, instructions under
//! callgrind, time to the first poll and memory of the functions' real programs, and the throughput of one instance beside
//! a handler written by hand. Only counts and instructions decide whether a run succeeds; seconds and memory depend on the
//! machine and are told.

pub mod archive;
pub mod cost;
pub mod document;
pub mod door;
pub mod goal;
pub mod idle;
pub mod instruction;
pub mod price;
pub mod process;
pub mod program;
pub mod replay;
pub mod rows;
pub mod scale;
pub mod table;
pub mod throughput;
