//! The command line of `ajp-dialer`. Names and units are those of the connector for Tomcat.

use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Parser;
use clap::builder::RangedU64ValueParser;

use crate::dialer::{ContainerAddress, HttpdPorts, Settings};
use crate::protocol::handshake::{Hello, Key, KeyError};

const HOUR: u64 = 3_600_000;

/// Opens AJP connections to httpd for a container that httpd cannot reach, and joins each of them to the
/// container's AJP port when httpd sends a request over it.
#[derive(Debug, Parser)]
#[command(name = "ajp-dialer", version, max_term_width = 100)]
pub struct AjpDialer {
    /// Where httpd listens (ProxyAjpReverse); once for each httpd
    #[arg(long, value_name = "HOST:PORT[-PORT]", required = true)]
    httpd: Vec<HttpdPorts>,

    /// Where the container listens for AJP: HOST:PORT or unix:/path
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8009")]
    container: ContainerAddress,

    /// The number of spare connections to each port of httpd that is available
    #[arg(long, value_name = "N", default_value_t = 2, value_parser = within(1, 1000))]
    spare: u64,

    /// The maximum number of connections to httpd
    #[arg(long, value_name = "N", default_value_t = 200, value_parser = within(1, 100_000))]
    max: u64,

    /// Whether several processes of httpd accept from one port [default: true for one port, false
    /// for a range]
    #[arg(long, value_name = "true|false")]
    shared_ports: Option<bool>,

    /// The key of the handshake, at least 16 bytes [default: no handshake]
    #[arg(long, value_name = "FILE")]
    key_file: Option<PathBuf>,

    /// The name that identifies this container in the handshake; it is sent unencrypted
    #[arg(long, value_name = "NAME", default_value = "", value_parser = node)]
    node: String,

    /// The timeout of one attempt to connect, and of a handshake from its first byte
    #[arg(long, value_name = "MS", default_value_t = 3000, value_parser = within(1, 600_000))]
    connect_timeout: u64,

    /// The first pause before another attempt to connect after a failure; it doubles each time
    #[arg(long, value_name = "MS", default_value_t = 100, value_parser = within(1, HOUR))]
    backoff_min: u64,

    /// The longest such pause
    #[arg(long, value_name = "MS", default_value_t = 5000, value_parser = within(1, HOUR))]
    backoff_max: u64,

    /// How long requests in progress may take after SIGTERM or SIGINT
    #[arg(long, value_name = "MS", default_value_t = 30_000, value_parser = within(0, HOUR))]
    drain_timeout: u64,

    /// Log every connection
    #[arg(long)]
    verbose: bool,
}

/// An error in options that are valid one by one.
#[derive(Debug, thiserror::Error)]
pub enum OptionError {
    /// The key file cannot be read.
    #[error("--key-file {}: {source}", path.display())]
    KeyFile {
        /// The file.
        path: PathBuf,
        /// The reason.
        source: io::Error,
    },
    /// What is in the key file is no key.
    #[error("--key-file {}: {source}", path.display())]
    Key {
        /// The file.
        path: PathBuf,
        /// The reason.
        source: KeyError,
    },
    /// The longest pause is shorter than the first one; both in milliseconds.
    #[error("--backoff-max {longest} is less than --backoff-min {least}")]
    Backoff {
        /// The first pause.
        least: u64,
        /// The longest pause.
        longest: u64,
    },
}

impl AjpDialer {
    /// Reads the key file and returns the settings; `warn` is called with what is not an error.
    ///
    /// # Errors
    /// [`OptionError`].
    pub fn settings(&self, warn: fn(&str)) -> Result<Settings, OptionError> {
        let (least, longest) = (self.backoff_min, self.backoff_max);
        if longest < least {
            return Err(OptionError::Backoff { least, longest });
        }
        let key = self.key_file.as_deref().map(|path| read_key(path, warn)).transpose()?;
        if key.is_none() && !self.node.is_empty() {
            warn("warning: --node has no effect without --key-file");
        }
        let count = |number: u64| usize::try_from(number).unwrap_or(usize::MAX);
        Ok(Settings {
            httpd: self.httpd.clone(),
            container: self.container.clone(),
            spare: count(self.spare),
            shared_ports: self.shared_ports,
            max: count(self.max),
            connect_timeout: Duration::from_millis(self.connect_timeout),
            backoff_min: Duration::from_millis(least),
            backoff_max: Duration::from_millis(longest),
            drain_timeout: Duration::from_millis(self.drain_timeout),
            key,
            node: self.node.clone().into_bytes(),
            verbose: self.verbose,
        })
    }
}

fn read_key(path: &Path, warn: fn(&str)) -> Result<Key, OptionError> {
    let failed = |source| OptionError::KeyFile { path: path.to_owned(), source };
    let mode = fs::metadata(path).map_err(failed)?.permissions().mode();
    if mode & 0o007 != 0 {
        warn(&format!(
            "warning: --key-file {}: every user of this machine can access it (mode {:03o})",
            path.display(),
            mode & 0o777
        ));
    }
    let content = fs::read(path).map_err(failed)?;
    Key::from_file_bytes(&content)
        .map_err(|source| OptionError::Key { path: path.to_owned(), source })
}

fn node(name: &str) -> Result<String, String> {
    match name.len() {
        0..=Hello::MAX_NODE => Ok(name.to_owned()),
        length => Err(format!("it has {length} bytes, and {} are allowed", Hello::MAX_NODE)),
    }
}

fn within(least: u64, most: u64) -> RangedU64ValueParser {
    RangedU64ValueParser::new().range(least..=most)
}
