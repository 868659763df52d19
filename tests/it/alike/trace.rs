//! One use of each face, undisturbed and with each of its calls failing in each way.

use std::panic::AssertUnwindSafe;

use futures_util::FutureExt;

use mlops_roles_testkit::account::{Books, Face, Fake, Fault, Mischief};

/// Defines a function that names the variant of an enum, and a list of all names. The compiler refuses a variant that is
/// not in the list.
macro_rules! names {
    ($function:ident, $list:ident, $of:ident: $($variant:ident)+) => {
        const $list: &[&str] = &[$(stringify!($variant)),+];

        fn $function(one: &$of) -> &'static str {
            match one {
                $($of::$variant { .. } => stringify!($variant),)+
            }
        }
    };
}

pub(super) use names;

/// What one use of a face led to.
pub struct Trace {
    /// The result as text, with all parts of an error; or that the use panicked.
    pub result: String,
    pub calls: Vec<String>,
    pub books: Books,
}

/// A use of both faces.
pub struct Use<'a, A> {
    /// What the use does, for messages.
    pub what: String,
    /// Creates the account before the use.
    pub account: &'a dyn Fn() -> Fake,
    /// Whether the client repeats a throttled read by itself, as the one of IAM does.
    pub repeats_reads: bool,
    pub act: A,
}

impl<A: AsyncFn(&Face) -> String> Use<'_, A> {
    /// Asserts that the use leads to the same through both faces. Returns what it leads to when nothing fails.
    pub async fn compare(&self) -> Trace {
        let (calm, wire) = (self.through_port(None).await, self.through_wire(None).await);
        assert!(!calm.calls.is_empty(), "{}: no call", self.what);
        self.assert_alike(&calm, &wire, "undisturbed");
        assert_eq!(sorted(&calm.calls), sorted(&wire.calls), "{}", self.what);
        let on_the_wire = numbered(&wire.calls);
        for (at, call) in numbered(&calm.calls).into_iter().enumerate() {
            let there = on_the_wire.iter().position(|other| *other == call).unwrap();
            for (mischief, sticky) in Mischief::ALL.into_iter().flat_map(|one| [(one, false), (one, true)]) {
                let fault = |at| Some(Fault { at, mischief, sticky });
                let (port, wire) = (self.through_port(fault(at)).await, self.through_wire(fault(there)).await);
                let reads = ["Get", "List", "Describe", "Simulate"].iter().any(|verb| call.0.starts_with(verb));
                let repeated = self.repeats_reads && reads && mischief == Mischief::Throttled && !sticky;
                let how = format!("{call:?}, {mischief:?}, sticky: {sticky}");
                self.assert_alike(if repeated { &calm } else { &port }, &wire, &how);
                // Reads go out side by side. When one of them fails, the others are dropped, at whatever point they are.
                if !reads {
                    assert_eq!(sorted(&port.calls), sorted(&wire.calls), "{}: {how}", self.what);
                }
            }
        }
        calm
    }

    async fn through_port(&self, fault: Option<Fault>) -> Trace {
        let account = (self.account)();
        self.through(&Face::Port(account.clone()), &account, fault).await
    }

    async fn through_wire(&self, fault: Option<Fault>) -> Trace {
        let account = (self.account)();
        self.through(&Face::wire(&account), &account, fault).await
    }

    async fn through(&self, face: &Face, account: &Fake, fault: Option<Fault>) -> Trace {
        if let Some(fault) = fault {
            account.fail(fault);
        }
        let result = AssertUnwindSafe((self.act)(face)).catch_unwind().await;
        let result = result.unwrap_or_else(|_| "panicked".to_owned());
        Trace { result, calls: account.calls(), books: account.books() }
    }

    fn assert_alike(&self, port: &Trace, wire: &Trace, how: &str) {
        assert_eq!(port.result, wire.result, "{}: {how}", self.what);
        assert!(port.books == wire.books, "{}: {how}: the accounts differ", self.what);
    }
}

/// Each call as its action and the number of earlier calls of that action: concurrent calls have no order that both
/// faces share.
pub fn numbered(calls: &[String]) -> Vec<(&String, usize)> {
    let earlier = |at: usize| calls.iter().take(at).filter(|call| **call == calls[at]).count();
    (0..calls.len()).map(|at| (&calls[at], earlier(at))).collect()
}

fn sorted(calls: &[String]) -> Vec<&String> {
    let mut sorted: Vec<&String> = calls.iter().collect();
    sorted.sort();
    sorted
}
