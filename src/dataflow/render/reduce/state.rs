//! Accumulators, one column per aggregate, one slot per group.
//!
//! A state and a change of state are the same thing: workers add up changes before the exchange and again after it. A slot's bytes
//! are what travels.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, Decimal128Array, Float64Array, Int64Array, UInt64Array};
use arrow::compute::SortOptions;
use arrow::datatypes::{DataType, Decimal128Type, Float64Type, Int64Type, UInt64Type};

use super::float_sum::{FloatSum, take};
use crate::model::RowBuf;
use crate::model::codec::RowCodec;
use crate::model::{Diff, SqlResult};
use crate::plan::lir::{Aggregate, AggregateKind};

/// The accumulators of one aggregate.
pub(crate) struct StateColumn {
    aggregate: Aggregate,
    argument: DataType,
    /// Rows whose argument is NULL.
    nulls: Nulls,
    kind: Kind,
    /// Bytes of the values held, about.
    value_bytes: usize,
}

enum Kind {
    /// The counts are all there is.
    Count,
    Integers(IntegerSums),
    Decimals(Vec<i128>),
    Floats(Vec<FloatSum>),
    Moments(Vec<FloatSum>, Vec<FloatSum>),
    /// Rows whose argument is true.
    Trues(Vec<i64>),
    /// Values by their encoding, with signed counts; never zero.
    Values(Vec<BTreeMap<Box<[u8]>, i64>>, RowCodec),
}

impl StateColumn {
    /// No groups yet. `argument` is the type of the aggregate's input column.
    pub fn new(aggregate: Aggregate, argument: DataType) -> SqlResult<Self> {
        use AggregateKind::*;
        let kind = match (aggregate.kind, &argument) {
            (CountRows | Count, _) => Kind::Count,
            (Sum | Average, DataType::Decimal128(..)) => Kind::Decimals(vec![]),
            (Sum | Average, DataType::Float64) => Kind::Floats(vec![]),
            (Sum | Average, _) => Kind::Integers(IntegerSums::default()),
            (Variance { .. }, _) => Kind::Moments(vec![], vec![]),
            (And | Or, _) => Kind::Trues(vec![]),
            (Min | Max | CountDistinct, _) => {
                Kind::Values(vec![], RowCodec::new(&[(argument.clone(), SortOptions::default())], 0)?)
            }
        };
        Ok(StateColumn { aggregate, argument, nulls: Nulls::default(), kind, value_bytes: 0 })
    }

    /// Makes room for a new group.
    pub fn push_slot(&mut self) {
        self.nulls.push_slot();
        match &mut self.kind {
            Kind::Count => {}
            Kind::Integers(sums) => sums.low.push(0),
            Kind::Trues(trues) => trues.push(0),
            Kind::Decimals(sums) => sums.push(0),
            Kind::Floats(sums) => sums.push(FloatSum::default()),
            Kind::Moments(sums, squares) => {
                sums.push(FloatSum::default());
                squares.push(FloatSum::default());
            }
            Kind::Values(values, _) => values.push(BTreeMap::new()),
        }
    }

    /// Forgets all groups.
    pub fn clear(&mut self) {
        self.nulls.clear();
        match &mut self.kind {
            Kind::Count => {}
            Kind::Integers(sums) => sums.clear(),
            Kind::Trues(trues) => trues.clear(),
            Kind::Decimals(sums) => sums.clear(),
            Kind::Floats(sums) => sums.clear(),
            Kind::Moments(sums, squares) => {
                sums.clear();
                squares.clear();
            }
            Kind::Values(values, _) => values.clear(),
        }
        self.value_bytes = 0;
    }

