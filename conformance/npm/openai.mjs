// The openai package: Chat Completions, Responses, Embeddings.
import OpenAI, { AuthenticationError, NotFoundError, RateLimitError } from 'openai';
import { zodResponseFormat, zodTextFormat } from 'openai/helpers/zod';
import { z } from 'zod';
import { chats, city, embedders, gateway, heard, key, png, run, weather } from './cases.mjs';

const of = (apiKey) => new OpenAI({ baseURL: `${gateway}/v1`, apiKey, maxRetries: 0 });
const client = of(key);
const user = (content) => [{ role: 'user', content }];
const tools = [{ type: 'function', function: weather }];
const City = z.object({ city: z.string() });
const image = { url: `data:image/png;base64,${png}` };

const chat = (done) => heard({
  text: done.choices[0].message.content ?? '',
  calls: (done.choices[0].message.tool_calls ?? []).map((c) => ({ id: c.id, name: c.function.name, args: c.function.arguments })),
  stop: done.choices[0].finish_reason,
  input: done.usage?.prompt_tokens,
  output: done.usage?.completion_tokens,
  thoughts: done.choices[0].message.reasoning_content,
});
const told = (e) => ({
  status: e.status, type: e.type, after: e.headers?.get('retry-after') ?? undefined,
  class: e instanceof RateLimitError ? 'limit' : e instanceof AuthenticationError ? 'key' : e instanceof NotFoundError ? 'model' : 'other',
});

const asked = {
  plain: { messages: user('Say hello, world') },
  turns: { messages: [{ role: 'system', content: 'Be brief.' }, { role: 'user', content: 'Hi' }, { role: 'assistant', content: 'Hello' }, { role: 'user', content: 'What is new?' }] },
  tools: { messages: user('weather in Paris?'), tools },
  'parallel tools': { messages: user('weather in Paris and Oslo?'), tools },
  image: { messages: user([{ type: 'text', text: 'what is it?' }, { type: 'image_url', image_url: image }]) },
  length: { messages: user('count to 500'), max_completion_tokens: 5 },
};
const cases = {};
for (const [name, body] of Object.entries(asked)) {
  cases[name] = async (model) => chat(await client.chat.completions.create({ model, ...body }));
  // The SDK's own accumulator judges the stream's grammar.
  cases[`${name}, streamed`] = async (model) => chat(await client.chat.completions.stream({ model, ...body, stream_options: { include_usage: true } }).finalChatCompletion());
}
for (const streamed of [false, true]) {
  const suffix = streamed ? ', streamed' : '';
  const ask = (body) => (streamed ? client.chat.completions.stream({ ...body, stream_options: { include_usage: true } }).finalChatCompletion() : client.chat.completions.create(body));
  cases[`results${suffix}`] = async (model) => {
    // parsed is the SDK's own, and no member of a message that is sent.
    const { parsed, ...first } = (await ask({ model, messages: user('weather in Paris and Oslo?'), tools })).choices[0].message;
    return chat(await ask({
      model, tools,
      messages: [...user('weather in Paris and Oslo?'), first, ...first.tool_calls.map((c, i) => ({ role: 'tool', tool_call_id: c.id, content: `${20 + i} C` }))],
    }));
  };
  cases[`structured${suffix}`] = async (model) => {
    const body = { model, messages: user('Paris'), response_format: zodResponseFormat(City, 'city') };
    const done = streamed ? await client.chat.completions.stream(body).finalChatCompletion() : await client.chat.completions.parse(body);
    return { parsed: typeof done.choices[0].message.parsed.city };
  };
  cases[`thinking${suffix}`] = async (model) => {
    const body = { model, messages: user('Say why'), reasoning_effort: 'low', max_completion_tokens: 4000 };
    if (!streamed) return chat(await client.chat.completions.create(body));
    let text = '', thoughts = '';
    for await (const chunk of await client.chat.completions.create({ ...body, stream: true })) {
      text += chunk.choices[0]?.delta.content ?? '';
      thoughts += chunk.choices[0]?.delta.reasoning_content ?? '';
    }
    return { text, ...(thoughts ? { thoughts: true } : {}) };
  };
  cases[`limited${suffix}`] = (model) => ask({ model: `limited-${model}`, messages: user('hi') });
}
cases.broken = (model) => client.chat.completions.stream({ model: `broken-${model}`, messages: user('count to 30') }).finalChatCompletion();
cases.cancelled = async (model) => {
  let chunks = 0;
  for await (const _ of await client.chat.completions.create({ model: `slow-${model}`, messages: user('count to 100'), stream: true })) {
    if (++chunks === 5) break; // leaving the loop aborts the request
  }
  return { chunks };
};
cases['unknown model'] = () => client.chat.completions.create({ model: 'unheard-of', messages: user('hi') });
cases['unknown key'] = (model) => of('gwc_unknown').chat.completions.create({ model, messages: user('hi') });
await run('openai', chats, cases, told);

