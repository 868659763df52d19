//! The addresses of hosts. Calls that go out at once need a connection each, and are not to look the same host up each.

use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use hyper_util::client::legacy::connect::dns::Name;
use tokio::time::Instant;
use tower_service::Service;

/// Long enough for what goes out together, and over before a call that failed was tried often.
pub const KNOWN_FOR: Duration = Duration::from_secs(5);

/// What was looked up last, and when. Whoever asks meanwhile waits for it.
type Lookup = Arc<tokio::sync::Mutex<Option<(Instant, Vec<SocketAddr>)>>>;

/// In front of whatever looks hosts up.
#[derive(Clone, Debug)]
pub struct DnsCache<R> {
    resolver: R,
    /// A handful.
    lookups: Arc<Mutex<Vec<(Name, Lookup)>>>,
}

impl<R> DnsCache<R> {
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