    /// Adds a batch: row `i` goes to group `slots[i]`, `diffs[i]` times. Only `CountRows` does without a column.
    pub fn update(
        &mut self,
        slots: &[u32],
        diffs: &[Diff],
        column: Option<&ArrayRef>,
        scratch: &mut RowBuf,
    ) -> SqlResult<()> {
        if self.aggregate.kind == AggregateKind::CountRows {
            return Ok(());
        }
        let column = column.ok_or_else(|| crate::model::SqlError::internal("an aggregate without its argument"))?;
        // Logical: an array of type NULL has no validity of its own.
        let nulls = column.logical_nulls();
        let valid = |i: usize| nulls.as_ref().is_none_or(|n| n.is_valid(i));
        if nulls.is_some() {
            for (_, (slot, diff)) in slots.iter().zip(diffs).enumerate().filter(|(i, _)| !valid(*i)) {
                self.nulls.add(*slot as usize, *diff);
            }
        }
        let rows =
            || slots.iter().zip(diffs).enumerate().filter(|(i, _)| valid(*i)).map(|(i, (s, d))| (i, *s as usize, *d));
        match &mut self.kind {
            Kind::Count => {}
            Kind::Integers(sums) => match column.data_type() {
                DataType::UInt64 => {
                    let values = column.as_primitive::<UInt64Type>().values();
                    rows().for_each(|(i, s, d)| sums.add(s, i128::from(values[i]) * i128::from(d)));
                }
                _ => {
                    let values = column.as_primitive::<Int64Type>().values();
                    rows().for_each(|(i, s, d)| sums.add(s, i128::from(values[i]) * i128::from(d)));
                }
            },
            Kind::Decimals(sums) => {
                let values = column.as_primitive::<Decimal128Type>().values();
                rows().for_each(|(i, s, d)| sums[s] = sums[s].wrapping_add(values[i].wrapping_mul(i128::from(d))));
            }
            Kind::Floats(sums) => {
                let values = column.as_primitive::<Float64Type>().values();
                rows().for_each(|(i, s, d)| sums[s].add(values[i], d));
            }
            Kind::Moments(sums, squares) => {
                let values = column.as_primitive::<Float64Type>().values();
                for (i, s, d) in rows() {
                    sums[s].add(values[i], d);
                    squares[s].add_square(values[i], d);
                }
            }
            Kind::Trues(trues) => {
                let values = column.as_boolean();
                rows().for_each(|(i, s, d)| trues[s] += if values.value(i) { d } else { 0 });
            }
            Kind::Values(values, codec) => {
                scratch.clear();
                codec.encode(std::slice::from_ref(column), diffs, scratch)?;
                for (i, s, d) in rows() {
                    add_value(&mut values[s], scratch.row(i), d, &mut self.value_bytes);
                }
            }
        }
        Ok(())
    }

