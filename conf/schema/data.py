"""Group `data`, and the sections `tokenizer` and `prepare`: text in, tokens out."""

from dataclasses import dataclass, field

from conf.schema.choice import choice
from conf.schema.ranges import ArraySize, ArrayTask, Count, Positive, Size


@dataclass
class DataConfig:
    """Where text, tokenizer, tokens and retrieval sets are."""

    inputs: list[str] = field(default_factory=list)
    """Files, folders or globs of .txt, .md, .html, .jsonl, .parquet, .pdf or .pages.json (plain, .gz, .zst), read in
    sorted order; data sets that `jobs.fetch` has mirrored: hf://datasets/org/name[@revision][/path]; or streamed ones:
    hub:name[,config[,split]]."""
    text_field: str = "text"
    """Column or key that holds the text in .jsonl and .parquet."""
    id_field: str = "id"
    """Column or key that holds the document's id; where it is missing the id is `file:line`."""
    max_document_bytes: Count = 50_000_000
    """A longer document (line, row, file) is bad, so that no file fills the memory; 0 for no limit. `corpus` has its
    own."""
    tokenizer: str = "data/${name}/tokenizer"
    """Folder with tokenizer.json; `jobs.tokenizer` writes it, every other job reads it. Or one that is mirrored:
    hf://org/name[@revision]."""
    tokens: str = "data/${name}/tokens"
    """Folder of the prepared tokens: tokens.bin, tokens.idx, manifest.json."""
    validation: dict[str, str] = field(default_factory=dict)
    """Name -> folder of prepared tokens that training never reads and measures its loss on, such as law and general;
    empty: a share of `data.tokens`, `train.validation_fraction`; with `phases` none, and no such loss is measured."""
    retrieval: str = "data/${name}/retrieval"
    """Retrieval set: a folder in BEIR format (corpus and queries as .jsonl or .parquet, qrels/{train,dev,test}.tsv or
    one qrels.tsv that is then split by a hash of the query id; a split that is missing is drawn from one that is
    there), or a folder with such sets in train/, dev/ and test/; or a mirrored one: hf://datasets/org/name."""


@dataclass
class TokenizerConfig:
    """How `jobs.tokenizer` learns a byte-level BPE."""

    vocab_size: Size = 32_000
    """Size of the vocabulary, special tokens included."""
    pattern: str = choice("llama3", "gpt4", "qwen")
    """Pre-tokenization pattern: llama3, gpt4 or qwen."""
    nfc: bool = True
    """Normalise text to Unicode NFC."""
    lowercase: bool = False
    """Lowercase before splitting (after NFKC); only for small demonstrations, since it cannot be undone."""
    mlm_tokens: bool = True
    """Add the special tokens of masked language modelling: [PAD] [UNK] [CLS] [SEP] [MASK]."""
    chat_tokens: bool = False
    """Add the special tokens of chat: <|im_start|> <|im_end|> <|endoftext|>."""
    sample_bytes: Positive = 200_000_000
    """Train on about this much text, taken evenly from all documents."""
    report_bytes: Count = 2_000_000
    """Measure fertility and purity on about this much text per language."""
    language_field: str = "language"
    """Key of a document that names its language; where it is missing the language is `all`."""
    morphemes: str | None = None
    """A CoNLL-U file with gold lemmas (`<language>_<name>.conllu`), to report how many tokens are whole morphemes."""
    compare: str | None = None
    """Folder of another tokenizer, to report its figures beside ours; or a mirrored one: hf://org/name."""


@dataclass
class PrepareConfig:
    """How `jobs.prepare` turns text into tokens."""

    shard_bytes: Positive = 64_000_000
    """A shard is a run of whole input files, or a span of lines of one, of about this many bytes on disk."""
    array_size: ArraySize = 1
    """Number of array tasks that share the shards; the merged bytes do not depend on it."""
    array_task: ArrayTask | None = None
    """Do the shards of this array task alone, and merge nothing; set for the array tasks of an array."""
    on_bad_document: str = choice("error", "skip")
    """What to do with a document that cannot be read: error or skip."""
    max_bad_documents: Count = 1000
    """With `skip`: stop with an error after this many."""
    check_every: Positive = 500
    """Compare every n-th document with the reference tokenizer; a difference falls back to it, loudly."""
    add_special_tokens: bool = True
    """Wrap each document in [CLS] ... [SEP] (or end it with <|endoftext|>, whichever the tokenizer has)."""
    adopt: str | None = None
    """Prefix of an existing .bin/.idx to take over instead of tokenising (written with the same tokenizer)."""
