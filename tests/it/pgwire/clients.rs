//! Programs that people use: psql, psycopg 3, sqllogictest.

use std::io::Write;
use std::process::{Command, Stdio};

use super::server::Server;

const TABLES: &str = "CREATE TABLE orders (id bigint NOT NULL, amount numeric(12,2), at timestamptz, tags text[])";

/// Runs a program; `None` if it is not installed.
async fn run(program: &str, arguments: &[&str], input: Option<&str>) -> Option<(bool, String)> {
    let mut command = Command::new(program);
    command.args(arguments).env("PGCONNECT_TIMEOUT", "5");
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let input = input.unwrap_or_default().to_owned();
    let run = tokio::task::spawn_blocking(move || {
        let mut child = command.spawn().ok()?;
        let mut stdin = child.stdin.take().expect("piped");
        // A program that does not read its input is no failure of ours.
        let _ = stdin.write_all(input.as_bytes());
        drop(stdin);
        Some(child.wait_with_output().expect("an exit"))
    });
    let output = run.await.expect("no panic")?;
    let text = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    Some((output.status.success(), text))
}

async fn psql(server: &Server, commands: &[&str]) -> Option<String> {
    let url = server.url();
    let mut arguments = vec!["-X", "-d", &url, "-v", "ON_ERROR_STOP=1"];
    for command in commands {
        arguments.extend(["-c", command]);
    }
    let (succeeded, text) = run("psql", &arguments, None).await?;
    assert!(succeeded, "psql {commands:?}:\n{text}");
    Some(text)
}

#[tokio::test]
async fn psql_describes_what_there_is() {
    let server = Server::start().await;
    let Some(text) = psql(&server, &[TABLES, "CREATE VIEW totals AS SELECT count(*) AS n FROM orders"]).await else {
        eprintln!("skipped: psql is not installed");
        return;
    };
    assert!(text.contains("CREATE TABLE") && text.contains("CREATE VIEW"));
    let expected: &[(&str, &[&str])] = &[
        ("\\d", &["orders"]),
        ("\\dt", &["orders", "table"]),
        ("\\dv", &[]),
        ("\\dt+", &["orders"]),
        ("\\d orders", &["bigint", "not null", "numeric", "timestamp with time zone", "text[]"]),
        ("\\d+ orders", &["bigint"]),
        ("\\l", &["trueup"]),
        ("\\dn", &["public"]),
        ("\\df", &[]),
        ("\\du", &[]),
        ("\\di", &[]),
        ("\\conninfo", &["trueup"]),
    ];
    let mut failures = Vec::new();
    for (command, wanted) in expected {
        let url = server.url();
        let (succeeded, text) = run("psql", &["-X", "-d", &url, "-c", command], None).await.expect("psql is there");
        if !succeeded || wanted.iter().any(|word| !text.contains(word)) {
            failures.push(format!("{command}:\n{text}"));
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

#[tokio::test]
async fn psql_copies_both_ways() {
    let server = Server::start().await;
    let url = server.url();
    let script = "CREATE TABLE t (a int, b text);\n\\copy t from pstdin csv\n1,x\n2,\"y,z\"\n\\.\n\
                  COPY t FROM STDIN;\n3\tw\n\\.\n\\copy (SELECT * FROM t ORDER BY a) to stdout csv header\n";
    // With -f -, psql reads COPY data from the script itself.
    let script = script.replace("\\copy t from pstdin csv", "\\copy t from stdin csv");
    let Some((succeeded, text)) =
        run("psql", &["-X", "-q", "-d", &url, "-v", "ON_ERROR_STOP=1", "-f", "-"], Some(&script)).await
    else {
        eprintln!("skipped: psql is not installed");
        return;
    };
    assert!(succeeded, "{text}");
    assert_eq!(text, "a,b\n1,x\n2,\"y,z\"\n3,w\n");
}

#[tokio::test]
async fn psycopg_works_unmodified() {
    let server = Server::start().await;
    let script = include_str!("psycopg.py");
    let Some((has_psycopg, why)) = run("python3", &["-c", "import psycopg"], None).await else {
        eprintln!("skipped: python3 is not installed");
        return;
    };
    if !has_psycopg {
        eprintln!("skipped: pip install 'psycopg[binary]' first: {why}");
        return;
    }
    let (succeeded, text) = run("python3", &["-", &server.url()], Some(script)).await.expect("python3 is there");
    assert!(succeeded, "{text}");
}

#[tokio::test]
async fn sqllogictest_runs() {
    use sqllogictest::{DBOutput, DefaultColumnType, Runner};

    struct Postgres(tokio_postgres::Client);

    /// The server's words; tokio-postgres' own error hides them.
    #[derive(Debug, thiserror::Error)]
    #[error("{0}")]
    struct Refused(String);

    impl From<tokio_postgres::Error> for Refused {
        fn from(error: tokio_postgres::Error) -> Self {
            Refused(error.as_db_error().map_or_else(|| error.to_string(), |error| error.message().to_owned()))
        }
    }

    #[async_trait::async_trait]
    impl sqllogictest::AsyncDB for Postgres {
        type Error = Refused;
        type ColumnType = DefaultColumnType;

        async fn run(&mut self, sql: &str) -> Result<DBOutput<DefaultColumnType>, Refused> {
            let mut rows = Vec::new();
            let mut columns = 0;
            for message in self.0.simple_query(sql).await? {
                if let tokio_postgres::SimpleQueryMessage::Row(row) = message {
                    columns = row.len();
                    rows.push((0..columns).map(|column| row.get(column).unwrap_or("NULL").to_owned()).collect());
                }
            }
            if columns == 0 {
                return Ok(DBOutput::StatementComplete(0));
            }
            Ok(DBOutput::Rows { types: vec![DefaultColumnType::Any; columns], rows })
        }

        async fn shutdown(&mut self) {}
    }

    let server = Server::start().await;
    let mut runner = Runner::new(async || Ok(Postgres(server.connect().await)));
    let script = "statement ok\nCREATE TABLE t (a int, b text)\n\nstatement ok\nINSERT INTO t VALUES (1, 'x'), (2, NULL)\n\n\
                  query IT rowsort\nSELECT a, b FROM t\n----\n1 x\n2 NULL\n\nstatement error does not exist\nSELECT * FROM u\n";
    runner.run_script_async(script).await.unwrap();
}
