"""What training will use here, as the configuration stands."""

from common.errors import UserError
from conf.schema import Config, ModelConfig
from jobs.checks.finding import MISSING, NOTE, OK, Check, Finding


def model(config: Config) -> Finding:
    """The net of the configuration, or of what it starts from."""
    from common.artefacts import missing

    try:
        net = _net(config)
    except UserError as error:
        if missing(config):
            return Finding("model", NOTE, "not known before it is mirrored")
        reason, _, mend = str(error).partition("; ")
        return Finding("model", MISSING, reason, mend)
    return Finding("model", OK, f"{net.architecture}, {net.num_layers} layers of {net.hidden_size}")


def _net(config: Config) -> ModelConfig:
    from model.training.run.open_model import close_model

    return close_model(config, ahead=True).model


def attention(precision: str) -> Check:
    """Check of the backend of attention in `precision`."""

    def check(config: Config) -> Finding:
        import torch

        from model.megatron.config import params_dtype
        from model.megatron.startup import computes_bf16
        from model.nets.attention import choice

        name = f"attention {precision}"
        device = torch.device("cuda", 0) if torch.cuda.is_available() else torch.device("cpu")
        dtype = params_dtype(type(config.parallel)(precision=precision))
        try:
            net = _net(config)
        except UserError:
            return Finding(name, NOTE, "not tried, since the model is not known")
        try:
            chosen = choice.find(config.parallel.attention, device, dtype, net.hidden_size // net.num_heads)
        except UserError as error:
            wanted = precision == config.parallel.on(computes_bf16()).precision
            return Finding(
                name, MISSING if wanted else NOTE, str(error).partition(";")[0], "set parallel.attention=auto"
            )
        if chosen.name == "sdpa" and device.type == "cuda" and chosen.passed_over:
            return Finding(
                name,
                NOTE,
                f"sdpa ({chosen.reason})",
                "this is slow on a GPU; parallel.precision=bf16 and flash-attn are fast",
            )
        return Finding(name, OK, f"{chosen.name} ({chosen.reason})" if chosen.reason else chosen.name)

    check.__name__ = f"attention {precision}"
    return check


def optimizer(config: Config) -> Finding:
    """The kernel of the optimizer."""
    from model.megatron.optimizer import fused_adam

    if config.optim.name == "stable_adamw":
        return Finding("optimizer", OK, "stable_adamw, ours in PyTorch")
    kernel = fused_adam()
    owner = f"FusedAdam of {kernel.__module__.partition('.')[0]}" if kernel else "PyTorch's fused kernel"
    return Finding("optimizer", OK, f"adamw, {owner}")
