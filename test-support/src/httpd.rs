//! A private httpd with its own ServerRoot, port and MPM.

use super::crash::{self, Crashes};
use super::http::{Client, Response};
use super::places;
use super::process::{
    self, Guarded, children_of, free_port, has_running_children, is_root, signal, wait_for,
};
use std::ffi::OsString;
use std::fmt::Write as _;
use std::fs::{self, File, Permissions};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use tempfile::TempDir;

/// An MPM of httpd.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mpm {
    /// Threads, and a listener that keeps idle client connections.
    Event,
    /// Threads.
    Worker,
    /// One process per connection.
    Prefork,
}

impl Mpm {
    fn name(self) -> &'static str {
        match self {
            Self::Event => "event",
            Self::Worker => "worker",
            Self::Prefork => "prefork",
        }
    }

    fn sizes(self) -> &'static str {
        match self {
            Self::Event | Self::Worker => {
                "ServerLimit 8\nStartServers 2\nThreadsPerChild 16\nMaxRequestWorkers 64\n\
                 MinSpareThreads 4\nMaxSpareThreads 64\n"
            }
            Self::Prefork => {
                "ServerLimit 40\nStartServers 4\nMinSpareServers 2\nMaxSpareServers 20\n\
                 MaxRequestWorkers 40\n"
            }
        }
    }
}

/// Which library is loaded as `proxy_ajp_module`.
#[derive(Clone, Debug)]
pub enum Module {
    /// The module under test: `AJP_MODULE_SO`, else the library that cargo has just built.
    Ours,
    /// The mod_proxy_ajp of httpd.
    Stock,
    /// This file.
    File(PathBuf),
}

impl Module {
    /// The path of the library.
    pub fn path(&self) -> PathBuf {
        match self {
            Self::File(path) => path.clone(),
            Self::Stock => modules_directory().join("mod_proxy_ajp.so"),
            Self::Ours => {
                std::env::var_os("AJP_MODULE_SO").map_or_else(places::library, PathBuf::from)
            }
        }
    }
}

/// The directory of httpd's modules, as apxs prints it.
pub fn modules_directory() -> &'static Path {
    static FOUND: OnceLock<PathBuf> = OnceLock::new();
    FOUND.get_or_init(|| PathBuf::from(apxs("LIBEXECDIR")))
}

/// The answer of the apxs on the path.
fn apxs(key: &str) -> String {
    let output = Command::new("apxs").args(["-q", key]).output().expect("apxs (ci/setup)");
    String::from_utf8(output.stdout).expect("a path in UTF-8").trim().to_owned()
}

/// The folder `httpd-conf`.
pub fn examples_directory() -> PathBuf {
    places::root().join("httpd-conf")
}

/// The configuration of a private httpd that is not started yet.
#[derive(Clone, Debug)]
pub struct Setup {
    mpm: Mpm,
    module: Module,
    modules: Vec<String>,
    left_out: Vec<String>,
    defines: Vec<(String, String)>,
    conf: String,
    port: u16,
    log_level: String,
    hosts: Option<PathBuf>,
    clock: Option<String>,
    open_files: Option<u32>,
}

impl Setup {
    /// Chooses the MPM. The default is event.
    pub fn mpm(mut self, mpm: Mpm) -> Self {
        self.mpm = mpm;
        self
    }

    /// Chooses the AJP module. The default is ours.
    pub fn module(mut self, module: Module) -> Self {
        self.module = module;
        self
    }

    /// Loads further modules of httpd, by the name in `mod_NAME.so`.
    pub fn modules(mut self, names: &[&str]) -> Self {
        self.modules.extend(names.iter().map(|name| (*name).to_owned()));
        self
    }

    /// Leaves out modules of those that every instance loads, by the name in `mod_NAME.so`.
    pub fn without(mut self, names: &[&str]) -> Self {
        self.left_out.extend(names.iter().map(|name| (*name).to_owned()));
        self
    }

