//! Certificates for an httpd with TLS, made by openssl when a test needs them.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use tempfile::TempDir;

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
