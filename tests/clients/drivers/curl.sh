curl http://127.0.0.1:9090/v1/responses -d '{"model": "gpt-6-sol", "input": "Say hello."}'
