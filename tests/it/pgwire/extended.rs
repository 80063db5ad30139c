//! Prepared statements and portals, with parameters and results in binary.

use futures::TryStreamExt;
use tokio_postgres::types::Type;

use super::server::{Server, value};

#[tokio::test]
async fn parameters_and_results_pass_in_binary() {
    let server = Server::start().await;
    let client = server.connect().await;
    client
        .batch_execute(
            "CREATE TABLE t (i2 smallint, i4 int, i8 bigint, f4 real, f8 double precision, b boolean, s text, y bytea, \
             a int[])",
        )
        .await
        .unwrap();
    let insert = client.prepare("INSERT INTO t VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)").await.unwrap();
    let types: Vec<&Type> = insert.params().iter().collect();
    assert_eq!(
        types,
        [
            &Type::INT2,
            &Type::INT4,
            &Type::INT8,
            &Type::FLOAT4,
            &Type::FLOAT8,
            &Type::BOOL,
            &Type::TEXT,
            &Type::BYTEA,
            &Type::INT4_ARRAY
        ]
    );
    let bytes: &[u8] = &[0, 255];
    let array = vec![Some(1), None, Some(3)];
    let count = client
        .execute(&insert, &[&1_i16, &-2_i32, &3_i64, &0.5_f32, &-0.25_f64, &true, &"é", &bytes, &array])
        .await
        .unwrap();
    assert_eq!(count, 1);
    let row = client.query_one("SELECT * FROM t WHERE i8 = $1", &[&3_i64]).await.unwrap();
    assert_eq!((row.get::<_, i16>(0), row.get::<_, i32>(1), row.get::<_, i64>(2)), (1, -2, 3));
    assert_eq!((row.get::<_, f32>(3), row.get::<_, f64>(4), row.get::<_, bool>(5)), (0.5, -0.25, true));
    assert_eq!((row.get::<_, &str>(6), row.get::<_, &[u8]>(7)), ("é", bytes));
    assert_eq!(row.get::<_, Vec<Option<i32>>>(8), array);
}

#[tokio::test]
async fn nulls_are_null_in_every_type() {
    let server = Server::start().await;
    let client = server.connect().await;
    client.batch_execute("CREATE TABLE t (i int, n numeric(9,2), v interval, z timestamptz, s text)").await.unwrap();
    client.execute("INSERT INTO t VALUES (NULL, NULL, NULL, NULL, $1)", &[&None::<&str>]).await.unwrap();
    let row = client.query_one("SELECT i, s FROM t", &[]).await.unwrap();
    assert_eq!((row.get::<_, Option<i32>>(0), row.get::<_, Option<&str>>(1)), (None, None));
    assert_eq!(value(&client, "SELECT count(*) FROM t WHERE n IS NULL AND v IS NULL AND z IS NULL").await, "1");
}

#[tokio::test]
async fn a_prepared_statement_sees_the_data_as_it_is() {
    let server = Server::start().await;
    let client = server.connect().await;
    client.batch_execute("CREATE TABLE t (a int)").await.unwrap();
    let count = client.prepare("SELECT count(*) FROM t WHERE a >= $1").await.unwrap();
    for inserted in 0..3_i64 {
        let row = client.query_one(&count, &[&0_i32]).await.unwrap();
        assert_eq!(row.get::<_, i64>(0), inserted);
        client.execute("INSERT INTO t VALUES ($1)", &[&(inserted as i32)]).await.unwrap();
    }
    client.batch_execute("DROP TABLE t; CREATE TABLE t (a text)").await.unwrap();
    let star = client.prepare("SELECT * FROM t").await.unwrap();
    client.batch_execute("DROP TABLE t; CREATE TABLE t (a bigint)").await.unwrap();
    let error = client.query(&star, &[]).await.unwrap_err();
    assert_eq!(error.code().unwrap().code(), "0A000");
}

#[tokio::test]
async fn portals_are_read_in_pieces() {
    let server = Server::start().await;
    let mut client = server.connect().await;
    client.batch_execute("CREATE TABLE t (a int); INSERT INTO t VALUES (1), (2), (3), (4), (5)").await.unwrap();
    let transaction = client.transaction().await.unwrap();
    let portal = transaction.bind("SELECT a FROM t WHERE a > $1 ORDER BY a", &[&1_i32]).await.unwrap();
    let mut seen = Vec::new();
    for _ in 0..3 {
        let piece: Vec<i32> =
            transaction.query_portal(&portal, 2).await.unwrap().iter().map(|row| row.get(0)).collect();
        seen.push(piece);
    }
    assert_eq!(seen, [vec![2, 3], vec![4, 5], vec![]]);
    transaction.commit().await.unwrap();
}

#[tokio::test]
async fn many_rows_stream() {
    let server = Server::start().await;
    let client = server.connect().await;
    let no_parameters: [i32; 0] = [];
    let stream = client.query_raw("SELECT * FROM generate_series(1, 100000)", no_parameters).await.unwrap();
    let sum: i64 = stream.try_fold(0, |sum, row| async move { Ok(sum + row.get::<_, i64>(0)) }).await.unwrap();
    assert_eq!(sum, 5_000_050_000);
}

#[tokio::test]
async fn an_error_skips_to_sync_and_no_further() {
    let server = Server::start().await;
    let client = server.connect().await;
    assert_eq!(client.prepare("SELECT * FROM missing").await.unwrap_err().code().unwrap().code(), "42P01");
    assert_eq!(client.prepare("SELECT 1; SELECT 2").await.unwrap_err().code().unwrap().code(), "42601");
    let error = client.query("SELECT 1 / $1", &[&0_i64]).await.unwrap_err();
    assert_eq!(error.code().unwrap().code(), "22012");
    assert_eq!(client.query_one("SELECT 7", &[]).await.unwrap().len(), 1);
    assert_eq!(client.execute("", &[]).await.unwrap(), 0);
    let row = client.query_one("SELECT current_database(), $1::text", &[&"x"]).await.unwrap();
    assert_eq!((row.get::<_, &str>(0), row.get::<_, &str>(1)), ("trueup", "x"));
}
