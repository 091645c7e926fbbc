"""Settings of the lake: the table ``[lake]`` of ``millpond.toml``, then ``MILLPOND_*`` in the environment."""

from __future__ import annotations

from pydantic import Field, ValidationError
from pydantic_settings import (
    BaseSettings,
    InitSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

from millpond.base.config import not_acceptable, read_project_file


class LakeSettings(BaseSettings):
    """How much is seeded into the on-premises database.

    Parameters
    ----------
    scale : float
        Multiplies the number of rows of the schema ``erp``.
    tpch_sf : float
        TPC-H scale factor of the schema ``tpch``; 1.0 is 6 million order lines.
    """

    model_config = SettingsConfigDict(env_prefix="MILLPOND_", extra="forbid")

    scale: float = Field(1.0, gt=0)
    tpch_sf: float = Field(0.01, gt=0)

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003 (signature of the base)
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003 (signature of the base)
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        table = InitSettingsSource(settings_cls, read_project_file().get("lake", {}))
        return init_settings, env_settings, table


def load_lake_settings() -> LakeSettings:
    """Read the settings.

    Raises
    ------
    MillpondError
        If a value is not acceptable; it names the setting.
    """
    try:
        return LakeSettings()
    except ValidationError as error:
        raise not_acceptable(error) from error
