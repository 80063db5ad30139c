//! The streams of the world: every raw table of a channel and every reference table, with its columns.

use super::value::Kind::{self, Date, Flag, Int, Json, Long, Money, Rate, Text, Time, Wall};
use super::value::Value;

/// A table the simulator can feed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(missing_docs, reason = "named after the tables, which are described in the module's table")]
pub enum Stream {
    WebOrders,
    WebItems,
    WebPayments,
    WebRefunds,
    WebShipments,
    ShopifyOrders,
    ShopifyTransactions,
    StripeEvents,
    AdyenNotifications,
    TmallTrades,
    TmallRefunds,
    DouyinOrders,
    DouyinRefunds,
    PosLines,
    Products,
    Stock,
    Campaigns,
    Touchpoints,
    AdSpend,
    FxRates,
    Settlements,
    Sales,
    EarlierSales,
}

type Columns = &'static [(&'static str, Kind)];

impl Stream {
    /// All of them.
    pub const ALL: [Stream; 23] = [
        Stream::WebOrders,
        Stream::WebItems,
        Stream::WebPayments,
        Stream::WebRefunds,
        Stream::WebShipments,
        Stream::ShopifyOrders,
        Stream::ShopifyTransactions,
        Stream::StripeEvents,
        Stream::AdyenNotifications,
        Stream::TmallTrades,
        Stream::TmallRefunds,
        Stream::DouyinOrders,
        Stream::DouyinRefunds,
        Stream::PosLines,
        Stream::Products,
        Stream::Stock,
        Stream::Campaigns,
        Stream::Touchpoints,
        Stream::AdSpend,
        Stream::FxRates,
        Stream::Settlements,
        Stream::Sales,
        Stream::EarlierSales,
    ];

    /// The streams of our own shop: typed, flat, the most of the traffic.
    pub const WEB: [Stream; 5] =
        [Stream::WebOrders, Stream::WebItems, Stream::WebPayments, Stream::WebRefunds, Stream::WebShipments];

