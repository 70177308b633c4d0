// A session with node-redis 4. Usage: node node_redis.js PORT; exits with 1 and
// a message when something is not as expected.
'use strict';

const assert = require('assert');
const { createClient } = require('redis');

async function main() {
  const url = `redis://127.0.0.1:${process.argv[2]}`;
  const client = createClient({ url, name: 'compat' });
  client.on('error', (error) => { throw error; });
  await client.connect();
  assert.strictEqual(await client.ping(), 'PONG');
  assert.strictEqual(await client.clientGetName(), 'compat');
  assert.strictEqual(await client.set('k', 'v', { EX: 100 }), 'OK');
  assert.strictEqual(await client.get('k'), 'v');
  assert.ok(await client.ttl('k') > 98);
  assert.strictEqual(await client.set('k', 'w', { NX: true }), null);
  assert.strictEqual(await client.get('nothing'), null);
  assert.strictEqual(await client.mSet({ a: '1', b: '2' }), 'OK');
  assert.deepStrictEqual(await client.mGet(['a', 'b', 'c']), ['1', '2', null]);
  assert.strictEqual(await client.exists(['a', 'b', 'c']), 2);
  assert.strictEqual(await client.del(['a', 'b', 'c']), 2);
  assert.strictEqual(await client.expire('k', 10, 'LT'), true);
  assert.strictEqual(await client.getDel('k'), 'v');

  // What is asked in one turn of the event loop goes out as a pipeline.
  const names = Array.from({ length: 300 }, (_, i) => `key:${i}`);
  await Promise.all(names.map((name) => client.set(name, name)));
  assert.deepStrictEqual(
    await Promise.all(names.map((name) => client.get(name))), names);
  const found = [];
  for await (const name of client.scanIterator({ MATCH: 'key:*', COUNT: 40 }))
    found.push(name);
  assert.deepStrictEqual(new Set(found), new Set(names));
  assert.strictEqual(await client.dbSize(), 300);

  await client.select(1);
  assert.strictEqual(await client.get('key:1'), null);
  await client.select(0);

  const bytes = Buffer.alloc(3 << 20, 7);
  await client.set('bytes', bytes);
  const { commandOptions } = require('redis');
  const back = await client.get(commandOptions({ returnBuffers: true }),
                                'bytes');
  assert.ok(bytes.equals(back));

  await assert.rejects(client.sendCommand(['NOSUCH']), /unknown command/);
  assert.match(await client.info('server'), /redis_mode:standalone/);
  await client.flushAll();
  assert.strictEqual(await client.dbSize(), 0);
  await client.quit();
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
