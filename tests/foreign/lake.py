"""Reads Delta tables with the engines that analysts use, and serves a bucket.

`lake.py bucket` serves S3 on a port of its own and prints its URL. `lake.py read` answers requests on standard input, one
JSON object a line, with one JSON value a line: the rows of a table, all values as text.
"""

import contextlib
import datetime
import glob
import importlib
import io
import json
import os
import sys

NULL = "∅"
BUCKET = "lakes"
ENDPOINT = os.environ.get("AWS_ENDPOINT_URL")
STORAGE = {"AWS_ENDPOINT_URL": ENDPOINT, "AWS_ALLOW_HTTP": "true"} if ENDPOINT else {}


def bucket():
    import logging

    import boto3
    from moto.server import ThreadedMotoServer

    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    boto3.client("s3", endpoint_url=f"http://{host}:{port}").create_bucket(Bucket=BUCKET)
    print(f"http://{host}:{port}", flush=True)
    sys.stdin.read()


def delta_table(path):
    from deltalake import DeltaTable

    return DeltaTable(path, storage_options=STORAGE)


class Engines:
    """Each reads a table as an Arrow table."""

    def deltalake(self, path):
        return delta_table(path).to_pyarrow_table()

    def polars(self, path):
        import polars

        return polars.read_delta(path, storage_options=STORAGE).to_arrow()

    def duckdb(self, path):
        if not hasattr(self, "duck"):
            import duckdb

            self.duck = duckdb.connect()
            for extension in ["httpfs", "delta"]:
                folder = importlib.import_module(f"duckdb_extension_{extension}").__path__[0]
                [file] = glob.glob(f"{folder}/extensions/*/{extension}.duckdb_extension")
                self.duck.execute(f"LOAD '{file}'")
            self.duck.execute("SET TimeZone = 'UTC'")
            if ENDPOINT:
                key, secret = os.environ["AWS_ACCESS_KEY_ID"], os.environ["AWS_SECRET_ACCESS_KEY"]
                self.duck.execute(
                    f"CREATE SECRET (TYPE s3, KEY_ID '{key}', SECRET '{secret}', REGION '{os.environ['AWS_REGION']}', "
                    f"ENDPOINT '{ENDPOINT.removeprefix('http://')}', URL_STYLE 'path', USE_SSL false)"
                )
        return self.duck.sql(f"SELECT * FROM delta_scan('{path}')").to_arrow_table()

    def spark(self, path):
        if not hasattr(self, "session"):
            os.environ.setdefault("RUST_LOG", "error")
            from pysail.spark import SparkConnectServer
            from pyspark.sql import SparkSession

            self.sail = SparkConnectServer("127.0.0.1", 0)
            self.sail.start(background=True)
            _, port = self.sail.listening_address
            self.session = SparkSession.builder.remote(f"sc://127.0.0.1:{port}").getOrCreate()
            self.session.conf.set("spark.sql.session.timeZone", "UTC")
        return self.session.read.format("delta").load(path).toArrow()

    def parquet(self, path):
        """The files of a table in a folder as plain Parquet, by the names of their folders."""
        import pyarrow as pa
        import pyarrow.dataset as ds

        table = delta_table(path)
        fields = [(name, pa.string()) for name in table.metadata().partition_columns]
        files = [uri.removeprefix("file://") for uri in table.file_uris()]
        hive = ds.partitioning(pa.schema(fields), flavor="hive")
        return ds.dataset(files, format="parquet", partitioning=hive, partition_base_dir=path).to_table()


def text(value, is_time, is_truth):
    if value is None:
        return NULL
    if is_time:
        at = datetime.datetime(1970, 1, 1) + datetime.timedelta(microseconds=value)
        return f"{at:%Y-%m-%dT%H:%M:%S}.{at.microsecond // 1000:03d}Z"
    return str(int(value)) if is_truth else str(value)


def rows(table):
    import pyarrow as pa

    columns = []
    for name, column in zip(table.schema.names, table.columns):
        kind = column.type
        is_time = pa.types.is_timestamp(kind)
        if is_time:
            assert kind.tz is not None, f"{name} is in no time zone"
            column = column.cast(pa.timestamp("us", kind.tz)).cast(pa.int64())
        columns.append([text(value, is_time, pa.types.is_boolean(kind)) for value in column.to_pylist()])
    return [dict(zip(table.schema.names, row)) for row in zip(*columns)]


def statements(engines, place, page, archive):
    """Runs the page's blocks of code about reading, and about removing an archive, with this lake in place of theirs."""
    ran = []
    section = ""
    for part in page.split("\n```"):
        language, _, code = part.partition("\n")
        for line in part.splitlines():
            section = line.lstrip("# ") if line.startswith("##") else section
        for theirs in ["s3a://example-bucket/linkedin", "s3://example-bucket/linkedin", "/srv/lake"]:
            code = code.replace(theirs, place)
        code = code.replace("ARCHIVE_ID", archive)
        if language == "sql" and section == "DuckDB":
            setup = ("INSTALL", "LOAD", "CREATE SECRET", "--")
            for statement in code.split(";"):
                if statement.strip() and not statement.strip().startswith(setup):
                    engines.duck.sql(statement).fetchall()
                    ran.append("DuckDB")
        elif language == "sql" and section == "Spark":
            engines.session.sql(code.rstrip().rstrip(";")).collect()
            ran.append("Spark SQL")
        elif language == "python":
            with contextlib.redirect_stdout(io.StringIO()):
                exec(code, {"spark": getattr(engines, "session", None)})
            ran.append(section)
    return ran


def compact(path):
    """What the owner of a lake may do: small files become one, and files that nothing needs are deleted."""
    table = delta_table(path)
    compacted = table.optimize.compact()
    table.vacuum(retention_hours=0, dry_run=False, enforce_retention_duration=False)
    return compacted


def read():
    engines = Engines()
    for line in sys.stdin:
        asked = json.loads(line)
        if asked["engine"] == "compact":
            answer = compact(asked["path"])
        elif asked["engine"] == "statements":
            answer = statements(engines, asked["path"], asked["page"], asked["archive"])
        else:
            answer = rows(getattr(engines, asked["engine"])(asked["path"]))
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    {"bucket": bucket, "read": read}[sys.argv[1]]()
