// What a case gets: clients that speak over one transport, and what was seen of them.
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { Agent } from 'node:https'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'

import * as cloudwatch from '@aws-sdk/client-cloudwatch'
import * as kinesis from '@aws-sdk/client-kinesis'
import { NodeHttp2Handler, NodeHttpHandler } from '@smithy/node-http-handler'

export class World {
  called = new Set()
  answers = 0
  strayed = 0

  constructor (clients, dir, transport) {
    Object.assign(this, { clients, dir, transport, name: `aws-js-${transport}` })
  }

  // Makes clients for where the server is now, which trust its certificate and no other. The caller may have another region and
  // other credentials.
  connect (caller = {}) {
    const { kinesis: address } = JSON.parse(readFileSync(join(this.dir, 'ports.json')))
    const scheme = this.transport === 'h2' ? 'https' : 'http'
    const ca = scheme === 'https' ? execFileSync(join(this.clients, 'certificate'), [address]) : undefined
    // Without any, the client of Kinesis speaks HTTP/2, in cleartext too, and that of CloudWatch HTTP/1.1.
    const handler = {
      h2c: () => undefined,
      http1: () => new NodeHttpHandler(),
      h2: () => new NodeHttp2Handler({ nodeHttp2ConnectOptions: { ca } })
    }[this.transport]
    const config = {
      endpoint: `${scheme}://${address}`,
      region: 'us-east-1',
      credentials: { accessKeyId: 'local', secretAccessKey: 'local' },
      maxAttempts: 1,
      ...caller
    }
    this.kinesis = new kinesis.KinesisClient({ ...config, requestHandler: handler() })
    const watching = ca && new NodeHttpHandler({ httpsAgent: new Agent({ ca }) })
    this.watch = new cloudwatch.CloudWatchClient({ ...config, requestHandler: watching })
    for (const client of [this.kinesis, this.watch]) {
      client.middlewareStack.add((next, context) => input => {
        this.called.add(context.commandName.replace(/Command$/, ''))
        return next(input)
      }, { step: 'initialize' })
    }
    // Only HTTP/2 has its status among its headers.
    this.kinesis.middlewareStack.add(next => async input => {
      const output = await next(input)
      this.answers++
      if ((':status' in output.response.headers) !== (this.transport !== 'http1')) this.strayed++
      return output
    }, { step: 'deserialize', priority: 'low' })
  }

  // world.send('PutRecord', { … })
  send (operation, input = {}) {
    return this.kinesis.send(new kinesis[`${operation}Command`](input))
  }

  ask (operation, input) {
    return this.watch.send(new cloudwatch[`${operation}Command`](input))
  }

  server (verb) {
    execFileSync(join(this.clients, 'subject'), [verb, this.dir])
  }

  async stream (shards = 1) {
    const StreamName = unique()
    await this.send('CreateStream', { StreamName, ShardCount: shards })
    await this.exists(StreamName)
    return StreamName
  }

  exists (StreamName) {
    return kinesis.waitUntilStreamExists({ client: this.kinesis, maxWaitTime: 60 }, { StreamName })
  }

  async describe (StreamName) {
    return (await this.send('DescribeStream', { StreamName })).StreamDescription
  }

  async summary (StreamName) {
    return (await this.send('DescribeStreamSummary', { StreamName })).StreamDescriptionSummary
  }

  async arn (stream) {
    return (await this.summary(stream)).StreamARN
  }

  async iterator (StreamName, ShardId = '0', ShardIteratorType = 'TRIM_HORIZON', position = {}) {
    return (await this.send('GetShardIterator', { StreamName, ShardId, ShardIteratorType, ...position })).ShardIterator
  }

  get (ShardIterator, Limit) {
    return this.send('GetRecords', { ShardIterator, Limit })
  }

  // Puts each value as a record of its own; their sequence numbers.
  async put (StreamName, ...values) {
    const numbers = []
    for (const value of values) {
      numbers.push((await this.send('PutRecord', { StreamName, PartitionKey: 'a', Data: Buffer.from(value) })).SequenceNumber)
    }
    return numbers
  }

  // The ARN of a new consumer that may subscribe.
  async registered (stream, ConsumerName) {
    const { Consumer: { ConsumerARN } } = await this.send('RegisterStreamConsumer', { StreamARN: await this.arn(stream), ConsumerName })
    await until(async () => {
      const { ConsumerDescription } = await this.send('DescribeStreamConsumer', { ConsumerARN })
      return ConsumerDescription.ConsumerStatus === 'ACTIVE'
    })
    return ConsumerARN
  }
}

export const unique = () => `s-${randomBytes(4).toString('hex')}`

export const values = records => records.map(record => Buffer.from(record.Data).toString())

export async function collect (pages) {
  const found = []
  for await (const page of pages) found.push(page)
  return found
}

// Asserts that the promise is refused with an error of the SDK's own class; the error.
export async function refused (kind, promise) {
  const error = await promise.then(() => assert.fail(`not refused with ${kind.name}`), error => error)
  assert.ok(error instanceof kind, `${kind.name} was expected, not ${error.name}: ${error.message}`)
  return error
}

// Asks again and again; the deadline is that of the case.
export async function until (holds) {
  while (!await holds()) await sleep(20)
}
