//! Exact sums of doubles under addition and subtraction.
//!
//! A sum is kept as an expansion: doubles of increasing magnitude that do not overlap and whose exact sum is the true sum (Shewchuk,
//! "Adaptive Precision Floating-Point Arithmetic", 1997, GROW-EXPANSION). What was added and then subtracted leaves no trace.
//! Infinities and NaNs are counted apart. Not guaranteed: sums beyond the range of a double.

/// An exact sum.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct FloatSum {
    parts: Vec<f64>,
    /// Signed counts of +∞, −∞ and NaN.
    special: Option<Box<[i64; 3]>>,
}

/// The rounded sum and its exact rounding error (Knuth).
fn two_sum(a: f64, b: f64) -> (f64, f64) {
    let sum = a + b;
    let virtual_b = sum - a;
    let virtual_a = sum - virtual_b;
    (sum, (a - virtual_a) + (b - virtual_b))
}

/// The rounded product and its exact rounding error.
fn two_product(a: f64, b: f64) -> (f64, f64) {
    let product = a * b;
    (product, f64::mul_add(a, b, -product))
}

impl FloatSum {
    /// Adds `value`, `count` times (negative: subtracts).
    pub fn add(&mut self, value: f64, count: i64) {
        if value.is_finite() {
            match count {
                1 => self.grow(value),
                -1 => self.grow(-value),
                _ => self.add_product(value, count as f64),
            }
        } else {
            let kind = if value.is_nan() { 2 } else { usize::from(value < 0.0) };
            let special = self.special.get_or_insert_default();
            special[kind] += count;
            if **special == [0; 3] {
                self.special = None;
            }
        }
    }

    /// Adds `a × b`, exactly.
    pub fn add_product(&mut self, a: f64, b: f64) {
        let (high, low) = two_product(a, b);
        if high.is_finite() {
            self.grow(low);
            self.grow(high);
        } else {
            self.add(high, 1);
        }
    }

    /// Adds `value²`, `count` times, exactly.
    pub fn add_square(&mut self, value: f64, count: i64) {
        let (high, low) = two_product(value, value);
        if high.is_finite() {
            self.add(low, count);
        }
        self.add(high, count);
    }

    /// Adds another sum.
    pub fn merge(&mut self, other: &FloatSum) {
        other.parts.iter().for_each(|p| self.grow(*p));
        if let Some(theirs) = &other.special {
            let special = self.special.get_or_insert_default();
            special.iter_mut().zip(theirs.iter()).for_each(|(a, b)| *a += b);
            if **special == [0; 3] {
                self.special = None;
            }
        }
    }

    fn grow(&mut self, value: f64) {
        let mut carry = value;
        let mut kept = 0;
        for at in 0..self.parts.len() {
            let (sum, error) = two_sum(carry, self.parts[at]);
            if error != 0.0 {
                self.parts[kept] = error;
                kept += 1;
            }
            carry = sum;
        }
        self.parts.truncate(kept);
        if carry != 0.0 {
            self.parts.push(carry);
        }
    }

    /// The sum, rounded.
    pub fn value(&self) -> f64 {
        match self.special.as_deref() {
            Some([_, _, nans]) if *nans > 0 => f64::NAN,
            Some([up, down, _]) if *up > 0 && *down > 0 => f64::NAN,
            Some([up, _, _]) if *up > 0 => f64::INFINITY,
            Some([_, down, _]) if *down > 0 => f64::NEG_INFINITY,
            _ => self.parts.iter().sum(),
        }
    }

    /// `count × squares − sum²`: the numerator of a variance, exact until rounded.
    pub fn variance_numerator(sum: &FloatSum, squares: &FloatSum, count: i64) -> f64 {
        if sum.special.is_some() || squares.special.is_some() {
            return f64::NAN;
        }
        let mut total = FloatSum::default();
        squares.parts.iter().for_each(|q| total.add_product(*q, count as f64));
        for a in &sum.parts {
            sum.parts.iter().for_each(|b| total.add_product(*a, -*b));
        }
        total.value().max(0.0)
    }

    /// Appends the sum's bytes.
    pub fn write(&self, out: &mut Vec<u8>) {
        out.push(self.parts.len() as u8 | if self.special.is_some() { 0x80 } else { 0 });
        self.parts.iter().for_each(|p| out.extend_from_slice(&p.to_le_bytes()));
        self.special.iter().flat_map(|s| s.iter()).for_each(|c| out.extend_from_slice(&c.to_le_bytes()));
    }

    /// Reads what [`FloatSum::write`] wrote, advancing the slice.
    pub fn read(bytes: &mut &[u8]) -> FloatSum {
        let header = take::<1>(bytes)[0];
        let parts = (0..header & 0x7f).map(|_| f64::from_le_bytes(take(bytes))).collect();
        let special = (header & 0x80 != 0).then(|| Box::new([(); 3].map(|()| i64::from_le_bytes(take(bytes)))));
        FloatSum { parts, special }
    }
}

/// The first `N` bytes, advancing the slice.
pub(crate) fn take<const N: usize>(bytes: &mut &[u8]) -> [u8; N] {
    let (head, tail) = bytes.split_first_chunk::<N>().expect("state bytes are as long as they were written");
    *bytes = tail;
    *head
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn adding_and_subtracting_leaves_nothing() {
        let values = [1e300, 0.1, -1e-300, 3.7e17, 0.2, f64::MIN_POSITIVE];
        let mut sum = FloatSum::default();
        values.iter().for_each(|v| sum.add(*v, 1));
        values.iter().rev().for_each(|v| sum.add(*v, -1));
        assert_eq!(sum, FloatSum::default());
        sum.add(0.1, 10);
        assert_eq!(sum.value(), 1.0);
        sum.add(f64::INFINITY, 1);
        assert_eq!(sum.value(), f64::INFINITY);
        sum.add(f64::NAN, 1);
        assert!(sum.value().is_nan());
        sum.add(f64::NAN, -1);
        sum.add(f64::INFINITY, -1);
        assert_eq!(sum.value(), 1.0);
    }

    #[test]
    fn variance_survives_a_large_offset() {
        let (mut sum, mut squares) = (FloatSum::default(), FloatSum::default());
        for v in [1e9 + 1.0, 1e9 + 2.0, 1e9 + 3.0] {
            sum.add(v, 1);
            squares.add_square(v, 1);
        }
        assert_eq!(FloatSum::variance_numerator(&sum, &squares, 3) / 6.0, 1.0);
        let mut bytes = vec![];
        squares.write(&mut bytes);
        assert_eq!(FloatSum::read(&mut bytes.as_slice()), squares);
    }
}
