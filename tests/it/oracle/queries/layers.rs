//! Views on views: what is materialised is read from its arrangement, what is not is put in where it is named.

/// A view others are made of.
pub struct Layer {
    pub name: &'static str,
    pub materialized: bool,
    pub sql: &'static str,
}

const fn layer(name: &'static str, materialized: bool, sql: &'static str) -> Layer {
    Layer { name, materialized, sql }
}

/// Made first, in this order.
pub const LAYERS: &[Layer] = &[
    layer(
        "order_totals",
        true,
        "SELECT o.id, o.sku, o.channel, o.amount, COALESCE(p.paid, 0) AS received FROM orders o
           LEFT JOIN (SELECT ref, sum(amount) AS paid FROM events GROUP BY ref) p ON p.ref = o.id",
    ),
    layer("paid_orders", false, "SELECT id, sku, amount, channel FROM orders WHERE paid"),
    layer("by_sku", true, "SELECT sku, count(*) AS orders, sum(amount) AS amount FROM orders GROUP BY sku"),
    layer("paid_by_sku", false, "SELECT sku, count(*) AS orders FROM paid_orders GROUP BY sku"),
    layer("all_rows", true, "SELECT * FROM events"),
    layer("top_orders", true, "SELECT id, amount FROM orders ORDER BY amount DESC NULLS LAST, id LIMIT 6"),
    layer("siblings", true, "SELECT ref, kind, n, count(*) OVER (PARTITION BY ref) AS siblings FROM events"),
    layer("one_row", true, "SELECT count(*) AS orders, max(amount) AS high FROM orders"),
];

pub const VIEWS_ON_VIEWS: &[&str] = &[
    "SELECT * FROM order_totals",
    "SELECT * FROM paid_orders",
    "SELECT sku, sum(received) AS received, sum(amount) AS amount, count(*) AS n FROM order_totals GROUP BY sku",
    "SELECT t.id, i.line FROM order_totals t JOIN items i ON i.order_id = t.id WHERE t.received > 0",
    "SELECT t.id, t.received, o.qty FROM order_totals t JOIN orders o ON o.id = t.id",
    "SELECT b.sku, b.orders, p.orders AS paid FROM by_sku b LEFT JOIN paid_by_sku p ON p.sku = b.sku",
    "SELECT max(orders) AS most, min(amount) AS least FROM by_sku",
    "SELECT a.kind, a.n, o.channel FROM all_rows a JOIN orders o ON o.id = a.ref",
    "SELECT kind, count(*) FROM all_rows GROUP BY kind",
    "SELECT t.id, e.n FROM top_orders t LEFT JOIN all_rows e ON e.ref = t.id",
    "SELECT o.id, o.amount = r.high AS is_high FROM orders o CROSS JOIN one_row r",
    "SELECT a.sku, b.sku AS other FROM by_sku a JOIN by_sku b ON a.orders = b.orders AND a.sku < b.sku",
    "SELECT sku FROM by_sku WHERE orders > 2 EXCEPT SELECT sku FROM paid_by_sku",
    "SELECT orders FROM by_sku UNION ALL SELECT orders FROM paid_by_sku UNION ALL SELECT orders FROM one_row",
    "SELECT id FROM paid_orders WHERE id NOT IN (SELECT id FROM top_orders)",
    "SELECT p.id, b.orders FROM paid_orders p FULL JOIN by_sku b ON b.sku = p.sku",
    "SELECT id, rank() OVER (ORDER BY received DESC) AS r FROM order_totals",
    "SELECT * FROM siblings",
    "SELECT s.kind, s.siblings, e.kind AS other FROM siblings s JOIN all_rows e ON e.ref = s.ref WHERE e.n > 0",
    "SELECT s.kind, s.siblings, c.n FROM siblings s JOIN (SELECT ref, count(*) AS n FROM events GROUP BY ref) c ON c.ref = s.ref",
    "SELECT s.ref, s.n FROM siblings s WHERE EXISTS (SELECT 1 FROM events e WHERE e.ref = s.ref AND e.n > s.siblings)",
    "SELECT s.ref, s.siblings, o.channel FROM siblings s LEFT JOIN orders o ON o.id = s.ref",
    "SELECT o.id, s.siblings FROM orders o JOIN siblings s ON s.ref = o.id",
];
