// The cases. A client module gives `name`, `module` and `connect(bootstrap)`, which resolves to
//
//   codecs, lacks            names of codecs; what the client itself cannot send, or nothing
//   admin(trial)             has no common shape: every client runs its own
//   createTopic(topic, partitions, deadline)
//   producer({ codec, acks, idempotent })  -> { send(topic, records), close() }
//   read(topic, from, count, deadline)     -> records of partition 0
//   endOffset(topic), offsetAt(topic, ms)  -> of partition 0
//   join(group, topic, handle)             -> { assigned(), leave() }; commits what `handle` returned
//                                             true for and hands out nothing after a false
//   committed(group, topic, partitions)    -> offsets by partition
//   transaction(id, topic, records, commit)  of a producer of its own; not there if the client has none, and then so are
//   readCommitted(topic, count, deadline), readAll(topic, count, deadline)
//   copyOnce(id, from, to, count, deadline)  copies committed records exactly once, and gives up some transactions
//   inConsumerProtocol()                   -> the same client with groups of the consumer protocol (KIP-848), if it can
//   close()
//
// A record is { partition, offset, key, value, headers: [[name, value]], time }; null is null.
import assert from 'node:assert/strict'
import { createCipheriv, createHash } from 'node:crypto'

// Why a client cannot have a case.
export class Lacks extends Error {}

export const cases = {
  admin: trial => trial.client.admin(trial),

  async produce (trial) {
    const { client } = trial
    for (const codec of client.codecs) {
      for (const acks of [0, 1, -1]) {
        await roundTrip(trial, `${trial.name}-${codec}-${acks + 1}`, { codec, acks }, numbered(0, 100))
      }
    }
    return `codecs ${client.codecs.join(' ')}`
  },

  async idempotence (trial) {
    await roundTrip(trial, trial.name, { codec: 'none', acks: -1, idempotent: true }, numbered(0, 1000))
  },

  async group (trial) {
    const { client, name } = trial
    await client.createTopic(name, 4, trial.deadline)
    const producer = await client.producer({ codec: 'none', acks: -1 })
    const sendWave = first =>
      producer.send(name, numbered(first, 40).map((record, i) => ({ ...record, partition: i % 4 })))
    const staying = []
    const leaving = []
    const different = (...lists) => new Set(lists.flat().map(record => String(record.key))).size

    const first = await client.join(name, name, record => staying.push(record) > 0)
    await sendWave(0)
    await eventually(trial, async () => {
      assert.deepEqual(await client.committed(name, name, 4), [10, 10, 10, 10], 'the first wave is committed')
    })
    const second = await client.join(name, name, record => leaving.push(record) > 0)
    await eventually(trial, () => {
      const shares = [first.assigned(), second.assigned()]
      assert.deepEqual(shares.flat().sort(), [0, 1, 2, 3], `the members share the partitions: ${JSON.stringify(shares)}`)
      assert.equal(shares[0].length, 2)
    })
    await sendWave(40)
    await eventually(trial, () => {
      assert.equal(different(staying, leaving), 80, 'both read the second wave')
      assert.equal(different(leaving), 20, 'the second member reads its half')
    })
    await second.leave()
    await eventually(trial, () => assert.equal(first.assigned().length, 4, 'the first member takes over'))
    await sendWave(80)
    await eventually(trial, () => assert.equal(different(staying, leaving), 120, 'the first reads the third wave'))
    await first.leave()
    // Some may have come twice: @platformatic/kafka hands out what was under way in a rebalance.
    assert.deepEqual(await client.committed(name, name, 4), [30, 30, 30, 30])
    await producer.close()
  },

  async transactions (trial) {
    const { client, name, deadline } = trial
    if (!client.transaction) throw new Lacks('this client has no transactions')
    const copy = `${name}-copy`
    for (const topic of [name, copy]) await client.createTopic(topic, 1, deadline)
    const [first, second, third, last] = [[0, 10], [10, 10], [20, 10], [99, 1]].map(part => numbered(...part))
    await client.transaction(name, name, first, true)
    await client.transaction(name, name, second, false)
    await client.transaction(name, name, third, true)
    const values = records => records.map(({ value }) => String(value))
    const committed = [...first, ...third]
    assert.deepEqual(values(await client.readCommitted(name, 20, deadline)), values(committed))
    assert.deepEqual(values(await client.readAll(name, 30, deadline)), values([...first, ...second, ...third]))
    await client.copyOnce(`${name}-copier`, name, copy, committed.length, deadline)
    // One more than there should be would be read before it.
    await client.transaction(name, copy, last, true)
    assert.deepEqual(values(await client.readCommitted(copy, 21, deadline)), values([...committed, ...last]))
  },

  async consumer (trial) {
    const client = trial.client.inConsumerProtocol?.()
    if (!client) throw new Lacks('this client has the classic protocol only')
    await cases.group({ ...trial, client })
  },

  async restart (trial) {
    const { client, name, server } = trial
    await client.createTopic(name, 1, trial.deadline)
    const producer = await client.producer({ codec: 'none', acks: -1, idempotent: true })
    const sent = numbered(0, 150)
    await producer.send(name, sent.slice(0, 100))

    const before = []
    const first = await client.join(name, name, record => before.length < 50 && before.push(record) > 0)
    await eventually(trial, () => assert.equal(before.length, 50, 'half of the records are read'))
    await first.leave()
    assert.deepEqual(await client.committed(name, name, 1), [50])

    await server('kill')
    await server('resume')

    // Kafka needs a moment to load its commits, and not every client waits for that.
    await eventually(trial, async () => {
      assert.deepEqual(await client.committed(name, name, 1), [50], 'the commit outlives the server')
    })
    await producer.send(name, sent.slice(100))
    const after = []
    const second = await client.join(name, name, record => after.push(record) > 0)
    await eventually(trial, () => assert.ok(after.length >= 100, `${after.length} of 100 records are read`))
    await second.leave()
    wantRecords(after, sent.slice(50), 50)
    await wantContent(trial, name, 0, sent)
    await producer.close()
  },

  async seek (trial) {
    const { client, name } = trial
    // The log's times are the producer's, a second apart, so that a server which answers with its
    // own clock or with whole batches is found out.
    const start = Date.now() - 600_000
    const records = numbered(0, 100).map((record, i) => ({ ...record, time: start + i * 1000 }))
    await roundTrip(trial, name, { codec: 'none', acks: -1 }, records)
    for (const [ms, offset] of [[60_000, 60], [59_999, 60], [60_001, 61]]) {
      assert.equal(await client.offsetAt(name, start + ms), offset, `${ms} ms after the first record`)
      await wantContent(trial, name, offset, records.slice(offset))
    }
  },

  async edges (trial) {
    const value = Buffer.from('value')
    const empty = Buffer.alloc(0)
    const noise = createCipheriv('aes-128-ctr', Buffer.alloc(16), Buffer.alloc(16))
    const headers = [
      ['twice', Buffer.from('first')], ['twice', Buffer.from('second')], ['twice', Buffer.from('first')],
      ['empty', empty], ['', Buffer.from('no name')], ['bytes', Buffer.from([0, 0xff, 0xfe])]
    ]
    if (!trial.client.lacks) headers.push(['null', null])
    await roundTrip(trial, trial.name, { codec: 'none', acks: -1 }, [
      { key: null, value },
      { key: empty, value },
      { key: Buffer.from('null value'), value: null },
      { key: Buffer.from('empty value'), value: empty },
      { key: Buffer.from('large value'), value: noise.update(Buffer.alloc(900 * 1024)) },
      { key: Buffer.from('headers'), value, headers },
      { key: Buffer.from([0xff, 0xfe, 0, 0xc3, 0x28]), value },
      { key: null, value: null }
    ])
    return trial.client.lacks && `without ${trial.client.lacks}`
  }
}

