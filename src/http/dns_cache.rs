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
type Known = Arc<tokio::sync::Mutex<Option<(Instant, Vec<SocketAddr>)>>>;

/// In front of whatever looks hosts up.
#[derive(Clone, Debug)]
pub struct Hosts<R> {
    resolver: R,
    /// A handful.
    known: Arc<Mutex<Vec<(Name, Known)>>>,
}

impl<R> Hosts<R> {
    pub fn new(resolver: R) -> Self {
        Self { resolver, known: Arc::default() }
    }
}

impl<R> Service<Name> for Hosts<R>
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
        let mut hosts = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let known = hosts.iter().find(|(host, _)| *host == name).map(|(_, known)| Arc::clone(known));
        let known = known.unwrap_or_else(|| {
            let known = Known::default();
            hosts.push((name.clone(), Arc::clone(&known)));
            known
        });
        let mut resolver = self.resolver.clone();
        Box::pin(async move {
            let mut known = known.lock().await;
            if let Some((at, addresses)) = &*known
                && at.elapsed() < KNOWN_FOR
            {
                return Ok(addresses.clone().into_iter());
            }
            let addresses: Vec<SocketAddr> = resolver.call(name).await?.collect();
            *known = Some((Instant::now(), addresses.clone()));
            Ok(addresses.into_iter())
        })
    }
}
