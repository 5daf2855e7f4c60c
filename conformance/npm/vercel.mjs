// The ai package (Vercel) with its providers of three dialects: openai-compatible, anthropic, google.
import { createAnthropic } from '@ai-sdk/anthropic';
import { createGoogleGenerativeAI } from '@ai-sdk/google';
import { createOpenAICompatible } from '@ai-sdk/openai-compatible';
import { APICallError, embedMany, generateObject, generateText, stepCountIs, streamObject, streamText, tool } from 'ai';
import { z } from 'zod';
import { chats, embedders, gateway, heard, key, png, run, weather } from './cases.mjs';

globalThis.AI_SDK_LOG_WARNINGS = false;

const providers = {
  'ai, openai-compatible': {
    of: (apiKey) => createOpenAICompatible({ name: 'gateway', baseURL: `${gateway}/v1`, apiKey, includeUsage: true, supportsStructuredOutputs: true }),
    thinking: { gateway: { reasoningEffort: 'low' } },
  },
  'ai, anthropic': {
    of: (apiKey) => createAnthropic({ baseURL: `${gateway}/v1`, apiKey }),
    thinking: { anthropic: { thinking: { type: 'enabled', budgetTokens: 1024 } } },
  },
  'ai, google': {
    of: (apiKey) => createGoogleGenerativeAI({ baseURL: `${gateway}/v1beta`, apiKey }),
    thinking: { google: { thinkingConfig: { includeThoughts: true, thinkingBudget: 1024 } } },
  },
};
const declared = tool({ description: weather.description, inputSchema: z.object({ city: z.string() }) });
const working = () => {
  let calls = 0;
  return tool({ description: weather.description, inputSchema: z.object({ city: z.string() }), execute: async () => `${20 + calls++} C` });
};
const City = z.object({ city: z.string() });

const told = (e) => {
  const cause = APICallError.isInstance(e) ? e : e.lastError ?? e.errors?.[0] ?? e;
  return { status: cause.statusCode, type: cause.type, after: cause.responseHeaders?.['retry-after'] };
};

for (const [client, { of, thinking }] of Object.entries(providers)) {
  const provider = of(key);
  const cases = {};
  for (const streamed of [false, true]) {
    const suffix = streamed ? ', streamed' : '';
    const ask = async (model, body, from = provider) => {
      const options = { model: from.languageModel(model), maxRetries: 0, ...body };
      if (!streamed) return generateText(options);
      let thrown;
      const stream = streamText({ ...options, onError: ({ error }) => { thrown ??= error; } });
      await stream.consumeStream({ onError: (e) => { thrown ??= e; } });
      if (thrown) throw thrown;
      return {
        text: await stream.text, toolCalls: await stream.toolCalls, finishReason: await stream.finishReason, usage: await stream.usage,
        reasoningText: await stream.reasoningText, steps: await stream.steps,
      };
    };
    const shown = (r) => heard({
      text: r.text, calls: r.toolCalls.map((c) => ({ id: c.toolCallId, name: c.toolName, args: c.input })), stop: r.finishReason,
      input: r.usage.inputTokens, output: r.usage.outputTokens, thoughts: r.reasoningText,
    });
    for (const [name, body] of Object.entries({
      plain: { prompt: 'Say hello, world' },
      turns: { system: 'Be brief.', messages: [{ role: 'user', content: 'Hi' }, { role: 'assistant', content: 'Hello' }, { role: 'user', content: 'What is new?' }] },
      tools: { prompt: 'weather in Paris?', tools: { get_weather: declared } },
      'parallel tools': { prompt: 'weather in Paris and Oslo?', tools: { get_weather: declared } },
      image: { messages: [{ role: 'user', content: [{ type: 'text', text: 'what is it?' }, { type: 'image', image: png, mediaType: 'image/png' }] }] },
      length: { prompt: 'count to 500', maxOutputTokens: 5 },
      thinking: { prompt: 'Say why', maxOutputTokens: 4000, providerOptions: thinking },
    })) {
      cases[name + suffix] = async (model) => shown(await ask(model, body));
    }
    // The package goes round by itself: it runs the tools and asks again.
    cases[`results${suffix}`] = async (model) => {
      const done = await ask(model, { prompt: 'weather in Paris and Oslo?', tools: { get_weather: working() }, stopWhen: stepCountIs(3) });
      return { ...shown(done), steps: done.steps.length };
    };
    cases[`results after thinking${suffix}`] = async (model) => {
      const done = await ask(model, { prompt: 'weather in Paris and Oslo?', tools: { get_weather: working() }, stopWhen: stepCountIs(3), providerOptions: thinking, maxOutputTokens: 4000 });
      const said = { ...shown(done), steps: done.steps.length };
      delete said.thoughts;
      return said;
    };
    cases[`structured${suffix}`] = async (model) => {
      const options = { model: provider.languageModel(model), schema: City, prompt: 'Paris', maxRetries: 0 };
      if (!streamed) return { parsed: typeof (await generateObject(options)).object.city };
      const stream = streamObject({ ...options, onError() {} });
      for await (const _ of stream.partialObjectStream);
      return { parsed: typeof (await stream.object).city };
    };
    cases[`limited${suffix}`] = (model) => ask(`limited-${model}`, { prompt: 'hi' });
    if (streamed) cases.broken = (model) => ask(`broken-${model}`, { prompt: 'count to 30' });
    cases[`unknown model${suffix}`] = () => ask('unheard-of', { prompt: 'hi' });
    cases[`unknown key${suffix}`] = (model) => ask(model, { prompt: 'hi' }, of('gwc_unknown'));
  }
  cases.cancelled = async (model) => {
    const abort = new AbortController();
    let chunks = 0;
    const { fullStream } = streamText({ model: provider.languageModel(`slow-${model}`), prompt: 'count to 100', maxRetries: 0, abortSignal: abort.signal, onError() {} });
    for await (const part of fullStream) {
      if (part.type === 'text-delta' && ++chunks === 5) {
        abort.abort();
        break;
      }
    }
    return { chunks };
  };
  await run(client, chats, cases, told);
}

const vectors = {
  'ai, openai-compatible': createOpenAICompatible({ name: 'gateway', baseURL: `${gateway}/v1`, apiKey: key }),
  'ai, google': createGoogleGenerativeAI({ baseURL: `${gateway}/v1beta`, apiKey: key }),
};
for (const [client, provider] of Object.entries(vectors)) {
  await run(client, embedders, {
    vectors: async (model) => {
      const { embeddings } = await embedMany({ model: provider.embeddingModel(model), values: ['a', 'b'], maxRetries: 0 });
      return { vectors: embeddings.map((v) => v.length > 0 && v.every(Number.isFinite)) };
    },
  }, told);
}