    /// Defines a variable for the configuration.
    pub fn define(mut self, name: &str, value: impl ToString) -> Self {
        self.defines.push((name.to_owned(), value.to_string()));
        self
    }

    /// Includes a file of `httpd-conf`, as it is.
    pub fn example(self, file: &str) -> Self {
        let path = examples_directory().join(file);
        self.conf(&format!("Include \"{}\"", path.display()))
    }

    /// Adds lines to the configuration.
    pub fn conf(mut self, lines: &str) -> Self {
        self.conf.push_str(lines);
        self.conf.push('\n');
        self
    }

    /// Loads mod_jk.
    pub fn mod_jk(self) -> Self {
        self.packaged("jk")
    }

    /// Loads a module of another project, by the name in `mod_NAME.so` and `libapache2-mod-NAME`.
    pub fn packaged(self, name: &str) -> Self {
        let library = modules_directory().join(format!("mod_{name}.so"));
        assert!(library.exists(), "mod_{name}.so is installed (ci/test)");
        self.conf(&format!("LoadModule {name}_module {}", library.display()))
    }

    /// Listens on this port instead of a free one.
    pub fn port(mut self, port: u16) -> Self {
        self.port = port;
        self
    }

    /// Sets `LogLevel`. The default is `info`.
    pub fn log_level(mut self, level: &str) -> Self {
        level.clone_into(&mut self.log_level);
        self
    }

    /// Makes httpd see this file as `/etc/hosts`. Needs root.
    pub fn hosts(mut self, file: &Path) -> Self {
        assert!(is_root(), "this test gives httpd other hosts: run it as root");
        self.hosts = Some(file.to_owned());
        self
    }

    /// Gives httpd a clock of its own, with this offset (`+1d`) for libfaketime: see [`Httpd::set_clock`].
    pub fn clock(mut self, offset: &str) -> Self {
        self.clock = Some(offset.to_owned());
        self
    }

    /// Limits the files that each process of httpd may have open (`ulimit -n`).
    pub fn open_files(mut self, limit: u32) -> Self {
        self.open_files = Some(limit);
        self
    }

    /// Starts httpd and waits until it accepts connections.
    #[track_caller]
    pub fn start(self) -> Httpd {
        let root = self.write();
        let output = File::create(root.path().join("startup.log")).expect("our own directory");
        let mut command = self.command();
        if let Some(offset) = &self.clock {
            let file = root.path().join(CLOCK);
            fs::write(&file, offset).expect("our own directory");
            // The monotonic clock is left alone: an administrator cannot set it either.
            command
                .env("LD_PRELOAD", faketime())
                .env("FAKETIME_TIMESTAMP_FILE", file)
                .env("FAKETIME_NO_CACHE", "1")
                .env("FAKETIME_DONT_FAKE_MONOTONIC", "1");
        }
        let process = Guarded::spawn(
            command
                .args(["-DFOREGROUND", "-d"])
                .arg(root.path())
                .arg("-f")
                .arg(root.path().join("httpd.conf"))
                .stdout(output.try_clone().expect("descriptors are left"))
                .stderr(output),
        );
        let mut httpd = Httpd { process, root, port: self.port };
        wait_for("httpd accepts connections", || {
            assert!(httpd.process.is_running(), "httpd ended at start: {}", httpd.all_logs());
            TcpStream::connect(httpd.address()).ok()
        });
        // The socket accepts before the children are there; the log line comes after them.
        wait_for("httpd is ready", || httpd.error_log().contains("resuming normal").then_some(()));
        httpd
    }

    /// Starts httpd and waits until it ends by itself, with an error. Returns what it has said.
    #[track_caller]
    pub fn start_fails(self) -> String {
        let root = self.write();
        let output = File::create(root.path().join("startup.log")).expect("our own directory");
        let mut command = self.command();
        command.args(["-DFOREGROUND", "-d"]).arg(root.path());
        command.arg("-f").arg(root.path().join("httpd.conf"));
        let both = output.try_clone().expect("descriptors are left");
        let mut process = Guarded::spawn(command.stdout(both).stderr(output));
        let status = wait_for("httpd ends", || process.exit_status());
        let read = |name| fs::read_to_string(root.path().join(name)).unwrap_or_default();
        let log = read("startup.log") + &read("error.log");
        assert!(!status.success(), "{log}");
        log
    }

