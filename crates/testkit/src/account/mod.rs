//! An account in memory: one model of AWS, a wrapper that lets its calls fail, and two faces.
//!
//! - `model` answers and refuses as AWS does.
//! - `failing` wraps the model: it records the calls, and lets them fail on demand.
//! - `handle` is what tests hold: it sets up the account, and sends it calls.
//! - `port` implements the engine's ports, and `wire` stands behind the real clients. Both send AWS's own calls to the
//!   wrapper, so a fault hits the same call through either of them.

mod call;
mod face;
mod failing;
pub mod gate;
mod handle;
mod model;
mod port;
mod reply;
#[cfg(feature = "wire")]
mod wire;

pub use crate::fixtures::ACCOUNT;
pub use call::Call;
pub use face::Face;
pub use failing::{Fault, Mischief};
pub use handle::Fake;
pub use model::books::{Books, Policy, Role};
pub use model::{sagemaker, simulator};
pub use reply::{Failure, Reply};
