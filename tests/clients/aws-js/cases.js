// The cases are the same, by name, for each AWS SDK. A case gets the world, and resolves to a note or rejects with why not.
import assert from 'node:assert/strict'
import { setTimeout as sleep } from 'node:timers/promises'

import { InvalidParameterValueException, paginateGetMetricData, paginateListMetrics } from '@aws-sdk/client-cloudwatch'
import * as kinesis from '@aws-sdk/client-kinesis'

import { World, collect, refused, unique, until, values } from './world.js'

const {
  DryRunOperationException, InvalidArgumentException, ResourceInUseException, ResourceNotFoundException, ValidationException
} = kinesis

const equal = assert.deepEqual

export const cases = {
  async streams (world) {
    const names = [await world.stream(), await world.stream(), await world.stream()].sort()
    const described = await world.describe(names[0])
    equal(described.StreamStatus, 'ACTIVE')
    equal(described.StreamARN, `arn:aws:kinesis:us-east-1:000000000000:stream/${names[0]}`)
    const age = Date.now() - described.StreamCreationTimestamp
    assert.ok(Math.abs(age) < 60_000, `created ${age} ms ago`)
    const pages = await collect(kinesis.paginateListStreams({ client: world.kinesis, pageSize: 1 }, {}))
    const found = pages.flatMap(page => page.StreamNames)
    equal(pages.length, found.length)
    equal(found, [...found].sort(), 'order')
    equal(pages.flatMap(page => page.StreamSummaries.map(summary => summary.StreamName)), found)
    assert.ok(names.every(name => found.includes(name)), `${names} among ${found}`)
    const summary = (await world.send('DescribeStreamSummary', { StreamARN: described.StreamARN })).StreamDescriptionSummary
    equal([summary.OpenShardCount, summary.ConsumerCount], [1, 0])
    for (const StreamName of names) {
      await world.send('DeleteStream', { StreamName })
      await kinesis.waitUntilStreamNotExists({ client: world.kinesis, maxWaitTime: 60 }, { StreamName })
    }
    const limits = await world.send('DescribeLimits')
    assert.ok(limits.ShardLimit >= limits.OpenShardCount, `${limits.OpenShardCount} open of ${limits.ShardLimit}`)
  },

  async records (world) {
    const stream = await world.stream()
    const token = await world.iterator(stream)
    const every = Uint8Array.from({ length: 256 }, (_, n) => n)
    const before = Date.now()
    const put = await world.send('PutRecord', { StreamName: stream, PartitionKey: 'clé', Data: every })
    equal(put.ShardId, 'shardId-000000000000')
    equal([put.SequenceNumber.length, put.EncryptionType], [56, undefined])
    const first = await world.get(token)
    const [record] = first.Records
    equal(new Uint8Array(record.Data), every)
    equal([record.PartitionKey, record.SequenceNumber], ['clé', put.SequenceNumber])
    const late = record.ApproximateArrivalTimestamp - before
    assert.ok(Math.abs(late) < 30_000, `arrived ${late} ms apart`)
    equal(first.MillisBehindLatest, 0)
    equal((await world.get(token)).Records, first.Records, 'an iterator used again')
    const empty = await world.get(first.NextShardIterator)
    equal([empty.Records, empty.ChildShards], [[], undefined])
    assert.notEqual(empty.NextShardIterator, first.NextShardIterator, 'a fresh iterator in every answer')
    await world.put(stream, '')
    equal((await world.get(token)).Records.map(record => record.Data.length), [256, 0])
  },

  async positions (world) {
    const stream = await world.stream()
    const at = async (kind, position) => values((await world.get(await world.iterator(stream, '0', kind, position))).Records)
    const latest = await world.iterator(stream, '0', 'LATEST')
    const [, second] = await world.put(stream, '0', '1')
    // Arrivals have milliseconds; this moment shares its own with none of them.
    await sleep(5)
    const between = new Date()
    await sleep(5)
    await world.put(stream, '2')
    equal(values((await world.get(latest)).Records), ['0', '1', '2'], 'LATEST')
    equal(await at('AT_SEQUENCE_NUMBER', { StartingSequenceNumber: second }), ['1', '2'])
    equal(await at('AFTER_SEQUENCE_NUMBER', { StartingSequenceNumber: second }), ['2'])
    equal(await at('AT_TIMESTAMP', { Timestamp: between }), ['2'])
    equal(await at('AT_TIMESTAMP', { Timestamp: new Date(1000) }), ['0', '1', '2'])
    for (const shard of ['shardId-000000000000', 'shardId-0', 'shardId--00000000', '0']) {
      equal((await world.get(await world.iterator(stream, shard))).Records.length, 3, shard)
    }
  },

  async batches (world) {
    const StreamName = await world.stream(4)
    const entries = Array.from({ length: 500 }, (_, n) => ({ PartitionKey: `key${n}`, Data: Buffer.from(`${n}`) }))
    const put = await world.send('PutRecords', { StreamName, Records: entries })
    equal([put.FailedRecordCount, put.Records.length], [0, 500])
    const found = {}
    for (let shard = 0; shard < 4; shard++) {
      let token = await world.iterator(StreamName, `${shard}`)
      for (;;) {
        const page = await world.get(token, 37)
        for (const record of page.Records) {
          found[Buffer.from(record.Data)] = [`shardId-00000000000${shard}`, record.SequenceNumber, record.PartitionKey]
        }
        if (page.MillisBehindLatest === 0 && page.Records.length === 0) break
        token = page.NextShardIterator
      }
    }
    put.Records.forEach((result, n) => equal(found[n], [result.ShardId, result.SequenceNumber, `key${n}`]))
    const large = Array(9).fill({ PartitionKey: 'a', ExplicitHashKey: '0', Data: new Uint8Array((1 << 20) - 1) })
    equal((await world.send('PutRecords', { StreamName: await world.stream(), Records: large })).FailedRecordCount, 0)
  },

  async reshards (world) {
    const StreamName = await world.stream()
    await world.put(StreamName, 'parent')
    const token = await world.iterator(StreamName)
    const half = `${1n << 127n}`
    await world.send('SplitShard', { StreamName, ShardToSplit: 'shardId-000000000000', NewStartingHashKey: half })
    await world.exists(StreamName)
    const end = await world.get(token)
    equal([values(end.Records), end.NextShardIterator], [['parent'], undefined])
    equal(end.ChildShards.map(child => child.ShardId), ['shardId-000000000001', 'shardId-000000000002'])
    equal(end.ChildShards.map(child => child.ParentShards), [['shardId-000000000000'], ['shardId-000000000000']])
    equal(end.ChildShards[1].HashKeyRange.StartingHashKey, half)
    await world.send('MergeShards', {
      StreamName, ShardToMerge: 'shardId-000000000001', AdjacentShardToMerge: 'shardId-000000000002'
    })
    await world.exists(StreamName)
    const updated = await world.send('UpdateShardCount', { StreamName, TargetShardCount: 2, ScalingType: 'UNIFORM_SCALING' })
    equal([updated.CurrentShardCount, updated.TargetShardCount], [1, 2])
    equal([updated.StreamName, updated.StreamARN], [StreamName, await world.arn(StreamName)])
  },

  async shards (world) {
    let StreamName = await world.stream(120)
    const sizes = []
    // This SDK has paginators for neither.
    for (let input = { StreamName }; input;) {
      const { Shards, HasMoreShards } = (await world.send('DescribeStream', input)).StreamDescription
      sizes.push(Shards.length)
      input = HasMoreShards && { StreamName, ExclusiveStartShardId: Shards.at(-1).ShardId }
    }
    for (let input = { StreamName, MaxResults: 50 }; input;) {
      const { Shards, NextToken } = await world.send('ListShards', input)
      sizes.push(Shards.length)
      input = NextToken && { NextToken, MaxResults: 50 }
    }
    equal(sizes, [100, 20, 50, 50, 20])
    StreamName = await world.stream(2)
    await world.send('MergeShards', { StreamName, ShardToMerge: '0', AdjacentShardToMerge: '1' })
    const Timestamp = new Date(1000)
    for (const [Type, expected, more] of [
      ['AT_LATEST', [2]],
      ['AT_TRIM_HORIZON', [0, 1]],
      ['FROM_TRIM_HORIZON', [0, 1, 2]],
      ['AFTER_SHARD_ID', [1, 2], { ShardId: 'shardId-000000000000' }],
      ['FROM_TIMESTAMP', [0, 1, 2], { Timestamp }],
      ['AT_TIMESTAMP', [0, 1], { Timestamp }]
    ]) {
      const { Shards } = await world.send('ListShards', { StreamName, ShardFilter: { Type, ...more } })
      equal(Shards.map(shard => Number(shard.ShardId.slice(-12))), expected, Type)
    }
  },

  async retention (world) {
    const StreamName = await world.stream()
    const hours = async () => (await world.describe(StreamName)).RetentionPeriodHours
    await world.send('IncreaseStreamRetentionPeriod', { StreamName, RetentionPeriodHours: 168 })
    equal(await hours(), 168)
    await world.send('DecreaseStreamRetentionPeriod', { StreamName, RetentionPeriodHours: 24 })
    equal(await hours(), 24)
    await world.send('IncreaseStreamRetentionPeriod', { StreamName, RetentionPeriodHours: 24 })
  },

  async tags (world) {
    const StreamName = await world.stream()
    const ResourceARN = await world.arn(StreamName)
    await world.send('AddTagsToStream', { StreamName, Tags: { a: '1', b: '' } })
    await world.send('TagResource', { ResourceARN, Tags: { c: '3' } })
    const listed = await world.send('ListTagsForStream', { StreamName, Limit: 2 })
    equal([listed.Tags, listed.HasMoreTags], [[{ Key: 'a', Value: '1' }, { Key: 'b', Value: '' }], true])
    await world.send('RemoveTagsFromStream', { StreamName, TagKeys: ['a'] })
    await world.send('UntagResource', { ResourceARN, TagKeys: ['b'] })
    equal((await world.send('ListTagsForResource', { ResourceARN })).Tags, [{ Key: 'c', Value: '3' }])
  },

  async consumers (world) {
    const StreamName = await world.stream()
    const StreamARN = await world.arn(StreamName)
    const registered = []
    for (const name of ['a', 'b', 'c']) registered.push(await world.registered(StreamName, name))
    const pages = await collect(kinesis.paginateListStreamConsumers({ client: world.kinesis, pageSize: 1 }, { StreamARN }))
    equal(pages.flatMap(page => page.Consumers.map(consumer => consumer.ConsumerARN)), registered)
    const described = (await world.send('DescribeStreamConsumer', { StreamARN, ConsumerName: 'b' })).ConsumerDescription
    equal([described.ConsumerARN, described.StreamARN], [registered[1], StreamARN])
    await refused(ResourceInUseException, world.send('RegisterStreamConsumer', { StreamARN, ConsumerName: 'a' }))
    await refused(ResourceInUseException, world.send('DeleteStream', { StreamName }))
    await world.send('DeregisterStreamConsumer', { ConsumerARN: registered[0] })
    await world.send('DeleteStream', { StreamName, EnforceConsumerDeletion: true })
  },

  async fanout (world) {
    const StreamName = await world.stream()
    const input = {
      ConsumerARN: await world.registered(StreamName, 'consumer'), ShardId: '0', StartingPosition: { Type: 'TRIM_HORIZON' }
    }
    await world.put(StreamName, '0', '1')
    const events = (await world.send('SubscribeToShard', input)).EventStream[Symbol.asyncIterator]()
    const next = async () => {
      const { value, done } = await events.next()
      assert.ok(!done, 'the subscription has ended')
      return value.SubscribeToShardEvent
    }
    let event = await next()
    equal([values(event.Records), event.MillisBehindLatest], [['0', '1'], 0])
    await refused(ResourceInUseException, world.send('SubscribeToShard', input))
    const numbers = await world.put(StreamName, '2')
    event = await next()
    equal([values(event.Records), event.ContinuationSequenceNumber], [['2'], numbers[0]])
    const began = Date.now()
    equal((await next()).Records, [], 'a heartbeat')
    const silent = Date.now() - began
    await world.send('UpdateShardCount', { StreamName, TargetShardCount: 2, ScalingType: 'UNIFORM_SCALING' })
    // A client that is slow to take the end has it all the same: Node drops it if the connection ends before.
    await sleep(1_000)
    event = await next()
    equal([event.ChildShards.length, event.ContinuationSequenceNumber], [2, undefined])
    equal(await events.next(), { value: undefined, done: true }, 'the stream ends')
    return `silent for ${(silent / 1000).toFixed(1)} s`
  },

  async encryption (world) {
    const StreamName = await world.stream()
    const encryption = { StreamName, EncryptionType: 'KMS', KeyId: 'alias/aws/kinesis' }
    await world.send('StartStreamEncryption', encryption)
    const described = await world.describe(StreamName)
    equal([described.EncryptionType, described.KeyId], ['KMS', 'alias/aws/kinesis'])
    await world.put(StreamName, 'x')
    equal((await world.get(await world.iterator(StreamName))).Records[0].EncryptionType, 'KMS')
    await world.send('StopStreamEncryption', encryption)
    equal((await world.describe(StreamName)).EncryptionType, 'NONE')
  },

  async metrics (world) {
    const input = { StreamName: await world.stream(), ShardLevelMetrics: ['ALL'] }
    const on = await world.send('EnableEnhancedMonitoring', input)
    equal([on.CurrentShardLevelMetrics.length, on.DesiredShardLevelMetrics.length], [0, 7])
    const off = await world.send('DisableEnhancedMonitoring', input)
    equal([off.CurrentShardLevelMetrics.length, off.DesiredShardLevelMetrics.length], [7, 0])
  },

  async policies (world) {
    const ResourceARN = await world.arn(await world.stream())
    const policy = async () => (await world.send('GetResourcePolicy', { ResourceARN })).Policy
    equal(await policy(), '{}')
    const Policy = JSON.stringify({ Version: '2012-10-17', Statement: [] })
    await world.send('PutResourcePolicy', { ResourceARN, Policy })
    equal(await policy(), Policy)
    await world.send('DeleteResourcePolicy', { ResourceARN })
    equal(await policy(), '{}')
  },

  async capacity (world) {
    const StreamName = unique()
    await world.send('CreateStream', { StreamName, StreamModeDetails: { StreamMode: 'ON_DEMAND' } })
    await world.exists(StreamName)
    const { StreamARN, OpenShardCount } = await world.summary(StreamName)
    equal(OpenShardCount, 4)
    await world.send('UpdateStreamMode', { StreamARN, StreamModeDetails: { StreamMode: 'PROVISIONED' } })
    await world.send('UpdateStreamMode', { StreamARN, StreamModeDetails: { StreamMode: 'ON_DEMAND' }, WarmThroughputMiBps: 5 })
    const { WarmThroughput } = await world.send('UpdateStreamWarmThroughput', { StreamARN, WarmThroughputMiBps: 10 })
    equal(WarmThroughput.TargetMiBps, 10)
    await world.send('UpdateMaxRecordSize', { StreamARN, MaxRecordSizeInKiB: 10240 })
    await world.send('UpdateStreamRecordDistributionStrategy', { StreamARN, RecordDistributionStrategy: 'AUTO' })
    const summary = await world.summary(StreamName)
    equal([summary.MaxRecordSizeInKiB, summary.RecordDistributionStrategy], [10240, 'AUTO'])
    const { ShardId } = await world.send('PutRecord', { StreamName, Data: new Uint8Array(10 << 20) })
    const [record] = (await world.get(await world.iterator(StreamName, ShardId))).Records
    equal([record.Data.length, record.PartitionKey], [10 << 20, undefined])
  },

  async account (world) {
    const update = async Status =>
      (await world.send('UpdateAccountSettings', { MinimumThroughputBillingCommitment: { Status } })).MinimumThroughputBillingCommitment
    equal((await update('ENABLED')).Status, 'ENABLED')
    await update('DISABLED')
    const found = (await world.send('DescribeAccountSettings')).MinimumThroughputBillingCommitment
    equal(found.Status, 'ENABLED_UNTIL_EARLIEST_ALLOWED_END')
    equal(found.EarliestAllowedEndAt - found.StartedAt, 86_400_000)
  },

  async realms (world) {
    const StreamName = await world.stream()
    const abroad = new World(world.clients, world.dir, world.transport)
    abroad.connect({ region: 'eu-west-1', credentials: { accessKeyId: '123456789012', secretAccessKey: 'local' } })
    await abroad.send('CreateStream', { StreamName, ShardCount: 2 })
    const StreamARN = await abroad.arn(StreamName)
    equal(StreamARN, `arn:aws:kinesis:eu-west-1:123456789012:stream/${StreamName}`)
    equal((await abroad.send('ListStreams')).StreamNames, [StreamName])
    await world.put(StreamName, 'home')
    await world.send('PutRecord', { StreamARN, PartitionKey: 'a', ExplicitHashKey: '0', Data: Buffer.from('abroad') })
    equal(values((await abroad.get(await abroad.iterator(StreamName))).Records), ['abroad'])
    await abroad.send('DeleteStream', { StreamName })
    equal((await abroad.send('ListStreams')).StreamNames, [])
    equal(values((await world.get(await world.iterator(StreamName))).Records), ['home'])
  },

  async dry_runs (world) {
    const StreamName = await world.stream()
    const [ConsumerARN, ShardIterator] = [await world.registered(StreamName, 'consumer'), await world.iterator(StreamName)]
    const record = { PartitionKey: 'a', Data: Buffer.from('x') }
    for (const [operation, input] of Object.entries({
      PutRecord: { StreamName, ...record },
      PutRecords: { StreamName, Records: [record] },
      GetShardIterator: { StreamName, ShardId: '0', ShardIteratorType: 'LATEST' },
      GetRecords: { ShardIterator },
      SubscribeToShard: { ConsumerARN, ShardId: '0', StartingPosition: { Type: 'LATEST' } }
    })) {
      await refused(DryRunOperationException, world.send(operation, { DryRun: true, ...input }))
    }
    equal((await world.get(ShardIterator)).Records, [])
  },

  async refusals (world) {
    const StreamName = await world.stream()
    const put = { StreamName: 'none', PartitionKey: 'a', Data: new Uint8Array() }
    const unknown = await refused(ResourceNotFoundException, world.send('PutRecord', put))
    equal(unknown.message, 'Stream none under account 000000000000 not found.')
    equal([unknown.$metadata.httpStatusCode, unknown.$metadata.requestId.length], [400, 36])
    await refused(ResourceNotFoundException, world.send('DescribeStream', { StreamName: 'none' }))
    await refused(ResourceInUseException, world.send('CreateStream', { StreamName, ShardCount: 1 }))
    await refused(InvalidArgumentException, world.send('GetRecords', { ShardIterator: 'x' }))
    await refused(ValidationException, world.send('CreateStream', { StreamName: 'provisioned' }))
  },

  async left_out (world) {
    const error = await refused(kinesis.KinesisServiceException, world.send('ListChannels'))
    equal(error.name, 'UnknownOperationException')
  },

  // What is not over yet has no metrics: this waits for the end of the minute in which `measured` ran.
  async cloudwatch (world) {
    const now = Date.now()
    const Dimensions = [{ Name: 'StreamName', Value: world.measured }]
    const metric = { Namespace: 'AWS/Kinesis', MetricName: 'IncomingBytes', Dimensions }
    const span = { StartTime: new Date(now - 600_000), EndTime: new Date(now + 600_000) }
    const statistics = async () =>
      (await world.ask('GetMetricStatistics', {
        ...metric, ...span, Period: 60, Statistics: ['Sum', 'SampleCount', 'Maximum']
      })).Datapoints
    await until(async () => (await statistics()).length > 0)
    const waited = Date.now() - now
    // Bytes are those of data and of the key "a"; a minute may have ended between the two puts.
    const points = await statistics()
    const sum = numbers => numbers.reduce((a, b) => a + b, 0)
    equal(sum(points.map(point => point.Sum)), 8)
    equal(sum(points.map(point => point.SampleCount)), 2)
    equal(Math.max(...points.map(point => point.Maximum)), 5)
    for (const { Unit, Timestamp } of points) {
      equal(Unit, 'Bytes')
      assert.ok(Date.now() - Timestamp < 300_000, `a point of ${Timestamp}`)
    }
    const MetricDataQueries = [{ Id: 'bytes', MetricStat: { Metric: metric, Period: 60, Stat: 'Sum' } }]
    const [{ MetricDataResults: [result] }] = await collect(paginateGetMetricData({ client: world.watch }, { ...span, MetricDataQueries }))
    equal([result.Id, result.StatusCode, sum(result.Values)], ['bytes', 'Complete', 8])
    equal(result.Timestamps.length, result.Values.length)
    const listed = await collect(paginateListMetrics({ client: world.watch }, metric))
    equal(listed.flatMap(page => page.Metrics).length, 2, 'the stream and the shard that was put to')
    await world.ask('PutMetricData', { Namespace: 'KCL', MetricData: [{ MetricName: 'a', Value: 1.5, Timestamp: new Date(now) }] })
    await refused(InvalidParameterValueException, world.ask('GetMetricStatistics', {
      ...metric, StartTime: span.EndTime, EndTime: span.StartTime, Period: 60, Statistics: ['Sum']
    }))
    return `after ${Math.round(waited / 1000)} s`
  },

  async restart (world) {
    // The case of another transport may have moved the server.
    world.connect()
    const stream = await world.stream()
    await world.put(stream, '0')
    const token = await world.iterator(stream)
    world.server('kill')
    world.server('resume')
    world.connect()
    equal(values((await world.get(token)).Records), ['0'])
  },

  async protocol (world) {
    equal(world.strayed, 0, 'answers over another protocol')
    assert.ok(world.answers > 0, 'no answer')
    return `${world.answers} answers over ${world.transport === 'http1' ? 'HTTP/1.1' : 'HTTP/2'}`
  },

  // Holds the calls of all cases against the commands of the SDK; the gateway has no channels and no queues.
  async every_operation (world) {
    const commands = Object.keys(kinesis).filter(name => /^[A-Z]\w+Command$/.test(name) && !/Channel|Queue/.test(name))
    const known = commands.map(name => name.replace(/Command$/, ''))
    const all = [...known, 'GetMetricData', 'GetMetricStatistics', 'ListMetrics', 'PutMetricData']
    equal(all.filter(name => !world.called.has(name)), [], 'operations that no case calls')
    return `${known.length} operations`
  }
}

// Puts to the stream whose metrics `cloudwatch` asks for.
export async function measured (world) {
  world.measured = await world.stream(2)
  await world.put(world.measured, '12', '3456')
}
