// What the Node drivers share. A driver reads the name of a scenario a line and prints what its user sees, JSON, a line.
import { createInterface } from "node:readline";

export const MODEL = "gpt-6-sol";
export const PNG =
  "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==";
export const IMAGE = `data:image/png;base64,${PNG}`;
export const CITIES = "Compare the weather of three cities.";
export const WEATHER_PARAMETERS = {
  type: "object",
  properties: { city: { type: "string" } },
  required: ["city"],
  additionalProperties: false,
};

let called = [];

export function getWeather({ city }) {
  called.push(city);
  return `${city}: 12 °C`;
}

// Of a tool loop: its last text, and the tools that were called meanwhile.
export function toolsSaid(text) {
  const said = { text, called };
  called = [];
  return said;
}

// Run scenarios until the input ends; each is a function that gives what is to be printed.
export async function drive(scenarios) {
  for await (const line of createInterface({ input: process.stdin })) {
    let seen;
    try {
      seen = await scenarios[line.trim()]();
    } catch (error) {
      const name = error.name === "Error" ? error.constructor.name : error.name;
      seen = { error: name, says: String(error.message) };
    }
    console.log(JSON.stringify(seen));
  }
}
