//! Tests how often a host is looked up.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::future::join_all;
use hyper_util::client::legacy::connect::dns::Name;
use tokio::time::sleep;
use tower_service::Service;

use mlops_roles::http::dns_cache::{DnsCache, KNOWN_FOR};

/// A resolver that takes one second and returns another address each time. It does not find the host `none`.
#[derive(Clone, Default)]
struct Slow(Arc<AtomicUsize>);

impl Service<Name> for Slow {
    type Response = std::vec::IntoIter<SocketAddr>;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<Self::Response>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, name: Name) -> Self::Future {
        let number = self.0.fetch_add(1, Ordering::SeqCst) + 1;
        Box::pin(async move {
            sleep(Duration::from_secs(1)).await;
            let address = SocketAddr::from(([10, 0, 0, u8::try_from(number).unwrap()], 0));
            if name.as_str() == "none" { Err(io::Error::other("no such host")) } else { Ok(vec![address].into_iter()) }
        })
    }
}

/// The last octet of the address that each of so many concurrent callers gets.
async fn told(hosts: &DnsCache<Slow>, name: &str, askers: usize) -> Vec<Option<u8>> {
    let asked = (0..askers).map(|_| hosts.clone().call(name.parse().unwrap()));
    let last = |mut addresses: std::vec::IntoIter<SocketAddr>| match addresses.next() {
        Some(SocketAddr::V4(address)) => address.ip().octets()[3],
        other => panic!("{other:?}"),
    };
    join_all(asked).await.into_iter().map(|told| told.ok().map(last)).collect()
}

#[tokio::test(start_paused = true)]
async fn those_who_ask_at_once_are_told_by_one_look_up_for_each_host() {
    let slow = Slow::default();
    let hosts = DnsCache::new(slow.clone());
    assert_eq!(told(&hosts, "iam.amazonaws.com", 8).await, [Some(1); 8]);
    assert_eq!(told(&hosts, "iam.amazonaws.com", 1).await, [Some(1)]);
    assert_eq!(told(&hosts, "cloudformation.eu-west-1.amazonaws.com", 2).await, [Some(2); 2]);
    assert_eq!(slow.0.load(Ordering::SeqCst), 2);
}

#[tokio::test(start_paused = true)]
async fn what_is_known_is_soon_looked_up_anew_and_a_failure_at_once() {
    let slow = Slow::default();
    let hosts = DnsCache::new(slow.clone());
    assert_eq!(told(&hosts, "iam.amazonaws.com", 1).await, [Some(1)]);
    sleep(KNOWN_FOR).await;
    assert_eq!(told(&hosts, "iam.amazonaws.com", 1).await, [Some(2)]);
    assert_eq!(told(&hosts, "none", 2).await, [None, None]);
    assert_eq!(slow.0.load(Ordering::SeqCst), 4);
}
