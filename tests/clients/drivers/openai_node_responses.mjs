// `openai` for Node, the Responses API, as its README shows it.
// configuration
import OpenAI from "openai";

const client = new OpenAI({ baseURL: "http://127.0.0.1:9090/v1", apiKey: "dummy" });
// end of configuration
import { zodTextFormat } from "openai/helpers/zod";
import { z } from "zod";
import { CITIES, drive, getWeather, IMAGE, MODEL, toolsSaid, WEATHER_PARAMETERS } from "./drivers/drive.mjs";

async function text() {
  return { text: (await client.responses.create({ model: MODEL, input: "Say hello." })).output_text };
}

async function stream() {
  const pieces = [];
  const events = await client.responses.create({ model: MODEL, input: "Say hello.", stream: true });
  for await (const event of events) if (event.type === "response.output_text.delta") pieces.push(event.delta);
  return { pieces };
}

async function helper() {
  const pieces = [];
  const events = client.responses.stream({ model: MODEL, input: "Say hello." });
  for await (const event of events) if (event.type === "response.output_text.delta") pieces.push(event.delta);
  return { pieces };
}

async function tools() {
  const tool = { type: "function", name: "get_weather", strict: true, parameters: WEATHER_PARAMETERS };
  const input = [{ role: "user", content: CITIES }];
  for (;;) {
    // With what the helper adds to an item: `parsed_arguments`.
    const response = await client.responses.stream({ model: MODEL, input, tools: [tool] }).finalResponse();
    input.push(...response.output);
    const calls = response.output.filter((item) => item.type === "function_call");
    if (!calls.length) return toolsSaid(response.output_text);
    for (const call of calls) {
      const output = getWeather(JSON.parse(call.arguments));
      input.push({ type: "function_call_output", call_id: call.call_id, output });
    }
  }
}

async function structured() {
  const Weather = z.object({ city: z.string(), degrees: z.number() });
  const format = zodTextFormat(Weather, "weather");
  const response = await client.responses.parse({ model: MODEL, input: "The weather in Oslo?", text: { format } });
  return response.output_parsed;
}

async function image() {
  const content = [{ type: "input_text", text: "What is this?" }, { type: "input_image", image_url: IMAGE }];
  const response = await client.responses.create({ model: MODEL, input: [{ role: "user", content }] });
  return { text: response.output_text };
}

async function cancel() {
  const events = await client.responses.create({ model: MODEL, input: "Say hello.", stream: true });
  for await (const event of events) {
    if (event.type === "response.output_text.delta") {
      events.controller.abort();
      return { text: event.delta };
    }
  }
}

async function models() {
  const models = [];
  for await (const model of client.models.list()) models.push(model.id);
  return { models, one: (await client.models.retrieve(MODEL)).id };
}

await drive({ text, stream, helper, tools, structured, image, cancel, models });