    /// Runs `httpd -t`. Returns whether the configuration is accepted, and the output.
    pub fn configtest(self) -> (bool, String) {
        let root = self.write();
        let words = preload().into_iter().chain([binary().into()]).collect::<Vec<OsString>>();
        let output = Command::new(&words[0])
            .args(&words[1..])
            .args(["-t", "-d"])
            .arg(root.path())
            .arg("-f")
            .arg(root.path().join("httpd.conf"))
            .output()
            .expect("httpd is installed (ci/setup)");
        let printed = [output.stdout, output.stderr].concat();
        let log = fs::read_to_string(root.path().join("error.log")).unwrap_or_default();
        (output.status.success(), String::from_utf8_lossy(&printed).into_owned() + &log)
    }

    /// The command that starts httpd, or that becomes httpd in the same process.
    fn command(&self) -> Command {
        let mut words: Vec<OsString> = Vec::new();
        if let Some(hosts) = &self.hosts {
            words.extend(["unshare", "--mount", "/bin/sh", "-c"].map(OsString::from));
            words.push("mount --bind \"$1\" /etc/hosts && shift && exec \"$@\"".into());
            words.extend(["hosts".into(), hosts.into()]);
        }
        if let Some(limit) = self.open_files {
            words.extend(
                ["/bin/sh", "-c", "ulimit -n \"$1\" && shift && exec \"$@\""].map(OsString::from),
            );
            words.extend(["limit".into(), limit.to_string().into()]);
        }
        words.extend(memcheck());
        words.extend(preload());
        words.push(binary().into());
        let mut command = Command::new(&words[0]);
        command.args(&words[1..]);
        command
    }

    fn write(&self) -> TempDir {
        let root = tempfile::tempdir().expect("a temporary directory");
        process::remove_at_end(root.path());
        for directory in [root.path().to_path_buf(), root.path().join("htdocs")] {
            fs::create_dir_all(&directory).expect("our own directory");
            fs::set_permissions(&directory, Permissions::from_mode(0o755)).expect("it is ours");
        }
        fs::write(root.path().join("httpd.conf"), self.text(root.path())).expect("it is ours");
        root
    }

    fn text(&self, root: &Path) -> String {
        let modules = modules_directory().display().to_string();
        let root = root.display();
        let mut text = String::new();
        let mut line = |args: std::fmt::Arguments<'_>| {
            text.write_fmt(args).expect("a String takes all");
            text.push('\n');
        };
        line(format_args!("ServerRoot \"{root}\"\nDefaultRuntimeDir \"{root}\""));
        line(format_args!("PidFile httpd.pid\nServerName localhost"));
        line(format_args!("Listen 127.0.0.1:{}", self.port));
        line(format_args!("LoadModule mpm_{0}_module {modules}/mod_mpm_{0}.so", self.mpm.name()));
        let left_out = |name: &&&str| !self.left_out.iter().any(|out| out == **name);
        let base = BASE_MODULES.iter().filter(left_out).copied();
        for name in base.chain(self.modules.iter().map(String::as_str)) {
            line(format_args!("LoadModule {name}_module {modules}/mod_{name}.so"));
        }
        if is_root() {
            line(format_args!("User www-data\nGroup www-data"));
        }
        line(format_args!("{}", self.mpm.sizes()));
        if !memcheck().is_empty() || !preload().is_empty() {
            // A pool's memory is given back when it is destroyed, so that a use of it thereafter is seen.
            line(format_args!("MaxMemFree 1"));
        }
        if let Some(directory) = crash::core_directory(self.port) {
            // To find the cause of a crash: with `ulimit -c unlimited`, core files are there.
            line(format_args!("{}", crash::prepare(&directory)));
        }
        line(format_args!("ErrorLog error.log\nLogLevel {}", self.log_level));
        line(format_args!("CustomLog access.log \"%a %s %B \\\"%r\\\" %{{X-Test}}i\""));
        line(format_args!(
            "Timeout 60\nKeepAliveTimeout 60\nMaxKeepAliveRequests 0\nGracefulShutdownTimeout 5"
        ));
        line(format_args!("DocumentRoot \"{root}/htdocs\"\nTypesConfig /etc/mime.types"));
        line(format_args!("Define HTTPD_MODULES \"{modules}\""));
        line(format_args!("Define AJP_MODULE \"{}\"", self.module.path().display()));
        for (name, value) in &self.defines {
            line(format_args!("Define {name} \"{value}\""));
        }
        line(format_args!("Include \"{}\"", examples_directory().join("load.conf").display()));
        let has_parking = self.mpm == Mpm::Event && !matches!(self.module, Module::Stock);
        if has_parking && parks_everywhere() {
            line(format_args!("AsyncRequestWorkerFactor 1000\nProxyAjpParking On"));
        }
        line(format_args!("{}", self.conf));
        text
    }
}

