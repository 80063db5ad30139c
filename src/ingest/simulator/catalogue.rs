//! What is there before anything happens: channels, products with their prices, buyers, regions, currencies, campaigns.

use super::config::WorldConfig;
use super::dice::Dice;

/// Products there are.
pub(super) const PRODUCTS: u32 = 500;
/// The product everybody wants.
pub(super) const HOT_PRODUCT: u32 = 1;
/// Its share of the lines, in percent.
pub(super) const HOT_PERCENT: i64 = 30;
const BUYERS: i64 = 200_000;
/// Buyers who send back what they buy; they are the first ones.
pub(super) const SERIAL_REFUNDERS: u64 = 20;

/// Where an order comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Channel {
    Web,
    Shopify,
    Tmall,
    Douyin,
    Pos,
}

impl Channel {
    /// Its name in the order model.
    pub fn name(self) -> &'static str {
        match self {
            Channel::Web => "web",
            Channel::Shopify => "shopify",
            Channel::Tmall => "tmall",
            Channel::Douyin => "douyin",
            Channel::Pos => "pos",
        }
    }

    /// What comes before a buyer's number in the order model.
    pub(super) fn buyer_prefix(self) -> &'static str {
        match self {
            Channel::Web => "web:",
            Channel::Shopify => "shopify:",
            Channel::Tmall => "tmall:ou",
            Channel::Douyin => "douyin:dy",
            Channel::Pos => "pos:M",
        }
    }

    /// The channel of a draw from 0 to 9999.
    pub(super) fn drawn(draw: u64, web_percent: u32) -> Channel {
        let web = u64::from(web_percent) * 100;
        if draw < web {
            return Channel::Web;
        }
        // The rest in the proportion 10 : 14 : 8 : 6.
        match (draw - web) * 38 / (10_000 - web) {
            0..10 => Channel::Shopify,
            10..24 => Channel::Tmall,
            24..32 => Channel::Douyin,
            _ => Channel::Pos,
        }
    }
}

/// A currency: its name, and what one unit is worth in thousandths of a yuan.
pub(super) const CURRENCIES: [(&str, i64); 5] =
    [("USD", 7100), ("EUR", 7700), ("GBP", 9000), ("JPY", 48), ("HKD", 910)];

pub(super) const REGIONS: [&str; 12] = [
    "广东省",
    "浙江省",
    "江苏省",
    "上海",
    "北京",
    "四川省",
    "湖北省",
    "山东省",
    "福建省",
    "河南省",
    "湖南省",
    "辽宁省",
];

/// Regions abroad, with the hours their clocks are ahead of UTC.
pub(super) const REGIONS_ABROAD: [(&str, i32); 6] =
    [("California", -8), ("New York", -5), ("Texas", -6), ("England", 0), ("Bayern", 1), ("Tokyo", 9)];

pub(super) const CATEGORIES: [&str; 8] =
    ["phones", "kitchen", "beauty", "sportswear", "toys", "audio", "home", "snacks"];

/// A campaign's platform and its channel of advertising.
pub(super) const CAMPAIGNS: [(&str, &str); 12] = [
    ("google", "Brand search"),
    ("google", "Shopping ads"),
    ("meta", "Lookalikes"),
    ("meta", "Retargeting"),
    ("tiktok", "Spark ads"),
    ("douyin", "直播间引流"),
    ("wechat", "朋友圈广告"),
    ("baidu", "品牌专区"),
    ("xiaohongshu", "种草笔记"),
    ("email", "Countdown mail"),
    ("affiliate", "Cashback sites"),
    ("kol", "Unboxing"),
];

/// A product's price in yuan hundredths: between 5.09 and 505.09.
pub(super) fn price_minor(product: u32) -> i64 {
    500 + i64::from(product) * 7919 % 5000 * 10 + 9
}

pub(super) fn category(product: u32) -> &'static str {
    CATEGORIES[product as usize % CATEGORIES.len()]
}

/// A price in another currency, in hundredths of it; yen have no hundredths.
pub(super) fn price_in(currency: &str, yuan_minor: i64) -> i64 {
    match CURRENCIES.iter().find(|(name, _)| *name == currency) {
        None => yuan_minor,
        Some(("JPY", worth)) => yuan_minor * 1000 / worth / 100 * 100,
        Some((_, worth)) => (yuan_minor * 1000 / worth).max(1),
    }
}

/// Draws products: the hot one, or one of the others by Zipf with exponent 1.
pub(super) struct Wishes {
    running: Vec<i64>,
}

impl Wishes {
    pub(super) fn new() -> Wishes {
        let weights = (2..=PRODUCTS).scan(0_i64, |total, rank| {
            *total += 1_000_000_000 / i64::from(rank);
            Some(*total)
        });
        Wishes { running: weights.collect() }
    }

    pub(super) fn draw(&self, dice: &mut Dice) -> u32 {
        if dice.chance(HOT_PERCENT as f64 / 100.0) {
            return HOT_PRODUCT;
        }
        let drawn = dice.between(0, self.running[self.running.len() - 1] - 1);
        HOT_PRODUCT + 1 + self.running.partition_point(|running| *running <= drawn) as u32
    }

    /// How many of a thousand lines are for a product.
    pub(super) fn permille(&self, product: u32) -> i64 {
        match product {
            HOT_PRODUCT => HOT_PERCENT * 10,
            _ => {
                let total = self.running[self.running.len() - 1];
                (100 - HOT_PERCENT) * 10 * (1_000_000_000 / i64::from(product)) / total
            }
        }
    }
}

/// A buyer's number.
pub(super) fn buyer(dice: &mut Dice) -> u64 {
    if dice.chance(0.01) { dice.between(1, SERIAL_REFUNDERS as i64) as u64 } else { dice.between(1, BUYERS) as u64 }
}

/// The number of somebody who looks: one in five is a buyer of the shop.
pub(super) fn onlooker(dice: &mut Dice) -> u64 {
    dice.between(1, 5 * BUYERS) as u64
}

/// The campaign ids are `C1` to `C12`.
pub(super) fn campaign(dice: &mut Dice) -> u64 {
    dice.between(1, CAMPAIGNS.len() as i64) as u64
}

/// Orders a wave brings, history aside.
pub(super) fn orders_per_wave(config: &WorldConfig) -> i64 {
    (config.curve.load(0, config.curve.wave_s()) as f64 * config.rate / 1000.0) as i64
}
