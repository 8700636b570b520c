//! `ProxyAjpEnvVar` and `ProxyAjpCertChain`, as the servers of a configuration have them.

use std::sync::OnceLock;

use crate::config::RequestAttributes;

/// What one server sends beyond the usual.
#[derive(Debug, Default)]
pub(crate) struct AttributeConfig {
    /// Its own lines.
    own: RequestAttributes,
    /// With what is inherited; filled in when the whole configuration has been read.
    settled: OnceLock<RequestAttributes>,
}

impl AttributeConfig {
    /// Works out what holds: its own lines, and those of `base`. The first call counts.
    pub(crate) fn settle(&self, base: Option<&Self>) {
        self.settled.get_or_init(|| match base {
            Some(base) => self.own.over(&base.own),
            None => self.own.clone(),
        });
    }

    /// Its own lines, to be changed.
    pub(crate) fn own_mut(&mut self) -> &mut RequestAttributes {
        &mut self.own
    }

    /// What holds; nothing before it has been worked out.
    pub(crate) fn settled(&self) -> Option<&RequestAttributes> {
        self.settled.get()
    }
}
