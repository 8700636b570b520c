//! A real Tomcat, 10.1 or 9, with the test application, in a directory and on ports of its own.
//!
//! One JVM holds two nodes (two services with a `jvmRoute` each), so that a balancer has two members
//! at the price of one start.

use super::places::{root, scratch};
use super::process::{self, DEADLINE, Guarded, free_port, has_ipv6, wait_up_to};
use std::collections::hash_map::DefaultHasher;
use std::fs::{self, File, Permissions};
use std::hash::{Hash, Hasher};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use tempfile::TempDir;

/// A release of Tomcat.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Release {
    /// 10.1, of the package tomcat10.
    Ten,
    /// 9, of the package libtomcat9-java: the libraries alone.
    Nine,
}

impl Release {
    /// `CATALINA_HOME`, if there is one.
    fn home(self) -> Option<&'static str> {
        match self {
            Self::Ten => Some("/usr/share/tomcat10"),
            Self::Nine => None,
        }
    }

    /// Where a Tomcat is started from.
    fn class_path(self) -> String {
        match self.home() {
            Some(home) => format!("{home}/bin/bootstrap.jar:{home}/bin/tomcat-juli.jar"),
            None => Self::libraries(),
        }
    }

    /// What its applications are compiled against.
    fn compile_path(self) -> String {
        match self.home() {
            Some(home) => format!("{home}/lib/*:{home}/bin/tomcat-juli.jar"),
            None => Self::libraries(),
        }
    }

    /// The libraries of a Tomcat 9, each once: they are there with and without a version in their names.
    fn libraries() -> String {
        let files = fs::read_dir("/usr/share/java").expect("Debian keeps libraries there");
        let names = files.flatten().filter_map(|file| file.file_name().into_string().ok());
        let mut wanted: Vec<String> = names
            .filter(|name| name.starts_with("tomcat9-") && name.ends_with(".jar"))
            .filter(|name| !name.contains("-9.0."))
            .map(|name| format!("/usr/share/java/{name}"))
            .collect();
        wanted.sort();
        assert!(!wanted.is_empty(), "libtomcat9-java is installed (ci/setup)");
        wanted.join(":")
    }
}

/// The secret of the connector on [`Tomcat::secret_port`].
pub const SECRET: &str = "open-sesame";

/// The attribute of a connector that says which request attributes it takes.
const PATTERN: &str = "allowedRequestAttributesPattern";

/// A running Tomcat. Its connectors accept every request attribute. Only one of them requires a secret.
#[derive(Debug)]
pub struct Tomcat {
    /// AJP on 127.0.0.1, node1, `packetSize` 8192; users come from httpd.
    pub port: u16,
    /// AJP on 127.0.0.1, node2.
    pub node2_port: u16,
    /// AJP on 127.0.0.1, node1, requires [`SECRET`].
    pub secret_port: u16,
    /// AJP on 127.0.0.1, node1, `packetSize` 65536.
    pub large_port: u16,
    /// AJP on ::1, node1, if this machine has IPv6.
    pub ipv6_port: Option<u16>,
    /// AJP on a unix socket, node1; everyone may connect.
    pub socket: PathBuf,
    /// AJP on 127.0.0.1, node1, with the attributes given to [`Tomcat::start_with`].
    pub more_ports: Vec<u16>,
    process: Guarded,
    base: TempDir,
    release: Release,
    is_ordinary: bool,
}

