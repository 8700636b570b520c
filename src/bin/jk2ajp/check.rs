//! What httpd says to what was written.

use std::fs;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use mod_proxy_ajp_rs::migrate::{MAIN_FILE, OutputFile, quoted};

use crate::Failure;
use crate::disk::{failed, save};
use crate::options::Arguments;

/// Has httpd read the files, with the modules they need and nothing else.
pub(crate) fn check(arguments: &Arguments, files: &[OutputFile]) -> Result<(), Failure> {
    let directory = own_directory()?;
    let result = check_in(&directory, arguments, files);
    // What is left of it harms nobody, and the result matters more.
    let _ = fs::remove_dir_all(&directory);
    result
}

/// A new directory that nobody else may look into, or has made for us to stumble over.
fn own_directory() -> Result<PathBuf, Failure> {
    let directory = std::env::temp_dir().join(format!("jk2ajp-{}", std::process::id()));
    fs::DirBuilder::new()
        .mode(0o700)
        .create(&directory)
        .map_err(|error| failed(&directory, &error))?;
    Ok(directory)
}

fn check_in(directory: &Path, arguments: &Arguments, files: &[OutputFile]) -> Result<(), Failure> {
    save(directory, files)?;
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
    let main = OutputFile { name: "check.conf".into(), text, host: None };
    save(directory, &[main])?;
    let output = Command::new(&arguments.apachectl)
        .args(["-t", "-f"])
        .arg(directory.join("check.conf"))
        .output()
        .map_err(|error| Failure::Files(format!("{}: {error}", arguments.apachectl)))?;
    if output.status.success() {
        return Ok(());
    }
    let said = [output.stdout, output.stderr].concat();
    Err(Failure::Refused(String::from_utf8_lossy(&said).into_owned()))
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
