//! The queries, by construct. A query has no name of its own: it is its group and its place, `joins_07`.
//!
//! Every query must have one answer only: where order or ties decide, the order is total. None may fail on the rows drawn; errors of
//! expressions are `tables.rs`' business.

mod aggregates;
mod firsts;
mod joins;
mod layers;
mod rows;
mod sets;
mod subqueries;
mod times;
mod twins;
mod windows;

pub use aggregates::AGGREGATES;
pub use firsts::FIRSTS;
pub use joins::JOINS;
pub use layers::{LAYERS, Layer, VIEWS_ON_VIEWS};
pub use rows::ROWS;
pub use sets::SETS;
pub use subqueries::SUBQUERIES;
pub use times::TIMES;
pub use twins::TWINS;
pub use windows::WINDOWS;

/// What cannot be kept yet: refused by name, with what to write instead; never a wrong answer.
pub const NOT_YET: &[&str] = &[
    "SELECT channel, bool_or(EXISTS (SELECT 1 FROM events e WHERE e.ref = o.id)) AS any FROM orders o GROUP BY channel",
    "SELECT o.id, i.line FROM orders o CROSS JOIN LATERAL (SELECT line FROM items i WHERE i.order_id = o.id ORDER BY line LIMIT 1) i",
    "SELECT id FROM orders o WHERE sku NOT IN (SELECT n FROM events e WHERE e.ref = o.id)",
    "SELECT id FROM orders o WHERE amount = (SELECT max(e.amount) FROM events e WHERE e.n < o.sku)",
    "SELECT id FROM orders o WHERE 7 NOT IN (SELECT n FROM events e WHERE e.ref = o.id)",
    "SELECT sku FROM orders INTERSECT ALL SELECT n FROM events WHERE n > 2",
    "SELECT sku FROM orders EXCEPT ALL SELECT n FROM events",
    "SELECT id FROM orders WHERE channel SIMILAR TO 'w%'",
    "WITH RECURSIVE r(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM r WHERE n < 5) SELECT n FROM r",
    "SELECT id, random() AS r FROM orders",
    "SELECT id, now() AS t FROM orders",
    "SELECT id, at > now() AS late FROM orders",
    "SELECT id FROM orders WHERE at > now() OR paid",
    "SELECT id FROM orders WHERE at > now() - INTERVAL '1 month'",
    "SELECT id FROM orders WHERE at < localtimestamp AND at::date = current_date",
    "SELECT id FROM orders ORDER BY id LIMIT (SELECT count(*) FROM codes)",
    "SELECT kind, median(n) AS m FROM events GROUP BY ROLLUP (kind)",
    "SELECT sku, string_agg(channel, ',' ORDER BY id) AS a, string_agg(channel, ',' ORDER BY qty) AS b FROM orders GROUP BY sku",
];
