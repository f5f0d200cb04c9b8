// Vercel's AI SDK with @ai-sdk/openai, told that nothing is stored.
// configuration
import { createOpenAI } from "@ai-sdk/openai";

const openai = createOpenAI({ baseURL: "http://127.0.0.1:9090/v1", apiKey: "dummy" });
const providerOptions = { openai: { store: false, include: ["reasoning.encrypted_content"] } }; // for each call
// end of configuration
import { drive } from "./drivers/drive.mjs";
import { scenarios } from "./drivers/ai_sdk_scenarios.mjs";

await drive(scenarios({ model: openai("gpt-6-sol"), providerOptions }));
