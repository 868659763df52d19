//! Bounds the work of resolving one template: nested functions and files could ask for exponentially much of it.

use std::cell::Cell;

use crate::input::symbol::UNKNOWN;

/// The maximum number of values and conditions that are resolved. A value that is used again counts again.
const STEPS: usize = 2_000_000;
/// The maximum length of all texts that functions return, in bytes.
const TEXT: usize = 50_000_000;
/// The maximum size of all included files, in bytes. A file that is included again counts again.
const INCLUDED: usize = 10_485_760;
/// The maximum depth of functions, conditions and included files.
const DEEPEST: usize = 256;

/// The bound that a template exceeds, and what to change.
#[derive(Debug, thiserror::Error)]
pub(super) enum Exceeded {
    #[error(
        "the template takes more than 2,000,000 steps to resolve; use fewer nested functions, shorter lists or fewer \
         included files"
    )]
    Steps,
    #[error(
        "the functions of the template return more than 50,000,000 bytes of text; shorten the texts and variables of \
         `Fn::Sub`, `Fn::Join` and `Fn::ToJsonString`"
    )]
    Text,
    #[error(
        "the template includes more than 10,485,760 bytes, with each file counted as often as it is included; include \
         fewer or smaller files with `AWS::Include`"
    )]
    Included,
    #[error(
        "functions, conditions and included files of the template are nested more than 256 deep; nest them less, or \
         set conditions with `--set NAME=true`"
    )]
    Deep,
    #[error(
        "the template has more than 20,000 values that only a deployment knows; set them with `--set NAME=VALUE`, or \
         divide the template"
    )]
    Unknown,
}

/// The work that was done for one template.
#[derive(Debug, Default)]
pub(super) struct Budget {
    steps: Cell<usize>,
    text: Cell<usize>,
    included: Cell<usize>,
    depth: Cell<usize>,
    is_exceeded: Cell<bool>,
}

impl Budget {
    /// Counts the start of a step, which is one level deeper until [`Self::leave`].
    pub(super) fn enter(&self) -> Result<(), Exceeded> {
        self.steps(1)?;
        spend(&self.depth, 1, DEEPEST, Exceeded::Deep)
    }

    pub(super) fn leave(&self) {
        self.depth.set(self.depth.get().saturating_sub(1));
    }

    pub(super) fn steps(&self, count: usize) -> Result<(), Exceeded> {
        spend(&self.steps, count, STEPS, Exceeded::Steps)
    }

    pub(super) fn text(&self, bytes: usize) -> Result<(), Exceeded> {
        spend(&self.text, bytes, TEXT, Exceeded::Text)
    }

    pub(super) fn included(&self, bytes: usize) -> Result<(), Exceeded> {
        spend(&self.included, bytes, INCLUDED, Exceeded::Included)
    }

    /// The steps so far.
    pub(super) fn taken(&self) -> usize {
        self.steps.get()
    }

    pub(super) fn is_exceeded(&self) -> bool {
        self.is_exceeded.get()
    }

    /// Makes every later question for [`Self::is_exceeded`] true.
    pub(super) fn end(&self) {
        self.is_exceeded.set(true);
    }
}

/// Whether a number of unknown values is within its bound.
pub(super) fn unknown(count: usize) -> Result<(), Exceeded> {
    if count > UNKNOWN { Err(Exceeded::Unknown) } else { Ok(()) }
}

fn spend(spent: &Cell<usize>, more: usize, maximum: usize, exceeded: Exceeded) -> Result<(), Exceeded> {
    spent.set(spent.get().saturating_add(more));
    if spent.get() > maximum { Err(exceeded) } else { Ok(()) }
}