    /// The table's usual name.
    pub fn name(self) -> &'static str {
        match self {
            Stream::WebOrders => "raw_web_orders",
            Stream::WebItems => "raw_web_items",
            Stream::WebPayments => "raw_web_payments",
            Stream::WebRefunds => "raw_web_refunds",
            Stream::WebShipments => "raw_web_shipments",
            Stream::ShopifyOrders => "raw_shopify_orders",
            Stream::ShopifyTransactions => "raw_shopify_transactions",
            Stream::StripeEvents => "raw_stripe_events",
            Stream::AdyenNotifications => "raw_adyen_notifications",
            Stream::TmallTrades => "raw_tmall_trades",
            Stream::TmallRefunds => "raw_tmall_refunds",
            Stream::DouyinOrders => "raw_douyin_orders",
            Stream::DouyinRefunds => "raw_douyin_refunds",
            Stream::PosLines => "raw_pos_lines",
            Stream::Products => "products",
            Stream::Stock => "stock",
            Stream::Campaigns => "campaigns",
            Stream::Touchpoints => "touchpoints",
            Stream::AdSpend => "ad_spend",
            Stream::FxRates => "fx_rates",
            Stream::Settlements => "settlements",
            Stream::Sales => "sales",
            Stream::EarlierSales => "earlier_sales",
        }
    }

    /// The stream of that name.
    pub fn from_name(name: &str) -> Option<Stream> {
        Stream::ALL.into_iter().find(|stream| stream.name() == name)
    }

    /// Whether the stream's platform exports CSV rather than JSON.
    pub fn is_csv(self) -> bool {
        self == Stream::PosLines
    }

    /// Its columns, in the order of [`Event::values`].
    pub(super) fn columns(self) -> Columns {
        match self {
            Stream::WebOrders | Stream::WebItems | Stream::WebPayments | Stream::WebRefunds | Stream::WebShipments => {
                self.web_columns()
            }
            Stream::Products
            | Stream::Stock
            | Stream::Campaigns
            | Stream::Touchpoints
            | Stream::AdSpend
            | Stream::FxRates
            | Stream::Settlements
            | Stream::Sales
            | Stream::EarlierSales => self.reference_columns(),
            _ => self.platform_columns(),
        }
    }

    fn web_columns(self) -> Columns {
        match self {
            Stream::WebOrders => &[
                ("order_id", Long),
                ("version", Int),
                ("buyer_id", Long),
                ("status", Text),
                ("currency", Text),
                ("amount", Money),
                ("discount", Money),
                ("coupon_id", Text),
                ("region", Text),
                ("placed_at", Time),
                ("cancelled_at", Time),
                ("updated_at", Time),
            ],
            Stream::WebItems => &[
                ("order_id", Long),
                ("line", Int),
                ("version", Int),
                ("product_id", Text),
                ("quantity", Int),
                ("unit_price", Money),
                ("amount", Money),
            ],
            Stream::WebPayments => &[
                ("payment_id", Long),
                ("version", Int),
                ("order_id", Long),
                ("method", Text),
                ("status", Text),
                ("currency", Text),
                ("amount", Money),
                ("created_at", Time),
                ("paid_at", Time),
            ],
            Stream::WebRefunds => &[
                ("refund_id", Long),
                ("version", Int),
                ("order_id", Long),
                ("line", Int),
                ("status", Text),
                ("currency", Text),
                ("amount", Money),
                ("requested_at", Time),
                ("refunded_at", Time),
            ],
            _ => &[
                ("shipment_id", Long),
                ("version", Int),
                ("order_id", Long),
                ("line", Int),
                ("quantity", Int),
                ("status", Text),
                ("shipped_at", Time),
            ],
        }
    }

    fn platform_columns(self) -> Columns {
        match self {
            Stream::ShopifyOrders => &[
                ("id", Long),
                ("updated_at", Time),
                ("name", Text),
                ("created_at", Text),
                ("cancelled_at", Text),
                ("currency", Text),
                ("total_price", Text),
                ("total_discounts", Text),
                ("financial_status", Text),
                ("fulfillment_status", Text),
                ("customer", Json),
                ("shipping_address", Json),
                ("discount_codes", Json),
                ("line_items", Json),
                ("fulfillments", Json),
                ("refunds", Json),
            ],
            Stream::ShopifyTransactions => &[
                ("id", Long),
                ("received_at", Time),
                ("order_id", Long),
                ("parent_id", Long),
                ("kind", Text),
                ("status", Text),
                ("gateway", Text),
                ("amount", Text),
                ("currency", Text),
                ("created_at", Text),
                ("processed_at", Text),
            ],
            Stream::StripeEvents => &[
                ("id", Text),
                ("received_at", Time),
                ("type", Text),
                ("created", Long),
                ("api_version", Text),
                ("livemode", Flag),
                ("data", Json),
            ],
            Stream::AdyenNotifications => &[
                ("pspReference", Text),
                ("eventCode", Text),
                ("received_at", Time),
                ("eventDate", Text),
                ("success", Text),
                ("merchantAccountCode", Text),
                ("merchantReference", Text),
                ("originalReference", Text),
                ("paymentMethod", Text),
                ("amount", Json),
                ("reason", Text),
                ("additionalData", Json),
            ],
            Stream::TmallTrades => &[
                ("tid", Long),
                ("modified", Wall),
                ("status", Text),
                ("created", Text),
                ("pay_time", Text),
                ("end_time", Text),
                ("payment", Text),
                ("total_fee", Text),
                ("discount_fee", Text),
                ("coupon_id", Text),
                ("buyer_open_uid", Text),
                ("receiver_state", Text),
                ("alipay_no", Text),
                ("orders", Json),
            ],
            Stream::TmallRefunds => &[
                ("refund_id", Long),
                ("modified", Wall),
                ("tid", Long),
                ("oid", Long),
                ("status", Text),
                ("good_status", Text),
                ("refund_fee", Text),
                ("created", Text),
                ("reason", Text),
            ],
            Stream::DouyinOrders => &[
                ("order_id", Text),
                ("update_time", Long),
                ("order_status", Text),
                ("create_time", Text),
                ("pay_time", Text),
                ("finish_time", Text),
                ("pay_type", Text),
                ("order_amount", Text),
                ("pay_amount", Text),
                ("promotion_amount", Text),
                ("coupon_id", Text),
                ("doudian_open_id", Text),
                ("post_addr", Json),
                ("sku_order_list", Json),
                ("logistics_info", Json),
            ],
            Stream::DouyinRefunds => &[
                ("after_sale_id", Text),
                ("update_time", Long),
                ("order_id", Text),
                ("order_item_id", Text),
                ("notice_type", Text),
                ("refund_amount", Text),
                ("user_refund_amount", Text),
                ("apply_source", Text),
                ("apply_time", Text),
            ],
            _ => &[
                ("store_id", Text),
                ("receipt_no", Text),
                ("line_no", Int),
                ("export_seq", Long),
                ("kind", Text),
                ("sold_at", Text),
                ("sku", Text),
                ("qty", Text),
                ("unit_price", Text),
                ("line_total", Text),
                ("currency", Text),
                ("tender", Text),
                ("member_id", Text),
                ("original_receipt", Text),
                ("original_line", Text),
            ],
        }
    }

    fn reference_columns(self) -> Columns {
        match self {
            Stream::Products => &[
                ("product_id", Text),
                ("version", Int),
                ("name", Text),
                ("category", Text),
                ("list_price", Money),
                ("currency", Text),
            ],
            Stream::Stock => {
                &[("product_id", Text), ("warehouse", Text), ("version", Int), ("on_hand", Int), ("updated_at", Time)]
            }
            Stream::Campaigns => &[
                ("campaign_id", Text),
                ("version", Int),
                ("name", Text),
                ("platform", Text),
                ("started_on", Date),
                ("ended_on", Date),
                ("budget", Money),
                ("currency", Text),
            ],
            Stream::Touchpoints => &[
                ("touchpoint_id", Text),
                ("buyer_id", Text),
                ("campaign_id", Text),
                ("kind", Text),
                ("product_id", Text),
                ("at", Time),
            ],
            Stream::AdSpend => &[
                ("campaign_id", Text),
                ("day", Date),
                ("version", Int),
                ("currency", Text),
                ("spend", Money),
                ("impressions", Long),
                ("clicks", Long),
            ],
            Stream::FxRates => &[("currency", Text), ("day", Date), ("version", Int), ("rate", Rate)],
            Stream::Settlements => &[
                ("settlement_id", Text),
                ("version", Int),
                ("channel", Text),
                ("payment_id", Text),
                ("refund_id", Text),
                ("currency", Text),
                ("amount", Money),
                ("fee", Money),
                ("settled_on", Date),
            ],
            Stream::Sales => &[
                ("sale_id", Text),
                ("version", Int),
                ("name", Text),
                ("starts_at", Time),
                ("ends_at", Time),
                ("earlier_sale_id", Text),
            ],
            _ => &[("sale_id", Text), ("minute", Int), ("orders", Long), ("placed", Money), ("paid", Money)],
        }
    }
}

/// Some of the streams.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StreamSet(u32);

impl StreamSet {
    /// Every stream.
    pub const ALL: StreamSet = StreamSet((1 << Stream::ALL.len()) - 1);

    /// Whether the stream is one of them.
    pub fn has(self, stream: Stream) -> bool {
        self.0 & (1 << stream as u32) != 0
    }

    /// Whether any of these is one of them.
    pub(super) fn has_any(self, streams: &[Stream]) -> bool {
        streams.iter().any(|stream| self.has(*stream))
    }
}

impl FromIterator<Stream> for StreamSet {
    fn from_iter<I: IntoIterator<Item = Stream>>(streams: I) -> StreamSet {
        StreamSet(streams.into_iter().fold(0, |set, stream| set | 1 << stream as u32))
    }
}

/// One arrival: a row of a stream. Rows are upserts; the tables' versions decide what they change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// When it arrives, in milliseconds since the epoch.
    pub arrival_ms: i64,
    /// Whose row it is.
    pub stream: Stream,
    /// The row, in the order of the stream's columns.
    pub values: Vec<Value>,
}
