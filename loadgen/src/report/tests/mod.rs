//! Tests that compare reports and their views with stored files.
mod golden;
mod samples;
