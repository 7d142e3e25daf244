import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import zlib from 'node:zlib'

import Lz4 from '@2l/kafkajs-lz4'
import kafkajs from 'kafkajs'
import snappy from 'kafkajs-snappy'

import { eventually } from './cases.js'

const { CompressionCodecs, CompressionTypes, ConfigResourceTypes, Kafka, Partitioners, logLevel } = kafkajs

// Only gzip is built in. There is no maintained package for zstd, but Node has it.
CompressionCodecs[CompressionTypes.Snappy] = snappy
CompressionCodecs[CompressionTypes.LZ4] = new Lz4().codec
CompressionCodecs[CompressionTypes.ZSTD] = () => ({
  compress: async encoder => zlib.zstdCompressSync(encoder.buffer),
  decompress: async buffer => zlib.zstdDecompressSync(buffer)
})
const CODECS = {
  none: CompressionTypes.None,
  gzip: CompressionTypes.GZIP,
  snappy: CompressionTypes.Snappy,
  lz4: CompressionTypes.LZ4,
  zstd: CompressionTypes.ZSTD
}
const DYNAMIC_TOPIC_CONFIG = 1

export const name = 'kafkajs'
export const module = 'kafkajs'

export async function connect (bootstrap) {
  // What matters is thrown, too.
  const kafka = new Kafka({ clientId: 'conformance', brokers: [bootstrap], logLevel: logLevel.NOTHING })
  const admin = kafka.admin()
  await admin.connect()
  return new Client(kafka, admin)
}

class Client {
  codecs = Object.keys(CODECS)
  lacks = 'a null header value, which this client cannot send'

  constructor (kafka, admin) {
    this.kafka = kafka
    this.adm = admin
  }

  close () {
    return this.adm.disconnect()
  }

  async createTopic (topic, numPartitions, deadline) {
    // Its own way of waiting fails when the topic is not in the metadata yet, as happens with Kafka.
    await this.adm.createTopics({ topics: [{ topic, numPartitions, replicationFactor: 1 }], waitForLeaders: false })
    await eventually({ deadline }, () => this.adm.fetchTopicOffsets(topic))
  }

  async producer ({ codec, acks, idempotent = false }) {
    const producer = this.kafka.producer({
      idempotent,
      maxInFlightRequests: 1,
      allowAutoTopicCreation: false,
      createPartitioner: Partitioners.DefaultPartitioner
    })
    await producer.connect()
    return {
      send: (topic, records) =>
        producer.send({ topic, acks, compression: CODECS[codec], messages: records.map(toKafkaJs) }),
      close: () => producer.disconnect()
    }
  }

  // A fetch that waits for records delays the end of its consumer, so it waits for a short time only.
  consumer (groupId, settings = {}) {
    return this.kafka.consumer({
      groupId,
      maxWaitTimeInMs: 100,
      heartbeatInterval: 200,
      sessionTimeout: 10_000,
      allowAutoTopicCreation: false,
      ...settings
    })
  }

  // Its consumers read what is committed unless they are told otherwise.
  readCommitted (topic, count, deadline) {
    return this.read(topic, 0, count, deadline)
  }

  readAll (topic, count, deadline) {
    return this.read(topic, 0, count, deadline, { readUncommitted: true })
  }

  async transactional (transactionalId) {
    const producer = this.kafka.producer({ transactionalId, idempotent: true, maxInFlightRequests: 1, allowAutoTopicCreation: false })
    await producer.connect()
    return producer
  }

  async transaction (id, topic, records, commit) {
    const producer = await this.transactional(id)
    try {
      const transaction = await producer.transaction()
      await transaction.send({ topic, messages: records.map(toKafkaJs) })
      await (commit ? transaction.commit() : transaction.abort())
    } finally {
      await producer.disconnect()
    }
  }

