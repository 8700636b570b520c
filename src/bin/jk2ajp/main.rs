//! `jk2ajp`: reads mod_jk's configuration and writes this module's.
//! The work is done by `mod_proxy_ajp_rs::migrate`; here are the command line, the files and httpd.

#![forbid(unsafe_code)]

mod check;
mod disk;
mod options;

use std::io::{self, Write};
use std::process::ExitCode;

use clap::Parser;
use mod_proxy_ajp_rs::migrate::{Conversion, convert, quoted};

use check::check;
use disk::{Disk, save};
use options::Arguments;

/// What ends the command early.
pub(crate) enum Failure {
    Files(String),
    Refused(String),
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match run(&arguments) {
        Ok(code) => code,
        Err(Failure::Files(text)) => {
            eprintln!("jk2ajp: {text}");
            ExitCode::from(2)
        }
        Err(Failure::Refused(text)) => {
            eprintln!("jk2ajp: httpd does not take it:\n{text}");
            ExitCode::from(3)
        }
    }
}

fn run(arguments: &Arguments) -> Result<ExitCode, Failure> {
    let input = arguments.input().map_err(Failure::Files)?;
    let environment = |name: &str| std::env::var(name).ok();
    let done = convert(&input, &Disk, &environment).map_err(Failure::Files)?;
    for message in &done.messages {
        eprintln!("{}\n", message.render(&done.sources));
    }
    if arguments.report {
        print(&done.report.render(&done.sources))?;
    }
    if done.has_failed() {
        return Ok(ExitCode::from(1));
    }
    if arguments.check {
        check(arguments, &done.files)?;
        eprintln!("jk2ajp: httpd takes it");
    }
    write(arguments, &done)?;
    Ok(ExitCode::SUCCESS)
}

fn print(text: &str) -> Result<(), Failure> {
    let failed = |error: io::Error| Failure::Files(format!("standard output: {error}"));
    io::stdout().write_all(text.as_bytes()).map_err(failed)
}

/// Into the directory; else, without a report, to standard output.
fn write(arguments: &Arguments, done: &Conversion) -> Result<(), Failure> {
    let Some(directory) = &arguments.output else {
        if !arguments.report {
            for file in &done.files {
                if let Some(host) = &file.host {
                    print(&format!("\n# ---- {}: for {host}\n", file.name))?;
                }
                print(&file.text)?;
            }
        }
        return Ok(());
    };
    save(directory, &done.files)?;
    for file in &done.files {
        let path = directory.join(&file.name);
        let place = file.host.as_deref().unwrap_or("the main server");
        eprintln!("jk2ajp: Include {}   # in {place}", quoted(&path.display().to_string()));
    }
    Ok(())
}
