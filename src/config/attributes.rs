//! `ProxyAjpEnvVar` and `ProxyAjpCertChain`: additional attributes of requests.

use std::ffi::CString;

use super::ConfigError;

/// `ProxyAjpEnvVar`: an attribute with the name and the value of an environment variable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EnvVariable {
    /// The name of the variable, and of the attribute.
    pub name: CString,
    /// The value if the variable is not set; `None`: there is no attribute then.
    pub default: Option<Box<[u8]>>,
}

/// The additional attributes that the lines of one server configure.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RequestAttributes {
    variables: Vec<EnvVariable>,
    certificate_chain: Option<bool>,
}

impl RequestAttributes {
    /// Returns the defaults: no attributes.
    #[must_use]
    pub const fn new() -> Self {
        Self { variables: Vec::new(), certificate_chain: None }
    }

    /// Adds a `ProxyAjpEnvVar`. Of two lines with the same name, in any case, the later one counts.
    ///
    /// # Errors
    /// [`ConfigError`] for an empty name.
    pub fn add(&mut self, name: &[u8], default: Option<&[u8]>) -> Result<(), ConfigError> {
        let wrong = || ConfigError {
            parameter: "ProxyAjpEnvVar",
            value: String::from_utf8_lossy(name).into_owned(),
            range: "the name of a variable",
        };
        let owned = CString::new(name).ok().filter(|name| !name.is_empty()).ok_or_else(wrong)?;
        self.variables.retain(|known| !is_same(&known.name, &owned));
        self.variables.push(EnvVariable { name: owned, default: default.map(Into::into) });
        Ok(())
    }

    /// Sets `ProxyAjpCertChain`.
    pub fn set_certificate_chain(&mut self, on: bool) {
        self.certificate_chain = Some(on);
    }

    /// Returns these attributes with those of `base`, which these override. (As in mod_jk, a virtual host's
    /// variables are added to the main server's.)
    #[must_use]
    pub fn over(&self, base: &Self) -> Self {
        let own = |name: &CString| self.variables.iter().any(|known| is_same(&known.name, name));
        let inherited = base.variables.iter().filter(|variable| !own(&variable.name));
        Self {
            variables: self.variables.iter().chain(inherited).cloned().collect(),
            certificate_chain: self.certificate_chain.or(base.certificate_chain),
        }
    }

    /// Returns the variables that become attributes.
    #[must_use]
    pub fn variables(&self) -> &[EnvVariable] {
        &self.variables
    }

    /// Whether the rest of the chain is sent with the client's certificate.
    #[must_use]
    pub fn sends_certificate_chain(&self) -> bool {
        self.certificate_chain.unwrap_or(false)
    }
}

/// Whether both name the same variable: httpd looks up variables in any case.
fn is_same(one: &CString, other: &CString) -> bool {
    one.as_bytes().eq_ignore_ascii_case(other.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(lines: &[(&str, Option<&str>)]) -> RequestAttributes {
        let mut all = RequestAttributes::default();
        for (name, default) in lines {
            assert_eq!(all.add(name.as_bytes(), default.map(str::as_bytes)), Ok(()));
        }
        all
    }

    #[test]
    fn of_two_lines_with_one_name_the_later_counts() {
        let all = with(&[("A", Some("1")), ("B", None), ("A", None)]);
        let wanted = with(&[("B", None), ("A", None)]);
        assert_eq!(all, wanted);
    }

    #[test]
    fn a_virtual_host_adds_its_variables_and_may_say_another_default() {
        let main = with(&[("A", Some("1")), ("B", None)]);
        let mut host = with(&[("A", Some("2"))]);
        assert_eq!(host.over(&main), with(&[("A", Some("2")), ("B", None)]));
        host.set_certificate_chain(true);
        assert!(host.over(&main).sends_certificate_chain());
        assert!(!main.over(&host).over(&main).variables().is_empty());
    }

    #[test]
    fn capitals_make_no_other_variable_of_it() {
        let main = with(&[("T_A", Some("1")), ("t_a", None)]);
        assert_eq!(main, with(&[("t_a", None)]));
        let host = with(&[("T_A", Some("2"))]);
        assert_eq!(host.over(&main), host);
    }

    #[test]
    fn the_chain_is_inherited_and_may_be_switched_off() {
        let (mut main, mut host) = (RequestAttributes::default(), RequestAttributes::default());
        assert!(!main.sends_certificate_chain());
        main.set_certificate_chain(true);
        assert!(host.over(&main).sends_certificate_chain());
        host.set_certificate_chain(false);
        assert!(!host.over(&main).sends_certificate_chain());
    }

    #[test]
    fn a_variable_has_a_name() {
        let error = RequestAttributes::default().add(b"", None).unwrap_err();
        assert_eq!(error.to_string(), "ProxyAjpEnvVar=: must be the name of a variable");
    }
}
