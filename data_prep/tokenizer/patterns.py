"""Pre-tokenisation: how text is cut before BPE, by the published patterns, the normalizers and the special tokens."""

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors

from common.tokenizer import END_OF_TEXT
from conf.schema.data import TokenizerConfig

VERSION = 1
"""Raised by hand whenever the same text may be cut otherwise, or give another vocabulary: tokenizers that are there are
refused; ``tests/data_prep/versions`` holds it to that."""
CL100K = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}|"
    r" ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
PATTERNS = {
    "gpt4": CL100K,
    "llama3": CL100K,  # Llama 3 took cl100k's pattern as it was: the two names stand for one split
    "qwen": CL100K.replace(r"\p{N}{1,3}", r"\p{N}"),  # Qwen 2 to 3: every digit by itself
}
MLM_TOKENS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
CHAT_TOKENS = [END_OF_TEXT, "<|im_start|>", "<|im_end|>"]


def special_tokens(config: TokenizerConfig) -> list[AddedToken]:
    """The special tokens in the order of their ids, from 0.

    [MASK] takes the space before it with it, as ModernBERT's does: a byte-level token of a word begins with that
    space."""
    names = (MLM_TOKENS if config.mlm_tokens else []) + (CHAT_TOKENS if config.chat_tokens else [])
    return [AddedToken(name, special=True, normalized=False, lstrip=name == "[MASK]") for name in names]


def untrained(config: TokenizerConfig) -> Tokenizer:
    """A tokenizer with normalizer, pre-tokenizer and decoder, and no vocabulary yet.

    There is no unknown token: the 256 bytes are all in the vocabulary ([UNK] is there for tools that ask for one)."""
    tokenizer = Tokenizer(models.BPE())
    if config.lowercase:
        tokenizer.normalizer = normalizers.Sequence([normalizers.NFKC(), normalizers.Lowercase()])
    elif config.nfc:
        tokenizer.normalizer = normalizers.NFC()
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(PATTERNS[config.pattern]), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    return tokenizer


def add_template(tokenizer: Tokenizer) -> None:
    """Make ``encode`` wrap text in [CLS] ... [SEP], where the vocabulary has them."""
    specials = [(name, tokenizer.token_to_id(name)) for name in ("[CLS]", "[SEP]")]
    if all(index is not None for _, index in specials):
        tokenizer.post_processor = processors.TemplateProcessing(
            single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1", special_tokens=specials
        )


def hf_config(config: TokenizerConfig) -> dict[str, object]:
    """Contents of tokenizer_config.json, so that `AutoTokenizer` knows which special token is which.

    ``model_input_names`` leaves out token types, which ModernBERT has none of."""
    named: dict[str, str] = {}
    if config.chat_tokens:
        named = {"eos_token": END_OF_TEXT, "pad_token": END_OF_TEXT}
    if config.mlm_tokens:
        keys = ("pad_token", "unk_token", "cls_token", "sep_token", "mask_token")
        named |= dict(zip(keys, MLM_TOKENS, strict=True))
    return {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "clean_up_tokenization_spaces": False,
        "model_input_names": ["input_ids", "attention_mask"],
        **named,
    }
