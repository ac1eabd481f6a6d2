//! An address that is bound, on which one server may follow another without a connection being refused in between.

use std::{
    io,
    net::{SocketAddr, TcpListener as StdListener},
    sync::Arc,
};

/// A bound address.
#[derive(Debug)]
pub(crate) struct BoundAddress {
    /// As it was configured; the port may have been 0.
    wanted: SocketAddr,
    listener: StdListener,
}

impl BoundAddress {
    /// Binds `wanted`, unless it is `bound` already.
    pub(crate) fn bind(wanted: SocketAddr, bound: Option<&Arc<Self>>) -> io::Result<Arc<Self>> {
        if let Some(bound) = bound.filter(|bound| bound.wanted == wanted) {
            return Ok(Arc::clone(bound));
        }
        let listener = StdListener::bind(wanted)?;
        listener.set_nonblocking(true)?;
        Ok(Arc::new(Self { wanted, listener }))
    }

    /// The address, with its port.
    pub(crate) fn address(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// A listener for one server.
    pub(crate) fn listener(&self) -> io::Result<StdListener> {
        self.listener.try_clone()
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpStream;

    use super::*;

    #[test]
    fn a_server_follows_another_on_the_same_address() {
        let any: SocketAddr = ([127, 0, 0, 1], 0).into();
        let bound = BoundAddress::bind(any, None).unwrap();
        let first = bound.listener().unwrap();
        let again = BoundAddress::bind(any, Some(&bound)).unwrap();
        assert_eq!(again.address().unwrap(), bound.address().unwrap());
        drop((first, bound));
        let client = TcpStream::connect(again.address().unwrap()).unwrap();
        let listener = again.listener().unwrap();
        listener.set_nonblocking(false).unwrap();
        assert_eq!(listener.accept().unwrap().1, client.local_addr().unwrap());

        let taken = again.address().unwrap();
        assert!(
            BoundAddress::bind(taken, Some(&again)).is_err(),
            "another address, be it the same in effect"
        );
        let other = BoundAddress::bind(([127, 0, 0, 1], 0).into(), None).unwrap();
        assert_ne!(other.address().unwrap(), taken);
    }
}
