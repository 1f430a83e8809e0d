"""Lory (Zhong et al. 2024, arXiv 2405.03133) for transformers: LLaMA whose FFNs are merged from experts, once for each
segment of text, or once for a whole prompt, or whose tokens choose experts: the mode is that of the configuration.

    model = AutoModelForCausalLM.from_pretrained(folder, trust_remote_code=True)
    model(input_ids)                                  # routed by segments, or token by token
    model(input_ids, prompt_length=torch.tensor([5])) # routed by the mean of each row's first tokens, merged once

Every forward pass sees the whole sequence: routing needs the segments before, so that there is no key-value cache. For running a trained
model: what training adds (auxiliary losses, balancing) is not part of it.
Shapes: B batch, L tokens, N segments, T tokens a segment, E experts, D model, F ffn.
"""

import torch
from torch import nn
from torch.nn import functional
from transformers import LlamaConfig, LlamaForCausalLM


class LoryConfig(LlamaConfig):
    model_type = "lory"

    def __init__(
        self,
        num_experts=8,
        segment_length=256,
        routing_mode="causal_segment",
        first_segment_rule="own_stop_gradient",
        num_experts_per_tok=2,
        norm_topk_prob=True,
        router_bias_update_rate=0,
        capacity_factor=1,
        expert_choice_unit="segment",
        segment_share=0.5,
        expert_pool_size=4,
        decoder_sparse_step=1,
        mlp_only_layers=(),
        **kwargs,
    ):
        self.num_experts = num_experts
        self.segment_length = segment_length
        self.routing_mode = routing_mode
        self.first_segment_rule = first_segment_rule
        self.num_experts_per_tok = num_experts_per_tok
        self.norm_topk_prob = norm_topk_prob
        self.capacity_factor = capacity_factor
        self.expert_choice_unit = expert_choice_unit
        self.segment_share = segment_share
        self.expert_pool_size = expert_pool_size
        self.router_bias_update_rate = router_bias_update_rate
        self.decoder_sparse_step = decoder_sparse_step
        self.mlp_only_layers = list(mlp_only_layers)
        kwargs["use_cache"] = False
        super().__init__(**kwargs)


class ExpertWeights(nn.Module):
    """One matrix for each expert, [E, out, in]."""

    def __init__(self, *shape):
        super().__init__()
        self.weight = nn.Parameter(torch.empty(*shape))


class SwiGLU(nn.Module):
    """The matrices of one FFN, or of a bank of them."""

    def __init__(self, bank, hidden_size, intermediate_size):
        super().__init__()
        self.gate_proj = ExpertWeights(*bank, intermediate_size, hidden_size)
        self.up_proj = ExpertWeights(*bank, intermediate_size, hidden_size)
        self.down_proj = ExpertWeights(*bank, hidden_size, intermediate_size)


