//! A new connection: each address of the backend in turn, and the name asked again if none answers.

use std::net::SocketAddr;
use std::sync::Arc;

use super::need::Need;
use crate::backend::{AcquireFailure, BackendKey};
use crate::net::{Address, ConnectError, ResolveError};

/// The addresses that are still to be tried.
#[derive(Debug)]
pub(in crate::backend) struct Opening {
    /// `None`: the name has to be asked for them.
    addresses: Option<Vec<Address>>,
    /// The addresses that the name led to at first.
    known: Arc<[SocketAddr]>,
    /// The name is not asked again.
    is_last: bool,
    failure: Option<AcquireFailure>,
}

impl Opening {
    pub(in crate::backend) fn new(key: &BackendKey) -> Self {
        let socket = key.socket_path.as_ref().map(|path| vec![Address::Unix(path.into())]);
        let is_last = socket.is_some();
        Self { addresses: socket, known: Arc::from([]), is_last, failure: None }
    }

    pub(in crate::backend) fn next(&self) -> Need {
        match &self.addresses {
            Some(addresses) => match addresses.last() {
                Some(address) => Need::Connect(address.clone()),
                None => Need::Addresses { again: true },
            },
            None => Need::Addresses { again: self.is_last },
        }
    }

    /// Takes the addresses of the name.
    ///
    /// # Errors
    /// There is none to try, or none left.
    pub(in crate::backend) fn resolved(
        &mut self,
        found: Result<Arc<[SocketAddr]>, ResolveError>,
        key: &BackendKey,
    ) -> Result<(), AcquireFailure> {
        let addresses: Vec<_> = if self.is_last {
            // If the name cannot be resolved now, what the known addresses said stands.
            let found = found.unwrap_or_else(|_| Arc::clone(&self.known));
            found.iter().filter(|address| !self.known.contains(address)).copied().collect()
        } else {
            self.known = found?;
            self.known.to_vec()
        };
        // The last of the list is the next one tried.
        self.addresses = Some(addresses.into_iter().rev().map(Address::Inet).collect());
        self.go_on(key)
    }

    /// Takes that the address asked for has not answered.
    ///
    /// # Errors
    /// It was the last one: what it answered.
    pub(in crate::backend) fn refused(
        &mut self,
        source: ConnectError,
        key: &BackendKey,
    ) -> Result<(), AcquireFailure> {
        if let Some(address) = self.addresses.as_mut().and_then(Vec::pop) {
            self.failure = Some(AcquireFailure::Connect { address, source });
        }
        self.go_on(key)
    }

    fn go_on(&mut self, key: &BackendKey) -> Result<(), AcquireFailure> {
        if self.addresses.as_ref().is_some_and(|addresses| !addresses.is_empty()) {
            return Ok(());
        }
        if !self.is_last {
            (self.addresses, self.is_last) = (None, true);
            return Ok(());
        }
        let none = || AcquireFailure::NoAddress { host: key.host.clone() };
        Err(self.failure.take().unwrap_or_else(none))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backend::key_of;

    fn addresses(last_bytes: &[u8]) -> Arc<[SocketAddr]> {
        last_bytes.iter().map(|byte| SocketAddr::from(([192, 0, 2, *byte], 8009))).collect()
    }

    /// The last byte of each address that is tried, none of which answers, and what is said then.
    fn all_refused(first: &[u8], then: Result<&[u8], ()>) -> (Vec<u8>, AcquireFailure) {
        let key = key_of("node1", 8009);
        let mut opening = Opening::new(&key);
        let mut tried = Vec::new();
        loop {
            let went_on = match opening.next() {
                Need::Addresses { again: false } => opening.resolved(Ok(addresses(first)), &key),
                Need::Addresses { again: true } => {
                    let found = then.map(addresses).map_err(|()| crate::net::resolve("a\0b", 1));
                    opening.resolved(found.map_err(|error| error.unwrap_err()), &key)
                }
                Need::Connect(Address::Inet(SocketAddr::V4(address))) => {
                    tried.push(address.ip().octets()[3]);
                    opening.refused(ConnectError::Refused, &key)
                }
                other => panic!("{other:?}"),
            };
            if let Err(failure) = went_on {
                return (tried, failure);
            }
        }
    }

    #[test]
    fn each_address_is_tried_in_turn_and_then_those_that_are_new() {
        let (tried, failure) = all_refused(&[2, 3], Ok(&[3, 4, 2, 5]));

        assert_eq!(tried, [2, 3, 4, 5]);
        let AcquireFailure::Connect { address, source } = failure else { panic!("{failure:?}") };
        assert_eq!(address, Address::Inet(addresses(&[5])[0]), "the last one is named");
        assert_eq!(source, ConnectError::Refused);
    }

    #[test]
    fn a_name_that_is_gone_leaves_what_its_addresses_said() {
        for then in [Err(()), Ok(&[2, 3][..]), Ok(&[])] {
            let (tried, failure) = all_refused(&[2, 3], then);
            assert_eq!(tried, [2, 3]);
            let AcquireFailure::Connect { address, .. } = failure else { panic!("{failure:?}") };
            assert_eq!(address, Address::Inet(addresses(&[3])[0]));
        }
    }

    #[test]
    fn a_name_without_an_address_is_asked_twice() {
        let (tried, failure) = all_refused(&[], Ok(&[]));
        assert!(tried.is_empty());
        assert!(matches!(failure, AcquireFailure::NoAddress { host } if host == "node1"));
        assert_eq!(all_refused(&[], Ok(&[7])).0, [7]);
    }

    #[test]
    fn a_unix_socket_is_one_address_and_no_name() {
        let key = BackendKey { socket_path: Some("/run/ajp".into()), ..key_of("node1", 8009) };
        let mut opening = Opening::new(&key);
        let Need::Connect(address) = opening.next() else { panic!("{:?}", opening.next()) };
        assert_eq!(address, Address::Unix("/run/ajp".into()));

        let failure = opening.refused(ConnectError::Refused, &key).unwrap_err();
        assert!(matches!(failure, AcquireFailure::Connect { .. }));
    }
}
