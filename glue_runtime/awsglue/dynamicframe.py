"""``DynamicFrame``: records whose fields need not be of one type."""

from __future__ import annotations

import json
from typing import Any, Callable, Dict, Iterable, List, Mapping, Optional, Sequence, Tuple

from pyspark.sql import DataFrame
from pyspark.sql import functions as F  # noqa: N812

from awsglue import _content, _infer, _schema, gluetypes
from awsglue._content import Content
from awsglue._ops import boxes, choices, fields, records, relations, rows
from awsglue.dynamicrecord import DynamicRecord
from awsglue.readers import DynamicFrameReader
from awsglue.writers import DynamicFrameWriter

__all__ = [
    "DynamicFrame",
    "DynamicFrameCollection",
    "DynamicFrameReader",
    "DynamicFrameWriter",
    "DynamicRecord",
    "ResolveOption",
]


class ResolveOption:
    """How ``toDF`` resolves a choice.

    Parameters
    ----------
    path : str
        Of the field.
    action : str
        ``KeepAsStruct``, ``Project`` or ``Cast``.
    target : DataType, optional
        The type, for the latter two.
    """

    def __init__(self, path: str, action: str, target: Optional[gluetypes.DataType] = None) -> None:
        self.path = path
        self.action = action
        self.target = target


