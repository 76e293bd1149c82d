//! `exists: false` in arrays: which element is asked.
//!
//! `EventBridge`'s matcher goes through a pattern's fields in the order of their names. Objects in an array of which a
//! field before has chosen an element are asked in that element alone; where none has, a field that any element has is
//! not absent.

use super::{Field, Node, Pattern, Seen, Steps};

impl Pattern {
    /// The fields of `wanted` below a node that some element has.
    pub(super) fn present(&self, wanted: u64, node: &Node, elements: &[Seen<'_>], steps: &mut Steps) -> u64 {
        if wanted == 0 {
            return 0;
        }
        elements.iter().fold(0, |found, element| found | self.present_in(wanted, node, element, steps))
    }

    fn present_in(&self, wanted: u64, node: &Node, seen: &Seen<'_>, steps: &mut Steps) -> u64 {
        steps.0 += 1;
        let mut found = 0;
        for (step, field) in &node.leaves {
            if wanted & (1 << field) != 0 && seen.field(*step).is_some_and(Seen::has_value) {
                found |= 1 << field;
            }
        }
        for (step, deeper) in &node.objects {
            if let Some(seen) = seen.field(*step) {
                found |= self.present_in(wanted, deeper, seen, steps);
            }
        }
        for alternative in node.alternatives.iter().flatten() {
            found |= self.present_in(wanted, alternative, seen, steps);
        }
        for elements in seen.arrays() {
            found |= self.present(wanted, node, elements, steps);
        }
        found
    }
}

/// Fills in [`Node::absent`] and [`Node::unbound`] of a whole tree.
pub(super) fn bind(node: &mut Node, fields: &[Field]) {
    let below = leaves(node);
    let absent = |index: &usize| fields.get(*index).is_some_and(|field| field.may_be_absent);
    let positive = |index: &usize| fields.get(*index).is_some_and(|field| !field.may_be_absent);
    let path = |index: usize| fields.get(index).map_or("", |field| field.path.as_str());
    node.absent = below.iter().filter(|(index, _)| absent(index)).fold(0, |mask, (index, _)| mask | 1 << index);
    node.unbound = below
        .iter()
        .filter(|(index, _)| absent(index))
        .filter(|(index, branches)| {
            !below.iter().any(|(other, others)| {
                positive(other) && path(*other) < path(*index) && others.iter().all(|branch| branches.contains(branch))
            })
        })
        .fold(0, |mask, (index, _)| mask | 1 << index);
    for deeper in node.objects.values_mut() {
        bind(deeper, fields);
    }
    for alternative in node.alternatives.iter_mut().flatten() {
        bind(alternative, fields);
    }
}

/// The fields below a node, each with the branches of `$or` that lead to it: the list's place in its node, and the
/// branch's in the list, by their addresses in the tree.
fn leaves(node: &Node) -> Vec<(usize, Vec<*const Node>)> {
    let mut found: Vec<(usize, Vec<*const Node>)> = node.leaves.iter().map(|(_, index)| (*index, Vec::new())).collect();
    for deeper in node.objects.values() {
        found.extend(leaves(deeper));
    }
    for alternative in node.alternatives.iter().flatten() {
        found.extend(leaves(alternative).into_iter().map(|(index, mut branches)| {
            branches.push(std::ptr::from_ref(alternative));
            (index, branches)
        }));
    }
    found
}
