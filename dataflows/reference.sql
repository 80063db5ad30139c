-- What the order model is read against: catalogue, stock, marketing, exchange rates, the bank, and the sales themselves.
-- `version` is counted up by whoever corrects a row; the highest wins. Touchpoints are facts and are never corrected.

CREATE TABLE products (
    product_id TEXT,
    version    INT NOT NULL,
    name       TEXT NOT NULL,
    category   TEXT NOT NULL,
    list_price DECIMAL(18, 2) NOT NULL,
    currency   TEXT NOT NULL,
    PRIMARY KEY (product_id)
) WITH VERSION COLUMN (version)
WITH (connector = 'simulator', stream = 'products', seed = '42', rate = '50');

-- What was given to the sale; what is left is that less what live orders take.
CREATE TABLE stock (
    product_id TEXT,
    warehouse  TEXT,
    version    INT NOT NULL,
    on_hand    INT NOT NULL,
    updated_at TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (product_id, warehouse)
) WITH VERSION COLUMN (version)
WITH (connector = 'simulator', stream = 'stock', seed = '42', rate = '50');

CREATE TABLE campaigns (
    campaign_id TEXT,
    version     INT NOT NULL,
    name        TEXT NOT NULL,
    platform    TEXT NOT NULL,
    started_on  DATE NOT NULL,
    ended_on    DATE,
    budget      DECIMAL(18, 2) NOT NULL,
    currency    TEXT NOT NULL,
    PRIMARY KEY (campaign_id)
) WITH VERSION COLUMN (version)
WITH (connector = 'simulator', stream = 'campaigns', seed = '42', rate = '50');

CREATE TABLE touchpoints (
    touchpoint_id TEXT,
    buyer_id      TEXT NOT NULL,
    campaign_id   TEXT NOT NULL,
    kind          TEXT NOT NULL,            -- impression, click
    product_id    TEXT,
    at            TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (touchpoint_id)
)
WITH (connector = 'simulator', stream = 'touchpoints', seed = '42', rate = '50');

-- Platforms restate spend for days.
CREATE TABLE ad_spend (
    campaign_id TEXT,
    day         DATE,
    version     INT NOT NULL,
    currency    TEXT NOT NULL,
    spend       DECIMAL(18, 2) NOT NULL,
    impressions BIGINT NOT NULL,
    clicks      BIGINT NOT NULL,
    PRIMARY KEY (campaign_id, day)
) WITH VERSION COLUMN (version)
WITH (connector = 'simulator', stream = 'ad_spend', seed = '42', rate = '50');

-- One unit of a currency in CNY, which needs no row.
CREATE TABLE fx_rates (
    currency TEXT,
    day      DATE,
    version  INT NOT NULL,
    rate     DECIMAL(18, 8) NOT NULL,
    PRIMARY KEY (currency, day)
) WITH VERSION COLUMN (version)
WITH (connector = 'simulator', stream = 'fx_rates', seed = '42', rate = '50');

-- What the bank says: money in is positive, money out negative.
CREATE TABLE settlements (
    settlement_id TEXT,
    version       INT NOT NULL,
    channel       TEXT NOT NULL,
    payment_id    TEXT,
    refund_id     TEXT,
    currency      TEXT NOT NULL,
    amount        DECIMAL(18, 2) NOT NULL,
    fee           DECIMAL(18, 2) NOT NULL,
    settled_on    DATE NOT NULL,
    PRIMARY KEY (settlement_id)
) WITH VERSION COLUMN (version)
WITH (connector = 'simulator', stream = 'settlements', seed = '42', rate = '50');

-- Sale windows.
CREATE TABLE sales (
    sale_id         TEXT,
    version         INT NOT NULL,
    name            TEXT NOT NULL,
    starts_at       TIMESTAMPTZ NOT NULL,
    ends_at         TIMESTAMPTZ NOT NULL,
    earlier_sale_id TEXT,                   -- to compare with
    PRIMARY KEY (sale_id)
) WITH VERSION COLUMN (version)
WITH (connector = 'simulator', stream = 'sales', seed = '42', rate = '50');

-- How an earlier sale went, minute by minute since its start, in the reporting currency.
CREATE TABLE earlier_sales (
    sale_id TEXT,
    minute  INT,
    orders  BIGINT NOT NULL,
    placed  DECIMAL(18, 2) NOT NULL,
    paid    DECIMAL(18, 2) NOT NULL,
    PRIMARY KEY (sale_id, minute)
)
WITH (connector = 'simulator', stream = 'earlier_sales', seed = '42', rate = '50');

-- What is not as the dataflows have it by themselves: their files' heads name the settings and say what holds without a row.
CREATE TABLE settings (
    name  TEXT,
    value DOUBLE PRECISION NOT NULL,
    PRIMARY KEY (name)
);
