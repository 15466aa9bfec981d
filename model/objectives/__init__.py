import model.megatron  # noqa: F401  (before megatron.core: it keeps the compiler from being loaded)
