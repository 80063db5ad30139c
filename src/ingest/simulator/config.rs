//! Which world: its size, its load, and how much goes wrong in it. Every setting has a name, for connector options and flags; the
//! module above lists them.

/// Which world.
#[derive(Clone, Debug, PartialEq)]
pub struct WorldConfig {
    /// Decides everything random.
    pub seed: u64,
    /// Orders in all; 0: endless.
    pub orders: u64,
    /// Orders placed before the world begins.
    pub history: u64,
    /// Orders per second in quiet times.
    pub rate: f64,
    /// The first moment, in milliseconds since the epoch.
    pub start_ms: i64,
    /// Phases of a wave.
    pub curve: Curve,
    /// Percent of the orders that come from our own shop.
    pub web_percent: u32,
    /// How many times faster than usual everything follows upon an order: at high rates what is still to come is kept in memory.
    pub haste: i64,
    /// What goes wrong, and how often.
    pub faults: Faults,
}

/// A wave of the load: quiet, countdown, spike, tail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Curve {
    /// Seconds of the usual load.
    pub quiet_s: i64,
    /// Seconds in which it doubles.
    pub countdown_s: i64,
    /// Seconds of the spike, halving towards its end.
    pub spike_s: i64,
    /// Seconds in which it falls back to the usual load.
    pub tail_s: i64,
    /// How many times the usual load the spike begins with.
    pub spike_factor: i64,
}

/// Probabilities, 0 to 1: see the table of the module above. `lookers` is a number per order.
#[derive(Clone, Debug, PartialEq)]
#[expect(missing_docs, reason = "the table of the module above says what each means")]
pub struct Faults {
    pub touched: f64,
    pub lookers: f64,
    pub looker_clicks: f64,
    pub late: f64,
    pub out_of_order: f64,
    pub duplicated: f64,
    pub malformed: f64,
    pub lost: f64,
    pub garbled: f64,
    pub revised: f64,
    pub cancelled: f64,
    pub unpaid: f64,
    pub pay_cancel_race: f64,
    pub payment_first: f64,
    pub refund_first: f64,
    pub partial: f64,
    pub failed: f64,
    pub authorised_only: f64,
    pub paid_twice: f64,
    pub orphaned: f64,
    pub price_zero: f64,
    pub refunded: f64,
    pub late_refund: f64,
    pub refund_reversed: f64,
    pub chargeback: f64,
    pub settlement_late: f64,
    pub settlement_differs: f64,
    pub settlement_missing: f64,
}

impl Default for Faults {
    fn default() -> Self {
        Faults {
            touched: 0.55,
            lookers: 2.0,
            looker_clicks: 0.2,
            late: 0.01,
            out_of_order: 0.05,
            duplicated: 0.02,
            malformed: 0.002,
            lost: 0.003,
            garbled: 0.0,
            revised: 0.04,
            cancelled: 0.03,
            unpaid: 0.08,
            pay_cancel_race: 0.005,
            payment_first: 0.03,
            refund_first: 0.10,
            partial: 0.05,
            failed: 0.05,
            authorised_only: 0.01,
            paid_twice: 0.002,
            orphaned: 0.002,
            price_zero: 0.0005,
            refunded: 0.06,
            late_refund: 0.004,
            refund_reversed: 0.03,
            chargeback: 0.004,
            settlement_late: 0.01,
            settlement_differs: 0.004,
            settlement_missing: 0.002,
        }
    }
}

impl Default for Curve {
    fn default() -> Self {
        Curve { quiet_s: 30, countdown_s: 60, spike_s: 60, tail_s: 450, spike_factor: 8 }
    }
}

impl Default for WorldConfig {
    fn default() -> Self {
        WorldConfig {
            seed: 42,
            orders: 0,
            history: 1000,
            rate: 200.0,
            // 2026-11-11T00:00:00Z.
            start_ms: 1_794_355_200_000,
            curve: Curve::default(),
            web_percent: 62,
            haste: 1,
            faults: Faults::default(),
        }
    }
}

impl WorldConfig {
    /// The highest rate: one order per microsecond.
    pub const RATE_MAX: f64 = 1e6;
    /// The greatest haste: minutes become milliseconds.
    const HASTE_MAX: i64 = 10_000;
    /// The most people per order who only look.
    const LOOKERS_MAX: f64 = 20.0;
    /// The longest phase, in seconds.
    const PHASE_S_MAX: i64 = 86_400;

    /// Every setting's name.
    pub const SETTINGS: [&str; 39] = [
        "seed",
        "orders",
        "history",
        "rate",
        "quiet",
        "countdown",
        "spike",
        "tail",
        "spike_factor",
        "web_percent",
        "haste",
        "touched",
        "lookers",
        "looker_clicks",
        "late",
        "out_of_order",
        "duplicated",
        "malformed",
        "lost",
        "garbled",
        "revised",
        "cancelled",
        "unpaid",
        "pay_cancel_race",
        "payment_first",
        "refund_first",
        "partial",
        "failed",
        "authorised_only",
        "paid_twice",
        "orphaned",
        "price_zero",
        "refunded",
        "late_refund",
        "refund_reversed",
        "chargeback",
        "settlement_late",
        "settlement_differs",
        "settlement_missing",
    ];

