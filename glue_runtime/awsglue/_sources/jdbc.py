"""Tables of databases by JDBC."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any, Dict, List, Mapping, Optional, Sequence, Set, Tuple

from awsglue._content import Content
from awsglue._refuse import refuse

DRIVERS: Mapping[str, str] = {
    "mysql": "com.mysql.cj.jdbc.Driver",
    "oracle": "oracle.jdbc.OracleDriver",
    "postgresql": "org.postgresql.Driver",
    "redshift": "com.amazon.redshift.jdbc42.Driver",
    "sqlserver": "com.microsoft.sqlserver.jdbc.SQLServerDriver",
    "db2": "com.ibm.db2.jcc.DB2Driver",
    "mariadb": "org.mariadb.jdbc.Driver",
    "custom.jdbc": "",
    "marketplace.jdbc": "",
    "jdbc": "",
}
# Glue's own options; all others go to Spark's JDBC source.
_OWN = (
    "url",
    "user",
    "password",
    "dbtable",
    "dbTable",
    "query",
    "hashfield",
    "hashexpression",
    "hashpartitions",
    "sampleQuery",
    "enablePartitioningForSampleQuery",
    "sampleSize",
    "jobBookmarkKeys",
    "jobBookmarkKeysSortOrder",
    "useConnectionProperties",
    "connectionName",
    "redshiftTmpDir",
    "customJdbcDriverS3Path",
    "customJdbcDriverClassName",
    "className",
    "secretId",
    "filterPredicate",
    "database",
    "aws_iam_role",
    "preactions",
    "postactions",
    "bulkSize",
    "dataTypeMapping",
)
_PARTITIONS = 7
# Quoted texts and names, bodies between dollars, comments, and what is none of these nor a semicolon.
_STATEMENT = re.compile(
    r"""(?:'(?:[^']|'')*'|"[^"]*"|(?P<tag>\$\w*\$).*?(?P=tag)|--[^\n]*|/\*.*?\*/|[^;])+""", re.DOTALL
)
_added_drivers: Set[str] = set()


@dataclass(frozen=True)
class Target:
    """Where a database is and what is meant in it.

    Parameters
    ----------
    url, user, password, driver : str
    dbtable : str
        A table, with its schema or not.
    vendor : str
        ``postgresql``, ``mysql`` …
    options : mapping
        For Spark's JDBC source.
    """

    url: str
    user: str
    password: str
    driver: str
    dbtable: str
    vendor: str
    options: Mapping[str, str]

    def reader_options(self) -> Dict[str, str]:
        """The target as options of Spark's JDBC source."""
        reader_options = {**self.options, "url": self.url, "driver": self.driver}
        if self.user:
            reader_options |= {"user": self.user, "password": self.password}
        return reader_options


def extract_conf(catalog: Any, connection_name: str) -> Dict[str, str]:
    """The properties of a connection: ``url``, ``fullUrl``, ``user``, ``password``, ``vendor`` and others.

    Parameters
    ----------
    catalog : Catalog
    connection_name : str
    """
    properties = catalog.connection(connection_name)["ConnectionProperties"]
    full = properties.get("JDBC_CONNECTION_URL", "")
    secret = secret_of(properties["SECRET_ID"]) if properties.get("SECRET_ID") else {}
    vendor = _vendor(full)
    return {
        "enforceSSL": properties.get("JDBC_ENFORCE_SSL", "false"),
        "customJDBCCertString": properties.get("CUSTOM_JDBC_CERT_STRING", ""),
        "user": properties.get("USERNAME") or secret.get("username", ""),
        "password": properties.get("PASSWORD") or secret.get("password", ""),
        "vendor": vendor,
        "url": _without_database(full, vendor),
        "fullUrl": full,
        "skipCustomJDBCCertValidation": properties.get("SKIP_CUSTOM_JDBC_CERT_VALIDATION", "false"),
    }


def secret_of(secret_id: str) -> Dict[str, str]:
    """User and password in a secret of Secrets Manager."""
    import boto3

    secret = boto3.client("secretsmanager").get_secret_value(SecretId=secret_id)["SecretString"]
    return {name: str(value) for name, value in json.loads(secret).items()}


def _vendor(url: str) -> str:
    return url.split(":")[1] if url.startswith("jdbc:") and url.count(":") >= 2 else ""


def _without_database(url: str, vendor: str) -> str:
    if vendor == "sqlserver":
        return url.split(";")[0]
    head, slashes, rest = url.partition("://")
    return f"{head}{slashes}{rest.split('/')[0]}" if slashes else url


