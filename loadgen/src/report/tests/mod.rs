//! Reports and their views, held against stored files.
mod golden;
mod samples;
