//! RAID-Z: each block is a stripe of its own, with one to three columns of parity.
//!
//! Parity column `p` is the sum over all data columns `i` of `2^p` to the power of the number of
//! data columns behind `i`, times the column; short columns count as padded with zeros.

use super::galois::{self, MAX_UNKNOWNS};
use super::{Fault, Node, Request, Vdevs};
use alloc::vec::Vec;

/// Combinations of wrong columns that are tried for one block.
const MAX_ATTEMPTS: usize = 4096;
/// Blocks whose offset has this bit have the first two columns exchanged (single parity only).
const SWAP_BIT: u64 = 1 << 20;

/// One device's part of a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Column {
    /// The child that has it.
    pub(super) child: usize,
    /// Where it begins on the child.
    pub(super) offset: u64,
    pub(super) len: usize,
}

/// Lays a block out over `children` columns; parity comes first.
pub(super) fn layout(
    offset: u64,
    len: usize,
    ashift: u32,
    children: usize,
    parity: usize,
) -> Option<Vec<Column>> {
    let (width, unit) = (u64::try_from(children).ok()?, 1_u64 << ashift);
    let data_columns = children.checked_sub(parity).filter(|columns| *columns > 0)?;
    let (first_sector, sectors) = (offset >> ashift, len >> ashift);
    let (rows, rest) = (sectors / data_columns, sectors % data_columns);
    // Columns with one sector more than `rows`.
    let long = if rest == 0 { 0 } else { rest + parity };
    let used = if rows == 0 { long } else { children };
    let mut columns = Vec::with_capacity(used);
    for index in 0..used {
        let place = first_sector % width + index as u64;
        let row = first_sector / width + place / width;
        columns.push(Column {
            child: usize::try_from(place % width).ok()?,
            offset: row.checked_mul(unit)?,
            len: (rows + usize::from(index < long)) << ashift,
        });
    }
    if let [first, second, ..] = columns.as_mut_slice()
        && parity == 1
        && offset & SWAP_BIT != 0
    {
        // The lengths stay: the first column is parity and never shorter than the second.
        (first.child, second.child) = (second.child, first.child);
        (first.offset, second.offset) = (second.offset, first.offset);
    }
    Some(columns)
}

/// A block while it is being read.
struct Stripe<'a> {
    vdevs: &'a Vdevs,
    children: &'a [Node],
    parity: usize,
    columns: Vec<Column>,
    /// What was read.
    data: Vec<Option<Vec<u8>>>,
}

/// Reads a block; reconstructs it from parity if need be.
pub(super) fn read(
    vdevs: &Vdevs,
    parity: usize,
    children: &[Node],
    ashift: u32,
    request: Request<'_>,
) -> Result<Vec<u8>, Fault> {
    let Request { offset, len, birth, unchecked, accept } = request;
    let columns = layout(offset, len, ashift, children.len(), parity).ok_or(Fault::Unreadable)?;
    let data = alloc::vec![None; columns.len()];
    let mut stripe = Stripe { vdevs, children, parity, columns, data };
    let count = stripe.columns.len();
    let (good, doubtful): (Vec<usize>, Vec<usize>) =
        (0..count).partition(|at| stripe.child(*at).is_some_and(|child| child.is_good_for(birth)));
    let (equations, data): (Vec<usize>, Vec<usize>) = good.iter().partition(|at| **at < parity);
    // Data alone, then with parity, then with columns that may be out of date.
    stripe.fetch(&data, unchecked);
    if let Some(whole) = stripe.whole()
        && accept(&whole)
    {
        return Ok(whole);
    }
    stripe.fetch(&equations, unchecked);
    if let Some(whole) = stripe.reconstruct(0, accept) {
        return Ok(whole);
    }
    if !unchecked {
        stripe.fetch(&doubtful, unchecked);
        if let Some(whole) = (0..=parity).find_map(|wrong| stripe.reconstruct(wrong, accept)) {
            return Ok(whole);
        }
    }
    let is_whole = stripe.data.iter().filter(|data| data.is_none()).count() <= parity;
    Err(if is_whole { Fault::Rejected } else { Fault::Unreadable })
}

