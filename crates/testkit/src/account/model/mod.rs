//! What AWS answers and refuses: a model without faults.

pub mod books;
mod iam;
pub mod sagemaker;
pub mod simulator;
pub mod stacks;

use std::time::Duration;

use serde_json::Value;
use tokio::time::Instant;

use self::books::Books;
use self::iam::simulation::Simulator;
use self::stacks::Stacks;
use super::call::{Call, Params};
use super::reply::{Refusal, Reply};

/// The account's contents, and how AWS answers about them.
pub struct Model {
    pub books: Books,
    /// Earlier contents, each with the time of the write that ended them.
    past: Vec<(Instant, Books)>,
    /// Whether earlier contents are forgotten. Reads can't lag then, and writes are faster.
    pub forgets: bool,
    /// How far reads lag behind writes.
    pub lag: Duration,
    /// The number of items on a page of a list.
    pub page: usize,
    /// Whether calls are permitted as `template.yaml` permits them: some only on tagged entities, some only on roles
    /// with a permissions boundary.
    pub restricted: bool,
    /// Whether what the contents lack counts as there: see `Fake::lenient`.
    pub lenient: bool,
    pub simulator: Simulator,
    pub stacks: Stacks,
    /// The number of roles created so far.
    pub ids: u32,
}

impl Model {
    /// An account with these contents.
    pub fn new(books: Books) -> Self {
        Self {
            books,
            past: Vec::new(),
            forgets: false,
            lag: Duration::ZERO,
            page: 100,
            restricted: false,
            lenient: false,
            simulator: Simulator::default(),
            stacks: Stacks::default(),
            ids: 0,
        }
    }

    /// The reply to a call.
    pub fn answer(&mut self, call: &Call) -> Reply {
        match call {
            Call::Iam(params) => self.iam(params),
            Call::CloudFormation(params) => self.stacks.answer(params),
            Call::SageMaker(request) => sagemaker::answer(&mut self.books.regions, request, self.page, self.lenient),
            Call::S3(object) => self.object(object),
        }
    }

    fn iam(&mut self, params: &Params) -> Reply {
        if self.restricted {
            iam::permission::check(&self.books, params)?;
        }
        if params.reads() {
            let books = seen(&self.books, &self.past, self.lag);
            if params.action == "SimulatePrincipalPolicy" {
                return self.simulator.answer(params, books, self.page, self.lenient);
            }
            return iam::read::Read { books, params, page: self.page }.answer();
        }
        if !self.forgets {
            self.past.push((Instant::now(), self.books.clone()));
        }
        let mut write = iam::write::Write { books: &mut self.books, params, ids: &mut self.ids, lenient: self.lenient };
        write.answer()
    }

    fn object(&self, object: &str) -> Reply {
        let absent = || Refusal::new(404, "NoSuchKey", "HTTP status 404");
        let key = || {
            let (_, key) = object.split_once('/')?;
            Some(key.rsplit_once("?versionId=").map_or(key, |(key, _)| key).to_owned())
        };
        let content = self.books.objects.get(object).cloned();
        content.or_else(|| key().filter(|_| self.lenient)).map(Value::String).ok_or_else(absent)
    }
}

/// What reads see: the contents as they were `lag` ago, which is before the first write since then.
fn seen<'a>(books: &'a Books, past: &'a [(Instant, Books)], lag: Duration) -> &'a Books {
    let now = Instant::now();
    let since = past.iter().find(|(at, _)| !lag.is_zero() && *at + lag > now);
    since.map_or(books, |(_, books)| books)
}
