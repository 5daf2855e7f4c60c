// What the clients of npm share: the questions that they ask, and how they tell what they heard, as one JSON line each on
// stdout. The Go test beside it knows what is to be heard (npm_test.go).
//
// Usage of every client: node CLIENT.mjs GATEWAY KEY CHATS EMBEDDERS, where CHATS and EMBEDDERS are names of models with
// commas between. Before a chat's name, "limited-", "broken-" and "slow-" name the same model at a provider that answers
// 429, whose stream breaks off with an error, and whose stream is slow.
export const [gateway, key, chats, embedders] = process.argv.slice(2).map((v, i) => (i < 2 ? v : v.split(',')));

export const png = 'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==';

export const city = { type: 'object', properties: { city: { type: 'string' } }, required: ['city'], additionalProperties: false };

export const weather = { name: 'get_weather', description: 'The weather of a city', parameters: city };

// stops are the words of all clients for why an answer ended, in one language.
const stops = {
  stop: 'stop', end_turn: 'stop', STOP: 'stop', completed: 'stop',
  length: 'length', max_tokens: 'length', MAX_TOKENS: 'length', incomplete: 'length',
  tool_calls: 'calls', tool_use: 'calls', 'tool-calls': 'calls',
};

// heard puts what an answer said into the form that all clients share. input and output are numbers of tokens.
export function heard({ text = '', calls = [], stop, input, output, thoughts }) {
  return {
    text,
    ...(calls.length ? { calls: calls.map((c) => c.name + JSON.stringify(typeof c.args === 'string' ? JSON.parse(c.args) : c.args)) } : {}),
    ids: calls.every((c) => c.id) && new Set(calls.map((c) => c.id)).size === calls.length,
    stop: calls.length && stop && stops[stop] === 'stop' ? 'calls' : stops[stop] ?? String(stop),
    usage: input > 0 && output > 0,
    ...(thoughts ? { thoughts: true } : {}),
  };
}

// run asks every question of every model, a few at a time, and tells each answer. A case that throws tells what was thrown,
// as the client's own classes show it: told makes it {status, ...}.
export async function run(client, models, cases, told) {
  const all = models.flatMap((model) => Object.entries(cases).map(([name, ask]) => async () => {
    let line;
    try {
      line = await ask(model);
    } catch (e) {
      line = { error: true, ...told(e) };
      if (line.status === undefined) line.thrown = String(e?.stack ?? JSON.stringify(e));
    }
    if (line) console.log(JSON.stringify({ client, model, name, ...line }));
  }));
  await Promise.all(Array.from({ length: 8 }, async () => {
    while (all.length) await all.shift()();
  }));
}
