// The @langchain/openai package: chat and embeddings.
import { HumanMessage, ToolMessage } from '@langchain/core/messages';
import { ChatOpenAI, OpenAIEmbeddings } from '@langchain/openai';
import { z } from 'zod';
import { chats, embedders, gateway, heard, key, png, run, weather } from './cases.mjs';

const configuration = { baseURL: `${gateway}/v1` };
const of = (model, more = {}) => new ChatOpenAI({ model, apiKey: key, configuration, maxRetries: 0, streamUsage: true, useResponsesApi: false, ...more });
const tools = [{ type: 'function', function: weather }];

const message = (m) => heard({
  text: typeof m.content === 'string' ? m.content : m.content.map((p) => p.text ?? '').join(''),
  calls: m.tool_calls ?? [],
  stop: m.response_metadata.finish_reason,
  input: m.usage_metadata?.input_tokens,
  output: m.usage_metadata?.output_tokens,
});
const told = (e) => ({ status: e.status, type: e.type, after: e.headers?.get?.('retry-after') ?? undefined });

const cases = {};
for (const streamed of [false, true]) {
  const suffix = streamed ? ', streamed' : '';
  const ask = async (model, messages) => {
    if (!streamed) return model.invoke(messages);
    let all;
    for await (const chunk of await model.stream(messages)) all = all ? all.concat(chunk) : chunk;
    return all;
  };
  for (const [name, { messages, tools: bound, ...more }] of Object.entries({
    plain: { messages: 'Say hello, world' },
    turns: { messages: [['system', 'Be brief.'], ['human', 'Hi'], ['ai', 'Hello'], ['human', 'What is new?']] },
    tools: { messages: 'weather in Paris?', tools },
    'parallel tools': { messages: 'weather in Paris and Oslo?', tools },
    image: { messages: [new HumanMessage({ content: [{ type: 'text', text: 'what is it?' }, { type: 'image_url', image_url: { url: `data:image/png;base64,${png}` } }] })] },
    length: { messages: 'count to 500', maxTokens: 5 },
  })) {
    cases[name + suffix] = async (model) => message(await ask(bound ? of(model, more).bindTools(bound) : of(model, more), messages));
  }
  cases[`results${suffix}`] = async (model) => {
    const bound = of(model).bindTools(tools);
    const question = new HumanMessage('weather in Paris and Oslo?');
    const first = await ask(bound, [question]);
    return message(await ask(bound, [question, first, ...first.tool_calls.map((c, i) => new ToolMessage({ tool_call_id: c.id, content: `${20 + i} C` }))]));
  };
  cases[`structured${suffix}`] = async (model) => {
    const runnable = of(model).withStructuredOutput(z.object({ city: z.string() }), { method: 'jsonSchema' });
    let object;
    if (streamed) for await (const part of await runnable.stream('Paris')) object = part;
    else object = await runnable.invoke('Paris');
    return { parsed: typeof object.city };
  };
  cases[`limited${suffix}`] = (model) => ask(of(`limited-${model}`), 'hi');
  cases[`unknown model${suffix}`] = () => ask(of('unheard-of'), 'hi');
  cases[`unknown key${suffix}`] = (model) => ask(of(model, { apiKey: 'gwc_unknown' }), 'hi');
  if (streamed) cases.broken = (model) => ask(of(`broken-${model}`), 'count to 30');
}
cases.cancelled = async (model) => {
  const abort = new AbortController();
  let chunks = 0;
  try {
    for await (const _ of await of(`slow-${model}`).stream('count to 100', { signal: abort.signal })) {
      if (++chunks === 5) {
        abort.abort();
        break; // a piece that is on its way would still come
      }
    }
  } catch (e) {
    if (!abort.signal.aborted) throw e;
  }
  return { chunks };
};
await run('langchain', chats, cases, told);

await run('langchain', embedders, {
  vectors: async (model) => {
    const all = await new OpenAIEmbeddings({ model, apiKey: key, configuration, maxRetries: 0 }).embedDocuments(['a', 'b']);
    return { vectors: all.map((v) => v.length > 0 && v.every(Number.isFinite)) };
  },
}, told);