impl Tomcat {
    /// Returns the Tomcat of this test binary. The first call starts it; it ends with the process.
    pub fn shared() -> &'static Self {
        static SHARED: OnceLock<Tomcat> = OnceLock::new();
        SHARED.get_or_init(Self::start)
    }

    /// Starts a Tomcat and waits until it serves the application.
    pub fn start() -> Self {
        Self::start_with(&[])
    }

    /// As [`Tomcat::start`], with a further connector for each of `more`, with these attributes.
    pub fn start_with(more: &[&str]) -> Self {
        Self::start_as(Release::Ten, more, &[], "")
    }

    /// As [`Tomcat::start_with`], a Tomcat 9.
    pub fn start_nine_with(more: &[&str]) -> Self {
        Self::start_as(Release::Nine, more, &[], "")
    }

    /// As [`Tomcat::start`], with connectors of `tomcat-connector/` that connect to httpd: one of node1 for each
    /// of `connectors`, with these attributes. Run by root, it is kept from files as an ordinary user is.
    pub fn start_dialling(connectors: &[String]) -> Self {
        Self::start_as(Release::Ten, &[], connectors, "")
    }

    /// As [`Tomcat::start`], with the valve that sends clients without a valid session to other nodes while a
    /// node is told that it is draining.
    pub fn start_draining() -> Self {
        Self::start_as(
            Release::Ten,
            &[],
            &[],
            "<Valve className='org.apache.catalina.valves.LoadBalancerDrainingValve'/>",
        )
    }

    /// As [`Tomcat::start_with`], with an access log.
    pub fn start_logging(more: &[&str]) -> Self {
        Self::start_as(
            Release::Ten,
            more,
            &[],
            "<Valve className='org.apache.catalina.valves.AccessLogValve' directory='logs' \
             prefix='access' suffix='.log' rotatable='false' buffered='false' pattern='%m %U'/>",
        )
    }

    /// `valves` are those of each engine.
    fn start_as(
        release: Release,
        more: &[&str],
        dialling: &[String],
        valves: &'static str,
    ) -> Self {
        let base = tempfile::Builder::new().prefix("ajp-").tempdir().expect("a directory");
        process::remove_at_end(base.path());
        fs::set_permissions(base.path(), Permissions::from_mode(0o755)).expect("it is ours");
        let [port, node2_port, secret_port, large_port] = [(); 4].map(|()| free_port());
        let ipv6_port = has_ipv6().then(free_port);
        let socket = base.path().join("socket");
        install(release, base.path());
        let conf = base.path().join("conf");
        let more_ports: Vec<u16> = more.iter().map(|_| free_port()).collect();
        let more = more_ports.iter().copied().zip(more.iter().copied()).collect();
        let server = Connectors {
            port,
            node2_port,
            secret_port,
            large_port,
            ipv6_port,
            more,
            dialling,
            valves,
        }
        .server_xml(&socket);
        fs::write(conf.join("server.xml"), server).expect("it is ours");
        if !dialling.is_empty() {
            let sources = root().join("tomcat-connector/src/ajp/reverse");
            copy_tree(&compiled(release, &sources), &base.path().join("lib"));
        }
        let is_ordinary = !dialling.is_empty();
        let process = Self::spawn(release, base.path(), is_ordinary);
        let mut tomcat = Self {
            port,
            node2_port,
            secret_port,
            large_port,
            ipv6_port,
            socket,
            more_ports,
            process,
            base,
            release,
            is_ordinary,
        };
        tomcat.wait();
        tomcat
    }

    /// Stops it, and waits until it has ended.
    pub fn stop(&mut self) {
        self.process.stop();
    }

    /// Kills it.
    pub fn kill(&mut self) {
        self.process.stop_by("KILL");
    }

    /// Starts it again after [`Tomcat::stop`], on the same ports, and waits until it serves.
    pub fn start_again(&mut self) {
        self.process = Self::spawn(self.release, self.base.path(), self.is_ordinary);
        self.wait();
    }

    fn spawn(release: Release, base: &Path, is_ordinary: bool) -> Guarded {
        let home = release.home().map_or_else(|| base.into(), PathBuf::from);
        let log = File::create(base.join("logs/console.log")).expect("it is ours");
        let mut java = if is_ordinary && rustix::process::geteuid().is_root() {
            // Root may read every file by a capability.
            let mut java = Command::new("setpriv");
            java.args(["--bounding-set=-all", "--inh-caps=-all", "java"]);
            java
        } else {
            Command::new("java")
        };
        Guarded::spawn(
            java.args(["-Xmx384m", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC"])
                .args(["-Djava.awt.headless=true", "-Djava.net.preferIPv4Stack=false"])
                .arg("-Djava.security.egd=file:/dev/urandom")
                .arg(format!("-Dcatalina.home={}", home.display()))
                .arg(format!("-Dcatalina.base={}", base.display()))
                .arg(format!("-Djava.io.tmpdir={}", base.join("temp").display()))
                .arg("-cp")
                .arg(release.class_path())
                .args(["org.apache.catalina.startup.Bootstrap", "start"])
                .stdout(log.try_clone().expect("descriptors are left"))
                .stderr(log),
        )
    }

    fn wait(&mut self) {
        // Services start in the order of server.xml, connectors after their applications.
        wait_up_to(5 * DEADLINE, "Tomcat answers a CPING", || {
            assert!(self.process.is_running(), "Tomcat ended at start: {}", self.log());
            answers_cping(self.node2_port).then_some(())
        });
    }

    /// The address of node1.
    pub fn address(&self) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], self.port))
    }

    /// The address of node2.
    pub fn node2_address(&self) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], self.node2_port))
    }

    /// Method and path of each request so far, a line each, of [`Tomcat::start_logging`].
    pub fn access_log(&self) -> String {
        fs::read_to_string(self.base.path().join("logs/access.log")).expect("it has one")
    }

    /// What Tomcat has printed.
    pub fn log(&self) -> String {
        fs::read_to_string(self.base.path().join("logs/console.log")).unwrap_or_default()
    }
}