// roundTrip sends to a new topic and wants to read the same, nothing more and nothing less.
async function roundTrip (trial, topic, settings, records) {
  await trial.client.createTopic(topic, 1, trial.deadline)
  const producer = await trial.client.producer(settings)
  try {
    // One batch for each call.
    for (let i = 0; i < records.length; i += 100) await producer.send(topic, records.slice(i, i + 100))
    // Before the producer is closed: with acks 0 the records may be on their way until they are read.
    await wantContent(trial, topic, 0, records)
  } catch (error) {
    error.message = `${JSON.stringify(settings)}: ${error.message}`
    throw error
  } finally {
    await producer.close()
  }
}

async function wantContent (trial, topic, from, want) {
  wantRecords(await trial.client.read(topic, from, want.length, trial.deadline), want, from)
  assert.equal(await trial.client.endOffset(topic), from + want.length, `${topic} ends there`)
}

function wantRecords (got, want, from) {
  assert.equal(got.length, want.length, 'number of records')
  for (const [i, { key, value, headers = [], time }] of want.entries()) {
    const record = got[i]
    assert.equal(record.offset, from + i, `offset of record ${i}`)
    assert.equal(show(record.key), show(key), `key of record ${i}`)
    assert.equal(show(record.value), show(value), `value of record ${i}`)
    const list = pairs => pairs.map(([name, value]) => `${name}=${show(value)}`)
    assert.deepEqual(list(record.headers), list(headers), `headers of record ${i}`)
    if (time) assert.equal(record.time, time, `time of record ${i}`)
  }
}

// show tells null from empty, and keeps a failure's message readable.
function show (bytes) {
  if (bytes === null) return 'null'
  return `${bytes.length}:${bytes.length > 200 ? createHash('sha256').update(bytes).digest('hex') : bytes.toString('hex')}`
}

function numbered (first, count) {
  return Array.from({ length: count }, (_, i) => {
    const id = String(first + i).padStart(6, '0')
    return { key: Buffer.from(`key-${id}`), value: Buffer.from(id + 'shardgate'.repeat(10)) }
  })
}

// eventually polls because clients tell of most changes only when asked.
export async function eventually (trial, check) {
  for (;;) {
    try {
      return await check()
    } catch (error) {
      if (Date.now() > trial.deadline) {
        error.message = `not before the deadline: ${error.message}`
        throw error
      }
    }
    await new Promise(resolve => setTimeout(resolve, 20))
  }
}