    /// Appends a slot's bytes.
    pub fn write(&self, slot: usize, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.nulls.get(slot).to_le_bytes());
        match &self.kind {
            Kind::Count => {}
            Kind::Integers(sums) => out.extend_from_slice(&sums.total(slot).to_le_bytes()),
            Kind::Trues(trues) => out.extend_from_slice(&trues[slot].to_le_bytes()),
            Kind::Decimals(sums) => out.extend_from_slice(&sums[slot].to_le_bytes()),
            Kind::Floats(sums) => sums[slot].write(out),
            Kind::Moments(sums, squares) => {
                sums[slot].write(out);
                squares[slot].write(out);
            }
            Kind::Values(values, _) => {
                out.extend_from_slice(&(values[slot].len() as u32).to_le_bytes());
                for (value, count) in &values[slot] {
                    out.extend_from_slice(&(value.len() as u32).to_le_bytes());
                    out.extend_from_slice(value);
                    out.extend_from_slice(&count.to_le_bytes());
                }
            }
        }
    }

    /// Adds what [`StateColumn::write`] wrote to a slot, advancing the slice.
    pub fn merge(&mut self, slot: usize, bytes: &mut &[u8]) {
        self.nulls.add(slot, i64::from_le_bytes(take(bytes)));
        match &mut self.kind {
            Kind::Count => {}
            Kind::Integers(sums) => sums.add(slot, i128::from_le_bytes(take(bytes))),
            Kind::Trues(trues) => trues[slot] += i64::from_le_bytes(take(bytes)),
            Kind::Decimals(sums) => sums[slot] = sums[slot].wrapping_add(i128::from_le_bytes(take(bytes))),
            Kind::Floats(sums) => sums[slot].merge(&FloatSum::read(bytes)),
            Kind::Moments(sums, squares) => {
                sums[slot].merge(&FloatSum::read(bytes));
                squares[slot].merge(&FloatSum::read(bytes));
            }
            Kind::Values(values, _) => {
                for _ in 0..u32::from_le_bytes(take(bytes)) {
                    let len = u32::from_le_bytes(take(bytes)) as usize;
                    let (value, rest) = bytes.split_at(len);
                    *bytes = rest;
                    let count = i64::from_le_bytes(take(bytes));
                    add_value(&mut values[slot], value, count, &mut self.value_bytes);
                }
            }
        }
    }

    /// The aggregate's value for each of `slots`, `rows` being every slot's number of rows; those that overflow their type are NULL
    /// and marked in `failed`.
    pub fn finish(&self, slots: &[u32], rows: &[i64], failed: &mut [bool]) -> SqlResult<ArrayRef> {
        let slots = || slots.iter().map(|s| *s as usize);
        let count = |s: usize| rows[s] - self.nulls.get(s);
        let some = |s: usize| count(s) > 0;
        Ok(match &self.kind {
            Kind::Count => Arc::new(Int64Array::from_iter_values(slots().map(count))),
            Kind::Integers(sums) if self.aggregate.result == DataType::UInt64 => Arc::new(
                in_range(slots(), some, failed, |s| u64::try_from(sums.total(s)).ok()).collect::<UInt64Array>(),
            ),
            Kind::Integers(sums) => {
                Arc::new(in_range(slots(), some, failed, |s| i64::try_from(sums.total(s)).ok()).collect::<Int64Array>())
            }
            Kind::Decimals(sums) => self.finish_decimals(sums, slots().map(|s| (s, count(s))), failed)?,
            Kind::Floats(sums) => {
                let average = self.aggregate.kind == AggregateKind::Average;
                let value = |s: usize| if average { sums[s].value() / count(s) as f64 } else { sums[s].value() };
                Arc::new(slots().map(|s| some(s).then(|| value(s))).collect::<Float64Array>())
            }
            Kind::Moments(sums, squares) => {
                Arc::new(slots().map(|s| self.variance(&sums[s], &squares[s], count(s))).collect::<Float64Array>())
            }
            Kind::Trues(trues) => {
                let and = self.aggregate.kind == AggregateKind::And;
                let value = |s: usize| if and { trues[s] == count(s) } else { trues[s] > 0 };
                Arc::new(slots().map(|s| some(s).then(|| value(s))).collect::<BooleanArray>())
            }
            Kind::Values(values, _) if self.aggregate.kind == AggregateKind::CountDistinct => {
                Arc::new(Int64Array::from_iter_values(slots().map(|s| values[s].len() as i64)))
            }
            Kind::Values(values, codec) => {
                let null = codec.null_value();
                let end = |s: usize| match self.aggregate.kind {
                    AggregateKind::Min => values[s].first_key_value(),
                    _ => values[s].last_key_value(),
                };
                let rows = slots().map(|s| end(s).map_or(null.as_slice(), |(value, _)| value));
                codec.decode(rows)?.remove(0)
            }
        })
    }

    fn finish_decimals(
        &self,
        sums: &[i128],
        counts: impl Iterator<Item = (usize, i64)>,
        failed: &mut [bool],
    ) -> SqlResult<ArrayRef> {
        let (DataType::Decimal128(_, from), DataType::Decimal128(precision, scale)) =
            (&self.argument, &self.aggregate.result)
        else {
            return Err(crate::model::SqlError::internal("a decimal sum has a decimal result"));
        };
        let factor = 10i128.pow(u32::try_from(scale - from).unwrap_or(0));
        let limit = 10i128.pow(u32::from(*precision));
        let value = |slot: usize, count: i64| match self.aggregate.kind {
            AggregateKind::Average => sums[slot].checked_mul(factor).map(|v| v / i128::from(count)),
            _ => Some(sums[slot]),
        };
        let mut results: Vec<Option<i128>> = vec![];
        for (at, (slot, count)) in counts.enumerate() {
            let result = (count > 0).then(|| value(slot, count).filter(|v| v.abs() < limit));
            failed[at] |= result == Some(None);
            results.push(result.flatten());
        }
        let array = Decimal128Array::from(results).with_precision_and_scale(*precision, *scale);
        Ok(Arc::new(array.map_err(|e| crate::model::SqlError::internal(e.to_string()))?))
    }

    fn variance(&self, sum: &FloatSum, squares: &FloatSum, count: i64) -> Option<f64> {
        let AggregateKind::Variance { population, root } = self.aggregate.kind else { return None };
        let divisor = if population { count } else { count - 1 };
        if count <= 0 || divisor <= 0 {
            return None;
        }
        let variance = FloatSum::variance_numerator(sum, squares, count) / (count as f64 * divisor as f64);
        Some(if root { variance.sqrt() } else { variance })
    }

    /// Bytes held, about.
    pub fn heap_bytes(&self) -> usize {
        let per_slot = match &self.kind {
            Kind::Count => 0,
            Kind::Integers(_) | Kind::Trues(_) => 8,
            Kind::Decimals(_) => 16,
            Kind::Floats(_) => size_of::<FloatSum>() + 32,
            Kind::Moments(..) => 2 * (size_of::<FloatSum>() + 32),
            Kind::Values(..) => size_of::<BTreeMap<Box<[u8]>, i64>>(),
        };
        self.nulls.slots * per_slot + self.nulls.values.len() * 8 + self.value_bytes
    }
}

