"""Files that make a model folder one of sentence-transformers: the encoder, then the mean over all tokens."""

from pathlib import Path

from common.files import make_folder, write_json

POOLING = "1_Pooling"
FILES = ("modules.json", "sentence_bert_config.json", "config_sentence_transformers.json", f"{POOLING}/config.json")


def write_modules(folder: Path, hidden_size: int, max_positions: int) -> None:
    """Write them into `folder`. `hidden_size`: width of an embedding; longer texts are cut to `max_positions`
    tokens."""
    modules = [("Transformer", ""), ("Pooling", POOLING)]
    write_json(
        folder / "modules.json",
        [
            {"idx": index, "name": str(index), "path": path, "type": f"sentence_transformers.models.{name}"}
            for index, (name, path) in enumerate(modules)
        ],
    )
    write_json(folder / "sentence_bert_config.json", {"max_seq_length": max_positions, "do_lower_case": False})
    write_json(
        folder / "config_sentence_transformers.json",
        {"prompts": {}, "default_prompt_name": None, "similarity_fn_name": "cosine"},
    )
    make_folder(folder / POOLING)
    write_json(
        folder / POOLING / "config.json", {"word_embedding_dimension": hidden_size, "pooling_mode_mean_tokens": True}
    )
