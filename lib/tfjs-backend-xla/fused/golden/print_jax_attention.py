"""Writes what JAX emits for cuDNN's attention and its gradient, which our emission is compared with.

    pip install jax==0.10.2 && python print_jax_attention.py > jax-attention.json
"""

import json

import jax
import jax.numpy as jnp
from jax._src.cudnn import fused_attention_stablehlo as fused

# The version is looked up on a machine with a GPU only; nothing here is compiled.
fused.check_cudnn_version = lambda: 91400
# A bias that hides keys is not learned.
fused.should_export_dbias = lambda *_: False


def lowered(dtype, shape, has_bias):
    def forward_and_gradients(q, k, v, d_out, *bias):
        def attend(q, k, v):
            return fused.dot_product_attention(
                q, k, v, *bias, scale=shape[3] ** -0.5, mask_type=fused.MaskType.CAUSAL, qkv_layout="BNTH"
            )

        out, pull_back = jax.vjp(attend, q, k, v)
        return (out, *pull_back(d_out))

    argument = jax.ShapeDtypeStruct(shape, dtype)
    bias = [jax.ShapeDtypeStruct((shape[0], 1, shape[2], shape[2]), dtype)] if has_bias else []
    traced = jax.jit(forward_and_gradients).trace(argument, argument, argument, argument, *bias)
    return traced.lower(lowering_platforms=("cuda",)).compiler_ir("stablehlo")


def calls(module):
    main = module.body.operations[0].operation
    for op in main.regions[0].blocks[0].operations:
        if op.operation.name != "stablehlo.custom_call":
            continue
        attributes = op.operation.attributes
        yield {
            "target": attributes["call_target_name"].value,
            "apiVersion": attributes["api_version"].value,
            "config": json.loads(attributes["backend_config"].value),
            "operandLayouts": [str(layout) for layout in attributes["operand_layouts"]],
            "resultLayouts": [str(layout) for layout in attributes["result_layouts"]],
            "operandTypes": [str(operand.type) for operand in op.operation.operands],
            "resultTypes": [str(result.type) for result in op.operation.results],
        }


if __name__ == "__main__":
    golden = [
        {"type": name, "shape": shape, "hasBias": has_bias, "calls": list(calls(lowered(dtype, shape, has_bias)))}
        for name, dtype, shape in [
            ("bf16", jnp.bfloat16, (2, 4, 128, 64)),
            ("f16", jnp.float16, (1, 3, 78, 40)),
        ]
        for has_bias in (False, True)
    ]
    print(json.dumps({"jax": jax.__version__, "cases": golden}, indent=2))
