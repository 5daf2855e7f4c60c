// The @google/genai package: generateContent and its stream.
import { ApiError, GoogleGenAI } from '@google/genai';
import { chats, city, embedders, gateway, heard, key, png, run, weather } from './cases.mjs';

const of = (apiKey) => new GoogleGenAI({ apiKey, httpOptions: { baseUrl: gateway } }).models;
const models = of(key);
const tools = [{ functionDeclarations: [{ name: weather.name, description: weather.description, parametersJsonSchema: city }] }];

// whole puts the pieces of an answer together.
const whole = (pieces) => {
  const parts = pieces.flatMap((p) => p.candidates?.[0]?.content?.parts ?? []);
  const usage = pieces.findLast((p) => p.usageMetadata)?.usageMetadata;
  return {
    parts,
    ...heard({
      text: parts.filter((p) => !p.thought).map((p) => p.text ?? '').join(''),
      calls: parts.filter((p) => p.functionCall).map((p, i) => ({ id: p.functionCall.id ?? String(i), name: p.functionCall.name, args: p.functionCall.args })),
      stop: pieces.findLast((p) => p.candidates?.[0]?.finishReason)?.candidates[0].finishReason,
      input: usage?.promptTokenCount,
      output: usage?.candidatesTokenCount,
      thoughts: parts.some((p) => p.thought && p.text),
    }),
  };
};
const shown = ({ parts, ...said }) => said;
const told = (e) => (e instanceof ApiError
  ? { status: e.status, type: /"status":\s*"([A-Z_]+)"/.exec(e.message)?.[1] }
  : { type: /"status":\s*"([A-Z_]+)"/.exec(e.message)?.[1] });

const cases = {};
for (const streamed of [false, true]) {
  const suffix = streamed ? ', streamed' : '';
  const ask = async (body) => {
    if (!streamed) return whole([await models.generateContent(body)]);
    const pieces = [];
    for await (const piece of await models.generateContentStream(body)) pieces.push(piece);
    return whole(pieces);
  };
  for (const [name, body] of Object.entries({
    plain: { contents: 'Say hello, world' },
    turns: { config: { systemInstruction: 'Be brief.' }, contents: [{ role: 'user', parts: [{ text: 'Hi' }] }, { role: 'model', parts: [{ text: 'Hello' }] }, { role: 'user', parts: [{ text: 'What is new?' }] }] },
    tools: { contents: 'weather in Paris?', config: { tools } },
    'parallel tools': { contents: 'weather in Paris and Oslo?', config: { tools } },
    image: { contents: [{ role: 'user', parts: [{ text: 'what is it?' }, { inlineData: { mimeType: 'image/png', data: png } }] }] },
    length: { contents: 'count to 500', config: { maxOutputTokens: 5 } },
    thinking: { contents: 'Say why', config: { maxOutputTokens: 4000, thinkingConfig: { includeThoughts: true, thinkingBudget: 1024 } } },
  })) {
    cases[name + suffix] = async (model) => shown(await ask({ model, ...body }));
  }
  cases[`results${suffix}`] = async (model) => {
    const contents = [{ role: 'user', parts: [{ text: 'weather in Paris and Oslo?' }] }];
    const { parts } = await ask({ model, contents, config: { tools } });
    contents.push({ role: 'model', parts: parts.filter((p) => p.functionCall) }, {
      role: 'user',
      parts: parts.filter((p) => p.functionCall).map(({ functionCall: { id, name } }, i) => ({ functionResponse: { ...(id ? { id } : {}), name, response: { output: `${20 + i} C` } } })),
    });
    return shown(await ask({ model, contents, config: { tools } }));
  };
  for (const form of ['responseSchema', 'responseJsonSchema']) {
    cases[`structured by ${form}${suffix}`] = async (model) => {
      const schema = form === 'responseSchema' ? { type: 'OBJECT', properties: { city: { type: 'STRING' } }, required: ['city'] } : city;
      const { text } = await ask({ model, contents: 'Paris', config: { responseMimeType: 'application/json', [form]: schema } });
      return { parsed: typeof JSON.parse(text).city };
    };
  }
  cases[`limited${suffix}`] = (model) => ask({ model: `limited-${model}`, contents: 'hi' });
  cases[`unknown model${suffix}`] = () => ask({ model: 'unheard-of', contents: 'hi' });
}
cases.broken = async (model) => {
  for await (const _ of await models.generateContentStream({ model: `broken-${model}`, contents: 'count to 30' }));
  return { text: 'it looks whole' };
};
cases.cancelled = async (model) => {
  const abort = new AbortController();
  let chunks = 0;
  try {
    for await (const _ of await models.generateContentStream({ model: `slow-${model}`, contents: 'count to 100', config: { abortSignal: abort.signal } })) {
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
cases['unknown key'] = (model) => of('gwc_unknown').generateContent({ model, contents: 'hi' });
cases.count = async (model) => ({ counted: (await models.countTokens({ model, contents: 'How many tokens are these?' })).totalTokens > 0 });
await run('google', chats, cases, told);

await run('google', embedders, {
  vectors: async (model) => {
    const { embeddings } = await models.embedContent({ model, contents: ['a', 'b'] });
    return { vectors: embeddings.map((e) => e.values.length > 0 && e.values.every(Number.isFinite)) };
  },
}, told);
