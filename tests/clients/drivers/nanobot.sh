export OPENAI_BASE_URL=http://127.0.0.1:9090
export OPENAI_API_KEY=dummy
nanobot run ./nanobot.yaml
