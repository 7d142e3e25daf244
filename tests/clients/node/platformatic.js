import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'

import {
  Admin, ConfigResourceTypes, Consumer, FetchIsolationLevels, IncrementalAlterConfigOperationTypes, Producer
} from '@platformatic/kafka'

import { eventually } from './cases.js'

const DYNAMIC_TOPIC_CONFIG = 1
const LATEST = -1n

export const name = 'platformatic-kafka'
export const module = '@platformatic/kafka'

export async function connect (bootstrap) {
  return new Client({ clientId: 'conformance', bootstrapBrokers: [bootstrap] })
}

class Client {
  codecs = ['none', 'gzip', 'snappy', 'lz4', 'zstd']

  constructor (options) {
    this.options = options
    this.adm = new Admin(options)
    this.transactionals = {}
  }

  async close () {
    for (const producer of Object.values(this.transactionals)) await producer.close()
    await this.adm.close()
  }

  async createTopic (topic, partitions, deadline) {
    await this.adm.createTopics({ topics: [topic], partitions, replicas: 1 })
    // Kafka acknowledges a topic before all of its partitions take records, and this producer sends
    // everything again when one partition refuses.
    const timestamps = Array.from({ length: partitions }, (_, partitionIndex) => ({ partitionIndex, timestamp: LATEST }))
    await eventually({ deadline }, () => this.adm.listOffsets({ topics: [{ name: topic, partitions: timestamps }] }))
  }

  async producer ({ codec, acks, idempotent = false }) {
    const producer = new Producer({ ...this.options, acks, idempotent, compression: codec })
    return {
      send: (topic, records) => producer.send({ messages: records.map(record => toPlatformatic(topic, record)) }),
      close: () => producer.close()
    }
  }

  // A fetch that waits for records delays the end of its consumer, so it waits for a short time only.
  consumer (groupId, settings) {
    return new Consumer({
      ...this.options,
      groupId,
      autocommit: false,
      maxWaitTime: 100,
      heartbeatInterval: 200,
      sessionTimeout: 10_000,
      rebalanceTimeout: 10_000,
      ...settings
    })
  }

  inConsumerProtocol () {
    return new Client({ ...this.options, groupProtocol: 'consumer' })
  }

  readCommitted (topic, count, deadline) {
    return this.read(topic, 0, count, deadline, { isolationLevel: FetchIsolationLevels.READ_COMMITTED })
  }

  readAll (topic, count, deadline) {
    return this.read(topic, 0, count, deadline, { isolationLevel: FetchIsolationLevels.READ_UNCOMMITTED })
  }

  // It claims to be producer 0 when it begins, so Kafka too lets only the first one have the transactional id.
  transactional (transactionalId) {
    return (this.transactionals[transactionalId] ??= new Producer({ ...this.options, transactionalId, idempotent: true }))
  }

  async transaction (id, topic, records, commit) {
    const transaction = await this.transactional(id).beginTransaction()
    await transaction.send({ messages: records.map(record => toPlatformatic(topic, record)) })
    await (commit ? transaction.commit() : transaction.abort())
  }

  async copyOnce (id, from, to, count) {
    const producer = this.transactional(id)
    const consumer = this.consumer(id, { isolationLevel: FetchIsolationLevels.READ_COMMITTED })
    const stream = await consumer.consume({ topics: [from], mode: 'committed', fallbackMode: 'earliest' })
    const copy = async (part, commit) => {
      const transaction = await producer.beginTransaction()
      await transaction.addConsumer(consumer)
      await transaction.send({ messages: part.map(message => toPlatformatic(to, fromPlatformatic(message))) })
      for (const message of part) await transaction.addOffset(message)
      await (commit ? transaction.commit() : transaction.abort())
    }
    let copied = 0
    let part = []
    for await (const message of stream) {
      part.push(message)
      if (part.length < 5) continue
      // The first transaction is given up and done again. Not more of them, because this client leaves out what is aborted of
      // only one transaction of a producer.
      if (copied === 0) await copy(part, false)
      await copy(part, true)
      copied += part.length
      part = []
      if (copied >= count) break
    }
    await consumer.close(true)
    // The offset after the last record, which its transactions' markers follow.
    const [committed] = await this.committed(id, from, 1)
    assert.equal(committed, await this.endOffset(from) - 1, 'committed with what was copied')
  }

