//! Caches the addresses of hosts. Calls that go out at once need a connection each, but need not each look up the same
//! host.

use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use hyper_util::client::legacy::connect::dns::Name;
use tokio::time::Instant;
use tower_service::Service;

/// The time for which addresses are cached. It is long enough for calls that go out together, and ends before a failed
/// call has been retried often.
pub const KNOWN_FOR: Duration = Duration::from_secs(5);

/// The last lookup of a host, with its time. Whoever asks during a lookup waits for its result.
type Lookup = Arc<tokio::sync::Mutex<Option<(Instant, Vec<SocketAddr>)>>>;

/// A cache in front of any resolver.
#[derive(Clone, Debug)]
pub struct DnsCache<R> {
    resolver: R,
    /// The lookups by host. There are only a handful.
    lookups: Arc<Mutex<Vec<(Name, Lookup)>>>,
}

impl<R> DnsCache<R> {
    /// Puts an empty cache in front of the resolver.
    pub fn new(resolver: R) -> Self {
        Self { resolver, lookups: Arc::default() }
    }
}

impl<R> Service<Name> for DnsCache<R>
where
    R: Service<Name, Response: Iterator<Item = SocketAddr>, Future: Send> + Clone + Send + 'static,
{
    type Response = std::vec::IntoIter<SocketAddr>;
    type Error = R::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, R::Error>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), R::Error>> {
        self.resolver.poll_ready(context)
    }

    fn call(&mut self, name: Name) -> Self::Future {
        let mut hosts = self.lookups.lock().unwrap_or_else(PoisonError::into_inner);
        let lookups = hosts.iter().find(|(host, _)| *host == name).map(|(_, lookups)| Arc::clone(lookups));
        let lookups = lookups.unwrap_or_else(|| {
            let lookups = Lookup::default();
            hosts.push((name.clone(), Arc::clone(&lookups)));
            lookups
        });
        let mut resolver = self.resolver.clone();
        Box::pin(async move {
            let mut lookups = lookups.lock().await;
            if let Some((at, addresses)) = &*lookups
                && at.elapsed() < KNOWN_FOR
            {
                return Ok(addresses.clone().into_iter());
            }
            let addresses: Vec<SocketAddr> = resolver.call(name).await?.collect();
            *lookups = Some((Instant::now(), addresses.clone()));
            Ok(addresses.into_iter())
        })
    }
}