class LoryMLP(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.config = config
        self.router = nn.Linear(config.hidden_size, config.num_experts, bias=False)
        self.experts = SwiGLU((config.num_experts,), config.hidden_size, config.intermediate_size)
        if config.router_bias_update_rate > 0:
            self.router.e_score_correction_bias = nn.Parameter(torch.zeros(config.num_experts))
        if config.routing_mode == "segment_and_token":
            self.token_router = nn.Linear(config.hidden_size, config.num_experts, bias=False)
        if config.first_segment_rule == "learned_prior":
            self.prior = nn.Parameter(torch.zeros(config.num_experts))
        if config.first_segment_rule == "dense_expert":
            self.first = SwiGLU((), config.hidden_size, config.intermediate_size)
        self.prompt_length = None
        self.routing_weights = None

    def forward(self, x_BLD):
        length = x_BLD.shape[1]
        mode = self.config.routing_mode
        if mode in TOKEN_MODES:
            self.routing_weights = TOKEN_MODES[mode](self, x_BLD)
            return self._expert_sum(x_BLD, self.routing_weights.repeat_interleave(self._unit(length), 1)[:, :length])
        if mode == "segment_and_token":
            return self._segment_and_token(x_BLD)
        if self.prompt_length is not None:
            self.routing_weights = self._prompt_weights(x_BLD)[:, None]
            return self._merged(x_BLD, self.routing_weights[:, 0])
        whole = mode == "whole_sequence"
        segments = list(x_BLD.split(length if whole else self.config.segment_length, dim=1))
        weights = self._segment_weights(segments)
        self.routing_weights = torch.stack(weights, 1)
        outputs = [self._merged(segment, weights_BE) for segment, weights_BE in zip(segments, weights)]
        if self.config.first_segment_rule == "dense_expert":
            own = (self.first.gate_proj.weight, self.first.up_proj.weight, self.first.down_proj.weight)
            outputs[0] = self._swiglu(segments[0], *(matrix[None] for matrix in own))
        return torch.cat(outputs, 1)

    def _unit(self, length):
        """Tokens that share a row of routing weights, in modes whose experts are not merged."""
        if self.config.routing_mode != "expert_choice" or self.config.expert_choice_unit == "token":
            return 1
        return length if self.prompt_length is not None else self.config.segment_length

    def _prompt_weights(self, x_BLD):
        positions = torch.arange(x_BLD.shape[1], device=x_BLD.device)
        in_prompt_BL = (positions < self.prompt_length[:, None]).to(x_BLD.dtype)
        mean_BD = (in_prompt_BL[..., None] * x_BLD).sum(1) / self.prompt_length[:, None].to(x_BLD.dtype)
        return self._probabilities(mean_BD)

    def _refuse_prompt(self):
        if self.prompt_length is not None:
            mode = self.config.routing_mode
            raise ValueError(f"routing_mode is {mode!r}: tokens are routed one by one; call the model without prompt_length")

    def _probabilities(self, mean_BD):
        return functional.softmax(self.router(mean_BD), -1, dtype=torch.float32).to(mean_BD.dtype)

    def _segment_weights(self, segments):
        """Routing weights [B, E] of each segment."""
        mode = self.config.routing_mode
        own = [self._probabilities(segment.mean(1)) for segment in segments]
        if mode in ("own_segment", "whole_sequence"):
            return own
        if mode == "prefix":
            return [own[0].detach()] + own[:1] * (len(segments) - 1)
        if mode == "running_mean":
            befores = [torch.cat(segments[: k + 1], 1).mean(1) for k in range(len(segments) - 1)]
            later = [self._probabilities(mean_BD) for mean_BD in befores]
        elif mode in ("causal_segment", "expert_choice", "segment_and_token"):
            later = own[:-1]
        else:
            raise ValueError(f"routing_mode is {mode!r}, which this model does not know")
        return [self._first_weights(own[0])] + later

    def _first_weights(self, own_BE):
        rule = self.config.first_segment_rule
        if rule == "own_stop_gradient":
            return own_BE.detach()
        if rule == "uniform":
            return torch.full_like(own_BE, 1 / own_BE.shape[-1])
        if rule == "learned_prior":
            return functional.softmax(self.prior, -1).expand_as(own_BE)
        if rule == "dense_expert":
            return torch.zeros_like(own_BE)
        raise ValueError(f"first_segment_rule is {rule!r}, which this model does not know")

    def _token_choice(self, x_BLD):
        """Routing weights [B, L, E] of each token, 0 but for the experts that it chooses."""
        self._refuse_prompt()
        return self._chosen_weights(self.router(x_BLD).float()).to(x_BLD.dtype)

    def _chosen_weights(self, logits_BLE):
        probs_BLE = logits_BLE.softmax(-1)
        bias_E = getattr(self.router, "e_score_correction_bias", None)
        scores_BLE = logits_BLE
        if bias_E is not None:
            scores_BLE = (probs_BLE + bias_E).masked_fill(logits_BLE == float("-inf"), float("-inf"))
        chosen_BLK = self._highest(scores_BLE, self.config.num_experts_per_tok)
        if self.config.norm_topk_prob:
            weights_BLK = logits_BLE.gather(-1, chosen_BLK).softmax(-1)
        else:
            weights_BLK = probs_BLE.gather(-1, chosen_BLK)
        return torch.zeros_like(probs_BLE).scatter(-1, chosen_BLK, weights_BLK)

    def _document_pool(self, x_BLD):
        """As in token choice, among the experts to which the segments before gave the highest probabilities."""
        self._refuse_prompt()
        logits_BLE = self.router(x_BLD).float()
        segments = list(logits_BLE.split(self.config.segment_length, dim=1))
        before_BE = torch.zeros_like(logits_BLE[:, 0])
        pooled = segments[:1]
        for earlier, segment in zip(segments, segments[1:]):
            before_BE = before_BE + earlier.softmax(-1).sum(1)
            pool_BP = self._highest(before_BE, self.config.expert_pool_size)
            outside_BE = torch.ones_like(before_BE).scatter(-1, pool_BP, 0.0).bool()
            pooled.append(segment.masked_fill(outside_BE[:, None], float("-inf")))
        return self._chosen_weights(torch.cat(pooled, 1)).to(x_BLD.dtype)

    def _remoe(self, x_BLD):
        """The positive part of each logit."""
        self._refuse_prompt()
        return functional.relu(self.router(x_BLD))

    def _segment_and_token(self, x_BLD):
        """The first hidden units of the experts merged by segments, the others those of the expert that each token chooses."""
        length = x_BLD.shape[1]
        bank = self._bank()
        ffn = bank[0].shape[1]
        # Halves are rounded up, as in JavaScript.
        width = min(ffn - 1, max(1, int(self.config.segment_share * ffn + 0.5)))
        merged = (bank[0][:, :width], bank[1][:, :width], bank[2][:, :, :width])
        rest = (bank[0][:, width:], bank[1][:, width:], bank[2][:, :, width:])
        if self.prompt_length is not None:
            segments, weights = [x_BLD], [self._prompt_weights(x_BLD)]
        else:
            segments = list(x_BLD.split(self.config.segment_length, dim=1))
            weights = self._segment_weights(segments)
        outputs = [self._merged(segment, weights_BE, merged) for segment, weights_BE in zip(segments, weights)]
        segment_BLE = torch.cat([w[:, None].expand(-1, s.shape[1], -1) for s, w in zip(segments, weights)], 1)
        token_BLE = self._chosen_weights(self.token_router(x_BLD).float()).to(x_BLD.dtype)
        self.routing_weights = (width * segment_BLE + (ffn - width) * token_BLE) / ffn
        return torch.cat(outputs, 1) + self._expert_sum(x_BLD, token_BLE, rest)

    def _expert_choice(self, x_BLD):
        """Routing weights [B, N, E] of each segment or token, 0 but for the experts of its highest scores: expert choice at inference."""
        if self.config.expert_choice_unit == "token":
            self._refuse_prompt()
            scores_BNE = self._probabilities(x_BLD)
        elif self.prompt_length is not None:
            scores_BNE = self._prompt_weights(x_BLD)[:, None]
        else:
            scores_BNE = torch.stack(self._segment_weights(list(x_BLD.split(self.config.segment_length, dim=1))), 1)
        count = min(scores_BNE.shape[-1], max(1, int(self.config.capacity_factor)))
        chosen_BNK = self._highest(scores_BNE, count)
        return torch.zeros_like(scores_BNE).scatter(-1, chosen_BNK, scores_BNE.gather(-1, chosen_BNK))

    @staticmethod
    def _highest(scores, count):
        """Where the highest scores are; equal ones in order of index, which topk does not promise."""
        return torch.sort(scores, dim=-1, descending=True, stable=True).indices[..., :count]

    def _bank(self):
        return self.experts.gate_proj.weight, self.experts.up_proj.weight, self.experts.down_proj.weight

    def _expert_sum(self, x_BLD, weights_BLE, bank=None):
        """Every expert's output on every token, by weight: simple, not sparse."""
        bank = bank or self._bank()
        outputs = [self._swiglu(x_BLD, *(matrices[e] for matrices in bank)) for e in range(len(bank[0]))]
        return sum(y_BLD * weights_BLE[..., e, None] for e, y_BLD in enumerate(outputs))

    def _merged(self, x_BTD, weights_BE, bank=None):
        merges = (torch.einsum("be,eoi->boi", weights_BE, matrices) for matrices in bank or self._bank())
        return self._swiglu(x_BTD, *merges)

    @staticmethod
    def _swiglu(x_BTD, gate_BFD, up_BFD, down_BDF):
        hidden_BTF = functional.silu(x_BTD @ gate_BFD.mT) * (x_BTD @ up_BFD.mT)
        return hidden_BTF @ down_BDF.mT


# Modes whose experts are not merged: their routing weights.
TOKEN_MODES = {
    "token_choice": LoryMLP._token_choice,
    "expert_choice": LoryMLP._expert_choice,
    "remoe": LoryMLP._remoe,
    "document_pool": LoryMLP._document_pool,
}


class LoryForCausalLM(LlamaForCausalLM):
    config_class = LoryConfig

    def __init__(self, config):
        super().__init__(config)
        for index, layer in enumerate(self.model.layers):
            if (index + 1) % config.decoder_sparse_step == 0 and index not in config.mlp_only_layers:
                layer.mlp = LoryMLP(config)
        self.post_init()

    def _init_weights(self, module):
        super()._init_weights(module)
        if isinstance(module, ExpertWeights):
            module.weight.data.normal_(mean=0.0, std=self.config.initializer_range)

    def forward(self, input_ids=None, prompt_length=None, **kwargs):
        for mlp in self._lory_mlps():
            mlp.prompt_length = prompt_length
        return super().forward(input_ids=input_ids, **kwargs)

    @property
    def routing_weights(self):
        """The weights of the last forward pass, a tensor [B, N, E] for each layer with experts; N = 1 for a prompt,
        L where tokens are routed."""
        return [mlp.routing_weights for mlp in self._lory_mlps()]

    def _lory_mlps(self):
        return [layer.mlp for layer in self.model.layers if isinstance(layer.mlp, LoryMLP)]
