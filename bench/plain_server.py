#!/usr/bin/env python3
"""What one writes in an afternoon: FastAPI over transformers, one request at a time, answering Loom's calls. A peer for bench/serve.py, nothing else.

  usage: bench/plain_server.py DECODER_FOLDER ENCODER_FOLDER PORT THREADS [DTYPE]
"""
import base64
import sys
import threading

import torch
import transformers as tf
import uvicorn
from fastapi import FastAPI
from sentence_transformers import SentenceTransformer

decoder, encoder, port, threads = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
torch.set_num_threads(threads)
dtype = getattr(torch, sys.argv[5]) if len(sys.argv) > 5 else torch.float32
model = tf.AutoModelForCausalLM.from_pretrained(decoder, dtype=dtype).eval()
tokenizer = tf.AutoTokenizer.from_pretrained(decoder)
sentences = SentenceTransformer(encoder, device="cpu")
app, lock = FastAPI(), threading.Lock()


def tensor(t, binary):
    t = t.float().contiguous()
    return dict(shape=list(t.shape), data=base64.b64encode(t.numpy().tobytes()).decode() if binary else t.tolist())


@app.post("/generate")
def generate(body: dict):
    ids = body["prompt"] if isinstance(body["prompt"], list) else tokenizer(body["prompt"])["input_ids"]
    ids, n = torch.tensor([ids]), body.get("max_tokens", 32)
    binary = body.get("hidden_state_format", "list") != "list"
    answer = {}
    with lock, torch.no_grad():
        if n > 0:
            out = model.generate(ids, attention_mask=torch.ones_like(ids), max_new_tokens=n, min_new_tokens=n, do_sample=False, pad_token_id=0)
            new = out[0, ids.shape[1]:]
            answer.update(text=tokenizer.decode(new), token_count=len(new), token_ids=new.tolist())
        if n == 0 or body.get("return_hidden_states") or body.get("capture"):
            states = model(ids, output_hidden_states=True, logits_to_keep=1).hidden_states
            if body.get("return_hidden_states"):
                answer["hidden_states"] = {"-1": tensor(states[-1][0, -1], binary)}
            if body.get("capture"):
                answer["captures"] = {"hidden": tensor(torch.stack(states)[:, 0], binary)}
    return answer


@app.post("/embed")
def embed(body: dict):
    with lock:
        v = sentences.encode(body["text"])
    return dict(embedding=v.tolist(), shape=[len(v)])


@app.post("/embed/batch")
def embed_batch(body: dict):
    with lock:
        v = sentences.encode(body["texts"])
    return dict(embeddings=v.tolist(), shapes=[[v.shape[1]]] * len(v))


if __name__ == "__main__":
    uvicorn.run(app, host="127.0.0.1", port=port, log_level="error")
