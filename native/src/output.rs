//! Answers on standard output, whose reader may have gone.

use std::fmt;
use std::io::{self, Write};
use std::process;

/// `println!` that ends the program quietly when nobody reads on, as a filter should.
macro_rules! say {
    ($($text:tt)*) => { $crate::output::line(format_args!($($text)*)) };
}

/// Writes one line.
#[expect(clippy::exit, reason = "there is nobody left to answer")]
pub(crate) fn line(text: fmt::Arguments<'_>) {
    let written = writeln!(io::stdout().lock(), "{text}");
    match written {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => process::exit(0),
        Err(error) => {
            eprintln!("mtdit: writing to standard output: {error}");
            process::exit(1);
        }
    }
}
