import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'

import confluent from '@confluentinc/kafka-javascript'

import { eventually } from './cases.js'

const { AdminClient, KafkaJS: { ConsumerGroupStates, Kafka, logLevel } } = confluent

export const name = 'confluent-kafka-javascript'
export const module = '@confluentinc/kafka-javascript'

export async function connect (bootstrap) {
  // What matters is thrown, too. The short backoff is for the restart: 30 s would be the rule.
  const kafka = new Kafka({
    kafkaJS: { brokers: [bootstrap], clientId: 'conformance', logLevel: logLevel.NOTHING },
    'reconnect.backoff.max.ms': 500
  })
  return new Client(bootstrap, kafka, await connected(kafka.admin()))
}

async function connected (client) {
  await client.connect()
  return client
}

class Client {
  codecs = ['none', 'gzip', 'snappy', 'lz4', 'zstd']
  lacks = 'a null header value, which this client cannot send'

  constructor (bootstrap, kafka, adm, groupSettings = { kafkaJS: { sessionTimeout: 10_000, heartbeatInterval: 300 } }) {
    this.bootstrap = bootstrap
    this.kafka = kafka
    this.adm = adm
    this.groupSettings = groupSettings
  }

  close () {
    return this.adm.disconnect()
  }

  inConsumerProtocol () {
    return new Client(this.bootstrap, this.kafka, this.adm, { 'group.protocol': 'consumer' })
  }

  async createTopic (topic, numPartitions, deadline) {
    await this.adm.createTopics({ topics: [{ topic, numPartitions, replicationFactor: 1 }] })
    await eventually({ deadline }, () => this.adm.fetchTopicOffsets(topic))
  }

  async producer ({ codec, acks, idempotent = false }) {
    const producer = await connected(this.kafka.producer({ kafkaJS: { acks, idempotent, compression: codec } }))
    return {
      send: (topic, records) => producer.send({ topic, messages: records.map(toConfluent) }),
      close: () => producer.disconnect()
    }
  }

  consumer (groupId, readUncommitted = false) {
    const { kafkaJS, ...settings } = this.groupSettings
    return connected(this.kafka.consumer({
      kafkaJS: { groupId, readUncommitted, fromBeginning: true, autoCommit: false, maxWaitTimeInMs: 100, ...kafkaJS },
      ...settings
    }))
  }

  readCommitted (topic, count, deadline) {
    return this.read(topic, 0, count, deadline)
  }

  readAll (topic, count, deadline) {
    return this.read(topic, 0, count, deadline, true)
  }

  transactional (transactionalId) {
    return connected(this.kafka.producer({ kafkaJS: { transactionalId } }))
  }

  async transaction (id, topic, records, commit) {
    const producer = await this.transactional(id)
    try {
      const transaction = await producer.transaction()
      await transaction.send({ topic, messages: records.map(toConfluent) })
      await (commit ? transaction.commit() : transaction.abort())
    } finally {
      await producer.disconnect()
    }
  }

  async copyOnce (id, from, to, count, deadline) {
    const producer = await this.transactional(id)
    const consumer = await this.consumer(id)
    let copied = 0
    let transactions = 0
    let failure
    const copy = async ({ batch: { partition, messages }, resolveOffset }) => {
      for (let i = 0; i < messages.length; i += 5) {
        const part = messages.slice(i, i + 5)
        // Every second transaction is given up and done again.
        for (const commit of transactions++ % 2 === 0 ? [false, true] : [true]) {
          const transaction = await producer.transaction()
          await transaction.send({ topic: to, messages: part.map(({ key, value }) => ({ key, value, partition: 0 })) })
          const offset = String(BigInt(part.at(-1).offset) + 1n)
          await transaction.sendOffsets({ consumer, topics: [{ topic: from, partitions: [{ partition, offset }] }] })
          await (commit ? transaction.commit() : transaction.abort())
        }
        resolveOffset(part.at(-1).offset)
        copied += part.length
      }
    }
    await consumer.subscribe({ topics: [from] })
    await consumer.run({
      eachBatchAutoResolve: false,
      // It would log what is thrown here, and hand out the batch again.
      eachBatch: payload => copy(payload).catch(error => { failure ??= error })
    })
    try {
      await eventually({ deadline }, () => assert.ok(failure || copied >= count, `${copied} of ${count} records`))
      if (failure) throw failure
      // The offset after the last record, which its transactions' markers follow.
      const [committed] = await this.committed(id, from, 1)
      assert.equal(committed, await this.endOffset(from) - 1, 'committed with what was copied')
    } finally {
      await consumer.disconnect()
      await producer.disconnect()
    }
  }

  async read (topic, from, count, deadline, readUncommitted) {
    const records = []
    const consumer = await this.consumer(`read-${randomUUID()}`, readUncommitted)
    try {
      await consumer.subscribe({ topics: [topic] })
      // Remembered until the partition is assigned.
      consumer.seek({ topic, partition: 0, offset: String(from) })
      await consumer.run({ eachMessage: async ({ partition, message }) => { records.push(fromConfluent(partition, message)) } })
      await eventually({ deadline }, () => assert.ok(records.length >= count, `${records.length} of ${count} records`))
      return records
    } finally {
      await consumer.disconnect()
    }
  }

  async endOffset (topic) {
    const [{ high }] = await this.adm.fetchTopicOffsets(topic)
    return Number(high)
  }

  async offsetAt (topic, ms) {
    const [{ offset }] = await this.adm.fetchTopicOffsetsByTimestamp(topic, ms)
    return Number(offset)
  }

