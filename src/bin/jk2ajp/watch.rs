//! `--watch`: converts again whenever a file changes, while httpd runs.
//!
//! The directory never holds a worse configuration than before. httpd checks new files by themselves
//! before they are put in place, and its whole configuration after that. Only then it is reloaded.

use std::io;
use std::os::fd::AsFd;
use std::path::Path;
use std::process::{ExitCode, Stdio};
use std::time::Instant;

use mod_proxy_ajp_rs::command_line::Jk2ajp;
use mod_proxy_ajp_rs::migrate::{
    CheckResult, Conversion, FileSnapshot, OutputFile, Schedule, SnapshotReader,
};

use crate::check::{check, check_all};
use crate::command::{LIMIT, StopSignal, WaitResult, start};
use crate::console::{log, log_include, log_messages};
use crate::disk::{Difference, Disk, FileState, save};
use crate::failure::Failure;

/// Converts, and converts again after each change of a file, until a signal arrives.
pub(crate) fn run(arguments: &Jk2ajp) -> Result<ExitCode, Failure> {
    let failed = |error: io::Error| Failure::Io(format!("signals: {error}"));
    let stop = StopSignal::install().map_err(failed)?;
    let Some(directory) = arguments.output.as_deref() else {
        return Err(Failure::Io("--watch needs --output DIRECTORY".into()));
    };
    let (conversion, snapshot) = convert(arguments, &FileSnapshot::default());
    let conversion = conversion.map_err(Failure::Io)?;
    log_messages(&conversion);
    if conversion.has_failed() {
        return Ok(ExitCode::from(1));
    }
    let mut deployment =
        Deployment { arguments, directory, stop: &stop, names: Vec::new(), rejected: None };
    deployment.apply(&conversion.files)?;
    conversion.files.iter().for_each(|file| log_include(directory, file));
    deployment.names = names(&conversion.files);

    let seconds = |done: &Conversion| arguments.watch.flatten().or(done.map_reload);
    let count = snapshot.len();
    let mut schedule = Schedule::new(snapshot, seconds(&conversion), Instant::now());
    let interval = schedule.interval().as_secs();
    log(&format!("jk2ajp: watching {count} files, every {interval} s"));
    while !stop.wait(schedule.pause(Instant::now())) {
        let before = schedule.converted().clone();
        let (conversion, snapshot) = convert(arguments, &before);
        match schedule.check(snapshot, Instant::now()) {
            CheckResult::Unsettled => {}
            CheckResult::Unchanged => deployment.retry(),
            CheckResult::Changed => {
                let now = schedule.converted();
                for (path, why) in now.newly_missing(&before) {
                    log(&format!("jk2ajp: {path}: {why}; its last content stays in force"));
                }
                if now.has_same_content(&before) {
                    continue;
                }
                let changed: Vec<&str> = now.changed(&before).collect();
                log(&format!("jk2ajp: changed: {}", changed.join(", ")));
                deployment.rejected = None;
                if let Some(conversion) = usable(conversion) {
                    schedule.set_seconds(seconds(&conversion));
                    deployment.deploy(&conversion.files);
                }
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Converts the present content of the files.
fn convert(
    arguments: &Jk2ajp,
    before: &FileSnapshot,
) -> (Result<Conversion, String>, FileSnapshot) {
    let reader = SnapshotReader::new(&Disk, before);
    let conversion = arguments.convert(&reader);
    (conversion, reader.into_snapshot())
}

/// Logs the messages of a conversion. Returns the conversion unless it has an error.
fn usable(conversion: Result<Conversion, String>) -> Option<Conversion> {
    match conversion {
        Err(why) => log(&format!("jk2ajp: {why}")),
        Ok(conversion) => {
            log_messages(&conversion);
            if !conversion.has_failed() {
                return Some(conversion);
            }
        }
    }
    log("jk2ajp: nothing is written; the previous configuration stays in place");
    None
}

fn names(files: &[OutputFile]) -> Vec<String> {
    files.iter().map(|file| file.name.clone()).collect()
}

/// The written files in the directory that httpd includes.
struct Deployment<'d> {
    arguments: &'d Jk2ajp,
    directory: &'d Path,
    stop: &'d StopSignal,
    /// The names of the files that were written last.
    names: Vec<String>,
    /// Files that could not be deployed, which was logged once. Each check tries them again, since the
    /// reason may lie elsewhere in httpd's configuration.
    rejected: Option<Vec<OutputFile>>,
}

impl Deployment<'_> {
    /// Puts the files in place and logs the result.
    fn deploy(&mut self, files: &[OutputFile]) {
        match self.apply(files) {
            Ok(()) => {
                for file in files.iter().filter(|file| !self.names.contains(&file.name)) {
                    log_include(self.directory, file);
                }
                let names = names(files);
                for name in self.names.iter().filter(|name| !names.contains(name)) {
                    let path = self.directory.join(name);
                    let path = path.display();
                    log(&format!("jk2ajp: {path} is no longer written; the file is left in place"));
                }
                self.names = names;
                self.rejected = None;
            }
            Err(Failure::Interrupted) => {}
            Err(failure) => {
                if self.rejected.as_deref() != Some(files) {
                    match failure {
                        Failure::Rejected(text) => {
                            log(&format!("jk2ajp: httpd rejects the configuration:\n{text}"));
                        }
                        Failure::Io(text) => log(&format!("jk2ajp: {text}")),
                        Failure::Interrupted => {}
                    }
                    log("jk2ajp: the previous configuration stays in place; \
                         the new one is tried again at each check");
                }
                self.rejected = Some(files.to_vec());
            }
        }
    }

    /// Tries again to deploy files that were rejected.
    fn retry(&mut self) {
        if let Some(files) = self.rejected.clone() {
            self.deploy(&files);
        }
    }

    /// Checks the files with httpd, puts them in place, and reloads httpd. If a step before the reload
    /// fails, restores the old files.
    fn apply(&self, files: &[OutputFile]) -> Result<(), Failure> {
        let state = FileState::read(self.directory, files)?;
        let difference = state.difference(files);
        match difference {
            Difference::None => return Ok(()),
            Difference::Comments => return save(self.directory, files),
            Difference::Directives => {}
        }
        check(self.arguments, files, self.stop)?;
        let result = save(self.directory, files);
        // Nothing includes files that did not exist before.
        let is_first = state.is_empty();
        let result = match result {
            Ok(()) if !is_first => check_all(self.arguments, self.stop),
            result => result,
        };
        if let Err(failure) = result {
            state.restore()?;
            return Err(failure);
        }
        if is_first {
            log("jk2ajp: httpd accepts the configuration");
        } else {
            self.reload();
        }
        Ok(())
    }

    /// Reloads httpd. The files stay in place even if that fails: httpd reads them at its next start.
    fn reload(&self) {
        let program = self.arguments.reload();
        let result = io::stderr().as_fd().try_clone_to_owned().and_then(|errors| {
            let mut running = start(&program, errors, Stdio::inherit())?;
            let result = running.wait(LIMIT, self.stop)?;
            if result == WaitResult::TimedOut {
                running.kill();
            }
            Ok(result)
        });
        let outcome = match result {
            Ok(WaitResult::Exited(status)) if status.success() => "done".to_owned(),
            Ok(WaitResult::Exited(status)) => {
                format!("{status}; httpd may not have read the new files")
            }
            Ok(WaitResult::TimedOut) => {
                format!("killed, since it did not finish within {} s", LIMIT.as_secs())
            }
            // The reload goes on without this command.
            Ok(WaitResult::Interrupted) => return,
            Err(error) => error.to_string(),
        };
        log(&format!("jk2ajp: httpd accepts the configuration; {program}: {outcome}"));
    }
}
