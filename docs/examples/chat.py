"""One question by chat completions, with the plain `openai` SDK: OPENAI_BASE_URL=http://127.0.0.1:9090/v1 python chat.py"""

import os
import sys

import openai

client = openai.OpenAI(
    base_url=os.environ.get("OPENAI_BASE_URL", "http://127.0.0.1:9090/v1"),
    api_key="any",  # the proxy puts your login's token in its place
)
completion = client.chat.completions.create(
    model=os.environ.get("MODEL", "gpt-6-sol"),
    reasoning_effort="low",
    messages=[
        {"role": "system", "content": "Answer in one sentence."},
        {"role": "user", "content": " ".join(sys.argv[1:]) or "Why is the sky blue?"},
    ],
)
print(completion.choices[0].message.content)