  // Its admin client reads through a null pointer when it is told an error of the group, as while Kafka loads the commits; so it is asked
  // only where there is none.
  async committed (groupId, topic, count) {
    const consumer = await this.consumer(groupId)
    try {
      const partitions = Array.from({ length: count }, (_, partition) => ({ topic, partition }))
      const found = await consumer.committed(partitions, 10_000)
      return found.sort((a, b) => a.partition - b.partition).map(({ offset }) => offset === null ? -1 : Number(offset))
    } finally {
      await consumer.disconnect()
    }
  }

  async join (groupId, topic, handle) {
    const consumer = await this.consumer(groupId)
    let full = false
    await consumer.subscribe({ topics: [topic] })
    await consumer.run({
      eachMessage: async ({ partition, message }) => {
        full ||= !handle(fromConfluent(partition, message))
        // It hands out a record again whose commit fails, as it does when a partition was just taken away.
        if (!full) await consumer.commitOffsets([{ topic, partition, offset: String(BigInt(message.offset) + 1n) }])
      }
    })
    return {
      assigned: () => consumer.assignment().map(({ partition }) => partition),
      leave: () => consumer.disconnect()
    }
  }

  async admin ({ name: topic, deadline }) {
    const trial = { deadline }
    const { adm } = this
    const topics = [{ topic, numPartitions: 3, replicationFactor: 1, configEntries: [{ name: 'retention.ms', value: '172800000' }] }]
    const listed = async () => (await adm.listTopics()).includes(topic)
    assert.equal(await adm.createTopics({ topics }), true)
    assert.equal(await adm.createTopics({ topics }), false, 'the topic exists')
    await eventually(trial, async () => assert.ok(await listed()))
    await assert.rejects(adm.createTopics({ topics: [{ ...topics[0], topic: 'not a name' }] }))

    const wantPartitions = async count => {
      const [{ name, isInternal, partitions }] = await adm.fetchTopicMetadata({ topics: [topic], includeAuthorizedOperations: true })
      assert.deepEqual([name, isInternal], [topic, false])
      assert.deepEqual(partitions.map(({ leader, replicas }) => [leader >= 0, replicas.length]), Array(count).fill([true, 1]))
    }
    await eventually(trial, () => wantPartitions(3))
    // Its older interface alone can add partitions.
    const older = AdminClient.create({ 'bootstrap.servers': this.bootstrap })
    const grow = count => new Promise((resolve, reject) => {
      older.createPartitions(topic, count, 10_000, error => error ? reject(error) : resolve())
    })
    try {
      await assert.rejects(grow(2), { code: 37 }) // fewer than there are
      await grow(5)
    } finally {
      older.disconnect()
    }
    await eventually(trial, () => wantPartitions(5))

    await this.adminGroups(topic, trial)

    await adm.deleteTopics({ topics: [topic] })
    await eventually(trial, async () => assert.equal(await listed(), false, 'the topic is gone'))
    await assert.rejects(adm.deleteTopics({ topics: [topic] }), { code: 3 }) // unknown
  }

  async adminGroups (topic, trial) {
    const { adm } = this
    const group = topic
    const listed = async () => {
      const { groups, errors } = await adm.listGroups()
      assert.deepEqual(errors, [])
      return groups.find(({ groupId }) => groupId === group)
    }
    const described = async () => {
      const { groups: [{ error, state, members }] } = await adm.describeGroups([group])
      return [error, state, members.flatMap(({ assignment }) => assignment.topicPartitions.length)]
    }
    const member = await this.join(group, topic, () => true)
    // Described before it is there, it would end the process: see `committed`.
    await eventually(trial, async () => assert.equal((await listed())?.state, ConsumerGroupStates.STABLE))
    assert.deepEqual(await described(), [undefined, ConsumerGroupStates.STABLE, [5]])
    await assert.rejects(adm.deleteGroups([group]))
    const producer = await this.producer({ codec: 'none', acks: -1 })
    await producer.send(topic, [{ key: null, value: Buffer.from('one'), partition: 3 }])
    await producer.close()
    const want = [-1, -1, -1, 1, -1]
    await eventually(trial, async () => assert.deepEqual(await this.committed(group, topic, 5), want))
    const [{ partitions }] = await adm.fetchOffsets({ groupId: group, topics: [{ topic, partitions: [0, 1, 2, 3, 4] }] })
    // A partition without an offset has a number of librdkafka's own.
    assert.deepEqual(partitions.map(({ offset }) => Math.max(Number(offset), -1)), want)
    await member.leave()
    await eventually(trial, async () => assert.deepEqual(await described(), [undefined, ConsumerGroupStates.EMPTY, []]))
    const [{ groupId, errorCode }] = await adm.deleteGroups([group])
    assert.deepEqual([groupId, errorCode], [group, 0])
    assert.equal(await listed(), undefined)
  }
}

function toConfluent ({ key, value, partition = 0, headers = [], time }) {
  const grouped = {}
  for (const [name, value] of headers) (grouped[name] ??= []).push(value)
  return { key, value, partition, headers: grouped, timestamp: time && String(time) }
}

function fromConfluent (partition, { offset, key, value, headers = {}, timestamp }) {
  return {
    partition,
    offset: Number(offset),
    key: key ?? null,
    value: value ?? null,
    headers: Object.entries(headers).flatMap(([name, values]) => [values].flat().map(value => [name, value])),
    time: Number(timestamp)
  }
}
