-- The sale by product and category, and the stock.
--
-- A line's money: what it asks; of what was paid for its order, its share by amount; of what went back, its own refunds and its share
-- of those given for the whole order. Shares are rounded line by line: sums over products may differ from the sale's by a few cents.
-- Stock left is what was given to the sale less the units of orders that are neither cancelled nor wholly given back.

CREATE VIEW line_returns AS
SELECT line_id, SUM(amount) AS returned
FROM refunds
WHERE status = 'succeeded' AND line_id IS NOT NULL
GROUP BY line_id;

CREATE VIEW sold_lines AS
SELECT i.order_id, COALESCE(i.product_id, '(unknown)') AS product_id, i.quantity, i.amount, COALESCE(r.returned, 0) AS returned
FROM order_items AS i
LEFT JOIN line_returns AS r ON r.line_id = i.line_id;

CREATE MATERIALIZED VIEW product_cells AS
SELECT
    product_id, minute, SUM(quantity) AS units, SUM(quantity) FILTER (WHERE is_live) AS live_units,
    COALESCE(SUM(placed), 0) AS placed, COALESCE(SUM(paid), 0) AS paid, COALESCE(SUM(returned), 0) AS returned
FROM (
    SELECT
        l.product_id, date_trunc('minute', o.placed_at) AS minute, l.quantity,
        o.is_live,
        CAST(ROUND(l.amount * o.fx_rate, 2) AS DECIMAL(18, 2)) AS placed,
        CAST(CASE
            WHEN o.paid = 0 THEN 0
            WHEN o.paid = o.amount THEN ROUND(l.amount * o.fx_rate, 2)
            ELSE ROUND(CAST(l.amount AS DOUBLE PRECISION) * CAST(o.paid_cny AS DOUBLE PRECISION) / NULLIF(CAST(o.amount AS DOUBLE PRECISION), 0), 2)
        END AS DECIMAL(18, 2)) AS paid,
        CAST(CASE
            WHEN o.returned_whole = 0 THEN ROUND(l.returned * o.fx_rate, 2)
            ELSE ROUND(CAST(l.returned * o.fx_rate AS DOUBLE PRECISION)
                + CAST(l.amount AS DOUBLE PRECISION) * CAST(o.returned_whole * o.fx_rate AS DOUBLE PRECISION) / NULLIF(CAST(o.amount AS DOUBLE PRECISION), 0), 2)
        END AS DECIMAL(18, 2)) AS returned
    FROM sold_lines AS l
    JOIN order_money AS o ON o.order_id = l.order_id
) AS lines
GROUP BY product_id, minute;

CREATE VIEW sale_product_sums AS
SELECT s.sale_id, c.product_id, SUM(c.units) AS units, SUM(c.placed) AS placed, SUM(c.paid) AS paid, SUM(c.returned) AS returned
FROM sale_grid AS s
JOIN product_cells AS c ON c.minute = s.minute
GROUP BY s.sale_id, c.product_id;

CREATE MATERIALIZED VIEW sale_products AS
SELECT
    s.sale_id, s.product_id, COALESCE(p.name, s.product_id) AS name, COALESCE(p.category, '(unknown)') AS category, s.units,
    CAST(s.placed AS DECIMAL(18, 2)) AS placed, CAST(s.paid AS DECIMAL(18, 2)) AS paid,
    CAST(s.paid - s.returned AS DECIMAL(18, 2)) AS net
FROM sale_product_sums AS s
LEFT JOIN products AS p ON p.product_id = s.product_id;

CREATE MATERIALIZED VIEW sale_top_products AS
SELECT sale_id, rank, product_id, name, category, units, placed, paid, net
FROM (
    SELECT *, ROW_NUMBER() OVER (PARTITION BY sale_id ORDER BY placed DESC, product_id) AS rank FROM sale_products
) AS ranked
WHERE rank <= 10;

CREATE MATERIALIZED VIEW sale_top_categories AS
SELECT sale_id, rank, category, units, placed, paid, net
FROM (
    SELECT sale_id, category, units, placed, paid, net, ROW_NUMBER() OVER (PARTITION BY sale_id ORDER BY placed DESC, category) AS rank
    FROM (
        SELECT
            sale_id, category, SUM(units) AS units, CAST(SUM(placed) AS DECIMAL(18, 2)) AS placed,
            CAST(SUM(paid) AS DECIMAL(18, 2)) AS paid, CAST(SUM(net) AS DECIMAL(18, 2)) AS net
        FROM sale_products
        GROUP BY sale_id, category
    ) AS categories
) AS ranked
WHERE rank <= 10;

CREATE VIEW stock_given AS
SELECT product_id, SUM(on_hand) AS given FROM stock GROUP BY product_id;

CREATE VIEW stock_sold AS
SELECT product_id, SUM(live_units) AS sold FROM product_cells GROUP BY product_id;

CREATE VIEW newest_minute AS
SELECT MAX(minute) AS minute FROM sale_cells;

-- Units of the last five minutes, the newest order's minute included.
CREATE VIEW last_five_minutes AS
SELECT UNNEST(generate_series(minute - INTERVAL '4 minutes', minute, INTERVAL '1 minute')) AS minute FROM newest_minute;

CREATE VIEW stock_burn AS
SELECT c.product_id, SUM(c.live_units) AS units
FROM last_five_minutes AS m
JOIN product_cells AS c ON c.minute = m.minute
GROUP BY c.product_id;

-- Products with stock given to the sale: how much is left and how long it lasts at the pace of the last five minutes.
CREATE MATERIALIZED VIEW sale_stock AS
SELECT
    g.product_id, COALESCE(p.name, g.product_id) AS name, COALESCE(p.category, '(unknown)') AS category,
    g.given, COALESCE(s.sold, 0) AS sold, g.given - COALESCE(s.sold, 0) AS left_over,
    CAST(COALESCE(b.units, 0) AS DOUBLE PRECISION) / 5 AS burn_per_minute,
    CASE WHEN b.units > 0 AND g.given > COALESCE(s.sold, 0) THEN CAST(g.given - COALESCE(s.sold, 0) AS DOUBLE PRECISION) * 5 / b.units END AS minutes_left,
    COALESCE(s.sold, 0) > g.given AS oversold
FROM stock_given AS g
LEFT JOIN stock_sold AS s ON s.product_id = g.product_id
LEFT JOIN stock_burn AS b ON b.product_id = g.product_id
LEFT JOIN products AS p ON p.product_id = g.product_id;
