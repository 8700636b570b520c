//! `--watch`: mod_jk's files are read again while httpd runs, as mod_jk itself read its maps.
//!
//! What is in place is never left behind worse than it was: httpd reads new files by themselves before
//! they are put in place, and with its whole configuration after that; it is reloaded only then.

use std::io;
use std::os::fd::AsFd;
use std::path::Path;
use std::process::{ExitCode, Stdio};
use std::time::Instant;

use mod_proxy_ajp_rs::migrate::{Conversion, Look, OutputFile, Reader, Readings, Watch};

use crate::check::{check, check_all};
use crate::command::{LIMIT, Stop, Waited};
use crate::disk::{Difference, Disk, Standing, save};
use crate::options::Arguments;
use crate::{Failure, read, say, say_include, say_messages};

const STAYS: &str = "jk2ajp: nothing is written; what was written before stays";

/// Converts, and again whenever a file has changed, until a signal comes.
pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode, Failure> {
    let failed = |error: io::Error| Failure::Files(format!("signals: {error}"));
    let stop = Stop::at_signals().map_err(failed)?;
    let Some(directory) = arguments.output.as_deref() else {
        return Err(Failure::Files("--watch needs --output DIRECTORY".into()));
    };
    let (done, readings) = look(arguments, &Readings::default());
    let done = done.map_err(Failure::Files)?;
    say_messages(&done);
    if done.has_failed() {
        return Ok(ExitCode::from(1));
    }
    let mut writer = Writer { arguments, directory, stop: &stop, names: Vec::new(), refused: None };
    writer.apply(&done.files)?;
    done.files.iter().for_each(|file| say_include(directory, file));
    writer.names = names(&done.files);

    let seconds = |done: &Conversion| arguments.watch.flatten().or(done.map_reload);
    let count = readings.len();
    let mut watch = Watch::new(readings, seconds(&done), Instant::now());
    let interval = watch.interval().as_secs();
    say(&format!("jk2ajp: looking at {count} files every {interval} s"));
    while !stop.wait(watch.pause(Instant::now())) {
        let before = watch.seen().clone();
        let (done, readings) = look(arguments, &before);
        match watch.look(readings, Instant::now()) {
            Look::Unsettled => {}
            Look::Same => writer.try_again(),
            Look::Changed => {
                for (path, why) in watch.seen().newly_gone(&before) {
                    say(&format!("jk2ajp: {path}: {why}; what it said stays in force"));
                }
                if watch.seen().says_the_same(&before) {
                    continue;
                }
                let news: Vec<&str> = watch.seen().news(&before).collect();
                say(&format!("jk2ajp: changed: {}", news.join(", ")));
                writer.refused = None;
                if let Some(done) = usable(done) {
                    watch.set_seconds(seconds(&done));
                    writer.write(&done.files);
                }
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Converts what the files say now.
fn look(arguments: &Arguments, before: &Readings) -> (Result<Conversion, String>, Readings) {
    let reader = Reader::new(&Disk, before);
    let done = read(arguments, &reader);
    (done, reader.into_readings())
}

/// Says what is wrong with it. `None`: nothing can be written with it.
fn usable(done: Result<Conversion, String>) -> Option<Conversion> {
    match done {
        Err(why) => say(&format!("jk2ajp: {why}")),
        Ok(done) => {
            say_messages(&done);
            if !done.has_failed() {
                return Some(done);
            }
        }
    }
    say(STAYS);
    None
}

fn names(files: &[OutputFile]) -> Vec<String> {
    files.iter().map(|file| file.name.clone()).collect()
}

struct Writer<'w> {
    arguments: &'w Arguments,
    directory: &'w Path,
    stop: &'w Stop,
    /// What was written last.
    names: Vec<String>,
    /// What could not be put in place: it is tried again with each look, for the reason may lie
    /// elsewhere in httpd's configuration. It was said once.
    refused: Option<Vec<OutputFile>>,
}

impl Writer<'_> {
    /// Puts the files in place, and says what has come of it.
    fn write(&mut self, files: &[OutputFile]) {
        match self.apply(files) {
            Ok(()) => {
                for file in files.iter().filter(|file| !self.names.contains(&file.name)) {
                    say_include(self.directory, file);
                }
                let names = names(files);
                for name in self.names.iter().filter(|name| !names.contains(name)) {
                    let path = self.directory.join(name);
                    say(&format!("jk2ajp: {} is no longer written, and stays", path.display()));
                }
                self.names = names;
                self.refused = None;
            }
            Err(Failure::Stopped) => {}
            Err(failure) => {
                if self.refused.as_deref() != Some(files) {
                    match failure {
                        Failure::Refused(text) => {
                            say(&format!("jk2ajp: httpd does not take it:\n{text}"));
                        }
                        Failure::Files(text) => say(&format!("jk2ajp: {text}")),
                        Failure::Stopped => {}
                    }
                    say("jk2ajp: what was written before stays; this is tried again");
                }
                self.refused = Some(files.to_vec());
            }
        }
    }

    /// What could not be put in place before.
    fn try_again(&mut self) {
        if let Some(files) = self.refused.clone() {
            self.write(&files);
        }
    }

    /// Has httpd read them, puts them in place, and reloads httpd. Where that fails, the old files are
    /// back.
    fn apply(&self, files: &[OutputFile]) -> Result<(), Failure> {
        let standing = Standing::read(self.directory, files)?;
        let difference = standing.difference(files);
        match difference {
            Difference::None => return Ok(()),
            Difference::Comments => return save(self.directory, files),
            Difference::Words => {}
        }
        check(self.arguments, files, self.stop)?;
        let done = save(self.directory, files);
        // What was not there before is not included by anything yet.
        let is_first = standing.is_empty();
        let done = match done {
            Ok(()) if !is_first => check_all(self.arguments, self.stop),
            done => done,
        };
        if let Err(failure) = done {
            standing.restore()?;
            return Err(failure);
        }
        if is_first {
            say("jk2ajp: httpd takes it");
        } else {
            self.reload();
        }
        Ok(())
    }

    /// Whether or not it works, the files are right: an httpd that is started later reads them.
    fn reload(&self) {
        let program = self.arguments.reload();
        let result = io::stderr().as_fd().try_clone_to_owned().and_then(|errors| {
            let mut running = program.start(errors, Stdio::inherit())?;
            let waited = running.wait(LIMIT, self.stop)?;
            if waited == Waited::Late {
                running.kill();
            }
            Ok(waited)
        });
        let outcome = match result {
            Ok(Waited::Ended(status)) if status.success() => "done".to_owned(),
            Ok(Waited::Ended(status)) => format!("{status}; httpd may not have read the new files"),
            Ok(Waited::Late) => format!("not done within {} s, and ended", LIMIT.as_secs()),
            // It goes on without us.
            Ok(Waited::Stopped) => return,
            Err(error) => error.to_string(),
        };
        say(&format!("jk2ajp: httpd takes it; {program}: {outcome}"));
    }
}
