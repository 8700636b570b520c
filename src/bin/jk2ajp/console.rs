//! Output of the command: messages on standard error, configuration and report on standard output.

use std::io::{self, Write};
use std::path::Path;

use mod_proxy_ajp_rs::migrate::{Conversion, OutputFile, quoted};

use crate::failure::Failure;

/// Writes a line, or several, to standard error. If that is closed, the command goes on without it.
pub(crate) fn log(text: &str) {
    let _ = writeln!(io::stderr(), "{text}");
}

/// Writes all messages of a conversion to standard error.
pub(crate) fn log_messages(conversion: &Conversion) {
    for message in &conversion.messages {
        log(&format!("{}\n", message.render(&conversion.sources)));
    }
}

/// Writes the `Include` line that httpd's configuration needs for a file.
pub(crate) fn log_include(directory: &Path, file: &OutputFile) {
    let path = directory.join(&file.name);
    let place = file.host.as_deref().unwrap_or("the main server");
    log(&format!("jk2ajp: Include {}   # in {place}", quoted(&path.display().to_string())));
}

/// Writes to standard output.
pub(crate) fn print(text: &str) -> Result<(), Failure> {
    let failed = |error: io::Error| Failure::Io(format!("standard output: {error}"));
    io::stdout().write_all(text.as_bytes()).map_err(failed)
}
