//! The tour of the README, in process.

use arrow::util::pretty::pretty_format_batches;
use trueup::engine::{Engine, EngineConfig};

async fn show(engine: &Engine, sql: &str) -> String {
    let rows = engine.query(sql).await.unwrap_or_else(|e| panic!("{sql}: {e}"));
    pretty_format_batches(&[rows]).expect("rows print").to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn orders_payments_and_refunds_meet() {
    for workers in [1, 2] {
        let config = EngineConfig { workers, idle_tick: None, ..Default::default() };
        let engine = Engine::start(config).expect("starts");
        engine
            .run(
                "CREATE TABLE orders (order_id BIGINT PRIMARY KEY, version INT, sku INT, amount DECIMAL(18,2)) WITH VERSION COLUMN (version);
                 CREATE TABLE payments (payment_id BIGINT PRIMARY KEY, order_id BIGINT, amount DECIMAL(18,2));
                 CREATE MATERIALIZED VIEW order_state AS
                   SELECT o.order_id, o.sku, o.amount, coalesce(p.paid, 0) AS paid FROM orders o
                   LEFT JOIN (SELECT order_id, sum(amount) AS paid FROM payments GROUP BY order_id) p ON o.order_id = p.order_id;
                 CREATE MATERIALIZED VIEW by_sku AS SELECT sku, count(*) AS orders, sum(paid) AS paid, max(amount) AS largest FROM order_state GROUP BY sku;
                 CREATE MATERIALIZED VIEW total AS SELECT count(*) AS orders, sum(amount) AS amount FROM orders;
                 CREATE MATERIALIZED VIEW ranked AS SELECT order_id, row_number() OVER (PARTITION BY sku ORDER BY amount DESC) AS rank FROM orders;
                 CREATE MATERIALIZED VIEW top AS SELECT order_id, amount FROM orders ORDER BY amount DESC LIMIT 2;",
            )
            .await
            .unwrap_or_else(|e| panic!("{e}"));
        println!("{}", show(&engine, "SELECT * FROM trueup.views").await);
        println!("{:?} {:?}", engine.relation("orders"), engine.relation("total"));
        for t in ["orders", "payments", "order_state", "total"] {
            println!("{t} {:?}", engine.query(&format!("SELECT * FROM {t}")).await.err());
        }
        println!("{:?}", engine.run("INSERT INTO orders VALUES (1, 0, 7, 10.00)").await.err());
        engine
            .run("INSERT INTO orders VALUES (1, 0, 7, 10.00), (2, 0, 7, 20.50), (3, 0, 8, 5)")
            .await
            .unwrap_or_else(|e| panic!("{e}"));
        engine
            .run("INSERT INTO payments VALUES (1, 1, 4.00), (2, 1, 6), (3, 9, 1)")
            .await
            .unwrap_or_else(|e| panic!("{e}"));
        for view in ["order_state", "by_sku", "total", "ranked", "top"] {
            println!("{view}\n{}", show(&engine, &format!("SELECT * FROM {view} ORDER BY 1")).await);
        }
        engine
            .run(
                "INSERT INTO orders VALUES (1, 1, 8, 11.00), (2, -1, 7, 99); DELETE FROM payments WHERE payment_id = 2",
            )
            .await
            .unwrap_or_else(|e| panic!("{e}"));
        for view in ["order_state", "by_sku", "total", "ranked", "top"] {
            println!("{view}\n{}", show(&engine, &format!("SELECT * FROM {view} ORDER BY 1")).await);
        }
        println!("{}", show(&engine, "SELECT * FROM trueup.operators").await);
        println!("{}", show(&engine, "SELECT sku, trueup_tick() > 0 AS t FROM by_sku WHERE sku = 8").await);
        engine.stop().await;
    }
}
