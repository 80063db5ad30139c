"""psycopg 3 against a running server: argument 1 is its connection string."""
import datetime
import decimal
import sys

import psycopg

URL = sys.argv[1]

with psycopg.connect(URL, autocommit=True) as connection:
    cursor = connection.cursor()
    cursor.execute("CREATE TABLE t (id int NOT NULL, name text, amount numeric(12,2), at timestamptz, day date, tags text[])")
    now = datetime.datetime(2024, 1, 2, 3, 4, 5, 678900, tzinfo=datetime.timezone.utc)
    row = (1, "é'\"", decimal.Decimal("12.30"), now, now.date(), ["a", None, "b c"])
    cursor.execute("INSERT INTO t VALUES (%s, %s, %s, %s, %s, %s)", row)
    assert cursor.rowcount == 1, cursor.rowcount
    for binary in (False, True):
        with connection.cursor(binary=binary) as reader:
            got = reader.execute("SELECT * FROM t WHERE id = %s", (1,)).fetchone()
            assert got == row, (binary, got)
    cursor.executemany("INSERT INTO t (id, name) VALUES (%s, %s)", [(i, str(i)) for i in range(2, 12)])
    assert cursor.execute("SELECT count(*) FROM t").fetchone() == (11,)
    # Prepared on the server after a few runs.
    for i in range(10):
        assert cursor.execute("SELECT name FROM t WHERE id = %s", (5,), prepare=True).fetchone() == ("5",)
    with cursor.copy("COPY t (id, name, amount) FROM STDIN") as copy:
        copy.write_row((100, "tab\tnew\nline\\", decimal.Decimal("1.5")))
        copy.write_row((101, None, None))
    got = cursor.execute("SELECT name, amount FROM t WHERE id >= 100 ORDER BY id").fetchall()
    assert got == [("tab\tnew\nline\\", decimal.Decimal("1.50")), (None, None)], got
    with cursor.copy("COPY (SELECT id FROM t WHERE id > 9 ORDER BY id) TO STDOUT") as copy:
        assert [r[0] for r in copy.rows()] == ["10", "11", "100", "101"]
    try:
        cursor.execute("SELECT nope FROM t")
        raise AssertionError("no error")
    except psycopg.errors.UndefinedColumn as error:
        assert error.diag.statement_position == "8", error.diag.statement_position

with psycopg.connect(URL) as connection:
    with connection.cursor(name="by_name") as cursor:
        cursor.itersize = 3
        cursor.execute("SELECT id FROM t WHERE id < %s ORDER BY id", (9,))
        assert [r[0] for r in cursor] == list(range(1, 9))
    with connection.transaction():
        connection.execute("SELECT 1")
        with connection.transaction():
            connection.execute("SELECT 2")
    with connection.pipeline():
        first = connection.execute("SELECT %s::int", (1,))
        second = connection.execute("SELECT %s::int", (2,))
    assert (first.fetchone(), second.fetchone()) == ((1,), (2,))
    try:
        connection.execute("SELECT * FROM missing")
    except psycopg.errors.UndefinedTable:
        pass
    assert connection.info.transaction_status == psycopg.pq.TransactionStatus.INERROR
    connection.rollback()
    assert connection.info.server_version >= 160000

with psycopg.connect(URL, autocommit=True) as connection:
    with connection.cursor() as cursor:
        stream = cursor.stream("SUBSCRIBE TO t WITH (snapshot = true)")
        assert next(stream)[1] == 1
        stream.close()
