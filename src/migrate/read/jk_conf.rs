//! Everything that httpd's configuration says of mod_jk, by server.

use super::copied_lines::CopiedLine;
use super::jk_options::JkOptions;
use super::rules::Rule;
use crate::migrate::text::property::Property;
use crate::migrate::text::span::Span;

/// JkMountCopy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MountCopy {
    /// Virtual hosts have their own mounts alone.
    Off,
    /// This virtual host has the main server's, too.
    On,
    /// All have.
    All,
}

/// JkEnvVar.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EnvVar {
    /// The variable, and the attribute.
    pub name: String,
    /// What is sent where it is not set; `None`: nothing.
    pub default: Option<String>,
    /// The line.
    pub at: Span,
}

/// JkStripSession.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StripSession {
    /// The parameter that is taken off; `None`: Off.
    pub parameter: Option<String>,
    /// The line.
    pub at: Span,
}

/// What one server's lines say.
#[derive(Clone, Debug, Default)]
pub struct Server {
    /// What `<VirtualHost>` says; empty for the main server.
    pub addresses: String,
    /// ServerName.
    pub name: Option<String>,
    /// The line of `<VirtualHost>`.
    pub at: Option<Span>,
    /// JkMount and JkUnMount.
    pub mounts: Vec<Rule>,
    /// JkMountFile, read.
    pub map: Option<Vec<Rule>>,
    /// JkMountCopy.
    pub copy: Option<MountCopy>,
    /// JkOptions.
    pub options: JkOptions,
    /// JkEnvVar.
    pub env_vars: Vec<EnvVar>,
    /// JkStripSession.
    pub strip_session: Option<StripSession>,
    /// JkLogLevel, as LogLevel has it.
    pub log_level: Option<(&'static str, Span)>,
    /// A mount or a JkMountFile stands here: mod_jk has a map of this server's own.
    pub has_map: bool,
    /// Something of mod_jk's stands here.
    pub is_concerned: bool,
}

impl Server {
    /// The place of one of its rules.
    #[must_use]
    pub fn some_rule(&self) -> Option<Span> {
        let mut rules = self.mounts.iter().chain(self.map.iter().flatten());
        rules.next().map(|rule| rule.at)
    }
}

/// Everything that the configuration says of mod_jk.
#[derive(Debug, Default)]
pub struct JkConf {
    /// The main server, and the virtual hosts.
    pub servers: Vec<Server>,
    /// JkWorkersFile, and where it is named.
    pub workers_file: Option<(String, Span)>,
    /// JkWorkerProperty.
    pub worker_properties: Vec<Property>,
    /// The first of mod_rewrite's lines in the main server.
    pub rewrites: Option<Span>,
    /// What is lost with mod_jk, and is not mod_jk's.
    pub copied: Vec<CopiedLine>,
    /// JkWatchdogInterval is set.
    pub watchdog: Option<Span>,
    /// JkMountFileReload, in seconds: the shortest of those that say more than 0.
    pub map_reload: Option<u64>,
}
