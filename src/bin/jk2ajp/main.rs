//! `jk2ajp`: reads mod_jk's configuration and writes this module's.
//! The work is done by `mod_proxy_ajp_rs::migrate`; here are the command line, the files and httpd.

#![forbid(unsafe_code)]

mod check;
mod command;
mod disk;
mod options;
mod watch;

use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;

use clap::Parser;
use mod_proxy_ajp_rs::migrate::{Conversion, Files, OutputFile, convert, quoted};

use check::check;
use command::Stop;
use disk::{Disk, save};
use options::Arguments;

/// What ends the command early.
#[derive(Debug)]
pub(crate) enum Failure {
    /// A file or a program cannot be used.
    Files(String),
    /// httpd says this of what was written.
    Refused(String),
    /// A signal has come.
    Stopped,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let result = if arguments.watch.is_some() { watch::run(&arguments) } else { run(&arguments) };
    match result {
        Ok(code) => code,
        Err(Failure::Files(text)) => {
            say(&format!("jk2ajp: {text}"));
            ExitCode::from(2)
        }
        Err(Failure::Refused(text)) => {
            say(&format!("jk2ajp: httpd does not take it:\n{text}"));
            ExitCode::from(3)
        }
        Err(Failure::Stopped) => ExitCode::SUCCESS,
    }
}

fn run(arguments: &Arguments) -> Result<ExitCode, Failure> {
    let done = read(arguments, &Disk).map_err(Failure::Files)?;
    say_messages(&done);
    if arguments.report {
        print(&done.report.render(&done.sources))?;
    }
    if done.has_failed() {
        return Ok(ExitCode::from(1));
    }
    if arguments.check {
        let never = Stop::never().map_err(|error| Failure::Files(error.to_string()))?;
        check(arguments, &done.files, &never)?;
        say("jk2ajp: httpd takes it");
    }
    write(arguments, &done)?;
    Ok(ExitCode::SUCCESS)
}

/// Converts what `files` gives.
pub(crate) fn read(arguments: &Arguments, files: &dyn Files) -> Result<Conversion, String> {
    convert(&arguments.input()?, files, &|name| std::env::var(name).ok())
}

/// A line, or several, to standard error. A closed one is no reason to end.
pub(crate) fn say(text: &str) {
    let _ = writeln!(io::stderr(), "{text}");
}

/// What is wrong with the files.
pub(crate) fn say_messages(done: &Conversion) {
    for message in &done.messages {
        say(&format!("{}\n", message.render(&done.sources)));
    }
}

/// What httpd's configuration is to have for it.
pub(crate) fn say_include(directory: &Path, file: &OutputFile) {
    let path = directory.join(&file.name);
    let place = file.host.as_deref().unwrap_or("the main server");
    say(&format!("jk2ajp: Include {}   # in {place}", quoted(&path.display().to_string())));
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
    done.files.iter().for_each(|file| say_include(directory, file));
    Ok(())
}
