// OpenAI's own JavaScript SDK in conversation with an emulator: `node sdk_scenarios.mjs SCENARIO` prints what each of
// its clients saw, as JSON.
//
// Standard input is {"url", "key", "tool", "spoken": [...], "speech": [...]}: the emulator, a tool, and a question with
// and without the silence behind it, in base64, a piece for each event.

import { readFileSync } from 'node:fs';
import { OpenAI, AzureOpenAI } from 'openai';
import { OpenAIRealtimeWS } from 'openai/realtime/ws';

const given = JSON.parse(readFileSync(0, 'utf8'));
const { url } = given;

const clients = {
  OpenAI: (apiKey) => OpenAIRealtimeWS.create(new OpenAI({ apiKey, baseURL: `${url}/openai/v1` }), { model: 'any' }),
  AzureOpenAI: (apiKey) =>
    OpenAIRealtimeWS.azure(
      new AzureOpenAI({ apiKey, endpoint: url, apiVersion: '2025-04-01-preview', deployment: 'any' }),
    ),
};

/** A connection whose events can be waited for, one after the other. */
class Conversation {
  events = [];
  #next = 0;
  #wake = () => {};

  constructor(connection) {
    this.connection = connection;
    // An error of the service comes as an `event`, too; any other has none.
    connection.on('event', (event) => this.#came(event));
    connection.on('error', (error) => {
      this.error = error;
      if (!error.error) this.#came({ type: 'failed', name: error.name, message: error.message });
    });
    connection.socket.on('close', () => this.#came({ type: 'closed' }));
  }

  #came(event) {
    this.events.push(event);
    this.#wake();
  }

  /** Resolves with the next event of this type, and with all that came before it. */
  async until(type) {
    const from = this.#next;
    for (;;) {
      while (this.#next < this.events.length) {
        const event = this.events[this.#next++];
        if (event.type === type) return this.events.slice(from, this.#next);
        if (['error', 'failed', 'closed'].includes(event.type)) throw new Error(JSON.stringify(event));
      }
      await new Promise((resolve) => (this.#wake = resolve));
    }
  }

  send(type, fields = {}) {
    this.connection.send({ type, ...fields });
  }

  update(session) {
    this.send('session.update', { session: { type: 'realtime', ...session } });
  }

  write(text) {
    this.send('conversation.item.create', {
      item: { type: 'message', role: 'user', content: [{ type: 'input_text', text }] },
    });
    this.send('response.create');
  }

  speak(sound) {
    for (const audio of sound) this.send('input_audio_buffer.append', { audio });
  }
}

const deltas = (events, type) => events.filter((event) => event.type === type).map((event) => event.delta);
const last = (events) => events[events.length - 1];
const kinds = (events) => events.map((event) => event.type);

const scenarios = {
  async text(conversation) {
    conversation.update({ output_modalities: ['text'] });
    conversation.write('Where is Paris?');
    const events = await conversation.until('response.done');
    return {
      text: deltas(events, 'response.output_text.delta').join(''),
      output: last(events).response.output[0].content[0].text,
      kinds: kinds(events),
    };
  },

  async speech(conversation) {
    conversation.update({ output_modalities: ['audio'] });
    await conversation.until('session.updated');
    conversation.speak(given.spoken);
    const events = await conversation.until('response.done');
    return {
      kinds: kinds(events),
      said: deltas(events, 'response.output_audio_transcript.delta').join(''),
      bytes: deltas(events, 'response.output_audio.delta').reduce((n, each) => n + Buffer.from(each, 'base64').length, 0),
      status: last(events).response.status,
    };
  },

  async tool(conversation) {
    conversation.update({ output_modalities: ['text'], tools: [given.tool] });
    conversation.write('How is the weather?');
    const events = await conversation.until('response.done');
    const [call] = last(events).response.output;
    conversation.send('conversation.item.create', {
      item: { type: 'function_call_output', call_id: call.call_id, output: 'sunny' },
    });
    conversation.send('response.create');
    const answered = await conversation.until('response.done');
    return {
      pieces: deltas(events, 'response.function_call_arguments.delta'),
      call,
      text: deltas(answered, 'response.output_text.delta').join(''),
    };
  },

  async interruption(conversation) {
    conversation.update({ output_modalities: ['audio'] });
    conversation.write('Tell me a story.');
    const { item_id } = last(await conversation.until('response.output_audio.delta'));
    conversation.speak(given.speech);
    const events = await conversation.until('response.done');
    conversation.send('conversation.item.truncate', { item_id, content_index: 0, audio_end_ms: 50 });
    const cut = last(await conversation.until('conversation.item.truncated'));
    return { kinds: kinds(events), response: last(events).response, item_id, cut };
  },

  async error(conversation) {
    conversation.update({ voyce: 'alloy' });
    await conversation.until('error');
    conversation.update({ output_modalities: ['text'] });
    await conversation.until('session.updated');
    return { name: conversation.error.name, error: conversation.error.error };
  },
};

async function play(connect, scenario) {
  const conversation = new Conversation(await connect(given.key));
  await conversation.until('session.created');
  const seen = await scenario(conversation);
  conversation.connection.close();
  return seen;
}

async function knock(connect) {
  const conversation = new Conversation(await connect('wrong'));
  const { name, message } = last(await conversation.until('failed'));
  return { name, message };
}

const scenario = scenarios[process.argv[2]];
const seen = {};
for (const [client, connect] of Object.entries(clients)) {
  seen[client] = await (scenario ? play(connect, scenario) : knock(connect));
}
console.log(JSON.stringify(seen));
