//! `jk2ajp`: reads mod_jk's configuration and writes the same for this module.
//!
//! `mod_proxy_ajp_rs::migrate` does the conversion, and `command_line` reads the options. The program adds the
//! files of the machine, and running httpd.

#![forbid(unsafe_code)]

mod check;
mod command;
mod console;
mod disk;
mod failure;
mod watch;

use std::process::ExitCode;

use clap::Parser;
use mod_proxy_ajp_rs::command_line::Jk2ajp;
use mod_proxy_ajp_rs::migrate::Conversion;

use check::check;
use command::StopSignal;
use console::{log, log_include, log_messages, print};
use disk::{Disk, save};
use failure::Failure;

fn main() -> ExitCode {
    let arguments = Jk2ajp::parse();
    let result = if arguments.watch.is_some() { watch::run(&arguments) } else { run(&arguments) };
    match result {
        Ok(code) => code,
        Err(Failure::Io(text)) => {
            log(&format!("jk2ajp: {text}"));
            ExitCode::from(2)
        }
        Err(Failure::Rejected(text)) => {
            log(&format!("jk2ajp: httpd rejects the configuration:\n{text}"));
            ExitCode::from(3)
        }
        Err(Failure::Interrupted) => ExitCode::SUCCESS,
    }
}

/// Converts once.
fn run(arguments: &Jk2ajp) -> Result<ExitCode, Failure> {
    let conversion = arguments.convert(&Disk).map_err(Failure::Io)?;
    log_messages(&conversion);
    if arguments.report {
        print(&conversion.report.render(&conversion.sources))?;
    }
    if conversion.has_failed() {
        return Ok(ExitCode::from(1));
    }
    if arguments.check {
        let never = StopSignal::never().map_err(|error| Failure::Io(error.to_string()))?;
        check(arguments, &conversion.files, &never)?;
        log("jk2ajp: httpd accepts the configuration");
    }
    write(arguments, &conversion)?;
    Ok(ExitCode::SUCCESS)
}

/// Writes the files into the output directory. Without one, prints them, unless a report was printed.
fn write(arguments: &Jk2ajp, conversion: &Conversion) -> Result<(), Failure> {
    let Some(directory) = &arguments.output else {
        if !arguments.report {
            for file in &conversion.files {
                if let Some(host) = &file.host {
                    print(&format!("\n# ---- {}: for {host}\n", file.name))?;
                }
                print(&file.text)?;
            }
        }
        return Ok(());
    };
    save(directory, &conversion.files)?;
    conversion.files.iter().for_each(|file| log_include(directory, file));
    Ok(())
}