  async read (topic, from, count, deadline, settings) {
    const records = []
    const consumer = this.consumer(`read-${randomUUID()}`, settings)
    try {
      const stream = await consumer.consume({
        topics: [topic],
        mode: 'manual',
        offsets: [{ topic, partition: 0, offset: BigInt(from) }]
      })
      let failure
      stream.on('error', error => { failure = error })
      stream.on('data', message => records.push(fromPlatformatic(message)))
      await eventually({ deadline }, () => assert.ok(failure || records.length >= count, `${records.length} of ${count} records`))
      if (failure) throw failure
      return records
    } finally {
      await consumer.close(true)
    }
  }

  async listOffset (topic, timestamp) {
    const [{ partitions: [{ offset }] }] = await this.adm.listOffsets({
      topics: [{ name: topic, partitions: [{ partitionIndex: 0, timestamp }] }]
    })
    return Number(offset)
  }

  endOffset (topic) {
    return this.listOffset(topic, LATEST)
  }

  offsetAt (topic, ms) {
    return this.listOffset(topic, BigInt(ms))
  }

  async committed (groupId, topic, count) {
    const [{ topics: [{ partitions }] }] = await this.adm.listConsumerGroupOffsets({
      groups: [{ groupId, topics: [{ name: topic, partitionIndexes: Array.from({ length: count }, (_, i) => i) }] }]
    })
    return partitions
      .sort((a, b) => a.partitionIndex - b.partitionIndex)
      .map(({ committedOffset }) => Number(committedOffset))
  }

  async join (groupId, topic, handle) {
    const consumer = this.consumer(groupId)
    const stream = await consumer.consume({ topics: [topic], mode: 'committed', fallbackMode: 'earliest' })
    const ended = (async () => {
      for await (const message of stream) {
        if (!handle(fromPlatformatic(message))) return
        await message.commit()
      }
    })()
    // Told by `leave`; until then it is not unhandled.
    ended.catch(() => {})
    return {
      assigned: () => consumer.assignments?.find(assignment => assignment.topic === topic)?.partitions ?? [],
      leave: async () => {
        // In this order, so that the last commit is not cut off.
        await stream.close()
        await ended
        await consumer.close()
      }
    }
  }

