//! The choice of the faults of each run.

use crate::wire_faults::{BREAKS, Break};

/// Pseudo-random choices, equal for equal seeds.
pub struct Dice(pub u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % sides
    }

    fn fault(&mut self, calls: usize) -> (usize, Break) {
        (self.roll(calls), BREAKS[self.roll(BREAKS.len())])
    }
}

/// The faults of each run of a case that makes this number of calls.
pub fn plan(calls: usize, full: bool, dice: &mut Dice) -> Vec<Vec<(usize, Break)>> {
    let pair = |dice: &mut Dice| vec![dice.fault(calls), dice.fault(calls)];
    if !full {
        let singles: Vec<_> = (0..5).map(|_| vec![dice.fault(calls)]).collect();
        return singles.into_iter().chain((0..2).map(|_| pair(dice))).collect();
    }
    let singles = (0..calls).flat_map(|at| BREAKS.iter().map(move |kind| vec![(at, *kind)]));
    let singles: Vec<_> = singles.collect();
    let pairs: Vec<_> = (0..2 * calls).map(|_| pair(dice)).collect();
    singles.into_iter().chain(pairs).collect()
}
