//! Tests that the two faces of the account in memory behave alike: what tests show through the port holds for the real
//! clients on the wire. `steps` and `questions` compare single calls of the ports, and this file compares whole events.

mod questions;
mod steps;
mod trace;

use mlops_roles_testkit::account::{Books, Face, Fake, Fault, Mischief};
use mlops_roles_testkit::cases::{Case, ONCE, cases};
use mlops_roles_testkit::stage::Stage;

use self::trace::numbered;

/// The calls of an event, the response to it, and the account afterwards.
struct Outcome {
    calls: Vec<String>,
    response: String,
    books: Books,
}

async fn outcome(face: Face, account: Fake, case: &Case, fault: Option<Fault>) -> Outcome {
    let stage = Stage::before(face, account);
    if let Some(fault) = fault {
        stage.fake.fail(fault);
    }
    let response = stage.send(&case.event).await.0.to_string();
    Outcome { calls: stage.fake.calls(), response, books: stage.fake.books() }
}

async fn of_port(case: &Case, fault: Option<Fault>) -> Outcome {
    let fake = Fake::with(case.start.clone());
    outcome(Face::Port(fake.clone()), fake, case, fault).await
}

async fn of_wire(case: &Case, fault: Option<Fault>) -> Outcome {
    let fake = Fake::with(case.start.clone());
    outcome(Face::wire(&fake), fake, case, fault).await
}

/// Runs every case without faults, and with each of its calls failing once in each way.
#[tokio::test(start_paused = true)]
async fn an_event_ends_alike_through_the_port_and_on_the_wire() {
    for case in cases().await {
        let alike = |port: &Outcome, wire: &Outcome, what: &str| {
            assert_eq!(port.response, wire.response, "{what}");
            assert!(port.books == wire.books, "{what}: the accounts differ");
        };
        let (port, wire) = (of_port(&case, None).await, of_wire(&case, None).await);
        alike(&port, &wire, case.name);
        let on_the_wire = numbered(&wire.calls);
        for (at, call) in numbered(&port.calls).into_iter().enumerate() {
            let there = on_the_wire.iter().position(|other| *other == call);
            let there = there.unwrap_or_else(|| panic!("{}: {call:?} is not made on the wire", case.name));
            // A panic also ends the calls beside it, at whatever point they are.
            for mischief in ONCE.into_iter().filter(|one| *one != Mischief::Panic) {
                let fault = |at| Some(Fault { at, mischief, sticky: false });
                let (port, wire) = (of_port(&case, fault(at)).await, of_wire(&case, fault(there)).await);
                alike(&port, &wire, &format!("{}, {call:?}, {mischief:?}", case.name));
            }
        }
        assert_eq!(port.calls.len(), wire.calls.len(), "{}", case.name);
    }
}