def target(catalog: Any, connection_type: str, options: Mapping[str, Any]) -> Target:
    """What the options of a source or sink name.

    Raises
    ------
    ValueError
        If they name no database or table.
    """
    kind = connection_type.lower()
    texts = {name: str(value) for name, value in options.items() if value is not None}
    if texts.get("connectionName") and (
        "url" not in texts or str(texts.get("useConnectionProperties", "")).lower() == "true"
    ):
        conf = extract_conf(catalog, texts["connectionName"])
        url = conf["fullUrl"]
        if texts.get("database") and url == conf["url"]:
            url = f"{url}/{texts['database']}"
        texts = {**texts, "url": url, "user": conf["user"], "password": conf["password"]}
    if texts.get("secretId"):
        secret = secret_of(texts["secretId"])
        texts = {**texts, "user": secret.get("username", ""), "password": secret.get("password", "")}
    url = texts.get("url", "")
    if not url:
        raise ValueError("connection_options name no url and no connectionName")
    url = url if url.startswith("jdbc:") else f"jdbc:{url}"
    vendor = _vendor(url) or kind
    driver = (
        texts.get("customJdbcDriverClassName")
        or texts.get("className")
        # By the address: a database of another kind may stand in for the one that a script names.
        or DRIVERS.get(vendor)
        or DRIVERS.get(kind, "")
    )
    rest = {name: value for name, value in texts.items() if name not in _OWN}
    return Target(
        url,
        texts.get("user", ""),
        texts.get("password", ""),
        driver,
        texts.get("dbtable") or texts.get("dbTable") or "",
        vendor,
        rest,
    )


def add_driver(session: Any, options: Mapping[str, Any]) -> None:
    """Make the driver in ``customJdbcDriverS3Path`` known to this session and its tasks."""
    path = str(options.get("customJdbcDriverS3Path") or "")
    if path and path not in _added_drivers:
        session.sql(f"ADD JAR '{path}'")
        _added_drivers.add(path)


def act(session: Any, where: Target, statements: Any) -> None:
    """Execute the statements of ``preactions`` or ``postactions``, in one transaction.

    Parameters
    ----------
    session : SparkSession
    where : Target
    statements : str, optional
        Separated by semicolons.
    """
    if not statements:
        return
    jvm = session.sparkContext._jvm
    options = {**where.reader_options(), "dbtable": where.dbtable or "none"}
    # Spark's own way to a connection: it finds drivers that were added to the session, too.
    scala = jvm.org.apache.spark.api.python.PythonUtils.toScalaMap(options)
    jdbc_options = jvm.org.apache.spark.sql.execution.datasources.jdbc.JDBCOptions(scala)
    dialect = jvm.org.apache.spark.sql.jdbc.JdbcDialects.get(where.url)
    connection = dialect.createConnectionFactory(jdbc_options).apply(-1)
    try:
        connection.setAutoCommit(False)
        for sql in split_statements(str(statements)):
            statement = connection.createStatement()
            statement.execute(sql)
            statement.close()
        connection.commit()
    finally:
        connection.close()


def split_statements(text: str) -> List[str]:
    """The statements of a text, parted at semicolons outside of quotes and comments.

    Examples
    --------
    >>> split_statements("truncate t; insert into t values ('a;b');")
    ['truncate t', "insert into t values ('a;b')"]
    """
    return [match[0].strip() for match in _STATEMENT.finditer(text) if match[0].strip()]


def read(
    session: Any, catalog: Any, connection_type: str, options: Mapping[str, Any], bookmark: Any
) -> Content:
    """The rows of a table or a query.

    Parameters
    ----------
    session : SparkSession
    catalog : Catalog
    connection_type : str
    options : mapping
        ``connection_options``: ``hashfield``, ``hashexpression``, ``hashpartitions`` read it in parts,
        ``jobBookmarkKeys`` what is new.
    bookmark : SourceBookmark
    """
    where = target(catalog, connection_type, options)
    add_driver(session, options)
    query = options.get("query") or options.get("sampleQuery")
    if not where.dbtable and not query:
        raise ValueError("connection_options name no dbtable and no query")
    source = f"({query}) glue_query" if query else where.dbtable
    conditions: List[str] = []
    if options.get("filterPredicate"):
        conditions.append(f"({options['filterPredicate']})")
    keys = _bookmark_keys(options)
    if keys:
        conditions += _new_rows(session, where, source, keys, options, bookmark)
    if conditions:
        source = f"(SELECT * FROM {source} WHERE {' AND '.join(conditions)}) glue_new"  # noqa: S608
    reader = session.read.format("jdbc").options(**where.reader_options())
    predicates = _hash_predicates(where, options)
    if predicates:
        properties = {
            name: value for name, value in where.reader_options().items() if name not in ("url", "dbtable")
        }
        return Content.of(session.read.jdbc(where.url, source, predicates=predicates, properties=properties))
    return Content.of(reader.option("dbtable", source).load())


