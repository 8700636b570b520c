//! Checks of the configuration by httpd itself.

use std::fs::{self, File, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use mod_proxy_ajp_rs::command_line::{Jk2ajp, Program};
use mod_proxy_ajp_rs::migrate::{MAIN_FILE, OutputFile, quoted};

use crate::command::{LIMIT, StopSignal, WaitResult, start};
use crate::disk::{failed, save};
use crate::failure::Failure;

/// Checks that httpd can read the files, with the modules that they need and nothing else.
pub(crate) fn check(
    arguments: &Jk2ajp,
    files: &[OutputFile],
    stop: &StopSignal,
) -> Result<(), Failure> {
    in_private_directory(|directory| {
        let main = main_file(directory, arguments, files)?;
        save(directory, files)?;
        save(directory, std::slice::from_ref(&main))?;
        let path = directory.join(main.name).display().to_string();
        run(&arguments.apachectl.with(&["-t", "-f", &path]), directory, stop)
    })
}

/// Checks that httpd can read its own configuration, which includes the files by now.
pub(crate) fn check_all(arguments: &Jk2ajp, stop: &StopSignal) -> Result<(), Failure> {
    in_private_directory(|directory| run(&arguments.apachectl.with(&["-t"]), directory, stop))
}

/// Runs a check. Its output is in a file of `directory` while it runs.
fn run(program: &Program, directory: &Path, stop: &StopSignal) -> Result<(), Failure> {
    let path = directory.join("output");
    let failed = |error: io::Error| Failure::Io(format!("{program}: {error}"));
    let output = File::create(&path).map_err(failed)?;
    let errors = output.try_clone().map_err(failed)?;
    let mut running = start(program, output, errors).map_err(failed)?;
    match running.wait(LIMIT, stop).map_err(failed)? {
        WaitResult::Exited(status) if status.success() => Ok(()),
        WaitResult::Exited(_) => {
            let output = fs::read(&path).map_err(failed)?;
            Err(Failure::Rejected(String::from_utf8_lossy(&output).into_owned()))
        }
        WaitResult::TimedOut => {
            running.kill();
            let text = format!("{program}: did not finish within {} s", LIMIT.as_secs());
            Err(Failure::Io(text))
        }
        WaitResult::Interrupted => {
            running.kill();
            Err(Failure::Interrupted)
        }
    }
}

/// Runs `work` in a new directory that only its owner can read, and removes it.
///
/// An error in removing it is ignored: the result of the check matters more.
fn in_private_directory(work: impl FnOnce(&Path) -> Result<(), Failure>) -> Result<(), Failure> {
    let directory = tempfile::Builder::new()
        .prefix("jk2ajp-")
        .permissions(Permissions::from_mode(0o700))
        .tempdir()
        .map_err(|error| failed(&std::env::temp_dir(), &error))?;
    work(directory.path())
}

/// Returns a configuration for `directory` that includes the files.
fn main_file(
    directory: &Path,
    arguments: &Jk2ajp,
    files: &[OutputFile],
) -> Result<OutputFile, Failure> {
    let modules = arguments.modules.clone().map_or_else(find_modules, Ok)?;
    let ours = arguments.module.clone().unwrap_or_else(|| modules.join("mod_proxy_ajp_rs.so"));
    let mut text = format!(
        "ServerRoot {}\nServerName localhost\nListen 127.0.0.1:8\nPidFile pid\nErrorLog error.log\n",
        quoted(&directory.display().to_string())
    );
    let mut load = |name: &str, path: &Path| {
        text.push_str(&format!(
            "LoadModule {name}_module {}\n",
            quoted(&path.display().to_string())
        ));
    };
    for name in LOADED {
        // Some servers have some of them built in.
        let path = modules.join(format!("mod_{name}.so"));
        if path.exists() {
            load(name, &path);
        }
    }
    load("proxy_ajp", &ours);
    for file in files {
        let include = format!("Include {}\n", quoted(&file.name));
        match &file.host {
            None => text.push_str(&include),
            Some(_) => text.push_str(&format!("<VirtualHost *:8>\n{include}</VirtualHost>\n")),
        }
    }
    Ok(OutputFile { name: "check.conf".into(), text, host: None })
}

/// The modules that the written configuration may use, and an MPM, without which httpd does not start.
const LOADED: &[&str] = &[
    "mpm_event",
    "authz_core",
    "authz_host",
    "env",
    "setenvif",
    "headers",
    "rewrite",
    "proxy",
    "slotmem_shm",
    "proxy_balancer",
    "lbmethod_byrequests",
    "lbmethod_bytraffic",
    "lbmethod_bybusyness",
];

fn find_modules() -> Result<PathBuf, Failure> {
    let known = [
        "/usr/lib/apache2/modules",
        "/usr/lib64/httpd/modules",
        "/usr/lib/httpd/modules",
        "/usr/lib64/apache2",
        "/usr/local/apache2/modules",
    ];
    let found = known.iter().map(Path::new).find(|path| path.join("mod_proxy.so").exists());
    found.map(Path::to_path_buf).ok_or_else(|| {
        Failure::Io(format!(
            "cannot check {MAIN_FILE}: httpd's modules not found, specify their directory with --modules"
        ))
    })
}