class DynamicFrame:
    """Records that describe themselves.

    Nothing is read before something is asked of the records or their schema.

    Parameters
    ----------
    jdf : DataFrame or JavaObject
        A Spark data frame, or what ``DataFrame._jdf`` is.
    glue_ctx : GlueContext
        The context of the script.
    name : str
        Name of the frame.
    """

    def __init__(self, jdf: Any, glue_ctx: Any, name: str = "") -> None:
        self.glue_ctx = glue_ctx
        self.name = name
        self._content: Optional[Content] = None
        self._thresholds = (0, 0)
        self._before: Tuple[DynamicFrame, ...] = ()
        if callable(jdf) and not isinstance(jdf, DataFrame) and not hasattr(jdf, "_get_object_id"):
            self._make: Callable[[], Content] = jdf
        else:
            df = jdf if isinstance(jdf, DataFrame) else DataFrame(jdf, glue_ctx.spark_session)
            self._make = lambda: Content.of(df)

    # Construction

    @classmethod
    def fromDF(
        cls,
        dataframe: DataFrame,
        glue_ctx: Any,
        name: str = "",
        transformation_ctx: str = "",  # noqa: ARG003
    ) -> DynamicFrame:
        """The rows of a data frame as records.

        Parameters
        ----------
        dataframe : DataFrame
        glue_ctx : GlueContext
        name : str
            Of the new frame; many scripts give none.
        transformation_ctx : str
            Taken without effect: nothing is read here.
        """
        return cls(dataframe, glue_ctx, name)

    def toDF(self, options: Optional[Sequence[ResolveOption]] = None) -> DataFrame:
        """The records as a data frame; a choice becomes a struct with a member for each type.

        Parameters
        ----------
        options : sequence of ResolveOption, optional
            How choices are resolved.

        Raises
        ------
        RuntimeError
            If more records failed than a threshold allows.
        """
        self.assertErrorThreshold()
        with _content.exact_names(self._get()):
            return choices.to_data_frame(self._settled(), options or ())  # type: ignore[no-any-return]

    @property
    def _jdf(self) -> Any:
        return self.toDF()._jdf

    @property
    def _rdd(self) -> Any:
        """The records as an RDD, which scripts ask for whether there are any."""
        self.assertErrorThreshold()
        return records.as_records(self._get()).map(DynamicRecord)

    # Information

    def count(self) -> int:
        """How many records there are."""
        self.assertErrorThreshold()
        return self._get().df.count()

    def schema(self) -> gluetypes.StructType:
        """The schema, choices included; it is computed when it is asked for."""
        return self._settled().schema

    def printSchema(self) -> None:
        """Print the schema as a tree."""
        print(_schema.tree(self.schema()))  # noqa: T201

    def show(self, num_rows: int = 20) -> None:
        """Print records, each as a line of JSON.

        Parameters
        ----------
        num_rows : int
            How many at most.
        """
        content = self._settled()
        for row in content.df.take(num_rows) if content.schema.fields else ():
            print(json.dumps(_infer.logical(row, content.schema), default=str))  # noqa: T201

    def getNumPartitions(self) -> int:
        """How many partitions the records are in."""
        return self.toDF().rdd.getNumPartitions()

    def repartition(
        self,
        numPartitions: int,
        transformation_ctx: str = "",
        info: str = "",
        stageThreshold: int = 0,
        totalThreshold: int = 0,
    ) -> DynamicFrame:
        """The records in another number of partitions."""
        return self._then(
            lambda content: content.having(content.df.repartition(numPartitions)),
            transformation_ctx,
            stageThreshold,
            totalThreshold,
        )

    def coalesce(
        self,
        numPartitions: int,
        transformation_ctx: str = "",
        info: str = "",
        stageThreshold: int = 0,
        totalThreshold: int = 0,
    ) -> DynamicFrame:
        """The records in fewer partitions, without moving them all."""
        return self._then(
            lambda content: content.having(content.df.coalesce(numPartitions)),
            transformation_ctx,
            stageThreshold,
            totalThreshold,
        )

    # Transforms

    def apply_mapping(
        self,
        mappings: Sequence[Any],
        transformation_ctx: str = "",
        info: str = "",
        stageThreshold: int = 0,
        totalThreshold: int = 0,
        case_sensitive: bool = False,
    ) -> DynamicFrame:
        """Select, rename, nest and cast fields.

        Parameters
        ----------
        mappings : sequence of (source column, source type, target column, target type)
            A path with dots goes into structs, back-ticks keep dots in a name. A source that the records
            lack gives no field; a value that does not convert becomes null.
        case_sensitive : bool
            Whether names of sources differ by case ("The ApplyMapping transform is not case-sensitive", Glue
            Studio User Guide).
        """
        return self._then(
            lambda content: fields.apply_mapping(content, mappings, case_sensitive=case_sensitive),
            transformation_ctx,
            stageThreshold,
            totalThreshold,
        )

    def drop_fields(
        self,
        paths: Sequence[str],
        transformation_ctx: str = "",
        info: str = "",
        stageThreshold: int = 0,
        totalThreshold: int = 0,
    ) -> DynamicFrame:
        """The records without some fields; a path that they lack changes nothing."""
        return self._then(
            lambda content: fields.drop_fields(content, paths),
            transformation_ctx,
            stageThreshold,
            totalThreshold,
        )

    def select_fields(
        self,
        paths: Sequence[str],
        transformation_ctx: str = "",
        info: str = "",
        stageThreshold: int = 0,
        totalThreshold: int = 0,
    ) -> DynamicFrame:
        """The records with some fields only, in the order in which they are named."""
        return self._then(
            lambda content: fields.select_fields(content, paths),
            transformation_ctx,
            stageThreshold,
            totalThreshold,
        )

    def rename_field(
        self,
        oldName: str,
        newName: str,
        transformation_ctx: str = "",
        info: str = "",
        stageThreshold: int = 0,
        totalThreshold: int = 0,
        **_options: Any,
    ) -> DynamicFrame:
        """A field under another name, both as full paths."""
        return self._then(
            lambda content: fields.rename_field(content, oldName, newName),
            transformation_ctx,
            stageThreshold,
            totalThreshold,
        )

    def resolveChoice(
        self,
        specs: Optional[Sequence[Tuple[str, str]]] = None,
        choice: str = "",
        database: Optional[str] = None,
        table_name: Optional[str] = None,
        transformation_ctx: str = "",
        info: str = "",
        stageThreshold: int = 0,
        totalThreshold: int = 0,
        catalog_id: Optional[str] = None,
    ) -> DynamicFrame:
        """Resolve choices.

        Parameters
        ----------
        specs : sequence of (path, action), optional
            Fields and what becomes of each: ``cast:type``, ``project:type``, ``make_cols``,
            ``make_struct``.
        choice : str
            One action for every choice; also ``match_catalog``.
        database, table_name, catalog_id : str, optional
            The table of ``match_catalog``.

        Raises
        ------
        ValueError
            If both ``specs`` and ``choice`` are given, or an action is not known.
        """
        if specs and choice:
            raise ValueError("resolveChoice takes specs or choice, not both")
        matches = choice.strip().lower() == "match_catalog" or (not specs and not choice and database)
        if matches and not (database and table_name):
            raise ValueError("match_catalog takes database and table_name")

        def resolved(content: Content) -> Content:
            if matches:
                return choices.match_catalog(
                    content, self.glue_ctx._catalog.schema(database, table_name, catalog_id)
                )
            return choices.resolve_all(content, choice) if choice else choices.resolve(content, specs or ())

        return self._then(resolved, transformation_ctx, stageThreshold, totalThreshold)

    def map(
        self,
        f: Callable[[DynamicRecord], Any],
        transformation_ctx: str = "",
        info: str = "",
        stageThreshold: int = 0,
        totalThreshold: int = 0,
        preservesPartitioning: bool = False,
    ) -> DynamicFrame:
        """Apply a function to each record; a record on which it fails becomes an error record."""
        return self._then(
            lambda content: records.map_records(content, f),
            transformation_ctx,
            stageThreshold,
            totalThreshold,
        )

    def filter(
        self,
        f: Callable[[DynamicRecord], Any],
        transformation_ctx: str = "",
        info: str = "",
        stageThreshold: int = 0,
        totalThreshold: int = 0,
    ) -> DynamicFrame:
        """The records for which a function is true; one on which it fails becomes an error record."""
        return self._then(
            lambda content: records.filter_records(content, f),
            transformation_ctx,
            stageThreshold,
            totalThreshold,
        )

    def join(
        self,
        paths1: Any,
        paths2: Any,
        frame2: DynamicFrame,
        transformation_ctx: str = "",
        info: str = "",
        stageThreshold: int = 0,
        totalThreshold: int = 0,
    ) -> DynamicFrame:
        """An inner join where keys are equal.

        Parameters
        ----------
        paths1, paths2 : str or sequence of str
            Keys of this frame and of the other.
        frame2 : DynamicFrame
            A field of it that this frame has, too, gets a dot before its name.
        """
        return self._then(
            lambda content: rows.join(content, frame2._get(), paths1, paths2),
            transformation_ctx,
            stageThreshold,
            totalThreshold,
            frame2,
        )

    def union(
        self,
        frame2: DynamicFrame,
        transformation_ctx: str = "",
        info: str = "",
        stageThreshold: int = 0,
        totalThreshold: int = 0,
    ) -> DynamicFrame:
        """The records of both frames; a field that differs in type becomes a choice."""
        return self._then(
            lambda content: _content.union([_content.settle(content), frame2._settled()]),
            transformation_ctx,
            stageThreshold,
            totalThreshold,
            frame2,
        )

    def mergeDynamicFrame(
        self,
        stage_dynamic_frame: DynamicFrame,
        primary_keys: Sequence[str],
        transformation_ctx: str = "",
        options: Optional[Mapping[str, Any]] = None,
        info: str = "",
        stageThreshold: int = 0,
        totalThreshold: int = 0,
    ) -> DynamicFrame:
        """The records of the staging frame, and those of this one whose keys it does not have."""
        return self._then(
            lambda content: rows.merge(content, stage_dynamic_frame._get(), primary_keys),
            transformation_ctx,
            stageThreshold,
            totalThreshold,
            stage_dynamic_frame,
        )

    def unnest(
        self,
        transformation_ctx: str = "",
        info: str = "",
        stageThreshold: int = 0,
        totalThreshold: int = 0,
    ) -> DynamicFrame:
        """Fields of structs as fields of the record, named by their paths."""
        return self._then(fields.unnest, transformation_ctx, stageThreshold, totalThreshold)

    def unnest_ddb_json(
        self,
        transformation_ctx: str = "",
        info: str = "",
        stageThreshold: int = 0,
        totalThreshold: int = 0,
    ) -> DynamicFrame:
        """Items of DynamoDB JSON as records: ``{"Item": {"a": {"S": "x"}}}`` as ``{"a": "x"}``."""
        return self._then(boxes.unnest_ddb_json, transformation_ctx, stageThreshold, totalThreshold)

    def simplify_ddb_json(
        self,
        transformation_ctx: str = "",
        info: str = "",
        stageThreshold: int = 0,
        totalThreshold: int = 0,
    ) -> DynamicFrame:
        """Values of DynamoDB JSON without their tags: ``{"a": {"S": "x"}}`` as ``{"a": "x"}``."""
        return self._then(boxes.simplify_ddb_json, transformation_ctx, stageThreshold, totalThreshold)

    def unbox(
        self,
        path: str,
        format: str,
        transformation_ctx: str = "",
        info: str = "",
        stageThreshold: int = 0,
        totalThreshold: int = 0,
        **options: Any,
    ) -> DynamicFrame:
        """A field of texts as what the texts say.

        Parameters
        ----------
        path : str
        format : str
            ``json``, or ``csv`` with ``separator``, ``escaper``; ``withSchema`` for either.
        """
        merged = {**options, **(options.get("options") or {})}
        return self._then(
            lambda content: boxes.unbox(content, path, format, merged),
            transformation_ctx,
            stageThreshold,
            totalThreshold,
        )

    def spigot(
        self,
        path: str,
        options: Optional[Mapping[str, Any]] = None,
        transformation_ctx: str = "",
        info: str = "",
        stageThreshold: int = 0,
        totalThreshold: int = 0,
    ) -> DynamicFrame:
        """Write some of the records as JSON, once they are asked for.

        Parameters
        ----------
        path : str
            Where to.
        options : mapping, optional
            ``topk``: the first so many; ``prob``: each with that probability.
        """

        def written(content: Content) -> Content:
            sample = rows.sample(content, options or {})
            self.glue_ctx._write(sample, "s3", {"path": path}, "json", {})
            return content

        return self._then(written, transformation_ctx, stageThreshold, totalThreshold)

    def split_fields(
        self,
        paths: Sequence[str],
        name1: str,
        name2: str,
        transformation_ctx: str = "",
        info: str = "",
        stageThreshold: int = 0,
        totalThreshold: int = 0,
    ) -> DynamicFrameCollection:
        """Two frames: one with the fields at the paths, one with the others."""
        return self._two(
            lambda content: rows.split_fields(content, paths), name1, name2, stageThreshold, totalThreshold
        )

    def split_rows(
        self,
        comparison_dict: Mapping[str, Mapping[str, Any]],
        name1: str,
        name2: str,
        transformation_ctx: str = "",
        info: Optional[str] = "",
        stageThreshold: int = 0,
        totalThreshold: int = 0,
    ) -> DynamicFrameCollection:
        """Two frames: one with the records that compare so, one with the others.

        Parameters
        ----------
        comparison_dict : mapping
            Of each path, values by comparator: ``{"age": {">": 10, "<": 20}}``.
        name1, name2 : str
            Names of the two.
        """
        return self._two(
            lambda content: rows.split_rows(content, comparison_dict),
            name1,
            name2,
            stageThreshold,
            totalThreshold,
        )

    def relationalize(
        self,
        root_table_name: str,
        staging_path: Optional[str] = None,
        options: Optional[Mapping[str, Any]] = None,
        transformation_ctx: str = "",
        info: str = "",
        stageThreshold: int = 0,
        totalThreshold: int = 0,
    ) -> DynamicFrameCollection:
        """Flat frames that can be joined: the root, and one for each array.

        Parameters
        ----------
        root_table_name : str
            Name of the root; the others begin with it.
        staging_path : str, optional
            Taken without effect: what is staged stays with Spark.
        """
        with _content.exact_names(self._get()):
            tables = relations.relationalize(self._settled(), root_table_name)
        frames = {
            name: self._new(lambda content=table: content, name, (stageThreshold, totalThreshold), (self,))
            for name, table in tables.items()
        }
        return DynamicFrameCollection(frames, self.glue_ctx)

    def write(
        self,
        connection_type: str,
        connection_options: Optional[Mapping[str, Any]] = None,
        format: Optional[str] = None,
        format_options: Optional[Mapping[str, Any]] = None,
        accumulator_size: Optional[int] = None,
    ) -> DynamicFrame:
        """Write the records; see :meth:`awsglue.context.GlueContext.write_dynamic_frame_from_options`."""
        written: DynamicFrame = self.glue_ctx.write_dynamic_frame_from_options(
            self, connection_type, connection_options or {}, format, format_options or {}
        )
        return written

    # Errors

    def errorsCount(self) -> int:
        """How many records failed on the way to this frame."""
        return sum(error_frame.count() for error_frame in self._get().errors)

    def stageErrorsCount(self) -> int:
        """How many records failed in the last step."""
        earlier = sum(len(frame._get().errors) for frame in self._before)
        return sum(error_frame.count() for error_frame in self._get().errors[earlier:])

    def errorsAsDynamicFrame(self) -> DynamicFrame:
        """The records that failed: a struct ``error`` with ``msg`` and ``record``, both texts."""

        def made() -> Content:
            errors = self._get().errors
            session = self.glue_ctx.spark_session
            empty = session.createDataFrame([], "msg string, record string")
            together = empty
            for error_frame in errors:
                together = together.unionByName(error_frame)
            return Content.of(together.select(F.struct("msg", "record").alias("error")))

        return self._new(made, f"{self.name}_errors")

    def assertErrorThreshold(self) -> None:
        """Fail if more records failed than a threshold of this frame, or of one before it, allows.

        Raises
        ------
        RuntimeError
            With the number of errors. A threshold of 0 allows any number.
        """
        stage, total = self._thresholds
        for threshold, count in ((stage, self.stageErrorsCount), (total, self.errorsCount)):
            if threshold and (errors := count()) > threshold:
                raise RuntimeError(f"{self.name}: {errors} error records, of which {threshold} are allowed")
        for frame in self._before:
            frame.assertErrorThreshold()

    # How frames come from one another

    def _get(self) -> Content:
        if self._content is None:
            self._content = self._make()
        return self._content

    def _settled(self) -> Content:
        content = self._get()
        if content.pending:
            with _content.exact_names(content):
                self._content = content = _content.settle(content)
        return content

    def _new(
        self,
        make: Callable[[], Content],
        name: str,
        thresholds: Tuple[int, int] = (0, 0),
        before: Tuple[DynamicFrame, ...] = (),
    ) -> DynamicFrame:
        frame = DynamicFrame(make, self.glue_ctx, name)
        frame._thresholds = thresholds
        frame._before = before
        return frame

    def _then(
        self,
        what: Callable[[Content], Content],
        transformation_ctx: str,
        stage: int,
        total: int,
        *others: DynamicFrame,
    ) -> DynamicFrame:
        def made() -> Content:
            with _content.exact_names(self._get(), *(frame._get() for frame in others)):
                return what(self._get())

        return self._new(made, transformation_ctx or self.name, (stage, total), (self, *others))

    def _two(
        self,
        what: Callable[[Content], Tuple[Content, Content]],
        name1: str,
        name2: str,
        stage: int,
        total: int,
    ) -> DynamicFrameCollection:
        def made(number: int) -> Content:
            with _content.exact_names(self._get()):
                return what(self._get())[number]

        frames = {
            name: self._new(lambda n=number: made(n), name, (stage, total), (self,))
            for number, name in enumerate((name1, name2))
        }
        return DynamicFrameCollection(frames, self.glue_ctx)


