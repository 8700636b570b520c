//! The command line of `jk2ajp`.

use std::collections::HashMap;
use std::path::PathBuf;

use clap::Parser;

use super::Program;
use crate::migrate::{Conversion, Files, Input, convert};

/// Converts mod_jk's configuration to httpd configuration for mod_proxy_ajp_rs.
///
/// Messages go to standard error, each with file, line and column. Exit status: 0 if everything was
/// written; 1 for an error in the configuration with which mod_jk would not start either (nothing is
/// written); 2 if a file cannot be used or the command line is wrong; 3 if --check finds that httpd
/// rejects the result. With --watch, these apply to the first conversion; after that, SIGTERM or
/// SIGINT ends the command with status 0.
#[derive(Debug, Parser)]
#[command(name = "jk2ajp", version, arg_required_else_help = true)]
pub struct Jk2ajp {
    /// httpd's configuration file. Include is followed, and the files of JkWorkersFile and JkMountFile are read
    #[arg(value_name = "HTTPD_CONF")]
    httpd_conf: Option<String>,
    /// workers.properties, instead of the file that JkWorkersFile names
    #[arg(short, long, value_name = "FILE")]
    workers: Option<String>,
    /// uriworkermap.properties of the main server, instead of the file that JkMountFile names
    #[arg(short, long, value_name = "FILE")]
    map: Option<String>,
    /// Write to this directory: jk2ajp.conf, and a file for each virtual host with Jk lines
    /// (default: print to standard output)
    #[arg(short, long, value_name = "DIRECTORY")]
    pub output: Option<PathBuf>,
    /// Print what becomes of each line, instead of the configuration
    #[arg(short, long)]
    pub report: bool,
    /// Have httpd check the result (apachectl -t) before it is written
    #[arg(short, long)]
    pub check: bool,
    /// Keep running and check all files that were read for changes, every SECONDS
    /// (default: JkMountFileReload, else 60).
    /// After a change: convert, have httpd check the result, put it in place, and reload httpd.
    /// An invalid line is reported and the other lines take effect; if a file is missing, this is
    /// reported and its last content stays in force; what httpd rejects is not left in place
    #[arg(long, value_name = "SECONDS", require_equals = true, requires = "output")]
    #[arg(conflicts_with = "report", value_parser = clap::value_parser!(u64).range(1..=86_400))]
    pub watch: Option<Option<u64>>,
    /// With --watch: the command that reloads httpd. Split into words as in httpd's configuration; no shell
    /// (default: "graceful" of --apachectl, which starts httpd if it is not running)
    #[arg(long, value_name = "COMMAND", requires = "watch")]
    reload: Option<Program>,
    /// ServerRoot, if the configuration does not set it (default: the directory of HTTPD_CONF)
    #[arg(long, value_name = "DIRECTORY")]
    server_root: Option<String>,
    /// Set a variable, like httpd's -D or Define
    #[arg(short = 'D', long = "define", value_name = "NAME[=VALUE]")]
    define: Vec<String>,
    /// Read workers.properties as mod_jk 1.2.6 and older did: socket_timeout, local_worker, cachesize
    #[arg(long = "jk-1.2.6")]
    old: bool,
    /// For --check and --watch: the shared library of mod_proxy_ajp_rs
    #[arg(long, value_name = "FILE")]
    pub module: Option<PathBuf>,
    /// For --check and --watch: the directory of httpd's modules
    #[arg(long, value_name = "DIRECTORY")]
    pub modules: Option<PathBuf>,
    /// For --check and --watch: the apachectl command; may include arguments, as in "apachectl -d /srv/httpd"
    #[arg(long, value_name = "COMMAND", default_value = "apachectl")]
    pub apachectl: Program,
}

impl Jk2ajp {
    /// Returns the command that reloads httpd.
    #[must_use]
    pub fn reload(&self) -> Program {
        self.reload.clone().unwrap_or_else(|| self.apachectl.with(&["graceful"]))
    }

    /// Converts the configuration that the arguments name, read from `files`.
    ///
    /// # Errors
    /// A text: no configuration is named, or it cannot be read.
    pub fn convert(&self, files: &dyn Files) -> Result<Conversion, String> {
        convert(&self.input()?, files, &|name| std::env::var(name).ok())
    }

    fn input(&self) -> Result<Input, String> {
        if self.httpd_conf.is_none() && self.workers.is_none() {
            return Err("specify httpd's configuration file, or --workers FILE".into());
        }
        let mut variables: HashMap<String, String> = HashMap::new();
        for word in &self.define {
            let (name, value) = word.split_once('=').unwrap_or((word, ""));
            variables.insert(name.into(), value.into());
        }
        Ok(Input {
            httpd_conf: self.httpd_conf.clone(),
            workers: self.workers.clone(),
            map: self.map.clone(),
            server_root: self.server_root.clone(),
            variables,
            is_old: self.old,
        })
    }
}