struct Connectors<'a> {
    port: u16,
    node2_port: u16,
    secret_port: u16,
    large_port: u16,
    ipv6_port: Option<u16>,
    more: Vec<(u16, &'a str)>,
    dialling: &'a [String],
    valves: &'a str,
}

impl Connectors<'_> {
    fn server_xml(&self, socket: &Path) -> String {
        let connector = |more: &str| {
            let unless = |name: &str, text| if more.contains(name) { "" } else { text };
            format!(
                "<Connector {more} {} {} {}/>\n",
                unless("protocol=", "protocol='org.apache.coyote.ajp.AjpNioProtocol'"),
                unless(PATTERN, "allowedRequestAttributesPattern='.*'"),
                unless("maxThreads", "maxThreads='100'")
            )
        };
        let tcp =
            |port: u16, more: &str| connector(&format!("address='127.0.0.1' port='{port}' {more}"));
        let open = "secretRequired='false'";
        let mut first = tcp(self.port, &format!("{open} tomcatAuthentication='false'"));
        first += &tcp(self.secret_port, &format!("secret='{SECRET}' secretRequired='true'"));
        first += &tcp(self.large_port, &format!("{open} packetSize='65536'"));
        first += &connector(&format!(
            "{open} unixDomainSocketPath='{}' unixDomainSocketPathPermissions='rw-rw-rw-'",
            socket.display()
        ));
        for (port, attributes) in &self.more {
            first += &tcp(*port, &format!("{open} {attributes}"));
        }
        for attributes in self.dialling {
            first += &format!(
                "<Connector protocol='ajp.reverse.ReverseAjpNioProtocol' {open} maxThreads='200' \
                 tomcatAuthentication='false' allowedRequestAttributesPattern='.*' {attributes}/>\n"
            );
        }
        if let Some(port) = self.ipv6_port {
            first += &connector(&format!("{open} address='::1' port='{port}'"));
        }
        let second = tcp(self.node2_port, open);
        let valves = self.valves;
        let service = |node: &str, connectors: &str| {
            format!(
                "<Service name='{node}'>{connectors}\
                 <Engine name='{node}' defaultHost='localhost' jvmRoute='{node}'>{valves}\
                 <Host name='localhost' appBase='webapps' autoDeploy='false' unpackWARs='false'/>\
                 </Engine></Service>\n"
            )
        };
        format!(
            "<Server port='-1'>\n{}{}</Server>\n",
            service("node1", &first),
            service("node2", &second)
        )
    }
}

