// `openai` for Node, chat completions, as its README shows it.
// configuration
import OpenAI from "openai";

const client = new OpenAI({ baseURL: "http://127.0.0.1:9090/v1", apiKey: "dummy" });
// end of configuration
import { zodResponseFormat } from "openai/helpers/zod";
import { z } from "zod";
import { CITIES, drive, getWeather, IMAGE, MODEL, toolsSaid, WEATHER_PARAMETERS } from "./drivers/drive.mjs";

const HELLO = [{ role: "user", content: "Say hello." }];

async function text() {
  const completion = await client.chat.completions.create({ model: MODEL, messages: HELLO });
  return { text: completion.choices[0].message.content };
}

async function stream() {
  const pieces = [];
  const chunks = await client.chat.completions.create({ model: MODEL, messages: HELLO, stream: true });
  for await (const chunk of chunks) if (chunk.choices[0]?.delta.content) pieces.push(chunk.choices[0].delta.content);
  return { pieces };
}

async function helper() {
  const pieces = [];
  const chunks = client.chat.completions.stream({ model: MODEL, messages: HELLO });
  for await (const chunk of chunks) if (chunk.choices[0]?.delta.content) pieces.push(chunk.choices[0].delta.content);
  return { pieces };
}

async function tools() {
  const tool = {
    type: "function",
    function: { name: "get_weather", parameters: WEATHER_PARAMETERS, function: getWeather, parse: JSON.parse },
  };
  const messages = [{ role: "user", content: CITIES }];
  const runner = client.chat.completions.runTools({ model: MODEL, messages, tools: [tool], stream: true });
  return toolsSaid(await runner.finalContent());
}

async function structured() {
  const Weather = z.object({ city: z.string(), degrees: z.number() });
  const response_format = zodResponseFormat(Weather, "weather");
  const completion = await client.chat.completions.parse({ model: MODEL, messages: HELLO, response_format });
  return completion.choices[0].message.parsed;
}

async function image() {
  const content = [{ type: "text", text: "What is this?" }, { type: "image_url", image_url: { url: IMAGE } }];
  const completion = await client.chat.completions.create({ model: MODEL, messages: [{ role: "user", content }] });
  return { text: completion.choices[0].message.content };
}

async function cancel() {
  const chunks = await client.chat.completions.create({ model: MODEL, messages: HELLO, stream: true });
  for await (const chunk of chunks) {
    if (chunk.choices[0]?.delta.content) {
      chunks.controller.abort();
      return { text: chunk.choices[0].delta.content };
    }
  }
}

await drive({ text, stream, helper, tools, structured, image, cancel });