  async admin ({ name: topic, deadline }) {
    const trial = { deadline }
    const { adm } = this
    const resource = { resourceType: ConfigResourceTypes.TOPIC, resourceName: topic }
    const create = () => adm.createTopics({
      topics: [topic],
      partitions: 3,
      replicas: 1,
      configs: [{ name: 'retention.ms', value: '172800000' }] // two days
    })
    const listed = async () => (await adm.listTopics()).includes(topic)
    const [created] = await create()
    assert.deepEqual([created.name, created.partitions], [topic, 3])
    await assert.rejects(create(), error => JSON.stringify(codes(error)).includes('TOPIC_ALREADY_EXISTS'))
    await eventually(trial, async () => assert.ok(await listed()))

    const wantPartitions = async count => {
      const metadata = await adm.metadata({ topics: [topic], forceUpdate: true })
      const { id, partitions } = metadata.topics.get(topic)
      assert.equal(id, created.id)
      assert.equal(metadata.brokers.size, 1)
      assert.deepEqual(partitions.map(({ leader }) => metadata.brokers.has(leader)), Array(count).fill(true))
    }
    await eventually(trial, () => wantPartitions(3))

    const retention = async () => {
      const [{ configs }] = await adm.describeConfigs({ resources: [resource], includeSynonyms: true })
      return configs.find(config => config.name === 'retention.ms')
    }
    const wantRetention = async value => {
      const config = await retention()
      assert.deepEqual([config.value, config.configSource], [value, DYNAMIC_TOPIC_CONFIG])
      assert.deepEqual([config.synonyms[0].value, config.synonyms[0].source], [value, DYNAMIC_TOPIC_CONFIG])
    }
    await wantRetention('172800000')
    const increment = config => adm.incrementalAlterConfigs({ resources: [{ ...resource, configs: [{ name: 'retention.ms', ...config }] }] })
    await increment({ configOperation: IncrementalAlterConfigOperationTypes.SET, value: '259200000' })
    await eventually(trial, () => wantRetention('259200000'))
    await increment({ configOperation: IncrementalAlterConfigOperationTypes.DELETE })
    await eventually(trial, async () => assert.notEqual((await retention()).configSource, DYNAMIC_TOPIC_CONFIG))
    await adm.alterConfigs({ resources: [{ ...resource, configs: [{ name: 'retention.ms', value: '345600000' }] }] })
    await eventually(trial, () => wantRetention('345600000'))

    const grow = validateOnly => adm.createPartitions({ topics: [{ name: topic, count: 5 }], validateOnly })
    await grow(true)
    await wantPartitions(3)
    await grow(false)
    await eventually(trial, () => wantPartitions(5))

    await this.adminGroups(topic, trial)

    const [{ results }] = await adm.describeLogDirs({ topics: [{ name: topic, partitions: [0, 1] }] })
    const sizes = results.flatMap(dir => dir.topics).flatMap(({ partitions }) => partitions)
    assert.deepEqual(sizes.map(({ partitionIndex }) => partitionIndex).sort(), [0, 1])

    await adm.deleteTopics({ topics: [topic] })
    await eventually(trial, async () => assert.equal(await listed(), false, 'the topic is gone'))
  }

  async adminGroups (topic, trial) {
    const { adm } = this
    const group = topic
    const described = async () => {
      const { state, members } = (await adm.describeGroups({ groups: [group] })).get(group)
      return [state, [...members.values()].flatMap(({ assignments }) => assignments.get(topic).partitions.length)]
    }
    const member = await this.join(group, topic, () => true)
    await eventually(trial, async () => assert.deepEqual(await described(), ['Stable', [5]]))
    const { state, protocolType } = (await adm.listGroups()).get(group)
    assert.deepEqual([state, protocolType], ['Stable', 'consumer'])
    const [coordinator] = await adm.findCoordinator({ keyType: 0, keys: [group] })
    assert.equal(`${coordinator.host}:${coordinator.port}`, this.options.bootstrapBrokers[0])
    await member.leave()
    await eventually(trial, async () => assert.deepEqual(await described(), ['Empty', []]))

    await adm.alterConsumerGroupOffsets({
      groupId: group,
      topics: [{ name: topic, partitionOffsets: [{ partition: 3, offset: 7n }, { partition: 1, offset: 2n }] }]
    })
    assert.deepEqual(await this.committed(group, topic, 5), [-1, 2, -1, 7, -1])
    await adm.deleteConsumerGroupOffsets({ groupId: group, topics: [{ name: topic, partitionIndexes: [3] }] })
    assert.deepEqual(await this.committed(group, topic, 5), [-1, 2, -1, -1, -1])
    await adm.deleteGroups({ groups: [group] })
    assert.equal((await adm.listGroups()).has(group), false)
  }
}

// Errors from the server are at the leaves of a tree.
function codes (error) {
  return [error.apiId, ...(error.errors ?? []).map(codes)]
}

// A Map with buffers as keys, because two buffers are two keys even when their bytes are the same.
function toPlatformatic (topic, { key, value, partition = 0, headers = [], time }) {
  return {
    topic,
    partition,
    key,
    value,
    headers: new Map(headers.map(([name, value]) => [Buffer.from(name), value])),
    timestamp: time && BigInt(time)
  }
}

function fromPlatformatic ({ partition, offset, key, value, headerEntries, timestamp }) {
  return {
    partition,
    offset: Number(offset),
    key: key ?? null,
    value: value ?? null,
    headers: headerEntries.map(([name, value]) => [String(name), value ?? null]),
    time: Number(timestamp)
  }
}
