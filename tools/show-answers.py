#!/usr/bin/env python3
"""Asks a running Loom two questions and shows the answers shortened. usage: show-answers.py URL DECODER ENCODER"""
import json
import sys
import time
import urllib.error
import urllib.request

url, decoder, encoder = sys.argv[1:4]


def ask(route, body):
    data = json.dumps(body).encode()
    req = urllib.request.Request(url + route, data, {"Content-Type": "application/json"})
    start = time.monotonic()
    try:
        with urllib.request.urlopen(req, timeout=600) as r:
            answer = json.load(r)
    except urllib.error.HTTPError as e:
        sys.exit(f"{route}: HTTP {e.code}: {e.read().decode()}")
    return answer, (time.monotonic() - start) * 1000


def numbers(v):
    return "[" + ", ".join(f"{x:.6g}" for x in v[:4]) + ", …]"


def curl(route, body):
    print(f"\n$ curl {url}{route} --json '{json.dumps(body)}'")


body = dict(model=decoder, prompt="The capital of France is", max_tokens=16, temperature=0, hidden_state_layers=[0, 15, -1])
curl("/generate", body)
a, ms = ask("/generate", body)
print(f"  text           {a['text']!r}")
for key, t in a["hidden_states"].items():
    print(f"  layer {key:>4}     shape {t['shape']} {t['dtype']} {numbers(t['data'])}")
m = a["metadata"]
print(f"  {a['token_count']} tokens in {m['inference_time_ms']:.0f} ms, {m['tokens_per_second']:.0f} tokens/s "
      f"({ms:.0f} ms with loading the model)")

body = dict(model=encoder, text="A happy person in the rain")
curl("/embed", body)
a, ms = ask("/embed", body)
m = a["metadata"]
print(f"  embedding      shape {a['shape']} {numbers(a['embedding'])}")
print(f"  pooling {m['pooling']}, normalized {m['normalized']}, {m['inference_time_ms']:.1f} ms ({ms:.0f} ms with loading the model)")

print("\nNext:")
print("  every layer at every position of a prompt, as one safetensors file:")
body = dict(model=decoder, prompt="The capital of France is", max_tokens=0, return_hidden_states=False, hidden_state_format="safetensors",
            capture=dict(layers="all", positions="all"))
print(f"    curl {url}/generate -o states.safetensors --json '{json.dumps(body)}'")
print(f"  what a model offers:  curl {url}/models/{urllib.request.quote(decoder, safe='')}")
print(f"  the op list it runs:  build/loom plan {decoder}")
