// The @anthropic-ai/sdk package: Messages and count_tokens.
import Anthropic, { AuthenticationError, NotFoundError, RateLimitError } from '@anthropic-ai/sdk';
import { zodOutputFormat } from '@anthropic-ai/sdk/helpers/zod';
import { z } from 'zod';
import { chats, city, gateway, heard, key, png, run, weather } from './cases.mjs';

const of = (apiKey) => new Anthropic({ baseURL: gateway, apiKey, maxRetries: 0 });
const client = of(key);
const user = (content) => [{ role: 'user', content }];
const tools = [{ name: weather.name, description: weather.description, input_schema: city }];
const thinking = { max_tokens: 4000, thinking: { type: 'enabled', budget_tokens: 1024 } };

const message = (m) => heard({
  text: m.content.filter((b) => b.type === 'text').map((b) => b.text).join(''),
  calls: m.content.filter((b) => b.type === 'tool_use').map((b) => ({ id: b.id, name: b.name, args: b.input })),
  stop: m.stop_reason,
  input: m.usage.input_tokens,
  output: m.usage.output_tokens,
  thoughts: m.content.some((b) => b.type === 'thinking' && b.thinking),
});
const told = (e) => ({
  status: e.status, type: e.error?.error?.type, after: e.headers?.get('retry-after') ?? undefined,
  class: e instanceof RateLimitError ? 'limit' : e instanceof AuthenticationError ? 'key' : e instanceof NotFoundError ? 'model' : 'other',
});

const cases = {};
for (const streamed of [false, true]) {
  const suffix = streamed ? ', streamed' : '';
  const ask = (body) => (streamed ? client.messages.stream({ max_tokens: 1000, ...body }).finalMessage() : client.messages.create({ max_tokens: 1000, ...body }));
  for (const [name, body] of Object.entries({
    plain: { messages: user('Say hello, world') },
    turns: { system: 'Be brief.', messages: [{ role: 'user', content: 'Hi' }, { role: 'assistant', content: 'Hello' }, { role: 'user', content: 'What is new?' }] },
    tools: { messages: user('weather in Paris?'), tools },
    'parallel tools': { messages: user('weather in Paris and Oslo?'), tools },
    image: { messages: user([{ type: 'text', text: 'what is it?' }, { type: 'image', source: { type: 'base64', media_type: 'image/png', data: png } }]) },
    length: { messages: user('count to 500'), max_tokens: 5 },
    thinking: { messages: user('Say why'), ...thinking },
  })) {
    cases[name + suffix] = async (model) => message(await ask({ model, ...body }));
  }
  // The whole turn goes back, with what the model thought before it called: its signature must have survived.
  for (const [name, more] of [['results', {}], ['results after thinking', thinking]]) {
    cases[name + suffix] = async (model) => {
      const first = await ask({ model, messages: user('weather in Paris and Oslo?'), tools, ...more });
      const results = first.content.filter((b) => b.type === 'tool_use').map((b, i) => ({ type: 'tool_result', tool_use_id: b.id, content: `${20 + i} C` }));
      const said = message(await ask({ model, tools, ...more, messages: [...user('weather in Paris and Oslo?'), { role: 'assistant', content: first.content }, { role: 'user', content: results }] }));
      delete said.thoughts;
      return said;
    };
  }
  cases[`structured${suffix}`] = async (model) => {
    const body = { model, max_tokens: 1000, messages: user('Paris'), output_config: { format: zodOutputFormat(z.object({ city: z.string() })) } };
    const done = streamed ? await client.messages.stream(body).finalMessage() : await client.messages.parse(body);
    return { parsed: typeof (done.parsed_output ?? JSON.parse(done.content[0].text)).city };
  };
  cases[`limited${suffix}`] = (model) => ask({ model: `limited-${model}`, messages: user('hi') });
}
cases.broken = (model) => client.messages.stream({ model: `broken-${model}`, max_tokens: 1000, messages: user('count to 30') }).finalMessage();
cases.cancelled = async (model) => {
  let chunks = 0;
  for await (const _ of await client.messages.create({ model: `slow-${model}`, max_tokens: 1000, messages: user('count to 100'), stream: true })) {
    if (++chunks === 5) break; // leaving the loop aborts the request
  }
  return { chunks };
};
cases.count = async (model) => ({ counted: (await client.messages.countTokens({ model, messages: user('How many tokens are these?') })).input_tokens > 0 });
cases['unknown model'] = () => client.messages.create({ model: 'unheard-of', max_tokens: 10, messages: user('hi') });
cases['unknown key'] = (model) => of('gwc_unknown').messages.create({ model, max_tokens: 10, messages: user('hi') });
await run('anthropic', chats, cases, told);
