//! What httpd says to what was written.

use std::fs::{self, File, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use mod_proxy_ajp_rs::migrate::{MAIN_FILE, OutputFile, quoted};

use crate::Failure;
use crate::command::{LIMIT, Program, Stop, Waited};
use crate::disk::{failed, save};
use crate::options::Arguments;

/// Has httpd read the files, with the modules they need and nothing else.
pub(crate) fn check(
    arguments: &Arguments,
    files: &[OutputFile],
    stop: &Stop,
) -> Result<(), Failure> {
    in_own_directory(|directory| {
        let main = main_file(directory, arguments, files)?;
        save(directory, files)?;
        save(directory, std::slice::from_ref(&main))?;
        let path = directory.join(main.name).display().to_string();
        ask(&arguments.apachectl.with(&["-t", "-f", &path]), directory, stop)
    })
}

/// Has httpd read its own configuration, in which the files are included by now.
pub(crate) fn check_all(arguments: &Arguments, stop: &Stop) -> Result<(), Failure> {
    in_own_directory(|directory| ask(&arguments.apachectl.with(&["-t"]), directory, stop))
}

/// What it prints is in `directory` as long as it runs.
fn ask(program: &Program, directory: &Path, stop: &Stop) -> Result<(), Failure> {
    let path = directory.join("said");
    let failed = |error: io::Error| Failure::Files(format!("{program}: {error}"));
    let said = File::create(&path).map_err(failed)?;
    let errors = said.try_clone().map_err(failed)?;
    let mut running = program.start(said, errors).map_err(failed)?;
    match running.wait(LIMIT, stop).map_err(failed)? {
        Waited::Ended(status) if status.success() => Ok(()),
        Waited::Ended(_) => {
            let said = fs::read(&path).map_err(failed)?;
            Err(Failure::Refused(String::from_utf8_lossy(&said).into_owned()))
        }
        Waited::Late => {
            running.kill();
            let text = format!("{program}: it did not end within {} seconds", LIMIT.as_secs());
            Err(Failure::Files(text))
        }
        Waited::Stopped => {
            running.kill();
            Err(Failure::Stopped)
        }
    }
}

/// A new directory that nobody else may look into. What is left of it harms nobody, and the result matters more.
fn in_own_directory(work: impl FnOnce(&Path) -> Result<(), Failure>) -> Result<(), Failure> {
    let directory = tempfile::Builder::new()
        .prefix("jk2ajp-")
        .permissions(Permissions::from_mode(0o700))
        .tempdir()
        .map_err(|error| failed(&std::env::temp_dir(), &error))?;
    work(directory.path())
}

/// A configuration that includes the files, for `directory`.
fn main_file(
    directory: &Path,
    arguments: &Arguments,
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
        // Some are built into some servers.
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

/// What the written configuration may use; an MPM, for httpd starts with none.
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
    let places = [
        "/usr/lib/apache2/modules",
        "/usr/lib64/httpd/modules",
        "/usr/lib/httpd/modules",
        "/usr/lib64/apache2",
        "/usr/local/apache2/modules",
    ];
    let found = places.iter().map(Path::new).find(|path| path.join("mod_proxy.so").exists());
    found.map(Path::to_path_buf).ok_or_else(|| {
        Failure::Files(format!("{MAIN_FILE} is not checked: name httpd's modules with --modules"))
    })
}
