//! `jk2ajp`: reads mod_jk's configuration and writes this module's.

use std::collections::HashMap;
use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use clap::Parser;
use mod_proxy_ajp_rs::migrate::{Conversion, Files, Input, MAIN_FILE, OutputFile, convert, quoted};

/// Reads mod_jk's configuration and writes the httpd configuration for mod_proxy_ajp_rs.
///
/// Messages go to standard error, each with file, line and column. The exit status is 0 when all was
/// written, 1 when something is wrong that mod_jk would not start with either (nothing is written
/// then), 2 when a file or the command line is at fault, 3 when --check finds httpd refusing it.
#[derive(Debug, Parser)]
#[command(version, arg_required_else_help = true)]
struct Arguments {
    /// httpd's configuration; Include is followed, and the files of JkWorkersFile and JkMountFile are read
    #[arg(value_name = "HTTPD_CONF")]
    httpd_conf: Option<String>,
    /// workers.properties, in the place of JkWorkersFile's
    #[arg(short, long, value_name = "FILE")]
    workers: Option<String>,
    /// uriworkermap.properties of the main server, in the place of JkMountFile's
    #[arg(short, long, value_name = "FILE")]
    map: Option<String>,
    /// The directory to write to: jk2ajp.conf, and a file for each virtual host with Jk lines.
    /// Without it, all goes to standard output
    #[arg(short, long, value_name = "DIRECTORY")]
    output: Option<PathBuf>,
    /// Say what has become of each line, instead of writing the configuration
    #[arg(short, long)]
    report: bool,
    /// Have httpd read what was written (apachectl -t)
    #[arg(short, long)]
    check: bool,
    /// ServerRoot, where the configuration does not say it; else the directory of HTTPD_CONF
    #[arg(long, value_name = "DIRECTORY")]
    server_root: Option<String>,
    /// A variable as by httpd's Define or -D
    #[arg(short = 'D', long = "define", value_name = "NAME[=VALUE]")]
    define: Vec<String>,
    /// Read workers.properties as mod_jk 1.2.6 and older did: socket_timeout, local_worker, cachesize
    #[arg(long = "jk-1.2.6")]
    old: bool,
    /// For --check: the library of this module
    #[arg(long, value_name = "FILE")]
    module: Option<PathBuf>,
    /// For --check: where httpd's modules are
    #[arg(long, value_name = "DIRECTORY")]
    modules: Option<PathBuf>,
    /// For --check: what to run
    #[arg(long, value_name = "COMMAND", default_value = "apachectl")]
    apachectl: String,
}

/// What ends the command early.
enum Failure {
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
    if arguments.httpd_conf.is_none() && arguments.workers.is_none() {
        return Err(Failure::Files("name httpd's configuration, or --workers FILE".into()));
    }
    let mut variables: HashMap<String, String> = HashMap::new();
    for word in &arguments.define {
        let (name, value) = word.split_once('=').unwrap_or((word, ""));
        variables.insert(name.into(), value.into());
    }
    let input = Input {
        httpd_conf: arguments.httpd_conf.clone(),
        workers: arguments.workers.clone(),
        map: arguments.map.clone(),
        server_root: arguments.server_root.clone(),
        variables,
        is_old: arguments.old,
    };
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

/// Writes the files, for their owner alone: they may hold secrets. Each is whole or as it was.
fn save(directory: &Path, files: &[OutputFile]) -> Result<(), Failure> {
    let failed =
        |path: &Path, error: io::Error| Failure::Files(format!("{}: {error}", path.display()));
    fs::create_dir_all(directory).map_err(|error| failed(directory, error))?;
    for file in files {
        let path = directory.join(&file.name);
        let new = directory.join(format!("{}.new", file.name));
        let written = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&new)
            .and_then(|mut opened| opened.write_all(file.text.as_bytes()))
            .and_then(|()| fs::rename(&new, &path));
        written.map_err(|error| failed(&path, error))?;
    }
    Ok(())
}

/// Has httpd read the files, with the modules they need and nothing else.
fn check(arguments: &Arguments, files: &[OutputFile]) -> Result<(), Failure> {
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
        .map_err(|error| Failure::Files(format!("{}: {error}", directory.display())))?;
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

/// The files of this machine.
#[derive(Debug)]
struct Disk;

impl Files for Disk {
    fn read(&self, path: &str) -> Result<Vec<u8>, String> {
        fs::read(path).map_err(|error| error.to_string())
    }

    fn find(&self, pattern: &str) -> Vec<String> {
        let text = |path: PathBuf| path.to_string_lossy().into_owned();
        if Path::new(pattern).is_dir() {
            let Ok(entries) = fs::read_dir(pattern) else { return Vec::new() };
            let mut found: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
            found.retain(|path| path.is_file());
            found.sort();
            return found.into_iter().map(text).collect();
        }
        let Ok(found) = glob::glob(pattern) else { return Vec::new() };
        found.flatten().filter(|path| path.is_file()).map(text).collect()
    }
}
