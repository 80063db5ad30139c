//! `now()` in WHERE: rows that enter and leave as ticks pass.

pub const TIMES: &[&str] = &[
    "SELECT kind, n, seen FROM events WHERE seen > now() - INTERVAL '10 seconds'",
    "SELECT kind, n, seen FROM events WHERE seen <= now()",
    "SELECT kind, n, seen FROM events WHERE seen < now() AND seen >= now() - INTERVAL '20 seconds'",
    "SELECT kind, n FROM events WHERE seen BETWEEN now() - INTERVAL '5 seconds' AND now() + INTERVAL '5 seconds'",
    "SELECT kind, n FROM events WHERE seen + INTERVAL '3 seconds' > now() AND n > 1",
    "SELECT kind, n FROM events WHERE now() < seen",
    "SELECT kind, n FROM events WHERE now() - seen < INTERVAL '15 seconds'",
    "SELECT kind, count(*), sum(amount) FROM events WHERE seen > now() - INTERVAL '8 seconds' GROUP BY kind",
    "SELECT count(*) FROM events WHERE seen > CURRENT_TIMESTAMP",
    "SELECT o.id, e.n FROM orders o JOIN events e ON e.ref = o.id WHERE e.seen <= now()",
    "SELECT o.id, t.n FROM orders o LEFT JOIN (SELECT ref, count(*) AS n FROM events WHERE seen >= now() GROUP BY ref) t ON t.ref = o.id",
    "SELECT kind, max(n) FROM events WHERE seen <= now() AND flag GROUP BY kind HAVING count(*) > 1",
    "SELECT DISTINCT kind FROM events WHERE seen > now() AND seen < now() + INTERVAL '12 seconds'",
    "SELECT kind, n FROM events WHERE seen > now() + CASE WHEN flag THEN INTERVAL '1 second' ELSE INTERVAL '6 seconds' END",
    "SELECT kind, n FROM events WHERE at < now()",
    "SELECT kind, n FROM events WHERE at + INTERVAL '1 month' < now() AND seen + INTERVAL '1 year' > now() + INTERVAL '365 days'",
    "SELECT kind, n FROM (SELECT kind, n, seen FROM events WHERE seen <= now() ORDER BY seen DESC, n, kind LIMIT 5) t",
    "SELECT kind, n FROM events WHERE seen > now() - n * INTERVAL '1 second'",
    "SELECT kind, n FROM events WHERE seen BETWEEN now() - INTERVAL '6 seconds' * 1.5 AND now() + INTERVAL '1 minute' / 8",
    // More of the same, harder.
    "SELECT kind, max(seen) AS last FROM events GROUP BY kind HAVING max(seen) > now() - INTERVAL '2 seconds'",
    "SELECT o.id, e.n FROM orders o LEFT JOIN events e ON e.ref = o.id AND e.seen > now()",
    "SELECT o.id FROM orders o WHERE EXISTS (SELECT 1 FROM events e WHERE e.ref = o.id AND e.seen > now())",
    "SELECT o.id FROM orders o WHERE NOT EXISTS (SELECT 1 FROM events e WHERE e.ref = o.id AND e.seen > now())",
    "SELECT o.id, (SELECT count(*) FROM events e WHERE e.ref = o.id AND e.seen <= now()) AS n FROM orders o",
];
