"""Section `corpus`: from sources of raw text to kept documents (`jobs.corpus`)."""

from dataclasses import dataclass, field
from typing import Any

from conf.schema.choice import choice
from conf.schema.duplicates import ContaminationConfig, DuplicatesConfig, ParagraphsConfig, SemanticConfig
from conf.schema.ranges import ArraySize, ArrayTask, Count, Positive


@dataclass
class SourceConfig:
    """One source of documents."""

    inputs: list[str] = field(default_factory=list)
    """Files, folders or globs: .txt .md .html .jsonl .parquet (plain, .gz, .zst), .pdf with a text layer, .pages.json
    of an OCR model; mirrored data sets (hf://datasets/org/name); or, streamed from the hub or a folder by `datasets`,
    hub:name[,config[,split]]."""
    language: str = "tr"
    """Its language: a profile under conf/data/language."""
    licence: str = "unknown"
    """Licence of its documents, carried with each."""
    text_field: str = "text"
    """Key or column with the text."""
    id_field: str = "id"
    """Key or column with the id; where it is missing the id is `file:line`."""
    url_field: str = "url"
    """Key or column with the address."""
    keep_fields: list[str] = field(default_factory=list)
    """Other keys or columns that each record carries along."""
    encoding: str = "utf-8"
    """Encoding of .txt, .md, .html and .jsonl."""
    nul_bytes: str = choice("bad", "remove", "keep")
    """What a NUL character makes of a document: a bad one, one without it, or none of our business."""
    nul_bytes: str = choice("bad", "remove", "keep")
    """What a NUL character in a text means: the document is bad, or it goes, or it stays."""
    rules: list[str] | None = None
    """Its own rules instead of `corpus.rules`."""
    cleaning: list[str] | None = None
    """Its own steps instead of `corpus.cleaning`."""


@dataclass
class CorpusConfig:
    """What `jobs.corpus` does with the sources."""

    output: str = "data/${name}/corpus"
    """Folder: documents/<source>/*.jsonl.zst, what the stages left, and the funnel report."""
    inputs: list[str] = field(default_factory=list)
    """Short for one source without a YAML: its files, folders or globs."""
    language: str = "tr"
    """Language of `corpus.inputs`."""
    sources: dict[str, SourceConfig] = field(default_factory=dict)
    """Sources by name, in their order (of duplicates the first stays); write them into a YAML under conf/experiment."""
    languages: dict[str, Any] = field(default_factory=dict)
    """Changes to language profiles: corpus.languages.tr.rules.gopher_quality.min_words=20."""
    cleaning: list[str] = field(default_factory=lambda: ["repair", "nfc", "whitespace"])
    """Steps that mend texts, in order: repair (mojibake, control characters), nfc, pages (front matter and noise of
    scanned theses; before whitespace), whitespace, boilerplate, repeated_lines, c4_lines."""
    rules: list[str] = field(default_factory=lambda: ["gopher_quality", "gopher_repetition", "fineweb", "glued_words"])
    """Rules that reject documents, in order: url, identification, fineweb, gopher_quality, gopher_repetition, c4,
    glued_words, morphology, quality; and topics, which rejects nothing and notes the topic."""
    url_lists: list[str] = field(default_factory=list)
    """Files with domains or addresses, one a line, whose documents the rule url rejects."""
    identifier: str = "lite"
    """Model of the rule identification: lite (lid.176.ftz, inside its package), or the path of a fastText model such as
    GlotLID."""
    pii: bool = False
    """Replace personal data by typed placeholders."""
    duplicates: DuplicatesConfig = field(default_factory=DuplicatesConfig)
    """Exact and near duplicates."""
    semantic: SemanticConfig = field(default_factory=SemanticConfig)
    """Semantic duplicates."""
    paragraphs: ParagraphsConfig = field(default_factory=ParagraphsConfig)
    """Paragraphs that occur again."""
    contamination: ContaminationConfig = field(default_factory=ContaminationConfig)
    """Evaluation text."""
    tokenizer: str | None = None
    """Folder of a tokenizer: the funnel then counts tokens too."""
    shard_bytes: Positive = 64_000_000
    """Inputs are worked on in shards of about this many bytes on disk."""
    array_size: ArraySize = 1
    """Array tasks that share the shards of each stage; the bytes do not depend on it."""
    stage: str | None = None
    """Do this stage alone; set for the array tasks of an array."""
    array_task: ArrayTask | None = None
    """Do the share of this array task alone; set for the array tasks of an array."""
    on_bad_document: str = choice("skip", "error")
    """What to do with a document that cannot be read: count it, or stop."""
    max_bad_documents: Count = 1_000_000
    """With `skip`: stop with an error after this many."""
    max_document_bytes: Count = 50_000_000
    """A longer document (line, row, file) is bad, so that no file fills the memory; 0 for no limit."""
    samples: Count = 5
    """Rejected documents shown for each rule and source."""
