//! Joins: every kind, on every sort of key, with and without further conditions.

pub const JOINS: &[&str] = &[
    // Inner.
    "SELECT o.id, o.amount, i.line, i.price FROM orders o JOIN items i ON o.id = i.order_id",
    "SELECT o.id, i.line FROM orders o JOIN items i ON o.id = i.order_id AND o.qty = i.line",
    "SELECT o.id, e.n, e.kind FROM orders o JOIN events e ON o.id = e.ref AND o.amount > e.amount",
    "SELECT o.id, e.kind FROM orders o, events e WHERE o.id = e.ref AND o.channel = e.kind",
    "SELECT * FROM codes JOIN events ON codes.code = events.kind",
    "SELECT id, kind, n FROM orders JOIN events USING (at)",
    "SELECT a.id, b.id AS other FROM orders a JOIN orders b ON a.sku = b.sku AND a.id < b.id",
    "SELECT o.id, c.weight FROM orders o JOIN codes c ON o.sku = c.sku AND o.channel = c.code",
    "SELECT o.id, e.ref FROM orders o JOIN events e ON o.id % 5 = e.ref % 5 WHERE o.qty = e.small",
    "SELECT o.id, e.n FROM orders o JOIN events e ON lower(o.channel) = lower(e.kind) AND o.qty + 1 = e.n",
    "SELECT o.id, e.n FROM orders o JOIN events e ON o.sku = e.small",
    "SELECT o.id, e.value FROM orders o JOIN events e ON o.score = e.value",
    "SELECT o.id, e.amount FROM orders o JOIN events e ON o.amount = e.amount AND o.paid = e.flag",
    "SELECT o.id, e.n FROM orders o JOIN events e ON o.sku IS NOT DISTINCT FROM e.n",
    "SELECT i.order_id, j.order_id AS other, i.raw FROM items i JOIN items j ON i.raw = j.raw AND i.order_id < j.order_id",
    "SELECT i.order_id, j.line FROM items i JOIN items j ON i.marks = j.marks AND i.day = j.day",
    "SELECT o.id, e.n FROM orders o JOIN events e ON o.sku = e.n AND e.n = 3",
    "SELECT o.id, e.n FROM orders o JOIN events e ON o.sku = e.n AND o.sku = e.small",
    "SELECT a.code, b.code AS other FROM codes a JOIN codes b ON a.code = b.code AND a.sku = b.sku",
    // Outer.
    "SELECT o.id, o.sku, i.line, i.tag FROM orders o LEFT JOIN items i ON o.id = i.order_id",
    "SELECT o.id, e.ref, e.kind FROM orders o RIGHT JOIN events e ON o.id = e.ref",
    "SELECT o.id, e.ref, e.n FROM orders o FULL JOIN events e ON o.id = e.ref",
    "SELECT o.id, o.sku, c.sku AS csku, c.code FROM orders o FULL OUTER JOIN codes c ON o.sku = c.sku",
    "SELECT o.id, o.channel, c.code FROM orders o LEFT JOIN codes c ON o.channel = c.code AND o.sku > c.sku",
    "SELECT o.id, c.code, c.weight FROM orders o RIGHT JOIN codes c ON o.channel = c.code AND o.sku = c.sku",
    "SELECT o.id, c.code, c.weight FROM orders o RIGHT JOIN codes c ON o.channel = c.code AND o.qty > c.sku",
    "SELECT o.id, c.code, c.weight FROM orders o FULL JOIN codes c ON o.channel = c.code AND o.sku < c.weight",
    "SELECT a.id, b.id AS other FROM orders a FULL JOIN orders b ON a.id = b.id + 1",
    "SELECT o.id, i.line FROM orders o LEFT JOIN items i ON o.id = i.order_id AND o.paid",
    "SELECT o.id, i.line FROM orders o LEFT JOIN items i ON o.id = i.order_id AND i.price > 2 WHERE o.qty > 1",
    "SELECT o.id, i.line FROM orders o LEFT JOIN items i ON o.id = i.order_id WHERE i.order_id IS NULL",
    "SELECT o.id, i.line FROM orders o LEFT JOIN items i ON o.id = i.order_id WHERE i.line > 0",
    "SELECT o.id, e.n FROM orders o LEFT JOIN events e ON o.sku IS NOT DISTINCT FROM e.n",
    "SELECT id, kind FROM orders FULL JOIN events USING (at)",
    "SELECT at, count(*), min(kind) AS k, max(id) AS i FROM orders FULL JOIN events USING (at) GROUP BY at",
    "SELECT sku, id, weight, c.ok FROM orders RIGHT JOIN codes c USING (sku)",
    "SELECT * FROM (SELECT sku, count(*) AS orders FROM orders GROUP BY sku) o FULL JOIN (SELECT sku, sum(weight) AS w FROM codes GROUP BY sku) c USING (sku) FULL JOIN (SELECT n AS sku, count(*) AS e FROM events GROUP BY n) e USING (sku)",
    "SELECT e.kind, c.code, e.n FROM events e FULL JOIN codes c ON e.kind = c.code AND e.n = c.sku",
    "SELECT o.id, p.total FROM orders o LEFT JOIN (SELECT order_id, sum(price) AS total FROM items GROUP BY order_id) p ON p.order_id = o.id",
    // Without an equality.
    "SELECT a.code, b.weight FROM codes a CROSS JOIN codes b",
    "SELECT c.code, o.id FROM codes c JOIN orders o ON c.weight < o.id",
    "SELECT c.code, o.id FROM codes c LEFT JOIN orders o ON c.weight > o.id AND o.paid",
    "SELECT c.code, o.id FROM codes c FULL JOIN orders o ON c.weight > o.id + 10",
    "SELECT c.code, o.id FROM codes c RIGHT JOIN orders o ON c.sku > o.sku",
    "SELECT o.id, e.n FROM orders o JOIN events e ON o.sku = e.n OR o.qty = e.small",
    "SELECT o.id, t.total FROM orders o CROSS JOIN (SELECT count(*) AS total FROM events) t",
    "SELECT o.id, l.high FROM orders o JOIN (SELECT max(amount) AS high FROM events) l ON o.amount >= l.high",
    // Many ways.
    "SELECT o.id, i.line, e.n, c.weight FROM orders o JOIN items i ON i.order_id = o.id JOIN events e ON e.ref = o.id JOIN codes c ON c.sku = o.sku",
    "SELECT o.id, i.line, e.n FROM orders o LEFT JOIN items i ON i.order_id = o.id LEFT JOIN events e ON e.ref = o.id",
    "SELECT o.id, i.line, e.n FROM orders o LEFT JOIN items i ON i.order_id = o.id LEFT JOIN events e ON e.n = i.line",
    "SELECT o.id, i.line, e.n, e.ref FROM orders o FULL JOIN items i ON i.order_id = o.id FULL JOIN events e ON e.ref = i.order_id",
    "SELECT o.id, p.paid, r.refunded FROM orders o
       LEFT JOIN (SELECT ref, sum(amount) AS paid FROM events WHERE kind = 'web' GROUP BY ref) p ON p.ref = o.id
       LEFT JOIN (SELECT ref, sum(amount) AS refunded FROM events WHERE kind = 'app' GROUP BY ref) r ON r.ref = o.id",
    "SELECT a.id, b.id AS b, c.id AS c FROM orders a JOIN orders b ON a.sku = b.qty JOIN orders c ON b.sku = c.qty AND a.id <> c.id WHERE a.paid",
    "SELECT a.sku, b.code, c.code AS third FROM codes a, codes b, codes c WHERE a.sku = b.sku AND b.code = c.code AND a.weight > c.weight",
    // Several inputs on one key, with grouped aggregates among them.
    "SELECT o.id, o.amount, p.paid, r.n, q.c FROM orders o
       JOIN (SELECT ref, sum(amount) AS paid FROM events GROUP BY ref) p ON p.ref = o.id
       LEFT JOIN (SELECT order_id, count(*) AS n, max(price) AS high FROM items WHERE abs(price) < 100 GROUP BY order_id) r ON r.order_id = o.id
       LEFT JOIN (SELECT weight, count(DISTINCT code) AS c FROM codes GROUP BY weight) q ON q.weight = o.id",
    "SELECT e.ref, e.n, p.paid, o.sku, r.n AS items FROM events e
       LEFT JOIN (SELECT ref, sum(amount) AS paid FROM events GROUP BY ref) p ON p.ref = e.ref
       LEFT JOIN orders o ON o.id = e.ref
       LEFT JOIN (SELECT order_id, count(*) AS n FROM items GROUP BY order_id) r ON r.order_id = e.ref",
    "SELECT o.id, COALESCE(p.paid, 0) - COALESCE(r.refunded, 0) AS net, CASE WHEN p.paid IS NULL THEN 'open' ELSE 'paid' END AS state FROM orders o
       LEFT JOIN (SELECT ref, sum(amount) AS paid FROM events WHERE flag GROUP BY ref HAVING count(*) > 1) p ON p.ref = o.id
       LEFT JOIN (SELECT ref, sum(amount) AS refunded FROM events WHERE NOT flag GROUP BY ref) r ON r.ref = o.id WHERE o.qty > 0",
    "SELECT s.sku, s.c, t.c AS events, u.c AS codes FROM (SELECT sku, count(*) AS c FROM orders GROUP BY sku) s
       LEFT JOIN (SELECT n, count(*) AS c FROM events GROUP BY n) t ON t.n = s.sku
       JOIN (SELECT sku, count(*) AS c FROM codes GROUP BY sku) u ON u.sku = s.sku",
    "SELECT o.id, i.line, p.paid, o.doc FROM items i JOIN orders o ON o.id = i.order_id
       LEFT JOIN (SELECT ref, avg(value) AS paid FROM events WHERE abs(value) < 100 GROUP BY ref) p ON p.ref = o.id",
    "SELECT a.kind, a.n, a.c, b.s, d.m FROM (SELECT kind, n, count(*) AS c FROM events GROUP BY kind, n) a
       LEFT JOIN (SELECT kind, n, sum(small) AS s FROM events WHERE flag GROUP BY kind, n) b ON b.kind = a.kind AND b.n = a.n
       LEFT JOIN (SELECT channel, sku, max(amount) AS m FROM orders GROUP BY channel, sku) d ON d.channel = a.kind AND d.sku = a.n",
    "SELECT o.id, p.paid, q.paid AS again FROM orders o
       LEFT JOIN (SELECT ref, sum(amount) AS paid FROM events GROUP BY ref) p ON p.ref = o.id
       LEFT JOIN (SELECT ref, sum(amount) AS paid FROM events GROUP BY ref) q ON q.ref = o.id",
    // LATERAL.
    "SELECT o.id, l.n FROM orders o CROSS JOIN LATERAL (SELECT e.n FROM events e WHERE e.ref = o.id) l",
    "SELECT o.id, l.total FROM orders o CROSS JOIN LATERAL (SELECT count(*) AS total FROM events e WHERE e.ref = o.id) l",
    "SELECT o.id, l.total FROM orders o LEFT JOIN LATERAL (SELECT sum(e.n) AS total FROM events e WHERE e.ref = o.id) l ON true",
    // More of the same, harder.
    "SELECT a.sku, median(b.qty) FROM orders a JOIN orders b ON a.id = b.id + 1 GROUP BY a.sku",
    "SELECT o.id, c.code FROM orders o LEFT JOIN codes c ON o.id = 5",
    "SELECT o.id, c.code FROM orders o LEFT JOIN codes c ON false",
    "SELECT o.id, c.code FROM orders o LEFT JOIN codes c ON NULL",
    "SELECT o.id, c.code FROM orders o FULL JOIN codes c ON false",
    "SELECT o.id, c.code FROM orders o JOIN codes c ON true WHERE o.id = 3",
    "SELECT o.id, c.code FROM orders o JOIN codes c ON o.sku = c.sku AND c.sku = 2 AND o.sku = 2",
    "SELECT o.id, c.code FROM orders o LEFT JOIN codes c ON o.sku = c.sku AND o.sku = 2",
    "SELECT o.id, i.line, i.price FROM orders o JOIN LATERAL (SELECT line, price FROM items i WHERE i.order_id = o.id AND i.price > o.qty) i ON true",
    "SELECT * FROM orders o NATURAL JOIN codes c",
    // A union of identifiers behind texts of their own is unique; behind texts that may run together it is not.
    "SELECT u.k, u.amount, e.n, i.lines FROM (SELECT 'a:' || id AS k, amount FROM orders WHERE paid UNION ALL SELECT 'b:' || id, amount FROM orders) u
       LEFT JOIN (SELECT 'a:' || ref AS k, sum(n) AS n FROM events WHERE ref IS NOT NULL GROUP BY 'a:' || ref) e ON e.k = u.k
       LEFT JOIN (SELECT 'b:' || order_id AS k, count(*) AS lines FROM items GROUP BY 'b:' || order_id) i ON i.k = u.k",
    "SELECT u.k, u.amount, c.amount AS other FROM orders o JOIN (SELECT 'a:' || id AS k, amount FROM orders UNION ALL SELECT 'a:' || id, amount FROM orders) u ON u.k = 'a:' || o.id
       LEFT JOIN (SELECT 'a' || id AS k, amount FROM orders UNION ALL SELECT 'a1' || id, amount FROM orders) c ON c.k = 'a' || o.id",
    "SELECT o.id, u.at FROM orders o LEFT JOIN (SELECT 'a' || ref AS k, at FROM events UNION ALL SELECT 'b' || id, at FROM orders) u ON u.k = 'b' || o.id",
    "SELECT a.id, a.k, b.amount, c.qty FROM (SELECT 'a:' || id AS k, id FROM orders) a LEFT JOIN (SELECT 'a:' || id AS k, id, amount FROM orders) b ON b.id = a.id
       LEFT JOIN (SELECT 'a:' || id AS k, id, qty FROM orders WHERE paid) c ON c.k = a.k",
];
