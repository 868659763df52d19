//! Decides the conditions of a template.

use serde_json::Value;

use super::{Template, text};
use crate::input::symbol::Position;

impl Template<'_> {
    /// Whether the condition holds. A condition that can't be decided is assumed to hold, with a note.
    pub(super) fn condition(&self, name: &str) -> bool {
        self.decided(name).unwrap_or_else(|| {
            self.note(format!("condition `{name}` is assumed to be true; set `--set {name}=false` if it is false"));
            true
        })
    }

    /// Whether the condition holds. A condition is decided once, because each may refer to the others many times.
    fn decided(&self, name: &str) -> Option<bool> {
        if let Some(known) = self.decided.borrow().get(name) {
            return *known;
        }
        let decided = self.decide(name);
        self.decided.borrow_mut().insert(name.to_owned(), decided);
        decided
    }

    fn decide(&self, name: &str) -> Option<bool> {
        let Some(condition) = self.section("Conditions").and_then(|conditions| conditions.get(name)) else {
            self.fault(format!("the template has no condition `{name}`"));
            return Some(true);
        };
        // A parameter or a resource may have the same name.
        let taken =
            ["Parameters", "Resources"].iter().any(|other| self.section(other).is_some_and(|s| s.contains_key(name)));
        match self.told(name).filter(|_| !taken).map(String::as_str) {
            Some("true") => return Some(true),
            Some("false") => return Some(false),
            Some(other) => self.fault(format!("`--set {name}={other}`: expected `true` or `false` for a condition")),
            None => {}
        }
        self.once(&format!("condition `{name}`"), || self.holds(condition)).flatten()
    }

    /// Whether the condition holds; `None` when only a deployment can decide it.
    fn holds(&self, condition: &Value) -> Option<bool> {
        self.deeper(|| self.is_true(condition))
    }

    fn is_true(&self, condition: &Value) -> Option<bool> {
        let (name, argument) = condition.as_object()?.iter().next()?;
        let items = argument.as_array().map_or(&[][..], Vec::as_slice);
        let each = || items.iter().map(|item| self.holds(item)).collect::<Vec<_>>();
        // One decisive item is enough, whatever the others are.
        let any = |decisive: bool| {
            let each = each();
            if each.contains(&Some(decisive)) {
                Some(decisive)
            } else {
                each.iter().all(Option::is_some).then_some(!decisive)
            }
        };
        match name.as_str() {
            "Condition" => self.decided(argument.as_str()?),
            "Fn::Not" => self.holds(items.first()?).map(|holds| !holds),
            "Fn::And" => any(false),
            "Fn::Or" => any(true),
            "Fn::Equals" => {
                let (left, right) =
                    (self.resolve(items.first()?, Position::Whole)?, self.resolve(items.get(1)?, Position::Whole)?);
                let (left, right) = (text(&left), text(&right));
                let symbols = self.symbols.borrow();
                let undecided = left != right && (symbols.is_in(&left) || symbols.is_in(&right));
                (!undecided).then_some(left == right)
            }
            _ => None,
        }
    }
}
