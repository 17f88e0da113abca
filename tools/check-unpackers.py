#!/usr/bin/env python3
"""Unpacks the tiny checkpoints of tests/quant with the tools whose formats they are in (auto_gptq's CPU layer, autoawq, compressed-tensors, bitsandbytes), writes the
float32 numbers as a folder, and compares Loom's states on the packed folder with its float32 run on that one, bit for bit.

  usage: tools/check-unpackers.py LOOM WORK      (needs torch, compressed_tensors, bitsandbytes; auto_gptq and autoawq where they are installed)
"""
import importlib.util
import json
import pathlib
import re
import shutil
import subprocess
import sys

import numpy as np
import torch
from safetensors.torch import load_file, save_file

FOLDERS = pathlib.Path(__file__).resolve().parent.parent / "tests/quant"
KEEP = re.compile(r"\.(qweight|qzeros|scales|g_idx|weight_packed|weight_scale|weight_shape|weight_zero_point|weight\..*|SCB|weight_format)$")


def alone(path):
    """A file of a package alone: these packages import what newer versions of transformers lack, or triton."""
    for p in sys.path:
        file = pathlib.Path(p) / path
        if file.exists():
            spec = importlib.util.spec_from_file_location(file.stem, file)
            module = importlib.util.module_from_spec(spec)
            spec.loader.exec_module(module)
            return module
    return None


def gptq(tool, t, q):
    """The layer's product with the identity, its scales in float32 (it would round them to its activations' type)."""
    k, n = len(t["g_idx"]), t["scales"].shape[1]
    m = tool.QuantLinear(q["bits"], q["group_size"], k, n, False)
    m.qweight, m.qzeros, m.scales, m.g_idx = t["qweight"], t["qzeros"], t["scales"].float(), t["g_idx"]
    return m(torch.eye(k)).T


def awq(tool, t, q):
    return tool.dequantize_gemm(t["qweight"], t["qzeros"], t["scales"].float(), q["bits"], q["group_size"]).T


def without_full(zeros, bits):
    """auto_gptq's reader takes a stored field of ones for 2^bits, the writers (and Loom) mean 0: such fields are made one less."""
    rows, full = [], (1 << bits) - 1
    for row in zeros.numpy().view(np.uint32):
        v = int.from_bytes(row.tobytes(), "little")
        for at in range(0, 32 * len(row), bits):
            v -= (v >> at & full == full) << at
        rows.append(np.frombuffer(v.to_bytes(4 * len(row), "little"), np.int32))
    return torch.from_numpy(np.stack(rows))


def packed(t, q):
    from compressed_tensors.compressors.pack_quantized.helpers import unpack_from_int32
    from compressed_tensors.quantization import QuantizationArgs
    from compressed_tensors.quantization.lifecycle.forward import dequantize
    args, shape = q["config_groups"]["group_0"]["weights"], torch.Size(t["weight_shape"].tolist())
    zero = None
    if "weight_zero_point" in t:
        zero = unpack_from_int32(t["weight_zero_point"], args["num_bits"], torch.Size([shape[0], t["weight_scale"].shape[1]]), packed_dim=0)
    return dequantize(unpack_from_int32(t["weight_packed"], args["num_bits"], shape), t["weight_scale"].float(), zero, args=QuantizationArgs(**args))


def bnb4(t, q):
    import bitsandbytes.functional as F
    state = F.QuantState.from_dict({k: v for k, v in t.items() if k != "weight"}, device=torch.device("cpu"))
    shape, state.shape, state.dtype = state.shape, torch.Size([state.shape.numel()]), torch.float32
    # flat: the CPU kernel of 0.50.2 misplaces the scales of a matrix whose rows are no whole blocks
    return F.dequantize_4bit(t["weight"].view(torch.uint8).reshape(-1, 1), state).reshape(shape)


def bnb8(t, q):
    import bitsandbytes.functional as F
    return F.int8_vectorwise_dequant(t["weight"], t["SCB"])


def states(loom, model):
    out = "/tmp/check-unpackers.safetensors"
    r = subprocess.run([loom, "generate", str(model), "--prompt", "".join(chr(48 + i) for i in range(3, 40)), "--max-tokens", "0", "--out", out, "--capture",
                        '{"name": "h", "layers": "all", "positions": "all"}'], capture_output=True, text=True)
    if r.returncode:
        sys.exit(f"{model}: {r.stderr}")
    return load_file(out)["captures.h"].clone().numpy()  # the next run writes over the file


def main():
    loom, work = sys.argv[1], pathlib.Path(sys.argv[2])
    gptq_tool, awq_tool, failed = alone("auto_gptq/nn_modules/qlinear/qlinear_cuda.py"), alone("awq/utils/packing_utils.py"), 0
    for folder in sorted(FOLDERS.iterdir()):
        name = folder.name
        config = json.loads((folder / "config.json").read_text())
        q = config.get("quantization_config", {})
        tool, how = next(((tool, how) for pattern, tool, how in (
            (r"gptq.*(?<!-v2)(?<!-one)", "auto_gptq", gptq_tool and (lambda t, q: gptq(gptq_tool, t, q))),  # version 2, no g_idx: not auto_gptq's
            (r"awq-gemm", "autoawq", awq_tool and (lambda t, q: awq(awq_tool, t, q))), (r"ct4|ct4-zero|ct8", "compressed-tensors", packed),
            (r"nf4|nf4-nested|fp4", "bitsandbytes", bnb4), (r"int8", "bitsandbytes", bnb8)) if re.fullmatch(pattern, name)), (None, None))
        if not how:
            continue
        weights = load_file(folder / "model.safetensors")
        if name.startswith("gptq"):
            for key in [k for k in weights if k.endswith(".qzeros")]:
                weights[key] = without_full(weights[key], q["bits"])
        to, mine = work / f"{name}-wide", work / name
        for d in (to, mine):
            shutil.rmtree(d, ignore_errors=True)
            shutil.copytree(folder, d)
        save_file(weights, mine / "model.safetensors", metadata={"format": "pt"})
        modules, out = {}, {}
        for key, w in weights.items():
            m = KEEP.search(key)
            if m:
                modules.setdefault(key[:m.start()], {})[m[1]] = w
            else:
                out[key] = w
        for stem, t in modules.items():
            if "weight.absmax" in t or "SCB" in t:
                t["weight"] = out.pop(stem + ".weight")
                t = {k.removeprefix("weight."): v for k, v in t.items()}
            out[stem + ".weight"] = how(t, q).float().contiguous()
        save_file(out, to / "model.safetensors", metadata={"format": "pt"})
        del config["quantization_config"]
        (to / "config.json").write_text(json.dumps(config))
        same = np.array_equal(states(loom, mine), states(loom, to))
        failed += not same
        print(f"{name}: {len(modules)} matrices unpacked by {tool}: {'the same bits' if same else 'OTHER BITS'}", flush=True)
    return failed > 0


if __name__ == "__main__":
    sys.exit(main())