fn answers_cping(port: u16) -> bool {
    let Ok(mut stream) = TcpStream::connect(("127.0.0.1", port)) else { return false };
    let mut answer = [0; 5];
    stream.set_read_timeout(Some(DEADLINE)).expect("not zero");
    stream.write_all(&[0x12, 0x34, 0, 1, 0x0a]).is_ok()
        && stream.read_exact(&mut answer).is_ok()
        && answer == [0x41, 0x42, 0, 1, 0x09]
}

/// Fills a CATALINA_BASE with the configuration and the compiled application.
fn install(release: Release, base: &Path) {
    for name in ["conf", "logs", "temp", "work", "webapps/app/WEB-INF"] {
        fs::create_dir_all(base.join(name)).expect("it is ours");
    }
    let web_xml = base.join("conf/web.xml");
    match release.home() {
        Some(home) => {
            fs::copy(format!("{home}/etc/web.xml"), web_xml).expect("Tomcat has one");
        }
        None => {
            fs::create_dir_all(base.join("lib")).expect("it is ours");
            fs::write(web_xml, WEB_XML_OF_9).expect("it is ours");
        }
    }
    // Tomcat's own libraries have nothing for the application: do not scan them.
    let properties = "common.loader=\"${catalina.base}/lib\",\"${catalina.home}/lib\",\
        \"${catalina.home}/lib/*.jar\"\n\
        server.loader=\nshared.loader=\ntomcat.util.scan.StandardJarScanFilter.jarsToSkip=*.jar\n";
    fs::write(base.join("conf/catalina.properties"), properties).expect("it is ours");
    let sources = root().join("test-support/webapp");
    let application = base.join("webapps/app");
    copy_tree(&sources.join("web"), &application);
    copy_tree(&compiled(release, &sources.join("src")), &application.join("WEB-INF/classes"));
}

/// Nothing of Tomcat's own: the servlets of the application have annotations.
const WEB_XML_OF_9: &str = "<web-app xmlns='http://xmlns.jcp.org/xml/ns/javaee' version='4.0'/>";

/// Returns the directory of the compiled servlets. They are compiled once for each state of the sources.
fn compiled(release: Release, sources: &Path) -> PathBuf {
    let mut files: Vec<_> = fs::read_dir(sources)
        .expect("test-support/webapp/src is part of the crate")
        .map(|entry| entry.expect("readable").path())
        .collect();
    files.sort();
    let mut hasher = DefaultHasher::new();
    (release == Release::Nine).hash(&mut hasher);
    for file in &files {
        (file.file_name(), fs::read(file).expect("readable")).hash(&mut hasher);
    }
    let cache = scratch();
    let classes = cache.join(format!("webapp-{:016x}", hasher.finish()));
    if !classes.exists() {
        let fresh = tempfile::tempdir_in(&cache).expect("it is ours");
        let older = tempfile::tempdir().expect("it is ours");
        if release == Release::Nine {
            // The same interfaces in packages of another name.
            for file in &mut files {
                let text = fs::read_to_string(&*file).expect("readable");
                *file = older.path().join(file.file_name().expect("a file"));
                let text = text.replace("jakarta.servlet", "javax.servlet");
                fs::write(&*file, text).expect("it is ours");
            }
        }
        let output = Command::new("javac")
            .args(["--release", "17", "-nowarn", "-cp", &release.compile_path(), "-d"])
            .arg(fresh.path())
            .args(&files)
            .output()
            .expect("a JDK is installed (ci/setup)");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        // If another test process was faster, its classes are as good as ours.
        if fs::rename(fresh.path(), &classes).is_ok() {
            let _ = fresh.keep();
        }
    }
    classes
}

fn copy_tree(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("it is ours");
    for entry in fs::read_dir(from).expect("it is there").flatten() {
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy_tree(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).expect("it is ours");
        }
    }
}
