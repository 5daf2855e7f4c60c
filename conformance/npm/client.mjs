// The openai package of npm against a gateway: every scenario against every model, as one JSON line each on stdout.
// Usage: node client.mjs BASE_URL KEY MODEL...
import OpenAI, { APIError } from 'openai';

const [baseURL, apiKey, ...models] = process.argv.slice(2);
const client = new OpenAI({ baseURL, apiKey, maxRetries: 0 });

const tools = [{
  type: 'function',
  function: {
    name: 'get_weather',
    description: 'The weather of a city',
    parameters: { type: 'object', properties: { city: { type: 'string' } }, required: ['city'] },
  },
}];
const image = 'data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==';
const user = (content) => [{ role: 'user', content }];
const say = (name, model, value) => console.log(JSON.stringify({ name, model, ...value }));

const shown = (completion) => ({
  text: completion.choices[0].message.content ?? '',
  calls: (completion.choices[0].message.tool_calls ?? []).map((c) => c.function.name + c.function.arguments),
  stop: completion.choices[0].finish_reason,
  usage: completion.usage.total_tokens === completion.usage.prompt_tokens + completion.usage.completion_tokens && completion.usage.completion_tokens > 0,
});

for (const model of models) {
  for (const [name, body] of Object.entries({
    plain: { messages: user('Say hello, world') },
    tools: { messages: user('weather in Paris and Oslo?'), tools },
    image: { messages: user([{ type: 'text', text: 'what is it?' }, { type: 'image_url', image_url: { url: image } }]) },
    length: { messages: user('count to 500'), max_tokens: 5 },
  })) {
    say(name, model, shown(await client.chat.completions.create({ model, ...body })));
    // The SDK's own accumulator judges the stream's grammar.
    const runner = client.chat.completions.stream({ model, ...body, stream_options: { include_usage: true } });
    say(`${name}, streamed`, model, shown(await runner.finalChatCompletion()));
  }

  const first = await client.chat.completions.create({ model, messages: user('weather in Paris and Oslo?'), tools });
  const calls = first.choices[0].message.tool_calls;
  const messages = [
    ...user('weather in Paris and Oslo?'),
    first.choices[0].message,
    ...calls.map((c, i) => ({ role: 'tool', tool_call_id: c.id, content: `${20 + i} C` })),
  ];
  say('results', model, shown(await client.chat.completions.create({ model, messages, tools })));

  const stream = await client.chat.completions.create({ model, messages: user('count to 5000'), max_tokens: 100000, stream: true });
  let chunks = 0;
  for await (const _ of stream) {
    if (++chunks === 5) break; // leaving the loop aborts the request
  }
  say('aborted', model, { chunks });
}

for (const [name, options] of Object.entries({
  'unknown model': { model: 'unheard-of', client },
  'unknown key': { model: models[0], client: new OpenAI({ baseURL, apiKey: 'gwc_unknown', maxRetries: 0 }) },
})) {
  try {
    await options.client.chat.completions.create({ model: options.model, messages: user('hi') });
    say(name, options.model, { status: 200 });
  } catch (e) {
    say(name, options.model, { status: e instanceof APIError ? e.status : String(e), message: Boolean(e.message) });
  }
}
