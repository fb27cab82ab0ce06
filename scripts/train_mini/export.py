"""Writes (and reads back) a Hugging Face directory of the trained model."""
import json
import os
import struct
import sys

import numpy as np
import torch

import bpe as bpelib
import model as nn
import prompts

TEMPLATE = ("{% for message in messages %}{% if loop.first and messages[0]['role'] != 'system' %}"
            "{{ '<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n' }}{% endif %}"
            "{{'<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' + '\n'}}{% endfor %}"
            "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}")


def write_safetensors(path, tensors):
    """F32 tensors, in order of name; each starts at a multiple of 64 bytes of the data section."""
    header, at, blobs = {"__metadata__": {"format": "pt"}}, 0, []
    for name in sorted(n for n in tensors if n.startswith("model.")):
        raw = tensors[name].detach().float().contiguous().numpy().astype("<f4").tobytes()
        header[name] = {"dtype": "F32", "shape": list(tensors[name].shape), "data_offsets": [at, at + len(raw)]}
        blobs.append(raw)
        at += len(raw)
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 64)
    with open(path, "wb") as f:
        f.write(struct.pack("<Q", len(text)))
        f.write(text)
        for raw in blobs:
            f.write(raw)


def read_safetensors(path):
    with open(path, "rb") as f:
        n = struct.unpack("<Q", f.read(8))[0]
        header = json.loads(f.read(n))
        data = f.read()
    out = {}
    for name, info in header.items():
        if name != "__metadata__":
            a, b = info["data_offsets"]
            out[name] = torch.from_numpy(np.frombuffer(data[a:b], "<f4").reshape(info["shape"]).copy())
    return out


def dump(folder, name, doc):
    with open(os.path.join(folder, name), "w", encoding="utf-8") as f:
        json.dump(doc, f, ensure_ascii=False, indent=2)
        f.write("\n")


def write(folder, c, params, bpe):
    os.makedirs(folder, exist_ok=True)
    control = bpelib.control_ids(bpe)
    eot, end = control["<|endoftext|>"], control["<|im_end|>"]
    dump(folder, "config.json", {
        "architectures": ["Qwen2ForCausalLM"], "attention_dropout": 0.0, "bos_token_id": eot, "eos_token_id": end,
        "hidden_act": "silu", "hidden_size": c.dim, "initializer_range": 0.02, "intermediate_size": c.ffn,
        "max_position_embeddings": c.context, "max_window_layers": c.layers, "model_type": "qwen2",
        "num_attention_heads": c.heads, "num_hidden_layers": c.layers, "num_key_value_heads": c.kv_heads,
        "rms_norm_eps": c.eps, "rope_theta": c.theta, "sliding_window": c.context, "tie_word_embeddings": True,
        "torch_dtype": "float32", "transformers_version": "4.43.1", "use_cache": True, "use_sliding_window": False,
        "vocab_size": c.vocab})
    dump(folder, "generation_config.json", {
        "bos_token_id": eot, "do_sample": True, "eos_token_id": [end, eot], "pad_token_id": eot,
        "temperature": 0.7, "top_p": 0.9, "libqwen_trained_tasks": prompts.TRAINED})
    added = {str(i): {"content": name, "single_word": False, "lstrip": False, "rstrip": False, "normalized": False,
                      "special": True} for name, i in control.items()}
    dump(folder, "tokenizer_config.json", {
        "add_prefix_space": False, "added_tokens_decoder": added,
        "additional_special_tokens": ["<|im_start|>", "<|im_end|>"], "bos_token": None, "chat_template": TEMPLATE,
        "clean_up_tokenization_spaces": False, "eos_token": "<|im_end|>", "errors": "replace",
        "model_max_length": c.context, "pad_token": "<|endoftext|>", "split_special_tokens": False,
        "tokenizer_class": "Qwen2Tokenizer", "unk_token": None})
    bpelib.save(bpe, folder)
    write_safetensors(os.path.join(folder, "model.safetensors"), params)


def read(folder):
    with open(os.path.join(folder, "config.json"), encoding="utf-8") as f:
        d = json.load(f)
    c = nn.Config(vocab=d["vocab_size"], dim=d["hidden_size"], layers=d["num_hidden_layers"],
                  heads=d["num_attention_heads"], kv_heads=d["num_key_value_heads"], ffn=d["intermediate_size"],
                  theta=d["rope_theta"], eps=d["rms_norm_eps"], context=d["max_position_embeddings"])
    return c, read_safetensors(os.path.join(folder, "model.safetensors")), bpelib.Bpe.from_json(
        os.path.join(folder, "tokenizer.json"))


def main():
    """export.py OUT_DIR FOLDER [LAYERS]: the weights of OUT_DIR/state.pt, or of the files that a GPU wrote for LAYERS layers."""
    import pickle
    out, folder = sys.argv[1:3]
    with open(os.path.join(out, "vocabulary.pkl"), "rb") as f:
        bpe = pickle.load(f)
    if len(sys.argv) > 3:
        import gpu
        from optimizer import Shared
        c = nn.Config(vocab=len(bpe.vocab) + 3, dim=256, layers=int(sys.argv[3]), ffn=704)
        shapes = Shared({k: tuple(v.shape) for k, v in nn.init_params(c, 0).items()}, 1, "cpu").shapes
        flat = gpu.load(out)
    else:
        state = torch.load(os.path.join(out, "state.pt"))
        shapes, flat = state["shapes"], state["params"]
    params, at = {}, 0
    for name, shape in shapes.items():
        n = torch.Size(shape).numel()
        params[name] = flat[at:at + n].view(shape)
        at += n
    vocab, dim = params["model.embed_tokens.weight"].shape
    layers = 1 + max(int(k.split(".")[2]) for k in params if k.startswith("model.layers."))
    c = nn.Config(vocab=vocab, dim=dim, layers=layers, ffn=params["model.layers.0.mlp.up_proj.weight"].shape[0])
    write(folder, c, params, bpe)


if __name__ == "__main__":
    main()