/// Whether every httpd with the MPM event lets requests wait without a thread: `AJP_PARKING=1`.
fn parks_everywhere() -> bool {
    std::env::var_os("AJP_PARKING").is_some_and(|value| value == "1")
}

/// The beginning of the command that starts httpd with a library in it before all others: with `AJP_PRELOAD`.
fn preload() -> Vec<OsString> {
    let Some(library) = std::env::var_os("AJP_PRELOAD") else { return Vec::new() };
    let mut word = OsString::from("LD_PRELOAD=");
    word.push(library);
    vec!["env".into(), word]
}

/// The beginning of the command that starts httpd under valgrind: with `AJP_VALGRIND`.
///
/// Each process writes the errors that are found in it to a file of its own, which is empty if there are none.
fn memcheck() -> Vec<OsString> {
    let Some(directory) = std::env::var_os("AJP_VALGRIND") else { return Vec::new() };
    let file = |option: &str, path: &Path| {
        let mut word = OsString::from(option);
        word.push(path);
        word
    };
    let mut words = vec![
        "valgrind".into(),
        file("--log-file=", &Path::new(&directory).join("%p")),
        file("--suppressions=", &places::root().join("ci/valgrind.d/httpd.supp")),
    ];
    let options = ["--quiet", "--vgdb=no", "--fair-sched=yes", "--keep-debuginfo=yes"];
    let leaks = ["--leak-check=full", "--show-leak-kinds=definite", "--num-callers=30"];
    words.extend(options.into_iter().chain(leaks).map(OsString::from));
    words
}

/// The modules that every instance loads, before the AJP module.
const BASE_MODULES: &[&str] = &[
    "authz_core",
    "authz_host",
    "authz_user",
    "authn_core",
    "authn_file",
    "auth_basic",
    "mime",
    "dir",
    "alias",
    "env",
    "setenvif",
    "headers",
    "rewrite",
    "filter",
    "status",
    "proxy",
    "slotmem_shm",
    "proxy_balancer",
    "lbmethod_byrequests",
];

/// A running httpd. When it is dropped, it is stopped, and a crash of one of its children fails the test.
#[derive(Debug)]
pub struct Httpd {
    process: Guarded,
    root: TempDir,
    port: u16,
}

impl Httpd {
    /// Begins the configuration of an httpd with the base modules and the AJP module.
    pub fn setup() -> Setup {
        Setup {
            mpm: Mpm::Event,
            module: Module::Ours,
            modules: Vec::new(),
            left_out: Vec::new(),
            defines: Vec::new(),
            conf: String::new(),
            port: free_port(),
            log_level: "info".to_owned(),
            hosts: None,
            clock: None,
            open_files: None,
        }
    }