  async copyOnce (id, from, to, count, deadline) {
    const producer = await this.transactional(id)
    const consumer = this.consumer(id)
    let copied = 0
    let transactions = 0
    await consumer.connect()
    await consumer.subscribe({ topics: [from], fromBeginning: true })
    const crash = crashOf(consumer)
    await consumer.run({
      autoCommit: false,
      eachBatchAutoResolve: false,
      eachBatch: async ({ batch: { partition, messages }, resolveOffset }) => {
        for (let i = 0; i < messages.length; i += 5) {
          const part = messages.slice(i, i + 5)
          // Every second transaction is given up and done again.
          for (const commit of transactions++ % 2 === 0 ? [false, true] : [true]) {
            const transaction = await producer.transaction()
            await transaction.send({ topic: to, messages: part.map(({ key, value }) => ({ key, value, partition: 0 })) })
            const offset = String(BigInt(part.at(-1).offset) + 1n)
            await transaction.sendOffsets({ consumerGroupId: id, topics: [{ topic: from, partitions: [{ partition, offset }] }] })
            await (commit ? transaction.commit() : transaction.abort())
          }
          resolveOffset(part.at(-1).offset)
          copied += part.length
        }
      }
    })
    try {
      await eventually({ deadline }, () => assert.ok(crash.error || copied >= count, `${copied} of ${count} records`))
      if (crash.error) throw crash.error
      // The offset after the last record, which its transactions' markers follow.
      const [committed] = await this.committed(id, from)
      assert.equal(committed, await this.endOffset(from) - 1, 'committed with what was copied')
    } finally {
      await consumer.disconnect()
      await producer.disconnect()
    }
  }