    /// Changes a setting by its name.
    ///
    /// # Errors
    /// Says what was expected; of an unknown name, which there are.
    pub fn set(&mut self, name: &str, text: &str) -> Result<(), String> {
        let number = |low: i64, high: i64| match text.trim().parse::<i64>() {
            Ok(number) if (low..=high).contains(&number) => Ok(number),
            _ => Err(format!("expected a whole number from {low} to {high}")),
        };
        let count = || text.trim().parse::<u64>().map_err(|_| "expected a whole number".to_string());
        match name {
            "seed" => self.seed = count()?,
            "orders" => self.orders = count()?,
            "history" => self.history = count()?,
            "rate" => match text.trim().parse::<f64>() {
                Ok(rate) if rate > 0.0 && rate <= Self::RATE_MAX => self.rate = rate,
                _ => return Err(format!("expected orders per second, up to {}", Self::RATE_MAX)),
            },
            "quiet" => self.curve.quiet_s = number(0, Self::PHASE_S_MAX)?,
            "countdown" => self.curve.countdown_s = number(0, Self::PHASE_S_MAX)?,
            "spike" => self.curve.spike_s = number(1, Self::PHASE_S_MAX)?,
            "tail" => self.curve.tail_s = number(0, Self::PHASE_S_MAX)?,
            "spike_factor" => self.curve.spike_factor = number(1, 1000)?,
            "web_percent" => self.web_percent = number(0, 100)? as u32,
            "haste" => self.haste = number(1, Self::HASTE_MAX)?,
            "lookers" => match text.trim().parse::<f64>() {
                Ok(lookers) if (0.0..=Self::LOOKERS_MAX).contains(&lookers) => self.faults.lookers = lookers,
                _ => return Err(format!("expected a number between 0 and {}", Self::LOOKERS_MAX)),
            },
            _ => match self.faults.get_mut(name) {
                Some(fault) => match text.trim().parse::<f64>() {
                    Ok(share) if (0.0..=1.0).contains(&share) => *fault = share,
                    _ => return Err("expected a number between 0 and 1".to_string()),
                },
                None => return Err(format!("no such setting; there are {}", Self::SETTINGS.join(", "))),
            },
        }
        Ok(())
    }
}

impl Faults {
    /// A world in which nothing goes wrong on the way: no flaws, no delays, no second copies. What people do stays.
    pub fn orderly() -> Faults {
        let never = 0.0;
        Faults {
            late: never,
            out_of_order: never,
            duplicated: never,
            malformed: never,
            lost: never,
            payment_first: never,
            refund_first: never,
            ..Faults::default()
        }
    }

    fn get_mut(&mut self, name: &str) -> Option<&mut f64> {
        Some(match name {
            "touched" => &mut self.touched,
            "looker_clicks" => &mut self.looker_clicks,
            "late" => &mut self.late,
            "out_of_order" => &mut self.out_of_order,
            "duplicated" => &mut self.duplicated,
            "malformed" => &mut self.malformed,
            "lost" => &mut self.lost,
            "garbled" => &mut self.garbled,
            "revised" => &mut self.revised,
            "cancelled" => &mut self.cancelled,
            "unpaid" => &mut self.unpaid,
            "pay_cancel_race" => &mut self.pay_cancel_race,
            "payment_first" => &mut self.payment_first,
            "refund_first" => &mut self.refund_first,
            "partial" => &mut self.partial,
            "failed" => &mut self.failed,
            "authorised_only" => &mut self.authorised_only,
            "paid_twice" => &mut self.paid_twice,
            "orphaned" => &mut self.orphaned,
            "price_zero" => &mut self.price_zero,
            "refunded" => &mut self.refunded,
            "late_refund" => &mut self.late_refund,
            "refund_reversed" => &mut self.refund_reversed,
            "chargeback" => &mut self.chargeback,
            "settlement_late" => &mut self.settlement_late,
            "settlement_differs" => &mut self.settlement_differs,
            "settlement_missing" => &mut self.settlement_missing,
            _ => return None,
        })
    }
}

impl Curve {
    /// A wave's length in seconds.
    pub fn wave_s(&self) -> i64 {
        self.quiet_s + self.countdown_s + self.spike_s + self.tail_s
    }

    /// When a wave's sale begins and ends, in seconds after the world does.
    pub fn sale_s(&self, wave: i64) -> (i64, i64) {
        let begins = wave * self.wave_s() + self.quiet_s + self.countdown_s;
        (begins, begins + self.spike_s + self.tail_s)
    }

    /// The load at a moment, in thousandths of the usual one.
    pub fn permille(&self, since_start_ms: i64) -> i64 {
        let between =
            |from: i64, to: i64, at_ms: i64, length_s: i64| from + (to - from) * at_ms / (length_s * 1000).max(1);
        let mut at_ms = since_start_ms.rem_euclid(self.wave_s() * 1000);
        if at_ms < self.quiet_s * 1000 {
            return 1000;
        }
        at_ms -= self.quiet_s * 1000;
        if at_ms < self.countdown_s * 1000 {
            return between(1000, 2000, at_ms, self.countdown_s);
        }
        at_ms -= self.countdown_s * 1000;
        let peak = self.spike_factor * 1000;
        if at_ms < self.spike_s * 1000 {
            return between(peak, peak / 2, at_ms, self.spike_s);
        }
        between((peak / 2).max(1000), 1000, at_ms - self.spike_s * 1000, self.tail_s)
    }

    /// Orders of a stretch of a wave, in thousandths of what a second of the usual load brings.
    pub(super) fn load(&self, from_s: i64, to_s: i64) -> i64 {
        (from_s..to_s).map(|second| self.permille(second * 1000 + 500)).sum()
    }
}