    /// The address it listens on.
    pub fn address(&self) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], self.port))
    }

    /// The port it listens on.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Whether it has ended.
    pub fn has_ended(&mut self) -> bool {
        !self.process.is_running()
    }

    /// Its ServerRoot.
    pub fn root(&self) -> &Path {
        self.root.path()
    }

    /// The process id of the parent.
    pub fn pid(&self) -> u32 {
        self.process.pid()
    }

    /// A new connection to it.
    pub fn client(&self) -> Client {
        Client::connect(self.address())
    }

    /// `GET target` on a connection of its own.
    pub fn get(&self, target: &str) -> Response {
        self.client().get(target)
    }

    /// A request without a body on a connection of its own.
    pub fn request(&self, method: &str, target: &str, headers: &str) -> Response {
        self.client().request(method, target, headers, b"")
    }

    /// Runs curl with `args` and the URL of `target`; `%` in an argument is nothing special.
    pub fn curl(&self, args: &[&str], scheme: &str, target: &str) -> String {
        let output = Command::new("curl")
            .args(["--silent", "--show-error", "--max-time", "60", "--noproxy", "*"])
            .args(args)
            .arg(format!("{scheme}://localhost:{}{target}", self.port))
            .output()
            .expect("curl is installed (ci/setup)");
        assert!(output.status.success(), "curl: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// The error log so far.
    pub fn error_log(&self) -> String {
        self.file("error.log")
    }

    /// The lines of the module's message with this number (`AJP0101`) in the error log.
    pub fn messages(&self, number: &str) -> Vec<String> {
        let start = format!(" {number}: ");
        let log = self.error_log();
        log.lines().filter(|line| line.contains(&start)).map(str::to_owned).collect()
    }

    /// The lines of the access log: `client status bytes "request" x-test-header`.
    pub fn access_log(&self) -> Vec<String> {
        self.file("access.log").lines().map(str::to_owned).collect()
    }

    /// The lines of a log with this name (`CustomLog NAME …`), sorted, as soon as there are `count`. httpd writes a
    /// request's line after the client has its answer, so those of two connections come in any order.
    ///
    /// # Panics
    /// If there are more.
    #[track_caller]
    pub fn lines_of(&self, log: &str, count: usize) -> Vec<String> {
        let mut lines = wait_for("the requests are in the log", || {
            Some(self.whole_lines(log)).filter(|lines| lines.len() >= count)
        });
        assert_eq!(lines.len(), count, "{log}: {lines:#?}");
        lines.sort();
        lines
    }

    /// The lines of a log with this name so far.
    pub fn whole_lines(&self, log: &str) -> Vec<String> {
        let text = self.file(log);
        // What follows the last newline is still being written.
        let whole = text.rsplit_once('\n').map_or("", |(whole, _)| whole);
        whole.lines().map(str::to_owned).collect()
    }

    /// The child processes now.
    pub fn children(&self) -> Vec<u32> {
        children_of(self.pid())
    }

    /// Sets the clock of an httpd with a clock of its own.
    pub fn set_clock(&self, offset: &str) {
        // In one step: its processes read it at any time.
        let next = self.root.path().join("clock.next");
        fs::write(&next, offset).expect("our own directory");
        fs::rename(next, self.root.path().join(CLOCK)).expect("our own directory");
    }

    /// Asks for a graceful restart and waits until the new configuration is in force.
    pub fn graceful(&self) {
        self.restart_by("USR1");
    }

    /// Waits until there are at least so many children, none of them one of `before`.
    pub fn wait_for_new_children(&self, before: &[u32], least: usize) {
        wait_for("the old children are gone", || {
            let now = self.children();
            (now.len() >= least && now.iter().all(|child| !before.contains(child))).then_some(())
        });
    }

    /// Asks for a restart that does not wait for requests.
    pub fn restart(&self) {
        self.restart_by("HUP");
    }

    /// Rewrites its configuration with `change`; a restart reads it.
    pub fn edit(&self, change: impl Fn(&str) -> String) {
        let conf = self.root.path().join("httpd.conf");
        let text = fs::read_to_string(&conf).expect("written at the start");
        fs::write(&conf, change(&text)).expect("our own directory");
    }

    /// Ends it gracefully.
    fn end(&mut self) {
        // Not TERM at once: while a child's workers still close connections, mpm_event may crash on it, in
        // close_worker_sockets, whatever modules are loaded. But the parent sleeps for a second before it looks
        // whether its children have gone, and then TERM wakes it.
        let pid = self.process.pid();
        let log = self.root.path().join("error.log");
        self.process.stop_in_turn("WINCH", || {
            let log = || fs::read(&log).unwrap_or_default();
            !has_running_children(pid)
                && String::from_utf8_lossy(&log()).contains("caught SIGWINCH")
        });
    }

    fn restart_by(&self, name: &str) {
        let ready = |log: &str| log.matches("resuming normal operations").count();
        let before = ready(&self.error_log());
        signal(name, self.pid());
        wait_for("httpd has restarted", || (ready(&self.error_log()) > before).then_some(()));
    }

    fn file(&self, name: &str) -> String {
        let bytes = fs::read(self.root.path().join(name)).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// The processes that have ended by a signal so far.
    pub fn crashes(&self) -> Crashes {
        let cores = crash::core_directory(self.port);
        Crashes::of(&self.all_logs(), &binary(), cores.as_deref())
    }

    /// What httpd has said at its start and in the error log.
    pub fn all_logs(&self) -> String {
        self.file("startup.log") + &self.error_log()
    }
}

impl Drop for Httpd {
    fn drop(&mut self) {
        let before = self.crashes().count();
        self.end();
        let crashes = self.crashes();
        if crashes.count() > 0 {
            let when = if before > 0 { "while it served" } else { "at the end" };
            let whose = if crashes.are_httpds_own() { "; it is httpd's own" } else { "" };
            eprintln!("a child crashed {when}{whose}: {crashes}");
        }
        let log = self.all_logs();
        if std::thread::panicking() {
            let tail: Vec<_> = log.lines().rev().take(40).collect();
            eprintln!("--- the last lines of httpd's log");
            for line in tail.iter().rev() {
                eprintln!("{line}");
            }
            return;
        }
        assert!(crashes.are_httpds_own(), "a process of httpd ended by a signal: {log}");
        for bad in ["panicked at", "Assertion"] {
            assert!(!log.contains(bad), "httpd's log says {bad:?}: {log}");
        }
        if let Some(cores) = crash::core_directory(self.port) {
            let _ = fs::remove_dir_all(cores);
        }
    }
}

/// The file with the offset of the clock.
const CLOCK: &str = "clock";

/// Returns the path of libfaketime, which gives a process a clock with the offset that a file names.
fn faketime() -> PathBuf {
    let places = fs::read_dir("/usr/lib").expect("it is there").flatten().map(|entry| entry.path());
    let library = places.map(|place| place.join("faketime/libfaketime.so.1"));
    library.into_iter().find(|path| path.exists()).expect("faketime is installed (ci/setup)")
}

/// Returns the path of httpd: `AJP_HTTPD`, else the program of apxs's, `apache2` on Debian, `httpd` elsewhere.
pub fn binary() -> PathBuf {
    static FOUND: OnceLock<PathBuf> = OnceLock::new();
    let of_apxs = || Path::new(&apxs("SBINDIR")).join(apxs("PROGNAME"));
    FOUND.get_or_init(|| std::env::var_os("AJP_HTTPD").map_or_else(of_apxs, PathBuf::from)).clone()
}

/// The release of httpd, as three numbers: (2, 4, 62).
pub fn release() -> (u32, u32, u32) {
    static FOUND: OnceLock<(u32, u32, u32)> = OnceLock::new();
    *FOUND.get_or_init(|| {
        let output = Command::new(binary()).arg("-v").output().expect("httpd starts");
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let (_, number) = text.split_once("Apache/").expect("httpd says its version");
        let mut numbers = number
            .split(|c: char| !c.is_ascii_digit())
            .map(|word| word.parse().expect("three numbers with a point between"));
        let mut next = || numbers.next().expect("three numbers");
        (next(), next(), next())
    })
}
