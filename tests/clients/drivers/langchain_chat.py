"""LangChain's `ChatOpenAI` with chat completions."""

# configuration
from langchain_openai import ChatOpenAI

model = ChatOpenAI(model="gpt-6-sol", use_responses_api=False, base_url="http://127.0.0.1:9090/v1", api_key="dummy")
# end of configuration

from drive import drive
from langchain_scenarios import scenarios

drive(*scenarios(model))