  async read (topic, from, count, deadline, settings) {
    const records = []
    const consumer = this.consumer(`read-${randomUUID()}`, settings)
    try {
      await consumer.connect()
      await consumer.subscribe({ topics: [topic] })
      const crash = crashOf(consumer)
      await consumer.run({
        autoCommit: false,
        eachMessage: async ({ partition, message }) => { records.push(fromKafkaJs(partition, message)) }
      })
      consumer.seek({ topic, partition: 0, offset: String(from) })
      await eventually({ deadline }, () => assert.ok(crash.error || records.length >= count, `${records.length} of ${count} records`))
      if (crash.error) throw crash.error
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

  async committed (groupId, topic) {
    const [{ partitions }] = await this.adm.fetchOffsets({ groupId, topics: [topic] })
    return partitions.sort((a, b) => a.partition - b.partition).map(({ offset }) => Number(offset))
  }

  async join (groupId, topic, handle) {
    const consumer = this.consumer(groupId)
    let owned = []
    let full = false
    consumer.on(consumer.events.GROUP_JOIN, ({ payload }) => { owned = payload.memberAssignment[topic] ?? [] })
    consumer.on(consumer.events.REBALANCING, () => { owned = [] })
    const crash = crashOf(consumer)
    await consumer.connect()
    await consumer.subscribe({ topics: [topic], fromBeginning: true })
    await consumer.run({
      autoCommit: false,
      eachBatchAutoResolve: false,
      eachBatch: async ({ batch: { partition, messages }, resolveOffset }) => {
        let next
        for (const message of messages) {
          full ||= !handle(fromKafkaJs(partition, message))
          if (full) break
          resolveOffset(message.offset)
          next = String(BigInt(message.offset) + 1n)
        }
        if (next) await consumer.commitOffsets([{ topic, partition, offset: next }])
      }
    })
    return {
      assigned: () => owned,
      leave: async () => {
        await consumer.disconnect()
        if (crash.error) throw crash.error
      }
    }
  }

  async admin ({ name: topic, deadline }) {
    const trial = { deadline }
    const { adm } = this
    const retention = '172800000' // two days
    const topics = [{ topic, numPartitions: 3, replicationFactor: 1, configEntries: [{ name: 'retention.ms', value: retention }] }]
    const listed = async () => (await adm.listTopics()).includes(topic)
    await adm.createTopics({ topics, validateOnly: true, waitForLeaders: false })
    assert.equal(await listed(), false, 'validation creates nothing')
    assert.equal(await adm.createTopics({ topics, waitForLeaders: false }), true)
    assert.equal(await adm.createTopics({ topics }), false, 'the topic exists')
    await eventually(trial, async () => assert.ok(await listed()))
    const wantPartitions = async count => {
      const { topics: [{ partitions }] } = await adm.fetchTopicMetadata({ topics: [topic] })
      assert.deepEqual(partitions.map(p => [p.partitionErrorCode, p.leader >= 0]), Array(count).fill([0, true]))
    }
    await eventually(trial, () => wantPartitions(3))
    const cluster = await adm.describeCluster()
    assert.equal(cluster.brokers.length, 1)
    assert.equal(cluster.controller, cluster.brokers[0].nodeId)
    assert.ok(cluster.clusterId)

    const wantRetention = async value => {
      const { resources: [resource] } = await adm.describeConfigs({
        includeSynonyms: true,
        resources: [{ type: ConfigResourceTypes.TOPIC, name: topic }]
      })
      assert.equal(resource.errorCode, 0)
      const config = resource.configEntries.find(entry => entry.configName === 'retention.ms')
      assert.deepEqual([config.configValue, config.isDefault, config.configSource], [value, false, DYNAMIC_TOPIC_CONFIG])
      assert.deepEqual(config.configSynonyms[0], { configName: 'retention.ms', configValue: value, configSource: DYNAMIC_TOPIC_CONFIG })
    }
    await wantRetention(retention)
    await adm.alterConfigs({
      resources: [{ type: ConfigResourceTypes.TOPIC, name: topic, configEntries: [{ name: 'retention.ms', value: '259200000' }] }]
    })
    await eventually(trial, () => wantRetention('259200000'))

    await adm.createPartitions({ topicPartitions: [{ topic, count: 5 }] })
    await eventually(trial, () => wantPartitions(5))

    await this.adminGroups(topic, trial)

    await adm.deleteTopics({ topics: [topic] })
    await eventually(trial, async () => assert.equal(await listed(), false, 'the topic is gone'))
    await assert.rejects(adm.fetchTopicMetadata({ topics: [topic] }), { type: 'UNKNOWN_TOPIC_OR_PARTITION' })
  }

  async adminGroups (topic, trial) {
    const { adm } = this
    const group = topic
    const listed = async () => (await adm.listGroups()).groups.find(({ groupId }) => groupId === group)
    const described = async () => {
      const { groups: [{ errorCode, state, members }] } = await adm.describeGroups([group])
      return { errorCode, state, members: members.length }
    }
    const member = await this.join(group, topic, () => true)
    await eventually(trial, async () => assert.deepEqual(await described(), { errorCode: 0, state: 'Stable', members: 1 }))
    assert.deepEqual(await listed(), { groupId: group, protocolType: 'consumer' })
    await eventually(trial, () => assert.equal(member.assigned().length, 5))
    await member.leave()
    await eventually(trial, async () => assert.deepEqual(await described(), { errorCode: 0, state: 'Empty', members: 0 }))
    await adm.setOffsets({ groupId: group, topic, partitions: [{ partition: 3, offset: '7' }] })
    assert.deepEqual(await this.committed(group, topic), [-1, -1, -1, 7, -1])
    assert.deepEqual(await adm.deleteGroups([group]), [{ groupId: group, errorCode: 0 }])
    assert.equal(await listed(), undefined)
  }
}

// A consumer that gives up tells so by an event only.
function crashOf (consumer) {
  const crash = {}
  consumer.on(consumer.events.CRASH, ({ payload }) => { crash.error = payload.error })
  return crash
}

function toKafkaJs ({ key, value, partition = 0, headers = [], time }) {
  const grouped = {}
  for (const [name, value] of headers) (grouped[name] ??= []).push(value)
  return { key, value, partition, headers: grouped, timestamp: time && String(time) }
}

function fromKafkaJs (partition, { offset, key, value, headers, timestamp }) {
  return {
    partition,
    offset: Number(offset),
    key,
    value,
    headers: Object.entries(headers).flatMap(([name, values]) => [values].flat().map(value => [name, value])),
    time: Number(timestamp)
  }
}