const answered = (r) => heard({
  text: r.output_text,
  calls: r.output.filter((o) => o.type === 'function_call').map((o) => ({ id: o.call_id, name: o.name, args: o.arguments })),
  stop: r.status,
  input: r.usage?.input_tokens,
  output: r.usage?.output_tokens,
  thoughts: r.output.some((o) => o.type === 'reasoning' && (o.summary?.length || o.content?.length)),
});
const functions = [{ type: 'function', strict: false, ...weather, parameters: city }];
const responses = {};
for (const [name, body] of Object.entries({
  plain: { input: 'Say hello, world' },
  tools: { input: 'weather in Paris?', tools: functions },
  'parallel tools': { input: 'weather in Paris and Oslo?', tools: functions },
  image: { input: [{ role: 'user', content: [{ type: 'input_text', text: 'what is it?' }, { type: 'input_image', image_url: image.url, detail: 'auto' }] }] },
  length: { input: 'count to 500', max_output_tokens: 16 },
  thinking: { input: 'Say why', reasoning: { effort: 'low', summary: 'auto' }, max_output_tokens: 4000 },
  structured: { input: 'Paris', text: { format: zodTextFormat(City, 'city') } },
  limited: { input: 'hi' },
})) {
  for (const streamed of [false, true]) {
    responses[name + (streamed ? ', streamed' : '')] = async (model) => {
      const request = { model: name === 'limited' ? `limited-${model}` : model, store: false, ...body };
      if (name === 'structured') {
        const done = streamed ? await client.responses.stream(request).finalResponse() : await client.responses.parse(request);
        return { parsed: typeof done.output_parsed.city };
      }
      return answered(streamed ? await client.responses.stream(request).finalResponse() : await client.responses.create(request));
    };
  }
}
responses.results = async (model) => {
  const input = user('weather in Paris and Oslo?');
  const first = await client.responses.create({ model, input, tools: functions, store: false });
  input.push(...first.output, ...first.output.filter((o) => o.type === 'function_call').map((c, i) => ({ type: 'function_call_output', call_id: c.call_id, output: `${20 + i} C` })));
  return answered(await client.responses.create({ model, input, tools: functions, store: false }));
};
responses.broken = async (model) => {
  for await (const event of await client.responses.create({ model: `broken-${model}`, input: 'count to 30', stream: true })) {
    if (event.type === 'response.completed') return { text: 'it looks whole' };
    if (event.type === 'response.failed') return { failed: Boolean(event.response.error.message) };
    if (event.type === 'error') return { failed: Boolean(event.message) };
  }
  return { text: 'it ended without an end' };
};
responses.cancelled = async (model) => {
  let chunks = 0;
  for await (const _ of await client.responses.create({ model: `slow-${model}`, input: 'count to 100', stream: true })) {
    if (++chunks === 9) break;
  }
  return { chunks };
};
responses.stateful = (model) => client.responses.create({ model, input: 'hi', previous_response_id: 'resp_1' });
await run('openai, responses', chats, responses, told);

await run('openai', embedders, {
  // The SDK asks for base64 and decodes it.
  vectors: async (model) => {
    const { data, usage } = await client.embeddings.create({ model, input: ['a', 'b'] });
    return { vectors: data.map((d) => d.embedding.length > 0 && d.embedding.every(Number.isFinite)), usage: usage.prompt_tokens > 0 };
  },
  numbers: async (model) => {
    const { data } = await client.embeddings.create({ model, input: 'a', encoding_format: 'float' });
    return { vectors: data.map((d) => d.embedding.length > 0 && d.embedding.every(Number.isFinite)) };
  },
}, told);