def _bookmark_keys(options: Mapping[str, Any]) -> List[str]:
    keys = options.get("jobBookmarkKeys") or []
    return [keys] if isinstance(keys, str) else list(keys)


def _new_rows(
    session: Any, where: Target, source: str, keys: Sequence[str], options: Mapping[str, Any], bookmark: Any
) -> List[str]:
    """Conditions for the rows after the last keys, up to those that are the last now.

    What is the last is asked first, so that the rows read are those that the bookmark then covers.
    """
    if not bookmark.is_on and bookmark.last_keys() is None:
        return []
    ascending = str(options.get("jobBookmarkKeysSortOrder", "asc")).lower() != "desc"
    columns = ", ".join(keys)
    order = ", ".join(f"{key} {'DESC' if ascending else 'ASC'}" for key in keys)
    limit = "SELECT TOP 1" if where.vendor == "sqlserver" else "SELECT"
    tail = (
        ""
        if where.vendor == "sqlserver"
        else (" FETCH FIRST 1 ROWS ONLY" if where.vendor in ("oracle", "db2") else " LIMIT 1")
    )
    not_null = " AND ".join(f"{key} IS NOT NULL" for key in keys)
    last = f"({limit} {columns} FROM {source} WHERE {not_null} ORDER BY {order}{tail}) glue_last"
    row = session.read.format("jdbc").options(**where.reader_options()).option("dbtable", last).load().first()
    before = bookmark.last_keys()
    conditions = []
    if before is not None:
        conditions.append(_beyond(keys, before["values"], ">" if ascending else "<"))
    if row is not None:
        values = [_text(value) for value in row]
        conditions.append(f"NOT ({_beyond(keys, values, '>' if ascending else '<')})")
        bookmark.read_to({"keys": list(keys), "values": values})
    return conditions


def _text(value: Any) -> Any:
    return value if isinstance(value, (int, float)) else str(value)


def _beyond(keys: Sequence[str], values: Sequence[Any], sign: str) -> str:
    """Whether a compound key is beyond another: by the first of its parts that differs."""
    alternatives = []
    for position, key in enumerate(keys):
        same = [f"{keys[earlier]} = {_literal(values[earlier])}" for earlier in range(position)]
        alternatives.append(" AND ".join([*same, f"{key} {sign} {_literal(values[position])}"]))
    return "(" + " OR ".join(f"({alternative})" for alternative in alternatives) + ")"


def _literal(value: Any) -> str:
    return str(value) if isinstance(value, (int, float)) else "'" + str(value).replace("'", "''") + "'"


def _hash_predicates(where: Target, options: Mapping[str, Any]) -> List[str]:
    """Conditions that part the rows: by an expression of a number, or a hash of a column of any type."""
    expression, column = options.get("hashexpression"), options.get("hashfield")
    if not expression and not column:
        return []
    count = int(options.get("hashpartitions") or _PARTITIONS)
    if count < 2:
        return []
    value = f"({expression})" if expression else _hash(where.vendor, str(column))
    part = f"MOD(ABS({value}), {count})" if where.vendor != "sqlserver" else f"ABS({value}) % {count}"
    # A null is in no part by its number, so it is in the first by name.
    return [f"{part} = {number}" + (f" OR {value} IS NULL" if number == 0 else "") for number in range(count)]


_HASHES: Mapping[str, Tuple[str, str]] = {
    "postgresql": ("hashtext(CAST(", " AS TEXT))"),
    "redshift": ("STRTOL(SUBSTRING(MD5(CAST(", " AS VARCHAR)), 1, 8), 16)"),
    "mysql": ("CRC32(CAST(", " AS CHAR))"),
    "mariadb": ("CRC32(CAST(", " AS CHAR))"),
    "sqlserver": ("CHECKSUM(", ")"),
    "oracle": ("ORA_HASH(", ")"),
}


def _hash(vendor: str, column: str) -> str:
    if vendor not in _HASHES:
        refuse("connection_options", f"hashfield for {vendor} (use hashexpression)")
    before, after = _HASHES[vendor]
    return f"{before}{column}{after}"


def catalog_options(table: Any, extra: Optional[Mapping[str, Any]]) -> Tuple[str, Dict[str, Any]]:
    """Kind and options of a table of the Data Catalog that lies in a database.

    Its location is ``database.schema.table``.
    """
    parameters = table.parameters
    name = parameters.get("connectionName") or ""
    if not name:
        raise ValueError(f"table {table.shape['Name']} names no connection")
    location = table.location
    dbtable = location.split(".", 1)[1] if location.count(".") >= 2 else location
    options = {"connectionName": name, "dbtable": dbtable}
    for option in ("hashfield", "hashexpression", "hashpartitions", "jobBookmarkKeys"):
        if parameters.get(option):
            options[option] = parameters[option]
    return table.classification or "jdbc", {**options, **(extra or {})}
