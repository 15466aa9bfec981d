"""The model card: README.md of an exported folder."""

from collections.abc import Mapping, Sequence
from typing import Any

from conf.families import FAMILIES
from conf.schema import DecoderConfig, EncoderConfig, ModelConfig

_ENCODER_USE = """## Use

```python
from transformers import AutoModelForMaskedLM, AutoTokenizer

tokenizer = AutoTokenizer.from_pretrained("{path}")
model = AutoModelForMaskedLM.from_pretrained("{path}")
```

```python
from sentence_transformers import SentenceTransformer

embeddings = SentenceTransformer("{path}").encode(["..."])  # mean of the last layer over all tokens
```

The encoder was trained to fill masks. Its sentence embeddings are a starting point for fine-tuning, not a finished retriever.
"""  # noqa: E501
_DECODER_USE = """## Use

```python
from transformers import AutoModelForCausalLM, AutoTokenizer

tokenizer = AutoTokenizer.from_pretrained("{path}")
model = AutoModelForCausalLM.from_pretrained("{path}", dtype="auto")
inputs = tokenizer("...", return_tensors="pt")
print(tokenizer.decode(model.generate(**inputs, max_new_tokens=100)[0]))
```

The model was trained to continue text. It has not been taught to follow instructions or to hold anything back, and what it writes may be
wrong.
"""  # noqa: E501


def model_card(
    name: str,
    config: ModelConfig,
    parameters: int,
    facts: Mapping[str, Any] | None = None,
    results: Mapping[str, Sequence[Mapping[str, Any]]] | None = None,
    language: str | Sequence[str] | None = None,
    license: str | None = None,
    base_model: str | None = None,
    datasets: Sequence[str] = (),
    data: str = "",
) -> str:
    """Text of the card of model `name`.

    `parameters`: their number, head included. `facts`: what the caller knows of training and versions, shown as given.
    `results`: heading -> rows of a table, with equal keys. `data`: what the net was made of, in prose. The
    others go into the header, as the hub reads it, where they are known; nothing is made up elsewhere."""
    decoder = isinstance(config, DecoderConfig)
    header = _header(config, language=language, license=license, base_model=base_model, datasets=datasets)
    shape = _decoder_shape(config, parameters) if decoder else _encoder_shape(config, parameters)
    parts = [header, f"# {name}\n", shape]
    if data:
        parts.append(f"## Training data\n\n{data}")
    if facts:
        parts.append("## Training\n\n" + _table([{"": key, "value": value} for key, value in facts.items()]))
    parts += [f"## {heading}\n\n{_table(rows)}" for heading, rows in (results or {}).items()]
    return "\n".join([*parts, (_DECODER_USE if decoder else _ENCODER_USE).format(path=name)])


def _header(config: ModelConfig, **known: Any) -> str:
    """The YAML that the hub reads; keys that are not known are not there."""
    from huggingface_hub import ModelCardData

    lists = {
        key: [value] if isinstance(value, str) else list(value or [])
        for key, value in known.items()
        if key in ("language", "datasets")
    }
    given = {key: list(dict.fromkeys(value)) or None for key, value in lists.items()} | {
        k: v for k, v in known.items() if k not in lists
    }
    family = FAMILIES[config.architecture]
    if isinstance(config, DecoderConfig):
        use = {"library_name": "transformers", "pipeline_tag": "text-generation", "tags": [family.model_type]}
    else:
        tags = [family.model_type, "fill-mask", "sentence-transformers"]
        use = {"library_name": "sentence-transformers", "pipeline_tag": "feature-extraction", "tags": tags}
    return f"---\n{ModelCardData(**given, **use).to_yaml()}\n---\n"


def _encoder_shape(config: EncoderConfig, parameters: int) -> str:
    """What the net is, in prose."""
    decoder = "tied to the embedding" if config.tie_embeddings else "with weights of its own"
    return (
        f"A ModernBERT encoder of {parameters:,} parameters, pre-trained with masked language modelling:"
        f" {config.num_layers} layers, hidden size {config.hidden_size}, {config.num_heads} heads, feed-forward size"
        f" {config.ffn_size}, vocabulary {config.vocab_size:,}, decoder {decoder}. Documents of up to"
        f" {config.max_positions:,} tokens; layers 0, {config.global_every}, {2 * config.global_every}, ... attend"
        f" globally, the others {config.local_window // 2} tokens to each side. RoPE bases"
        f" {config.rope_theta_global:,.0f} (global) and {config.rope_theta_local:,.0f} (local).\n"
    )


def _decoder_shape(config: DecoderConfig, parameters: int) -> str:
    """What the net is, in prose."""
    head = "tied to the embedding" if config.tie_embeddings else "with weights of its own"
    window = f" A token sees the {config.window:,} tokens that end with itself." if config.window else ""
    scaling = config.rope_scaling
    stretched = f", stretched {scaling.factor:g} times ({scaling.kind})" if scaling.kind != "none" else ""
    return (
        f"A causal language model ({config.architecture}) with {parameters:,} parameters: {config.num_layers} layers,"
        f" hidden size {config.hidden_size}, {config.num_heads} heads of queries and {config.num_kv_heads} of keys and"
        f" values, each {config.head_width} wide, feed-forward size {config.ffn_size}, vocabulary"
        f" {config.vocab_size:,}, head {head}. Documents of up to {config.max_positions:,} tokens.{window} RoPE base"
        f" {config.rope_theta:,.0f}{stretched}.\n"
    )


def _table(rows: Sequence[Mapping[str, Any]]) -> str:
    """A Markdown table."""
    lines = [list(rows[0]), ["---"] * len(rows[0]), *([_cell(value) for value in row.values()] for row in rows)]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines) + "\n"


def _cell(value: Any) -> str:
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:,}"
    return f"{value:.4g}" if isinstance(value, float) else str(value).replace("|", "\\|").replace("\n", " ")
