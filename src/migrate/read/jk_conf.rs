//! The Jk directives of httpd's configuration, grouped by server.

use super::copied_lines::CopiedLine;
use super::jk_options::JkOptions;
use super::rules::Rule;
use crate::migrate::text::property::Property;
use crate::migrate::text::span::Span;

/// JkMountCopy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MountCopy {
    /// Virtual hosts have only their own mounts.
    Off,
    /// This virtual host also has the main server's mounts.
    On,
    /// All virtual hosts have them.
    All,
}

/// JkEnvVar.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EnvVar {
    /// The name of the variable and of the attribute.
    pub name: String,
    /// The value to send if the variable is not set; `None`: no attribute is sent.
    pub default: Option<String>,
    /// The line.
    pub at: Span,
}

/// JkStripSession.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StripSession {
    /// The parameter that is removed; `None`: Off.
    pub parameter: Option<String>,
    /// The line.
    pub at: Span,
}

/// The Jk directives of one server.
#[derive(Clone, Debug, Default)]
pub struct Server {
    /// The arguments of `<VirtualHost>`; empty for the main server.
    pub addresses: String,
    /// ServerName.
    pub name: Option<String>,
    /// The line of `<VirtualHost>`.
    pub at: Option<Span>,
    /// JkMount and JkUnMount.
    pub mounts: Vec<Rule>,
    /// The rules of JkMountFile.
    pub map: Option<Vec<Rule>>,
    /// JkMountCopy.
    pub copy: Option<MountCopy>,
    /// JkOptions.
    pub options: JkOptions,
    /// JkEnvVar.
    pub env_vars: Vec<EnvVar>,
    /// JkStripSession.
    pub strip_session: Option<StripSession>,
    /// JkLogLevel, as a level of LogLevel.
    pub log_level: Option<(&'static str, Span)>,
    /// The server has a mount or a JkMountFile, so mod_jk has a separate map for it.
    pub has_map: bool,
    /// The server has at least one Jk directive.
    pub has_jk_lines: bool,
}

impl Server {
    /// Returns the place of one of its rules.
    #[must_use]
    pub fn some_rule(&self) -> Option<Span> {
        let mut rules = self.mounts.iter().chain(self.map.iter().flatten());
        rules.next().map(|rule| rule.at)
    }
}

/// All Jk directives.
#[derive(Debug, Default)]
pub struct JkConf {
    /// The main server, and the virtual hosts.
    pub servers: Vec<Server>,
    /// JkWorkersFile, and the place of the directive.
    pub workers_file: Option<(String, Span)>,
    /// JkWorkerProperty.
    pub worker_properties: Vec<Property>,
    /// The first directive of mod_rewrite in the main server.
    pub rewrites: Option<Span>,
    /// Lines of other modules that are in force only if mod_jk is loaded.
    pub copied: Vec<CopiedLine>,
    /// JkWatchdogInterval, if it is set.
    pub watchdog: Option<Span>,
    /// The shortest JkMountFileReload above 0, in seconds.
    pub map_reload: Option<u64>,
}
