//! Certificates for an httpd with TLS, made by openssl when a test needs them.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use tempfile::TempDir;

/// A connection over TLS, through a program that reads no more than is read from it, and some kB.
#[derive(Debug)]
pub struct TlsClient {
    openssl: Child,
}

impl TlsClient {
    /// Opens a connection to this port of 127.0.0.1.
    pub fn connect(port: u16) -> Self {
        let mut openssl = Command::new("openssl");
        openssl.args(["s_client", "-quiet", "-connect", &format!("127.0.0.1:{port}")]);
        openssl.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        Self { openssl: openssl.spawn().expect("openssl is installed (ci/setup)") }
    }

    /// Sends `bytes` as they are.
    pub fn send(&mut self, bytes: impl AsRef<[u8]>) {
        let input = self.openssl.stdin.as_mut().expect("piped");
        input.write_all(bytes.as_ref()).expect("openssl reads");
    }

    /// What is received.
    pub fn output(&mut self) -> &mut ChildStdout {
        self.openssl.stdout.as_mut().expect("piped")
    }
}

impl Drop for TlsClient {
    fn drop(&mut self) {
        // It may have ended.
        let _ = self.openssl.kill();
        let _ = self.openssl.wait();
    }
}

/// A certificate authority, and a server's and a client's certificate signed by it.
#[derive(Debug)]
pub struct Certificates {
    directory: TempDir,
}

impl Certificates {
    /// Makes the certificates, valid for a day.
    #[must_use]
    #[expect(clippy::new_without_default, reason = "making one has effects outside this process")]
    pub fn new() -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let made = Self { directory };
        made.request("ca", "/CN=test authority", &["-x509", "-days", "1"]);
        for (name, subject) in [("server", "/CN=localhost"), ("client", "/CN=alice/O=tests")] {
            let authority = [made.file("ca.pem"), made.file("ca.key")];
            let [certificate, key] = authority.each_ref().map(|path| path.to_str().expect("ASCII"));
            let signed = ["-x509", "-days", "1", "-CA", certificate, "-CAkey", key];
            made.request(name, subject, &signed);
        }
        made
    }

    /// Returns the path of `ca.pem`, `server.pem`, `server.key`, `client.pem` or `client.key`.
    pub fn file(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// The directory of all files.
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// Returns configuration lines for a virtual host that speaks TLS on this port. Load `socache_shmcb` and `ssl`.
    pub fn virtual_host(&self, port: u16) -> String {
        let (certificate, key) = (self.file("server.pem"), self.file("server.key"));
        format!(
            "Listen 127.0.0.1:{port}\n<VirtualHost *:{port}>\nSSLEngine On\n\
             SSLCertificateFile \"{}\"\nSSLCertificateKeyFile \"{}\"\n</VirtualHost>",
            certificate.display(),
            key.display(),
        )
    }

    /// Adds a client whose certificate is signed by an authority that `ca` has signed: `chained.pem`, which
    /// holds all three certificates, and `chained.key`.
    pub fn add_chained_client(&self) {
        for (name, subject, by) in
            [("middle", "/CN=middle authority", "ca"), ("leaf", "/CN=bob/O=tests", "middle")]
        {
            let authority = ["pem", "key"].map(|kind| self.file(&format!("{by}.{kind}")));
            let [certificate, key] = authority.each_ref().map(|path| path.to_str().expect("ASCII"));
            self.request(
                name,
                subject,
                &["-x509", "-days", "1", "-CA", certificate, "-CAkey", key],
            );
        }
        let chain = ["leaf.pem", "middle.pem", "ca.pem"]
            .map(|name| fs::read(self.file(name)).expect("just made"));
        fs::write(self.file("chained.pem"), chain.concat()).expect("our own directory");
        fs::copy(self.file("leaf.key"), self.file("chained.key")).expect("our own directory");
    }

    fn request(&self, name: &str, subject: &str, more: &[&str]) {
        let output = Command::new("openssl")
            .args(["req", "-newkey", "rsa:2048", "-nodes", "-subj", subject])
            .arg("-keyout")
            .arg(self.file(&format!("{name}.key")))
            .arg("-out")
            .arg(self.file(&format!("{name}.pem")))
            .args(more)
            .output()
            .expect("openssl is installed (ci/setup)");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
}
