"""pydantic-ai with the Responses API."""

# configuration
from pydantic_ai.models.openai import OpenAIResponsesModel
from pydantic_ai.providers.openai import OpenAIProvider

model = OpenAIResponsesModel("gpt-6-sol", provider=OpenAIProvider(base_url="http://127.0.0.1:9090/v1", api_key="dummy"))
# end of configuration

from drive import drive
from pydantic_ai_scenarios import scenarios

drive(*scenarios(model))
