"""Forms of sources, as the configuration describes them."""

from dataclasses import dataclass

from common.reading import form
from conf.schema.corpus import CorpusConfig, SourceConfig
from conf.schema.data import DataConfig


@dataclass(frozen=True)
class Form(form.Form):
    """See `common.reading.form.Form`."""

    @classmethod
    def of(cls, config: "DataConfig | SourceConfig | form.Form") -> form.Form:
        """The form that a section of the configuration describes. Text that goes straight to tokens keeps its NULs."""
        if isinstance(config, form.Form):
            return config
        if isinstance(config, SourceConfig):
            return cls(config.text_field, config.id_field, config.encoding, config.nul_bytes, section="corpus.sources")
        return cls(config.text_field, config.id_field, max_bytes=config.max_document_bytes or None)

    @classmethod
    def of_source(cls, name: str, source: SourceConfig, corpus: CorpusConfig) -> "Form":
        """Form of the source ``name`` of a corpus."""
        section, limit = f"corpus.sources.{name}", corpus.max_document_bytes or None
        return cls(
            source.text_field,
            source.id_field,
            source.encoding,
            source.nul_bytes,
            limit,
            section,
            "corpus.max_document_bytes",
        )