/// The groups' values; those that are there but out of range are NULL and marked in `failed`.
fn in_range<'a, V>(
    slots: impl Iterator<Item = usize> + 'a,
    some: impl Fn(usize) -> bool + 'a,
    failed: &'a mut [bool],
    value: impl Fn(usize) -> Option<V> + 'a,
) -> impl Iterator<Item = Option<V>> + 'a {
    slots.enumerate().map(move |(at, slot)| {
        let result = some(slot).then(|| value(slot));
        failed[at] |= matches!(result, Some(None));
        result.flatten()
    })
}

/// Signed counts by slot that take no memory while all are zero.
#[derive(Default)]
struct Nulls {
    slots: usize,
    /// Empty while all are zero, else one per slot.
    values: Vec<i64>,
}

impl Nulls {
    fn push_slot(&mut self) {
        self.slots += 1;
        if !self.values.is_empty() {
            self.values.push(0);
        }
    }

    #[inline]
    fn get(&self, slot: usize) -> i64 {
        if self.values.is_empty() { 0 } else { self.values[slot] }
    }

    #[inline]
    fn add(&mut self, slot: usize, count: i64) {
        if count != 0 {
            if self.values.is_empty() {
                self.values.resize(self.slots, 0);
            }
            self.values[slot] += count;
        }
    }

    fn clear(&mut self) {
        self.slots = 0;
        self.values.clear();
    }
}

/// Sums that never leave their range: 64 bits each, and for the few that need more a carry.
#[derive(Default)]
struct IntegerSums {
    low: Vec<i64>,
    /// What a sum has beyond `low`, in units of 2⁶⁴; never zero.
    carries: HashMap<usize, i64>,
}

impl IntegerSums {
    #[inline]
    fn add(&mut self, slot: usize, value: i128) {
        let low = self.low[slot];
        if let Some(sum) = i64::try_from(value).ok().and_then(|value| low.checked_add(value)) {
            self.low[slot] = sum;
            return;
        }
        let total = self.total(slot) + value;
        self.low[slot] = total as i64;
        let carry = ((total - i128::from(total as i64)) >> 64) as i64;
        if carry == 0 {
            self.carries.remove(&slot);
        } else {
            self.carries.insert(slot, carry);
        }
    }

    fn total(&self, slot: usize) -> i128 {
        let low = i128::from(self.low[slot]);
        if self.carries.is_empty() {
            return low;
        }
        low + (i128::from(self.carries.get(&slot).copied().unwrap_or(0)) << 64)
    }

    fn clear(&mut self) {
        self.low.clear();
        self.carries.clear();
    }
}

/// About what an ordered map takes for an entry besides the key's own bytes.
const ENTRY_BYTES: usize = 40;

fn add_value(values: &mut BTreeMap<Box<[u8]>, i64>, value: &[u8], count: i64, bytes: &mut usize) {
    match values.get_mut(value) {
        Some(held) if *held + count == 0 => {
            values.remove(value);
            *bytes -= value.len() + ENTRY_BYTES;
        }
        Some(held) => *held += count,
        None if count != 0 => {
            values.insert(value.into(), count);
            *bytes += value.len() + ENTRY_BYTES;
        }
        None => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_leave_their_range_and_come_back() {
        let mut sums = IntegerSums::default();
        sums.low.resize(2, 0);
        let values = [i128::from(i64::MAX), 1, i128::from(u64::MAX) * 3, -5, i128::from(i64::MIN) * 7];
        let mut total = 0;
        for value in values {
            sums.add(1, value);
            total += value;
            assert_eq!((sums.total(0), sums.total(1)), (0, total));
        }
        values.iter().rev().for_each(|value| sums.add(1, -value));
        assert_eq!((sums.total(1), sums.carries.len()), (0, 0));
    }
}