class DynamicFrameCollection:
    """Several frames by name.

    Parameters
    ----------
    dynamic_frames : mapping
        Frames by name.
    glue_ctx : GlueContext
    """

    def __init__(self, dynamic_frames: Mapping[str, DynamicFrame], glue_ctx: Any) -> None:
        self._frames: Dict[str, DynamicFrame] = dict(dynamic_frames)
        self._glue_ctx = glue_ctx

    def __getitem__(self, key: str) -> DynamicFrame:
        return self._frames[key]

    def __len__(self) -> int:
        return len(self._frames)

    def __contains__(self, key: object) -> bool:
        return key in self._frames

    def __iter__(self) -> Any:
        return iter(self._frames)

    def keys(self) -> Iterable[str]:
        """The names."""
        return self._frames.keys()

    def values(self) -> List[DynamicFrame]:
        """The frames."""
        return list(self._frames.values())

    def items(self) -> Iterable[Tuple[str, DynamicFrame]]:
        """Names and frames."""
        return self._frames.items()

    def select(self, key: str, transformation_ctx: str = "") -> DynamicFrame:
        """The frame of that name.

        Raises
        ------
        KeyError
            If there is none.
        """
        return self._frames[key]

    def map(
        self, callable: Callable[..., DynamicFrame], transformation_ctx: str = ""
    ) -> DynamicFrameCollection:
        """What a function of a frame and a transformation context makes of each frame."""
        made = {
            name: callable(frame, f"{transformation_ctx}_{name}" if transformation_ctx else name)
            for name, frame in self._frames.items()
        }
        return DynamicFrameCollection(made, self._glue_ctx)

    def flatmap(self, f: Callable[..., Any], transformation_ctx: str = "") -> DynamicFrameCollection:
        """What a function makes of each frame, which may be several: those are named ``frame_key``."""
        made: Dict[str, DynamicFrame] = {}
        for name, frame in self._frames.items():
            result = f(frame, f"{transformation_ctx}_{name}" if transformation_ctx else name)
            if isinstance(result, DynamicFrameCollection):
                made.update({f"{name}_{key}": made_frame for key, made_frame in result.items()})
            else:
                made[name] = result
        return DynamicFrameCollection(made, self._glue_ctx)
