// Saturates one partition with kafkajs in its default settings; README.md beside this file has the contract.
import { createWriteStream } from 'node:fs'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'

import kafkajs from 'kafkajs'

const [servers, topic, size, seconds, outstanding, path] = process.argv.slice(2)
const complaints = []
const { Kafka, logLevel } = kafkajs
const logCreator = () => ({ log }) => complaints.push(`${log.message} ${log.error ?? ''}`)
const kafka = new Kafka({ clientId: 'kafkajs', brokers: [servers], logLevel: logLevel.WARN, logCreator })
const producer = kafka.producer({ createPartitioner: kafkajs.Partitioners.DefaultPartitioner })
await producer.connect()
producer.on(producer.events.REQUEST_TIMEOUT, event => complaints.push(`timeout of ${event.payload.apiName}`))

// This client has no queue: a program sends what it has, and waits.
const atOnce = Number(outstanding) / 40
const acknowledgements = createWriteStream(path)
const begun = performance.now()
const elapsed = () => (performance.now() - begun) / 1000
// Some clients compress.
const noise = randomBytes(1 << 20).toString('base64')
const value = number => String(number).padStart(12, '0') + noise.substr(number * 7919 % (1 << 20), size - 12)
let number = 0
while (elapsed() < Number(seconds)) {
  const first = number
  const messages = Array.from({ length: atOnce }, () => ({ value: value(number++) }))
  const [{ baseOffset }] = await producer.send({ topic, messages })
  const at = elapsed().toFixed(6)
  messages.forEach((_, index) => acknowledgements.write(`${at} ${first + index} ${Number(baseOffset) + index}\n`))
}
acknowledgements.end()
await once(acknowledgements, 'finish')
await producer.disconnect()
for (const complaint of complaints) console.log(complaint)
