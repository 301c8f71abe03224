import { describe, expect, it } from 'vitest';
import { Client, type Port, WorkerError } from '../src/lib/client';

class FakePort implements Port {
  sent: { id: number; type: string }[] = [];
  #listeners = new Map<string, (event: never) => void>();
  postMessage(message: unknown): void {
    this.sent.push(message as { id: number; type: string });
  }
  addEventListener(type: string, listener: (event: never) => void): void {
    this.#listeners.set(type, listener);
  }
  say(data: unknown): void {
    this.#listeners.get('message')?.({ data } as never);
  }
  break(): void {
    this.#listeners.get('error')?.(new Event('error') as never);
  }
}

describe('Client', () => {
  it('gives each answer to its question, in any order', async () => {
    const port = new FakePort();
    const client = new Client(port);
    const [first, second] = [client.request('stats', {}), client.request('builtin', {})];
    port.say({ id: port.sent[1]?.id, ok: true, result: ['b'] });
    port.say({ id: port.sent[0]?.id, ok: true, result: 'a' });
    expect([await first, await second]).toEqual(['a', ['b']]);
  });

  it('passes a reason and what to do about it on', async () => {
    const port = new FakePort();
    const asked = new Client(port).request('test', {});
    port.say({ id: port.sent[0]?.id, ok: false, error: { message: 'no data', hint: 'load some' } });
    await expect(asked).rejects.toMatchObject({ message: 'no data', hint: 'load some' });
    await expect(asked).rejects.toBeInstanceOf(WorkerError);
  });

  it('calls listeners until they leave', () => {
    const port = new FakePort();
    const client = new Client(port);
    const heard: number[] = [];
    const off = client.on('test', ({ done }) => heard.push(done));
    port.say({ event: 'test', done: 1, total: 2 });
    off();
    port.say({ event: 'test', done: 2, total: 2 });
    port.say(null);
    port.say({ id: 99, ok: true, result: 0 });
    expect(heard).toEqual([1]);
  });

  it('leaves nobody waiting for a worker that is gone', async () => {
    const port = new FakePort();
    let told = '';
    const client = new Client(port, (error) => (told = error.hint));
    const asked = client.request('stats', {});
    port.break();
    await expect(asked).rejects.toBeInstanceOf(WorkerError);
    await expect(client.request('stats', {})).rejects.toBeInstanceOf(WorkerError);
    expect(told).toContain('Reload');
  });
});
