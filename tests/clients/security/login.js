// One login with kafkajs per line of the input: a JSON object with servers, mechanism, user, password, token, ca, cert and key.
// Each is answered with one line: "ok", "denied", or what else went wrong.
import { readFileSync } from 'node:fs'
import { createInterface } from 'node:readline'

import { createMechanism } from '@jm18457/kafkajs-msk-iam-authentication-mechanism'
import kafkajs from 'kafkajs'

const { Kafka, logLevel } = kafkajs

function sasl ({ mechanism, user, password, token }) {
  switch (mechanism) {
    case '': return undefined
    case 'OAUTHBEARER': return { mechanism: 'oauthbearer', oauthBearerProvider: async () => ({ value: token }) }
    case 'AWS_MSK_IAM': return createMechanism({ region: 'us-east-1', credentials: { accessKeyId: user, secretAccessKey: password } })
    default: return { mechanism: mechanism.toLowerCase(), username: user, password }
  }
}

function ssl ({ ca, cert, key }) {
  if (!ca) return false
  return { ca: readFileSync(ca), ...(cert && { cert: readFileSync(cert), key: readFileSync(key) }) }
}

async function answer (login) {
  const kafka = new Kafka({
    brokers: [login.servers],
    ssl: ssl(login),
    sasl: sasl(login),
    retry: { retries: 0 },
    logLevel: logLevel.NOTHING
  })
  const admin = kafka.admin()
  try {
    await admin.connect()
    const topics = await admin.listTopics()
    return topics.length === 2 ? 'ok' : `${topics.length} topics are seen; there are 2`
  } catch (error) {
    return isDenied(login, error) ? 'denied' : `${error.name}: ${error.message}`.replace(/\s+/g, ' ')
  } finally {
    await admin.disconnect().catch(() => {})
  }
}

function isDenied ({ mechanism }, error) {
  const all = [error, error.cause].filter(Boolean)
  // The plugin for AWS's mechanism passes on what the server has said.
  if (all.some(({ name, type }) => name === 'KafkaJSSASLAuthenticationError' || type === 'SASL_AUTHENTICATION_FAILED')) return true
  // Of a bad token this client sees the first of two answers, and of a bad certificate a closed connection.
  return ['', 'OAUTHBEARER'].includes(mechanism) && all.some(({ message }) => /closed connection|ECONNRESET|alert/i.test(message))
}

for await (const line of createInterface({ input: process.stdin })) console.log(await answer(JSON.parse(line)))
