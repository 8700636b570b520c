//! The command line.

use std::collections::HashMap;
use std::path::PathBuf;

use clap::Parser;
use mod_proxy_ajp_rs::migrate::Input;

use crate::command::Program;

/// Reads mod_jk's configuration and writes the httpd configuration for mod_proxy_ajp_rs.
///
/// Messages go to standard error, each with file, line and column. The exit status is 0 when all was
/// written, 1 when something is wrong that mod_jk would not start with either (nothing is written
/// then), 2 when a file or the command line is at fault, 3 when --check finds httpd refusing it. With
/// --watch that is so at the start; once it looks, it ends by SIGTERM or SIGINT, with 0.
#[derive(Debug, Parser)]
#[command(version, arg_required_else_help = true)]
pub(crate) struct Arguments {
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
    pub(crate) output: Option<PathBuf>,
    /// Say what has become of each line, instead of writing the configuration
    #[arg(short, long)]
    pub(crate) report: bool,
    /// Have httpd read what was written (apachectl -t)
    #[arg(short, long)]
    pub(crate) check: bool,
    /// Stay and look at all files that were read, every SECONDS (default: JkMountFileReload, else 60).
    /// When one has changed: convert, have httpd check it, put it in place, reload httpd. A broken line
    /// is shown and the others count; a file that is gone is named and its rules stay; what httpd
    /// refuses is not left in place
    #[arg(long, value_name = "SECONDS", require_equals = true, requires = "output")]
    #[arg(conflicts_with = "report", value_parser = clap::value_parser!(u64).range(1..=86_400))]
    pub(crate) watch: Option<Option<u64>>,
    /// With --watch: what has httpd take the new files in. Words as in httpd's configuration, no shell
    /// (default: graceful of --apachectl, which starts an httpd that does not run)
    #[arg(long, value_name = "COMMAND", requires = "watch")]
    reload: Option<Program>,
    /// ServerRoot, where the configuration does not say it; else the directory of HTTPD_CONF
    #[arg(long, value_name = "DIRECTORY")]
    server_root: Option<String>,
    /// A variable as by httpd's Define or -D
    #[arg(short = 'D', long = "define", value_name = "NAME[=VALUE]")]
    define: Vec<String>,
    /// Read workers.properties as mod_jk 1.2.6 and older did: socket_timeout, local_worker, cachesize
    #[arg(long = "jk-1.2.6")]
    old: bool,
    /// For --check and --watch: the library of this module
    #[arg(long, value_name = "FILE")]
    pub(crate) module: Option<PathBuf>,
    /// For --check and --watch: where httpd's modules are
    #[arg(long, value_name = "DIRECTORY")]
    pub(crate) modules: Option<PathBuf>,
    /// For --check and --watch: what to run; it may have arguments, as in "apachectl -d /srv/httpd"
    #[arg(long, value_name = "COMMAND", default_value = "apachectl")]
    pub(crate) apachectl: Program,
}

impl Arguments {
    /// What has httpd take new files in.
    pub(crate) fn reload(&self) -> Program {
        self.reload.clone().unwrap_or_else(|| self.apachectl.with(&["graceful"]))
    }

    /// What is to be read.
    pub(crate) fn input(&self) -> Result<Input, String> {
        if self.httpd_conf.is_none() && self.workers.is_none() {
            return Err("name httpd's configuration, or --workers FILE".into());
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
