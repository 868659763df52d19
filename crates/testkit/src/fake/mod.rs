//! A fake account in memory. It refuses what AWS refuses, and its reads lag and its calls fail on demand.
//!
//! It has two faces: the program's own port to AWS (`port.rs`), and the wire, behind the real clients (`wire.rs`).

mod account;
mod books;
mod call;
mod face;
pub mod gate;
mod iam;
mod port;
mod reply;
pub mod sagemaker;
pub mod simulator;
mod stacks;
#[cfg(feature = "wire")]
mod wire;

pub use account::{ACCOUNT, Fake, Fault, Mischief};
pub use books::{Books, Policy, Role};
pub use call::Call;
pub use face::Face;
pub use reply::{Failure, Reply};
