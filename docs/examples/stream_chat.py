"""The same, printed as it comes, with what it took: OPENAI_BASE_URL=http://127.0.0.1:9090/v1 python stream_chat.py"""

import os
import sys

import openai

client = openai.OpenAI(base_url=os.environ.get("OPENAI_BASE_URL", "http://127.0.0.1:9090/v1"), api_key="any")
stream = client.chat.completions.create(
    model=os.environ.get("MODEL", "gpt-6-sol"),
    messages=[{"role": "user", "content": " ".join(sys.argv[1:]) or "Why is the sky blue?"}],
    stream=True,
    stream_options={"include_usage": True},
)
for chunk in stream:
    if chunk.choices:
        print(chunk.choices[0].delta.content or "", end="", flush=True)
    if chunk.usage:
        print(f"\n({chunk.usage.prompt_tokens} tokens in, {chunk.usage.completion_tokens} out)")
