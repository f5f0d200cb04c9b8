// Vercel's AI SDK with @ai-sdk/openai-compatible, which speaks chat completions.
// configuration
import { createOpenAICompatible } from "@ai-sdk/openai-compatible";

const baseURL = "http://127.0.0.1:9090/v1";
const codex = createOpenAICompatible({ name: "codex", baseURL, supportsStructuredOutputs: true });
// end of configuration
import { drive } from "./drivers/drive.mjs";
import { scenarios } from "./drivers/ai_sdk_scenarios.mjs";

await drive(scenarios({ model: codex("gpt-6-sol") }));
