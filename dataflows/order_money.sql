-- What sums over orders are made of: of each order's state only what moves a number somewhere. A parcel on its way, a payment held or
-- failed, a request for a refund change nothing here, and so cost the sums nothing.
--
-- is_kept: paid, and not all of it went back; is_live: takes stock, being neither cancelled nor wholly given back; is_moved: money
-- came or went. Money is as in `order_state`.

CREATE MATERIALIZED VIEW order_money AS
SELECT
    order_id, channel, buyer_id, coupon_id, COALESCE(region, '(unknown)') AS region, placed_at, first_paid_at,
    paid > 0 AS is_paid,
    paid > 0 AND status IN ('paid', 'partially_shipped', 'shipped', 'completed', 'partially_refunded') AS is_kept,
    status NOT IN ('cancelled', 'refund_due', 'refunded', 'charged_back') AS is_live,
    order_status = 'cancelled' AS is_cancelled,
    payments > 0 OR refunds > 0 AS is_moved,
    refunds > 0 AS is_refunded,
    units, amount, paid, returned_whole, fx_rate, amount_cny, paid_cny, returned_cny, net_cny,
    CAST(ROUND(discount * fx_rate, 2) AS DECIMAL(18, 2)) AS discount_cny
FROM order_state;
