//! Which rows of a batch are written together: all of them, and where the database refuses one, halves, until that one
//! is alone. Of n rows one bad one costs about 2 log2(n) statements more.

use std::ops::Range;

/// The spans of a batch that are still to be written, in the order of the batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spans(Vec<Range<usize>>);

impl Spans {
    /// The whole of so many rows.
    pub fn of(rows: usize) -> Self {
        Self(std::iter::once(0..rows).filter(|span| !span.is_empty()).collect())
    }

    /// Says that the database refused one of these rows at least. Answers its place where it was alone: it is the one.
    pub fn refused(&mut self, span: &Range<usize>) -> Option<usize> {
        if span.len() <= 1 {
            return Some(span.start);
        }
        let middle = span.start + span.len() / 2;
        self.0.push(middle..span.end);
        self.0.push(span.start..middle);
        None
    }
}

impl Iterator for Spans {
    type Item = Range<usize>;

    fn next(&mut self) -> Option<Range<usize>> {
        self.0.pop()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    /// Writes so many rows of which some are bad: the rows that were written, those found, and the statements.
    fn write(rows: usize, bad: &BTreeSet<usize>) -> (Vec<usize>, BTreeSet<usize>, usize) {
        let (mut written, mut found, mut statements) = (Vec::new(), BTreeSet::new(), 0);
        let mut spans = Spans::of(rows);
        while let Some(span) = spans.next() {
            statements += 1;
            if span.clone().any(|row| bad.contains(&row)) {
                found.extend(spans.refused(&span));
            } else {
                written.extend(span);
            }
        }
        (written, found, statements)
    }

    #[test]
    fn one_bad_row_of_a_thousand_costs_twenty_statements() {
        let (written, found, statements) = write(1000, &[617].into());
        assert_eq!((written.len(), found.into_iter().collect::<Vec<_>>()), (999, vec![617]));
        assert!(statements <= 21, "{statements}");
        assert_eq!(write(1000, &BTreeSet::new()).2, 1);
        assert_eq!(write(0, &BTreeSet::new()).2, 0);
    }

    proptest! {
        #[test]
        fn each_bad_row_is_found_and_each_other_one_is_written_once(rows in 0..200_usize, bad: BTreeSet<u8>) {
            let bad: BTreeSet<usize> = bad.into_iter().map(usize::from).filter(|row| *row < rows).collect();
            let (written, found, _) = write(rows, &bad);
            let good: Vec<usize> = (0..rows).filter(|row| !bad.contains(row)).collect();
            prop_assert_eq!((written, found), (good, bad));
        }
    }
}
