// What is done with a model of the AI SDK, whichever provider made it.
import { generateText, Output, stepCountIs, streamText, tool } from "ai";
import { z } from "zod";
import { CITIES, getWeather, PNG, toolsSaid } from "./drive.mjs";

// `settings` has the model, and providerOptions where there are any.
export function scenarios(settings) {
  async function text() {
    return { text: (await generateText({ ...settings, prompt: "Say hello." })).text };
  }

  async function stream() {
    const failed = [];
    const result = streamText({ ...settings, prompt: "Say hello.", onError: ({ error }) => failed.push(error) });
    const pieces = [];
    try {
      for await (const piece of result.textStream) pieces.push(piece);
    } catch (error) {
      failed.push(error); // "Failed to process successful response": what it was about, onError has been told before
    }
    if (failed.length) throw failed[0];
    return { pieces };
  }

  async function tools() {
    const weather = tool({
      description: "The weather of a city, now.",
      inputSchema: z.object({ city: z.string() }),
      execute: async (input) => getWeather(input),
    });
    const tools = { get_weather: weather };
    const result = await generateText({ ...settings, tools, stopWhen: stepCountIs(5), prompt: CITIES });
    return toolsSaid(result.text);
  }

  async function structured() {
    const schema = z.object({ city: z.string(), degrees: z.number() });
    const result = await generateText({ ...settings, output: Output.object({ schema }), prompt: "The weather?" });
    return result.output;
  }

  async function image() {
    const content = [
      { type: "text", text: "What is this?" },
      { type: "file", data: Buffer.from(PNG, "base64"), mediaType: "image/png" },
    ];
    return { text: (await generateText({ ...settings, messages: [{ role: "user", content }] })).text };
  }

  // A second turn, with the messages of the first as the SDK gives them.
  async function turns() {
    const messages = [{ role: "user", content: "Say hello." }];
    const first = await generateText({ ...settings, messages });
    messages.push(...first.responseMessages, { role: "user", content: "And again." });
    return { text: (await generateText({ ...settings, messages })).text };
  }

  async function cancel() {
    const abort = new AbortController();
    const result = streamText({ ...settings, prompt: "Say hello.", abortSignal: abort.signal, onError: () => {} });
    for await (const piece of result.textStream) {
      abort.abort();
      return { text: piece };
    }
  }

  return { text, stream, tools, structured, image, turns, cancel };
}