impl Stripe<'_> {
    fn child(&self, at: usize) -> Option<&Node> {
        self.children.get(self.columns.get(at)?.child)
    }

    /// Reads columns.
    fn fetch(&mut self, columns: &[usize], unchecked: bool) {
        for at in columns {
            let (Some(child), Some(column)) = (self.child(*at), self.columns.get(*at)) else {
                continue;
            };
            let mut accept = |_: &[u8]| true;
            let (offset, len) = (column.offset, column.len);
            let request = Request { offset, len, birth: 0, unchecked, accept: &mut accept };
            let read = self.vdevs.read_node(child, 0, request).ok();
            self.data.get_mut(*at).into_iter().for_each(|slot| slot.clone_from(&read));
        }
    }

    /// Puts the data columns together, if all are there.
    fn whole(&self) -> Option<Vec<u8>> {
        let columns: Option<Vec<&[u8]>> =
            self.data.iter().skip(self.parity).map(Option::as_deref).collect();
        columns.map(|columns| columns.concat())
    }

    /// Tries to make the block with the columns that are missing and `wrong` more replaced.
    fn reconstruct(&self, wrong: usize, accept: &mut dyn FnMut(&[u8]) -> bool) -> Option<Vec<u8>> {
        let (parity, count) = (self.parity, self.columns.len());
        let is_there = |at: &usize| self.data.get(*at).is_some_and(Option::is_some);
        let missing: Vec<usize> = (parity..count).filter(|at| !is_there(at)).collect();
        let present: Vec<usize> = (parity..count).filter(is_there).collect();
        let equations: Vec<usize> = (0..parity).filter(is_there).collect();
        let unknowns = missing.len() + wrong;
        if unknowns > equations.len() {
            return None;
        }
        let mut attempts = 0;
        for suspects in combinations(&present, wrong) {
            let replaced = [missing.as_slice(), &suspects].concat();
            for chosen in combinations(&equations, unknowns) {
                attempts += 1;
                if attempts > MAX_ATTEMPTS {
                    return None;
                }
                let Some(solved) = self.solve(&replaced, &chosen) else { continue };
                let whole = self.with(&replaced, &solved);
                if accept(&whole) {
                    self.blame(&replaced, &solved);
                    return Some(whole);
                }
            }
        }
        None
    }

    /// How often data column `at` counts in parity column `equation`.
    fn factor(&self, equation: usize, at: usize) -> u8 {
        galois::power(equation * (self.columns.len() - 1 - at))
    }

    /// Computes the columns `replaced` from the parity columns `chosen` and the other columns.
    fn solve(&self, replaced: &[usize], chosen: &[usize]) -> Option<Vec<Vec<u8>>> {
        let mut matrix = [[0; MAX_UNKNOWNS]; MAX_UNKNOWNS];
        let mut sums = Vec::with_capacity(chosen.len());
        for (row, equation) in matrix.iter_mut().zip(chosen) {
            row.iter_mut().zip(replaced).for_each(|(cell, at)| *cell = self.factor(*equation, *at));
            let mut sum = self.data.get(*equation)?.clone()?;
            for at in (self.parity..self.columns.len()).filter(|at| !replaced.contains(at)) {
                let column = self.data.get(at)?.as_deref()?;
                galois::add_multiple(&mut sum, column, self.factor(*equation, at));
            }
            sums.push(sum);
        }
        let inverse = galois::invert_matrix(matrix, replaced.len())?;
        let mut solved = Vec::with_capacity(replaced.len());
        for (row, at) in inverse.iter().zip(replaced) {
            let mut column = crate::bytes::zeros(sums.first().map_or(0, Vec::len));
            for (factor, sum) in row.iter().zip(&sums) {
                galois::add_multiple(&mut column, sum, *factor);
            }
            column.truncate(self.columns.get(*at)?.len);
            solved.push(column);
        }
        Some(solved)
    }

    /// Puts the block together with some columns replaced.
    fn with(&self, replaced: &[usize], solved: &[Vec<u8>]) -> Vec<u8> {
        let mut whole = Vec::new();
        for (at, data) in self.data.iter().enumerate().skip(self.parity) {
            let new = replaced.iter().position(|other| *other == at);
            match new.and_then(|index| solved.get(index)) {
                Some(column) => whole.extend_from_slice(column),
                None => whole.extend_from_slice(data.as_deref().unwrap_or_default()),
            }
        }
        whole
    }

    /// Notes the devices whose data turned out to be wrong.
    fn blame(&self, replaced: &[usize], solved: &[Vec<u8>]) {
        for (at, right) in replaced.iter().zip(solved) {
            let read = self.data.get(*at).and_then(Option::as_ref);
            if read.is_none_or(|read| read == right) {
                continue;
            }
            let Some(column) = self.columns.get(*at) else { continue };
            if let Some(Node::Leaf(leaf)) = self.children.get(column.child) {
                self.vdevs.distrust(leaf, column.offset, column.len);
            }
        }
    }
}

/// Returns all ways to choose `count` of `items`.
fn combinations(items: &[usize], count: usize) -> Vec<Vec<usize>> {
    if count == 0 {
        return alloc::vec![Vec::new()];
    }
    let mut all = Vec::new();
    for (at, item) in items.iter().enumerate() {
        for mut rest in combinations(items.get(at + 1..).unwrap_or_default(), count - 1) {
            rest.insert(0, *item);
            all.push(rest);
        }
    }
    all
}

#[cfg(test)]
mod tests;
